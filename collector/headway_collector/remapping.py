"""Spans in others' words read again: after a better mapping, or with events that came late.

A row keeps its original, so what the mapper of today makes of it can take the place of what the one
of then made. The same room gives rows new costs, by the prices of today. Both work on one chunk at
a time, as a task of the writer, so that ingest never waits for longer than a chunk.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

import duckdb
import msgspec

from headway_collector.costs.pricing import Prices
from headway_collector.dialects.mapping import MAPPER_VERSION, Mapped, map_span
from headway_collector.originals.envelopes import unpack
from headway_collector.otlp.telemetry import OtelLog, OtelSpan
from headway_collector.soundness import find_span_fault
from headway_collector.store.chunks import Selection, read_foreign, read_priceable
from headway_collector.store.paging import Page
from headway_collector.store.rewrites import (
    StoredSpan,
    replace_spans,
    save_costs,
    stamp_spans,
)

REMAPPED_ROWS = 1_000
REPRICED_ROWS = 10_000
"""About as many as half a second is enough for."""

REMAPPED_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


class Progress(msgspec.Struct):
    """What came of one chunk; without a cursor it was the last.

    Args:
        rows: how many were looked at.
        changed: how many of them say something else now.
    """

    cursor: str | None
    rows: int
    changed: int


class Remapper:
    """Makes rows anew, with the mapping and the prices of today.

    Args:
        prices: fill the costs that were not reported.
        version: what the mapper stamps rows with; those of an older one are due.
        mapper: brings one foreign span into our words.
    """

    def __init__(
        self,
        prices: Prices | None = None,
        *,
        version: int = MAPPER_VERSION,
        mapper: Callable[[OtelSpan], Mapped] = map_span,
    ) -> None:
        self._prices = prices or Prices()
        self._version = version
        self._map = mapper

    def reread(self, row: StoredSpan, logs: Sequence[OtelLog] = ()) -> StoredSpan:
        """Return what the span of a row reads today, with more log events of its own."""
        try:
            otel = unpack(row.list_columns())
            otel.logs = merge_events([*otel.logs, *logs])
            mapped = self._map(otel)
            fault = find_span_fault(mapped.span)
        except Exception:  # one row that cannot be read again must not hold up all others
            _log.exception("span %s of %s cannot be mapped again", row.span.span_id, row.project)
            return row
        if fault is not None:
            _log.error("span %s of %s stays as it is: %s", row.span.span_id, row.project, fault)
            return row
        self._prices.price([mapped.span], [mapped.derived])
        return StoredSpan(row.project, row.received_ns, mapped.span, mapped.derived)

    def remap(
        self,
        connection: duckdb.DuckDBPyConnection,
        selection: Selection,
        page: Page,
        *,
        is_all: bool = False,
    ) -> Progress:
        """Make the rows of the next chunk anew, those of older mappers or all of them."""
        chunk = read_foreign(
            connection,
            selection,
            page,
            size_bytes=REMAPPED_BYTES,
            older_than=None if is_all else self._version,
        )
        before, after, stamped = [], [], []
        for row in chunk.rows:
            fresh = self.reread(row)
            if not fresh.is_same(row):
                before.append(row)
                after.append(fresh)
            elif fresh.derived.mapper_version != row.derived.mapper_version:
                stamped.append(row)
        replace_spans(connection, before, after)
        stamp_spans(connection, stamped, self._version)
        return Progress(chunk.cursor, len(chunk.rows), len(after))

    def reprice(
        self, connection: duckdb.DuckDBPyConnection, selection: Selection, page: Page
    ) -> Progress:
        """Give the rows of the next chunk the costs of today, unless their own were reported."""
        chunk = read_priceable(connection, selection, page)
        changed = self._prices.reprice(
            [row.span for row in chunk.rows], [row.derived for row in chunk.rows]
        )
        save_costs(connection, [chunk.rows[position] for position in changed])
        return Progress(chunk.cursor, len(chunk.rows), len(changed))


def merge_events(logs: Iterable[OtelLog]) -> list[OtelLog]:
    """Return the events by time, equal ones once; of one moment, as they were sent.

    An exporter may send an event twice, and another exporter the same event from another resource:
    an event is what it says and when.
    """
    known: dict[bytes, OtelLog] = {}
    for log in logs:
        known.setdefault(_describe(log), log)
    return sorted(known.values(), key=_find_moment)


def _describe(log: OtelLog) -> bytes:
    said = (_find_moment(log), log.event_name, log.body, log.attributes)
    return msgspec.msgpack.encode(said, order="sorted")


def _find_moment(log: OtelLog) -> int:
    return log.time_ns or log.observed_ns
