"""What one request brings to the store: checked records, and what was found out of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import duckdb
import msgspec
import pyarrow as pa

from headway.records import Loss, PromptVersion, Score, Span
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

    The spans are either in ``rows``, built as the store takes them (see ``columns.build_ahead``),
    or in ``spans``, of which there are few; ``derived`` then has one item for each. ``logs`` are
    events that belong to spans of the project, whether those are stored already or still to come.
    ``span_lines`` and ``score_lines`` say where spans and scores stood in the body, where it has
    lines. ``note`` is called in the transaction that writes the batch, with how many of its records
    are new, where any are: what an administrator brings stands in the audit.
    """

    project: str
    batch_id: str | None = None
    spans: Sequence[Span] = ()
    derived: Sequence[Derived] = ()
    scores: Sequence[Score] = ()
    prompts: Sequence[PromptVersion] = ()
    rejects: Sequence[Reject] = ()
    losses: Sequence[Loss] = ()
    logs: Sequence[OtelLog] = ()
    rows: pa.Table | None = None
    span_lines: Sequence[int] = ()
    score_lines: Sequence[int] = ()
    note: Callable[[duckdb.DuckDBPyConnection, int], None] | None = None

    @property
    def span_count(self) -> int:
        """How many spans it brings."""
        return len(self.spans) if self.rows is None else len(self.rows)

    def list_starts(self) -> Iterable[tuple[str, str, int]]:
        """Return the trace id, span id and start in nanoseconds of each span."""
        if self.rows is None:
            return [(each.trace_id, each.span_id, each.start_ns) for each in self.spans]
        columns = (self.rows[name].to_pylist() for name in ("trace_id", "span_id", "start_ns"))
        return zip(*columns, strict=True)

    @property
    def is_foreign(self) -> bool:
        """Whether its spans came by OTLP; what one request brings is in one tongue."""
        if self.rows is not None:
            return bool(self.rows["mapper_version"][0].is_valid)
        return bool(self.derived) and self.derived[0].mapper_version is not None

    @property
    def row_count(self) -> int:
        """How many rows it asks to write."""
        return (
            self.span_count
            + len(self.scores)
            + len(self.prompts)
            + len(self.rejects)
            + len(self.losses)
            + len(self.logs)
        )
