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
from headway_collector.store.drift_cards import SEVERAL
from headway_collector.store.filters import SpanFilters, select_by_columns
from headway_collector.store.mentions import OwnedKey
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


def read_card_windows(
    store: Store, project: str
) -> Iterator[tuple[OwnedKey, list[dict[str, Any]]]]:
    """Yield the cards of a project and of several, and what their two windows were asked for by."""
    for row in store.read(
        "SELECT project, card_id, reference_query, current_query FROM store.drift_cards "
        "WHERE project IN (SELECT unnest($1::VARCHAR[]))",
        [[project, SEVERAL]],
    ):
        sides = (row["reference_query"], row["current_query"])
        key = OwnedKey(row["project"], row["card_id"])
        yield key, [msgspec.json.decode(each) for each in sides]


def read_requests(store: Store, project: str, kind: str) -> Iterator[tuple[OwnedKey, str]]:
    """Yield the jobs of a kind that have a result, of a project and of several; what was asked."""
    for row in store.read(
        "SELECT project, job_id, request FROM store.jobs WHERE kind = $1 AND result IS NOT NULL "
        "AND project IN (SELECT unnest($2::VARCHAR[]))",
        [kind, [project, SEVERAL]],
    ):
        yield OwnedKey(row["project"], row["job_id"]), row["request"]


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
