"""A journal with its shipper, and the plain records that tests send through it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.places import Place
from headway.records import Span
from headway.shipping import Shipper
from headway.transports import HttpTransport

if TYPE_CHECKING:
    from tests.sdk.conftest import StandIn

DEADLINE_S = 10.0


class Line:
    """A journal with its shipper, as a client has them."""

    def __init__(
        self,
        folder: Path,
        url: str,
        project: str = "shop",
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        transport = HttpTransport(url, "the-key")
        self.guard = Guard()
        self.journal = Journal(Place(folder, project), self.guard, Identities(), clock_s=clock_s)
        self.shipper = Shipper(
            self.journal, transport, self.guard, clock_s=clock_s, chance=lambda: 0.0
        )

    def record(self, *names: str) -> None:
        for name in names:
            self.journal.append(span_named(name))
            if self.journal.is_unattended:
                self.shipper.wake()

    def flush(self, timeout_s: float = DEADLINE_S) -> bool:
        return self.shipper.flush(timeout_s)

    def close(self) -> None:
        self.shipper.stop()
        self.journal.close()


def span_named(name: str) -> bytes:
    span_id = f"{hash(name) & (1 << 64) - 1:016x}"
    span = Span(trace_id="a" * 32, span_id=span_id, name=name, start_ns=1, end_ns=2)
    return msgspec.json.encode(span)


def names(collector: "StandIn") -> list[str]:
    return [span.name for span in collector.spans]
