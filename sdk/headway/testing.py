"""Doubles for tests of programs that use Headway.

with capture(clock_ns=FrozenClock()) as captured:
    triage("where is my parcel?")

assert captured.call("triage").output == "delivery"

Nothing leaves the process, and no thread or file stays behind.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.lifecycle import install
from headway.records import IngestAnswer, Kind, Loss, Record, Score, Span, encode_record
from headway.transports import Batch, Reply

_decode = msgspec.json.Decoder(Record | Loss).decode


class FrozenClock:
    """A clock that stands still until the test moves it; give it as ``clock_ns``.

    Args:
        start: what it shows first.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError(f"{start} has no time zone: give datetime(..., tzinfo=UTC)")
        self._now_ns = int(start.timestamp()) * 1_000_000_000 + start.microsecond * 1000
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return self._now_ns

    @property
    def now(self) -> datetime:
        """What it shows, to the microsecond."""
        seconds, fraction_ns = divmod(self._now_ns, 1_000_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction_ns // 1000)

    def tick(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: it would go backwards.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a clock does not go by {seconds} seconds: give 0 or more")
        with self._lock:
            self._now_ns += round(seconds * 1_000_000_000)


class CapturedCall(Span, tag="span", kw_only=True, gc=True):
    """A span as the program meant it: what is JSON on the wire are Python values here.

    Python has more values than JSON: a tuple is a list, and an object a dict of its fields.
    """

    input: Any = None
    output: Any = None
    params: Any = None
    prompt_variables: Any = None
    attributes: Any = None
    children: list["CapturedCall"] = msgspec.field(default_factory=list)
    """What ran inside, in the order in which it began."""

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / 1_000_000


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
        """What was recorded, as it goes over the wire, in the order in which it ended."""
        self._client.flush()
        return self._transport.records

    @property
    def spans(self) -> list[Span]:
        """The spans as they go over the wire, in the order in which they ended."""
        return [record for record in self.records if isinstance(record, Span)]

    @property
    def scores(self) -> list[Score]:
        """The scores, in the order in which they were given."""
        return [record for record in self.records if isinstance(record, Score)]

    @property
    def calls(self) -> list[CapturedCall]:
        """The spans with their values and what ran inside, in the order in which they ended."""
        return _as_calls(self.spans)

    @property
    def roots(self) -> list[CapturedCall]:
        """The calls that ran in no other one, in the order in which they began."""
        return _roots_of(self.calls)

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

    def find(self, name: str | None = None, *, kind: Kind | None = None) -> list[CapturedCall]:
        """Return the calls of that name and kind; None means any."""
        return [
            call
            for call in self.calls
            if (name is None or call.name == name) and (kind is None or call.kind == kind)
        ]

    def call(self, name: str | None = None, *, kind: Kind | None = None) -> CapturedCall:
        """Return the only call of that name and kind; None means any.

        Raises:
            LookupError: there is none, or more than one.
        """
        found = self.find(name, kind=kind)
        if len(found) != 1:
            wanted = " and ".join(
                f"{field} {value!r}" for field, value in (("name", name), ("kind", kind)) if value
            )
            recorded = f":\n{self.tree()}" if self.spans else " nothing at all"
            raise LookupError(
                f"{len(found)} calls have {wanted or 'been made'}; recorded was{recorded}"
            )
        return found[0]

    def tree(self) -> str:
        """Return the names of all calls, a line each, indented by what they ran in."""
        lines: list[str] = []
        waiting = [(0, call) for call in reversed(self.roots)]
        while waiting:
            depth, call = waiting.pop()
            lines.append("  " * depth + call.name)
            waiting.extend((depth + 1, child) for child in reversed(call.children))
        return "\n".join(lines)


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


def _as_calls(spans: list[Span]) -> list[CapturedCall]:
    calls = [msgspec.json.decode(encode_record(span), type=CapturedCall) for span in spans]
    by_id = {call.span_id: call for call in calls}
    # Sorting is stable: where a clock stands still, those that ended first stand first.
    for call in sorted(calls, key=_start_of):
        if parent := by_id.get(call.parent_span_id or ""):
            parent.children.append(call)
    return calls


def _roots_of(calls: list[CapturedCall]) -> list[CapturedCall]:
    ids = {call.span_id for call in calls}
    return sorted((call for call in calls if call.parent_span_id not in ids), key=_start_of)


def _start_of(call: CapturedCall) -> int:
    return call.start_ns
