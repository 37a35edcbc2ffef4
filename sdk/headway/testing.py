"""Doubles for tests of programs that use Headway.

with headway.testing.capture() as captured:
triage("where is my parcel?")

assert captured.spans[0].output == b'"delivery"'
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.lifecycle import install
from headway.records import IngestAnswer, Loss, Record, Score, Span
from headway.transports import Batch, Reply

_decode = msgspec.json.Decoder(Record | Loss).decode


class MemoryTransport:
    """Takes every batch, and keeps its records."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._lock = threading.Lock()

    @property
    def records(self) -> list[Record]:
        """All records so far, in the order in which they came."""
        with self._lock:
            lines = [_decode(line) for batch in self.batches for line in batch.lines]
        return [line for line in lines if not isinstance(line, Loss)]

    def send(self, batch: Batch) -> Reply:
        """Keep the batch and accept it whole."""
        with self._lock:
            self.batches.append(batch)
        return Reply(200, answer=IngestAnswer(accepted=len(batch.lines), duplicates=0, rejected=0))


class Captured:
    """What the program recorded inside ``capture``; reading waits for what is on its way."""

    def __init__(self, client: Client, transport: MemoryTransport) -> None:
        self._client = client
        self._transport = transport

    @property
    def records(self) -> list[Record]:
        """Spans and scores, in the order in which they ended."""
        self._client.flush()
        return self._transport.records

    @property
    def spans(self) -> list[Span]:
        """The spans, in the order in which they ended."""
        return [record for record in self.records if isinstance(record, Span)]

    @property
    def scores(self) -> list[Score]:
        """The scores, in the order in which they were given."""
        return [record for record in self.records if isinstance(record, Score)]

    @property
    def projects(self) -> set[str]:
        """The projects to which records were sent."""
        self._client.flush()
        return {batch.project for batch in self._transport.batches}

    def span(self, name: str) -> Span:
        """Return the only span of that name.

        Raises:
            LookupError: there is none, or more than one.
        """
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            names = ", ".join(span.name for span in self.spans) or "none at all"
            raise LookupError(f"{len(found)} spans are named {name!r}; recorded were: {names}")
        return found[0]


@contextmanager
def capture(
    *, clock_ns: Callable[[], int] | None = None, is_raising: bool = True
) -> Iterator[Captured]:
    """Keep in memory what the program records inside; nothing leaves the process.

    Args:
        clock_ns: the time, where the test decides it.
        is_raising: let faults of Headway's use fail the test.
    """
    transport = MemoryTransport()
    settings = ClientSettings(is_raising=is_raising)
    client = Client(settings, transport=transport, clock_ns=clock_ns or time.time_ns)
    previous = install(client)
    try:
        yield Captured(client, transport)
    finally:
        install(previous)
        client.close()
