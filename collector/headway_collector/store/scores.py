"""Reading scores; they are written with the batches they come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.times import format_time

_KEYSET = Keyset("scores", "time_ns", ("score_id", "project"))
_COLUMNS = (
    "project, score_id, name, value, is_text, source, time_ns, trace_id, span_id, session_id, "
    "comment, author"
)

HAS_WORDS = """(comment IS NOT NULL OR (is_text AND value <> '""'))"""
BLANK_WORDS = """comment = NULL, value = CASE WHEN is_text THEN '""' ELSE value END"""
"""Of a free text nothing is left but that there was one; categories are figures, and stay."""


@dataclass(frozen=True, slots=True)
class ScoreFilters:
    """What a listing of scores can be narrowed by; values of one field are alternatives."""

    project: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    trace_id: tuple[str, ...] = ()
    span_id: tuple[str, ...] = ()
    session_id: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None


def list_scores(store: Store, filters: ScoreFilters, page: Page) -> dict[str, Any]:
    """Return one page of the scores that pass the filters, by time."""
    conditions = select_scores(filters)
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.scores {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    cursor = _KEYSET.end(rows, page)
    return {"scores": [_shape(row) for row in rows], "next_cursor": cursor}


def select_scores(filters: ScoreFilters) -> Conditions:
    """Return the conditions on table ``scores``."""
    conditions = Conditions()
    if filters.start_ns is not None:
        conditions.add("time_ns >= ?", filters.start_ns)
    if filters.end_ns is not None:
        conditions.add("time_ns < ?", filters.end_ns)
    for column in ("project", "name", "source", "trace_id", "span_id", "session_id"):
        conditions.add_any_of(column, getattr(filters, column))
    return conditions


def read_scores_of_trace(
    store: Store, project: str, trace_id: str, span_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the scores on a trace and on its spans, by time."""
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.scores WHERE project = ? "
        "AND (trace_id = ? OR (trace_id IS NULL AND list_contains(?, span_id))) "
        "ORDER BY time_ns, score_id",
        [project, trace_id, list(span_ids)],
    )
    return [_shape(row) for row in rows]


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    shaped = {name: value for name, value in row.items() if name != "time_ns"}
    shaped["value"] = msgspec.Raw(row["value"].encode())
    shaped["time"] = format_time(row["time_ns"])
    return shaped
