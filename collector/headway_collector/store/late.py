"""Log events with a part of a span's content, brought together with their span in either order.

GenAI instrumentations send what was said in log events, through another exporter than the spans: it
may come before its span or after. The writer, inside each commit, adds the events to the spans that
are stored; the others wait in the table ``late_events`` until their span comes, or for a day. Where
too many wait, the oldest are given up: a span comes seconds after its events or not at all, so that
whoever sends events without spans takes the place of his own and not of others'.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
import msgspec
import pyarrow as pa

from headway.records import Loss
from headway_collector.otlp.telemetry import OtelLog
from headway_collector.store.batches import Batch
from headway_collector.store.columns import make_span_keys
from headway_collector.store.losses import count_losses
from headway_collector.store.rewrites import Place, StoredSpan, Window, find_spans, replace_spans
from headway_collector.store.writes import insert_rows

Reread = Callable[[StoredSpan, Sequence[OtelLog]], StoredSpan]
"""Return what a foreign span reads today, with these events beside those that it has."""

LOSS_REASON = "event_without_span"

LIMIT_BYTES = 256 * 1024 * 1024
"""Of all events that wait, before they are compressed."""

_HOUR_NS = 3_600_000_000_000
# An event happens while its span runs, by clocks that may differ. Outside, it is looked for when
# its time is up: to look through the whole table in every commit would cost most of it, because
# events usually come first and are not there to be found.
_BEFORE_NS = 24 * _HOUR_NS
_BEHIND_NS = _HOUR_NS
_SWEEP_EVERY_NS = _HOUR_NS
_SWEEP_ROWS = 10_000
# As much is kept when too many wait, so that there is room for a while.
_KEPT = 15 / 16
# Of the ids beside the events.
_ROW_BYTES = 128
# The collector's own losses stand under an id that no client makes.
_COLLECTOR_ID = "0" * 32

_log = logging.getLogger(__name__)
_decoder = msgspec.msgpack.Decoder(list[OtelLog])


@dataclass(slots=True)
class _Waiting:
    """The events of some spans, and when these spans may have begun.

    Args:
        now_ns: when an event happened that does not say it.
    """

    now_ns: int
    events: dict[Place, list[OtelLog]] = field(default_factory=dict)
    first_ns: int = 2**63 - 1
    last_ns: int = 0

    def add(self, place: Place, logs: Sequence[OtelLog]) -> None:
        """Add events of a span, in the order in which they were sent."""
        self.events.setdefault(place, []).extend(logs)
        for log in logs:
            moment_ns = log.time_ns or log.observed_ns or self.now_ns
            self.widen(moment_ns - _BEFORE_NS, moment_ns + _BEHIND_NS)

    def widen(self, first_ns: int, last_ns: int) -> None:
        """Note that a span may have begun between the two."""
        self.first_ns = min(self.first_ns, first_ns)
        self.last_ns = max(self.last_ns, last_ns)

    @property
    def window(self) -> Window:
        """The time in which the spans are looked for."""
        return Window(max(self.first_ns, 0), self.last_ns)


class LateEvents:
    """What joins events and spans, commit by commit.

    Args:
        reread: maps a span with its events.
        patience_ns: how long an event waits for its span.
        limit_bytes: how much may wait at a time.
    """

    def __init__(self, reread: Reread, patience_ns: int, limit_bytes: int = LIMIT_BYTES) -> None:
        self._reread = reread
        self._patience_ns = patience_ns
        self._limit_bytes = limit_bytes
        # At most as much waits; what goes is not taken off it, since a commit may still fail.
        self._waiting_bytes = limit_bytes
        self._next_sweep_ns = 0

    def join(
        self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch], received_ns: int
    ) -> None:
        """Join the events of the batches with stored spans, and their spans with waiting events.

        The spans of the batches are in the table already. Where nothing came by OTLP, this does
        nothing.
        """
        foreign = [each for each in batches if each.logs or each.is_foreign]
        if not foreign:
            return
        waiting = _Waiting(received_ns)
        _take_waiting(connection, foreign, waiting)
        for batch in foreign:
            for log in batch.logs:
                waiting.add(Place(batch.project, log.trace_id, log.span_id), [log])
        if waiting.events:
            self._join(connection, waiting, waiting.window)
            self._waiting_bytes += _keep(connection, waiting, received_ns)
        if self._waiting_bytes > self._limit_bytes:
            self._make_room(connection, received_ns)
        if received_ns >= self._next_sweep_ns:
            self._sweep(connection, received_ns)

    def _join(
        self, connection: duckdb.DuckDBPyConnection, waiting: _Waiting, window: Window | None
    ) -> None:
        """Add the events to those of their spans that are stored, and take them off ``waiting``."""
        before, after, spare = [], [], 0
        rows = find_spans(connection, waiting.events, window)
        for row in rows:
            logs = waiting.events[row.place]
            if row.derived.mapper_version is None:
                spare += len(logs)
                continue
            joined = self._reread(row, logs)
            if not joined.is_same(row):
                before.append(row)
                after.append(joined)
        replace_spans(connection, before, after)
        for row in rows:
            waiting.events.pop(row.place, None)
        if spare:
            _log.info("%d log events of spans that our own client logged are not needed", spare)

    def _sweep(self, connection: duckdb.DuckDBPyConnection, now_ns: int) -> None:
        """Look for the spans of the oldest events everywhere, and give up those without one."""
        # As many commits as hold so many rows, each whole.
        row = connection.execute(
            "SELECT count(*), max(received_ns) FROM (SELECT received_ns FROM store.late_events "
            "WHERE received_ns < $1 ORDER BY received_ns LIMIT $2)",
            [now_ns - self._patience_ns, _SWEEP_ROWS],
        ).fetchone()
        count, latest_ns = row or (0, None)
        if count < _SWEEP_ROWS:
            self._next_sweep_ns = now_ns + _SWEEP_EVERY_NS
        if not count:
            return
        self._clear(connection, latest_ns, now_ns, "their spans never came")

    def _make_room(self, connection: duckdb.DuckDBPyConnection, now_ns: int) -> None:
        """Count how much waits, and give up the oldest commits of it where that is too much."""
        row = connection.execute(
            "SELECT max(later_bytes), max(received_ns) FILTER (later_bytes > $1) FROM ("
            f"SELECT received_ns, sum(sum(octet_length(events) + {_ROW_BYTES})) "
            "OVER (ORDER BY received_ns DESC)::BIGINT AS later_bytes "
            "FROM store.late_events GROUP BY received_ns)",
            [int(self._limit_bytes * _KEPT)],
        ).fetchone()
        size_bytes, latest_ns = row or (0, None)
        self._waiting_bytes = size_bytes or 0
        if self._waiting_bytes > self._limit_bytes:
            why = f"more than {self._limit_bytes} bytes of events wait for their spans"
            self._clear(connection, latest_ns, now_ns, why)
            # Counted again by the next commit, which knows whether this one failed.
            self._waiting_bytes = self._limit_bytes

    def _clear(
        self, connection: duckdb.DuckDBPyConnection, latest_ns: int, now_ns: int, why: str
    ) -> None:
        """Look everywhere for the spans of what came until then, and give up the others."""
        waiting = _Waiting(now_ns)
        for *place, events in connection.execute(
            "SELECT project, trace_id, span_id, events FROM store.late_events "
            "WHERE received_ns <= $1 ORDER BY received_ns",
            [latest_ns],
        ).fetchall():
            waiting.add(Place(*place), _decoder.decode(events))
        connection.execute("DELETE FROM store.late_events WHERE received_ns <= $1", [latest_ns])
        self._join(connection, waiting, None)
        _give_up(connection, waiting, now_ns, why)


def _take_waiting(
    connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch], waiting: _Waiting
) -> None:
    """Move the events that wait for the batches' spans from the table to ``waiting``."""
    has_spans = any(batch.span_count for batch in batches)
    any_event = "SELECT 1 FROM store.late_events LIMIT 1"
    if not has_spans or not connection.execute(any_event).fetchone():
        return
    starts_ns = {
        Place(batch.project, trace_id, span_id): start_ns
        for batch in batches
        for trace_id, span_id, start_ns in batch.list_starts()
    }
    keys = make_span_keys([place.span_id for place in starts_ns])
    rows = connection.execute(
        "SELECT project, trace_id, span_id, events FROM store.late_events "
        "WHERE span_key IN (SELECT unnest($1::BIGINT[])) ORDER BY received_ns",
        [keys.to_pylist()],
    ).fetchall()
    for *identity, events in rows:
        place = Place(*identity)
        if place in starts_ns:
            waiting.add(place, _decoder.decode(events))
            waiting.widen(starts_ns[place], starts_ns[place])
    if waiting.events:
        _forget(connection, pa.table(_build_places(waiting.events)))


