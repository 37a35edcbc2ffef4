"""Which windows held calls that are erased: cards and heat maps of them may quote any call in them.

They name openings, clusters, values and whole examples, most of them without the call's id. So a
window is asked again, of the erased calls alone.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters, select_by_columns
from headway_collector.store.predicates import TEXTS

_CHUNK_ROWS = 50_000
# What is taken out, reckoned or mapped anew later: a window may have held what it would not now.
_CHANGING = {
    "price_version": (),
    "status_message": (),
    "error_stack": (),
    "where": (),
    "attribute": (),
    "q": None,
    "min_duration_ms": None,
}
_COLUMNS = (
    *(name for name in TEXTS if name not in _CHANGING),
    "span_key",
    "start_ns",
    "finish_reasons",
    "tags",
)


def read_card_windows(store: Store) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the id of each card, and what its two windows were asked for by."""
    for row in store.read("SELECT card_id, reference_query, current_query FROM store.drift_cards"):
        sides = (row["reference_query"], row["current_query"])
        yield row["card_id"], [msgspec.json.decode(each) for each in sides]


def read_requests(store: Store, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the id of each job of a kind that has a result, and what it was asked."""
    for row in store.read(
        "SELECT job_id, request FROM store.jobs WHERE kind = $1 AND result IS NOT NULL", [kind]
    ):
        yield row["job_id"], row["request"]


def find_holding(
    store: Store, gone: pa.Table, windows: Collection[SpanFilters]
) -> set[SpanFilters]:
    """Return those of the windows that may have held one of the calls.

    Args:
        store: in which the calls still are.
        gone: their keys.
        windows: what narrows each.
    """
    held: set[SpanFilters] = set()
    with store.lend_cursor() as cursor:
        for first in range(0, len(gone), _CHUNK_ROWS):
            spans = _read_spans(cursor, gone.slice(first, _CHUNK_ROWS))
            held |= {each for each in set(windows) - held if _holds(cursor, spans, each)}
    return held


def _read_spans(cursor: duckdb.DuckDBPyConnection, gone: pa.Table) -> pa.Table:
    starts = gone["start_ns"].to_pylist()
    # DuckDB finds the keys by the name of the argument, and below the spans.
    return cursor.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM store.spans AS spans SEMI JOIN gone "
        "USING (project, trace_id, span_id, span_key, start_ns) "
        "WHERE spans.start_ns BETWEEN $1 AND $2",
        [min(starts), max(starts)],
    ).to_arrow_table()


def _holds(cursor: duckdb.DuckDBPyConnection, spans: pa.Table, window: SpanFilters) -> bool:
    conditions = select_by_columns(replace(window, **_CHANGING))  # type: ignore[arg-type]
    found = cursor.execute(
        f"SELECT 1 FROM spans {conditions.where} LIMIT 1", conditions.values
    ).fetchone()
    return found is not None
