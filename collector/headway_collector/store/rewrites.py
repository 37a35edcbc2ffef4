"""Rows of spans taken back and written anew, inside the transaction that the caller commits.

A row keeps its identity, its project and the time it arrived; whatever else was found out of it may
be another. Texts are written again only where they changed: a new cost or a new mapper's stamp is
an update of its own columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from headway.records import EMPTY, Span
from headway_collector.store.batches import Derived
from headway_collector.store.changes import note_keys
from headway_collector.store.columns import build_spans, make_span_keys
from headway_collector.store.expressions import HAS_KEY
from headway_collector.store.writes import insert_rows

DESCRIBED_KIND = "llm"
"""The kind of span that has descriptors."""

RAW = ("input", "output", "params", "prompt_variables", "attributes")

_MATCH = (
    "spans.span_key = wanted.span_key AND spans.span_id = wanted.span_id "
    "AND spans.trace_id = wanted.trace_id AND spans.project = wanted.project"
)
_BETWEEN = "spans.start_ns BETWEEN ? AND ?"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are read into which struct."""

    span: Sequence[str]
    derived: Sequence[str]

    @property
    def names(self) -> Sequence[str]:
        """All that are read, in order."""
        return ("project", "received_ns", *self.span, *self.derived)

    def read(self, row: Sequence[Any]) -> "StoredSpan":
        """Return the row of these columns."""
        project, received_ns, *cells = row
        fields = dict(zip(self.span, cells, strict=False))
        for name in RAW:
            text = fields.get(name)
            fields[name] = EMPTY if text is None else msgspec.Raw(text.encode())
        for name in ("finish_reasons", "tags"):
            fields[name] = fields.get(name) or []
        found = dict(zip(self.derived, cells[len(self.span) :], strict=True))
        if found.get("otel") is not None:
            found["otel"] = found["otel"].encode()
        return StoredSpan(project, received_ns, Span(**fields), Derived(**found))


ALL = Columns(Span.__struct_fields__, Derived.__struct_fields__)


