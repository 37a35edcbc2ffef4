"""Sessions, the latest active first: who, when, how much, how dear.

A session's last span tells where it stands, so the newest sessions are found in the newest slice
of time, without looking at all others; only those on the page are then summed up.
"""

from functools import partial
from typing import Any

from headway_collector.store.connections import Store
from headway_collector.store.deadlines import Deadline, Read
from headway_collector.store.filters import (
    Conditions,
    SpanFilters,
    select_by_columns,
    select_spans,
)
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.slices import Slice, walk
from headway_collector.times import format_time

_KEYSET = Keyset("sessions", "last_ns", ("session_id", "project"))
_MOST_USERS = 10


def list_sessions(
    store: Store, filters: SpanFilters, page: Page, *, deadline: Deadline | None = None
) -> dict[str, Any]:
    """Return one page of the sessions of the spans that pass the filters.

    A session that becomes active while pages are read moves to the first of them.

    Raises:
        TooBroadError: the deadline is over.
    """
    read = partial((deadline or Deadline()).read, store)
    conditions, quick = select_spans(filters), select_by_columns(filters)
    for each in (conditions, quick):
        each.add("spans.session_id IS NOT NULL")
    cursor_ns = _KEYSET.find_time(page)
    if cursor_ns is not None:
        quick.add("spans.start_ns <= ?", cursor_ns)
    rows: list[dict[str, Any]] = []
    for piece in walk(store, quick):
        rows += _find_last(read, conditions, piece, Page(page.limit - len(rows), page.cursor))
        if len(rows) >= page.limit:
            break
    sums = _sum_up(read, conditions, rows)
    found = [sums.get((each["project"], each["session_id"])) for each in rows]
    # One that was erased between the two reads is left out.
    sessions = [_shape(each) for each in found if each is not None]
    return {"sessions": sessions, "next_cursor": _KEYSET.end(rows, page)}


def _find_last(
    read: Read, conditions: Conditions, piece: Slice, page: Page
) -> list[dict[str, Any]]:
    """Return the sessions whose last span lies in the slice, in order."""
    inside = piece.narrow(conditions)
    later = conditions.join(Conditions(["spans.start_ns >= ?"], [piece.end_ns]))
    after = Conditions()
    _KEYSET.begin(after, page)
    return read(
        "SELECT project, session_id, last_ns FROM ("
        "SELECT project, session_id, max(start_ns) AS last_ns "
        f"FROM store.spans AS spans {inside.where} GROUP BY project, session_id"
        f") ANTI JOIN (SELECT project, session_id FROM store.spans AS spans {later.where}) "
        f"USING (project, session_id) {after.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*inside.values, *later.values, *after.values, page.limit],
    )


def _sum_up(
    read: Read, conditions: Conditions, rows: list[dict[str, Any]]
) -> dict[tuple[str, str], dict[str, Any]]:
    chosen = conditions.join(Conditions())
    chosen.add_any_of("spans.session_id", dict.fromkeys(row["session_id"] for row in rows))
    if not rows:
        return {}
    sums = read(
        "SELECT project, session_id, "
        f"list_sort(list(DISTINCT user_id) FILTER (user_id IS NOT NULL))[:{_MOST_USERS}]"
        " AS user_ids, "
        "min(start_ns) AS first_time, max(start_ns) AS last_time, "
        "count(DISTINCT trace_id) AS trace_count, count(*) AS span_count, "
        "count(*) FILTER (status = 'error') AS error_count, "
        "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, "
        "sum(cost_usd) AS cost_usd "
        f"FROM store.spans AS spans {chosen.where} GROUP BY project, session_id",
        chosen.values,
    )
    return {(each["project"], each["session_id"]): each for each in sums}


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "user_ids": row["user_ids"] or [],
        "first_time": format_time(row["first_time"]),
        "last_time": format_time(row["last_time"]),
    }
