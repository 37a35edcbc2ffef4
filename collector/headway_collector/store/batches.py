"""What one request brings to the store: checked records, and what was found out of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from headway.records import Loss, Score, Span
from headway_collector.decoding import Reject
from headway_collector.otlp.telemetry import OtelLog


class Derived(msgspec.Struct, gc=False):
    """What the collector adds to a span.

    Args:
        price_version: the price list that ``cost_usd`` comes from; None where it was reported.
        is_usage_inconsistent: whether the token counts contradict each other.
        mapper_version: of the mapping from foreign attributes; None for a span in our own words.
        otel: what an OTLP span says beyond its row, as JSON.
    """

    price_version: str | None = None
    is_usage_inconsistent: bool | None = None
    mapper_version: int | None = None
    otel: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records and losses of one project that were checked, and lines that were refused.

    ``derived`` has one item for each span; ``rows`` are the spans as the store takes them, where
    there was time to build them before (see ``columns.build_spans``). ``logs`` are events that
    belong to spans of the project, whether those are stored already or still to come.
    """

    project: str
    batch_id: str | None = None
    spans: Sequence[Span] = ()
    derived: Sequence[Derived] = ()
    scores: Sequence[Score] = ()
    rejects: Sequence[Reject] = ()
    losses: Sequence[Loss] = ()
    logs: Sequence[OtelLog] = ()
    rows: pa.Table | None = None

    @property
    def row_count(self) -> int:
        """How many rows it asks to write."""
        return (
            len(self.spans)
            + len(self.scores)
            + len(self.rejects)
            + len(self.losses)
            + len(self.logs)
        )