class Place(NamedTuple):
    """What tells a span from all others."""

    project: str
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when the spans that are looked for start, both included."""

    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """One row of the table, or what shall stand in its place."""

    project: str
    received_ns: int
    span: Span
    derived: Derived

    @property
    def place(self) -> Place:
        """Its identity."""
        return Place(self.project, self.span.trace_id, self.span.span_id)

    def list_columns(self) -> dict[str, Any]:
        """Return what stands in the row, by column."""
        fields = msgspec.structs.asdict(self.span) | msgspec.structs.asdict(self.derived)
        return {
            name: _read_raw(value) if isinstance(value, msgspec.Raw) else value
            for name, value in fields.items()
        }

    def is_same(self, other: "StoredSpan") -> bool:
        """Return whether both say the same, whichever version of the mapper said it."""
        if self.span == other.span and self.derived == other.derived:
            return True
        columns, others = self.list_columns(), other.list_columns()
        others["mapper_version"] = columns["mapper_version"]
        return columns == others


def find_spans(
    connection: duckdb.DuckDBPyConnection,
    places: Iterable[Place],
    window: Window | None = None,
    columns: Columns = ALL,
) -> list[StoredSpan]:
    """Return those of the spans that are stored; without a window the whole table is looked at."""
    known = set(places)
    between = "" if window is None else f" AND {_BETWEEN}"
    found = _run(
        connection,
        "SELECT spans.span_key, spans.start_ns FROM store.spans AS spans, wanted "
        f"WHERE {_MATCH}{between}",
        _build_places(known),
        [] if window is None else [window.first_ns, window.last_ns],
    ).fetchall()
    if not found:
        return []
    keys, starts_ns = zip(*found, strict=True)
    names = ", ".join(f"spans.{name}" for name in columns.names)
    rows = connection.execute(
        f"SELECT {names} FROM store.spans AS spans WHERE {_BETWEEN} AND {HAS_KEY}",
        [min(starts_ns), max(starts_ns), list(keys)],
    ).fetchall()
    return [row for row in map(columns.read, rows) if row.place in known]


def replace_spans(
    connection: duckdb.DuckDBPyConnection, before: Sequence[StoredSpan], after: Sequence[StoredSpan]
) -> None:
    """Write the rows ``after`` in place of the rows ``before``."""
    if not before:
        return
    window = _find_window(before)
    places = _build_places(row.place for row in before)
    note_keys(connection, "spans", places["span_key"])
    _run(
        connection,
        f"DELETE FROM store.spans AS spans USING wanted WHERE {_MATCH} AND {_BETWEEN}",
        places,
        [window.first_ns, window.last_ns],
    )
    table = build_spans(
        [row.span for row in after],
        [row.project for row in after],
        [row.derived for row in after],
    )
    note_keys(connection, "spans", table["span_key"])
    received = pa.array([row.received_ns for row in after], pa.int64())
    insert_rows(connection, "spans", table.append_column("received_ns", received))
    _note_due(connection, [*before, *after])


def stamp_spans(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[StoredSpan], mapper_version: int
) -> None:
    """Note that a mapper of this version has nothing to change about the rows."""
    if rows:
        versions = pa.array([mapper_version] * len(rows), pa.int32())
        _update(connection, rows, {"mapper_version": versions})


def save_costs(connection: duckdb.DuckDBPyConnection, rows: Sequence[StoredSpan]) -> None:
    """Write what the rows cost, and what it comes from."""
    if rows:
        flags = [row.derived.is_usage_inconsistent for row in rows]
        columns = {
            "cost_usd": pa.array([row.span.cost_usd for row in rows], pa.float64()),
            "price_version": pa.array([row.derived.price_version for row in rows], pa.string()),
            "is_usage_inconsistent": pa.array(flags, pa.bool_()),
        }
        _update(connection, rows, columns)


def _note_due(connection: duckdb.DuckDBPyConnection, rows: Sequence[StoredSpan]) -> None:
    """Note which calls have to be described again: what is said of them may be another now."""
    changed = {
        (row.project, row.span.span_id, row.span.start_ns)
        for row in rows
        if row.span.kind == DESCRIBED_KIND
    }
    if changed:
        projects, span_ids, starts_ns = zip(*changed, strict=True)
        due = {
            "project": pa.array(projects, pa.string()),
            "span_key": make_span_keys(span_ids),
            "start_ns": pa.array(starts_ns, pa.int64()),
        }
        insert_rows(connection, "due_descriptors", pa.table(due))


def _update(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[StoredSpan], columns: dict[str, pa.Array]
) -> None:
    window = _find_window(rows)
    values = ", ".join(f"{name} = wanted.{name}" for name in columns)
    places = _build_places((row.place for row in rows), columns)
    note_keys(connection, "spans", places["span_key"])
    _run(
        connection,
        f"UPDATE store.spans AS spans SET {values} FROM wanted WHERE {_MATCH} AND {_BETWEEN}",
        places,
        [window.first_ns, window.last_ns],
    )


def _run(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    wanted: pa.Table,
    parameters: Sequence[object],
) -> duckdb.DuckDBPyConnection:
    # As in writes: DuckDB finds the table by the name of the argument.
    return connection.execute(sql, parameters)


def _build_places(
    places: Iterable[Place], columns: Mapping[str, pa.Array] | None = None
) -> pa.Table:
    """Return the places as a table, with more columns of theirs."""
    each = list(places)
    identities = {
        name: pa.array([getattr(place, name) for place in each], pa.string())
        for name in Place._fields
    }
    keys = make_span_keys([place.span_id for place in each])
    return pa.table({**identities, "span_key": keys, **(columns or {})})


def _find_window(rows: Sequence[StoredSpan]) -> Window:
    starts = [row.span.start_ns for row in rows]
    return Window(min(starts), max(starts))


def _read_raw(raw: msgspec.Raw) -> bytes | None:
    # As in the columns: a null is nothing.
    text = bytes(raw)
    return None if text in (b"", b"null") else text
