"""Stored spans in the order of their starts, as many at a time as are worked on in one go.

Whoever makes all rows anew, with another mapping or other prices, goes from chunk to chunk, each in
a transaction of its own. A chunk's cursor leads to the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb

from headway.records import Span
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.rewrites import (
    ALL,
    RAW,
    Columns,
    Place,
    StoredSpan,
    Window,
    find_spans,
)

_FOREIGN = Keyset("remap", "start_ns", ("span_id", "trace_id", "project"))
_PRICEABLE = Keyset("reprice", _FOREIGN.time, _FOREIGN.ids)

_SIZE = " + ".join(f"coalesce(strlen({name}), 0)" for name in (*RAW, "error_stack", "otel"))
_IS_FOREIGN = "mapper_version IS NOT NULL"
# A cost without a version was reported, and no price list changes it.
_IS_PRICEABLE = "(price_version IS NOT NULL OR cost_usd IS NULL)"
# What a cost depends on, and what a span cannot do without.
_PRICED = Columns(
    (
        "trace_id",
        "span_id",
        "name",
        "start_ns",
        "end_ns",
        "kind",
        "provider",
        "request_model",
        "response_model",
        *(name for name in Span.__struct_fields__ if name.endswith("_tokens")),
        "cost_usd",
    ),
    ("price_version", "is_usage_inconsistent"),
)


class _Key(NamedTuple):
    """Where a row stands in the order, and about how many bytes it takes."""

    start_ns: int
    span_id: str
    trace_id: str
    project: str
    size: int

    @property
    def place(self) -> Place:
        return Place(self.project, self.trace_id, self.span_id)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are worked on; times are those of their starts, the end not included."""

    project: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows in the order of their starts, and the cursor to those behind; None at the end."""

    rows: list[StoredSpan] = field(default_factory=list)
    cursor: str | None = None


def read_foreign(
    connection: duckdb.DuckDBPyConnection,
    selection: Selection,
    page: Page,
    *,
    size_bytes: int,
    older_than: int | None,
) -> Chunk:
    """Return the next spans in others' words, whole, until they are that large together.

    With ``older_than`` only those that a mapper before this version made.
    """
    conditions = select_rows(selection)
    conditions.add(_IS_FOREIGN)
    if older_than is not None:
        conditions.add("mapper_version < ?", older_than)
    return _read_chunk(connection, conditions, _FOREIGN, page, ALL, size_bytes)


def read_priceable(
    connection: duckdb.DuckDBPyConnection, selection: Selection, page: Page
) -> Chunk:
    """Return the next spans whose cost was not reported, with what a cost depends on."""
    conditions = select_rows(selection)
    conditions.add(_IS_PRICEABLE)
    return _read_chunk(connection, conditions, _PRICEABLE, page, _PRICED, None)


def select_rows(selection: Selection) -> Conditions:
    """Return the conditions on rows that are meant."""
    conditions = Conditions()
    conditions.add_any_of("project", selection.project)
    if selection.start_ns is not None:
        conditions.add("start_ns >= ?", selection.start_ns)
    if selection.end_ns is not None:
        conditions.add("start_ns < ?", selection.end_ns)
    return conditions


def _read_chunk(
    connection: duckdb.DuckDBPyConnection,
    conditions: Conditions,
    keyset: Keyset,
    page: Page,
    columns: Columns,
    size_bytes: int | None,
) -> Chunk:
    # The keys first, and from them how many rows fit into memory.
    keyset.begin(conditions, page)
    size = "0" if size_bytes is None else _SIZE
    cursor = connection.execute(
        f"SELECT start_ns, span_id, trace_id, project, {size} AS size FROM store.spans "
        f"{conditions.where} {keyset.order_by(page)} LIMIT {page.limit:d}",
        conditions.values,
    )
    found = [_Key(*row) for row in cursor.fetchall()]
    keys = found if size_bytes is None else _take(found, size_bytes)
    if not keys:
        return Chunk()
    window = Window(keys[0].start_ns, keys[-1].start_ns)
    rows = find_spans(connection, [key.place for key in keys], window, columns)
    places = {key.place: position for position, key in enumerate(keys)}
    rows.sort(key=lambda row: places[row.place])
    is_last = len(keys) == len(found) < page.limit
    last = Page(limit=1, is_descending=page.is_descending)
    return Chunk(rows, None if is_last else keyset.end([keys[-1]._asdict()], last))


def _take(keys: Sequence[_Key], size_bytes: int) -> list[_Key]:
    """Return as many as are that large together, and at least one."""
    taken = []
    for key in keys:
        taken.append(key)
        size_bytes -= key.size
        if size_bytes <= 0:
            break
    return taken