def _keep(connection: duckdb.DuckDBPyConnection, waiting: _Waiting, received_ns: int) -> int:
    """Write what found no span to the table, and return how many bytes that are."""
    if not waiting.events:
        return 0
    events = [msgspec.msgpack.encode(logs) for logs in waiting.events.values()]
    rows = _build_places(waiting.events)
    rows["received_ns"] = pa.array([received_ns] * len(events), pa.int64())
    rows["events"] = pa.array(events, pa.binary())
    insert_rows(connection, "late_events", pa.table(rows))
    return sum(map(len, events)) + _ROW_BYTES * len(events)


def _forget(connection: duckdb.DuckDBPyConnection, wanted: pa.Table) -> None:
    # As in insert_rows.
    connection.execute(
        "DELETE FROM store.late_events AS late USING wanted WHERE late.span_key = wanted.span_key "
        "AND late.span_id = wanted.span_id AND late.trace_id = wanted.trace_id "
        "AND late.project = wanted.project"
    )


def _build_places(places: Iterable[Place]) -> dict[str, pa.Array]:
    projects, trace_ids, span_ids = zip(*places, strict=True)
    return {
        "project": pa.array(projects, pa.string()),
        "trace_id": pa.array(trace_ids, pa.string()),
        "span_id": pa.array(span_ids, pa.string()),
        "span_key": make_span_keys(span_ids),
    }


def _give_up(
    connection: duckdb.DuckDBPyConnection, waiting: _Waiting, now_ns: int, why: str
) -> None:
    counts: dict[str, int] = {}
    for place, logs in waiting.events.items():
        counts[place.project] = counts.get(place.project, 0) + len(logs)
    for project, count in counts.items():
        _log.warning("%d log events of %s are lost: %s", count, project, why)
    losses = [
        Loss(
            client_id=_COLLECTOR_ID,
            reason=LOSS_REASON,
            count=count,
            time_ns=now_ns,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        for count in counts.values()
    ]
    count_losses(connection, losses, list(counts))
