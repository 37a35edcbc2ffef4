"""Rows of spans taken back and written anew, inside the transaction that the caller commits.

A row keeps its identity, its project and the time it arrived; whatever else was found out of it may
be another. Texts are written again only where they changed: a new cost or a new mapper's stamp is
an update of its own columns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from headway.records import EMPTY, Span
from headway_collector.store.batches import Derived
from headway_collector.store.columns import build_spans, make_span_keys
from headway_collector.store.expressions import HAS_KEY
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page

_KEYSET = Keyset("rewrites", "start_ns", ("span_id", "trace_id", "project"))
_RAW = ("input", "output", "params", "prompt_variables", "attributes")

_SIZE = " + ".join(f"coalesce(strlen({name}), 0)" for name in (*_RAW, "error_stack", "otel"))
_IS_FOREIGN = "mapper_version IS NOT NULL"
# A cost without a version was reported, and no price list changes it.
_IS_PRICEABLE = "(price_version IS NOT NULL OR cost_usd IS NULL)"
_MATCH = (
    "spans.span_key = wanted.span_key AND spans.span_id = wanted.span_id "
    "AND spans.trace_id = wanted.trace_id AND spans.project = wanted.project"
)
_BETWEEN = "spans.start_ns BETWEEN ? AND ?"


@dataclass(frozen=True, slots=True)
class _Columns:
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
        for name in _RAW:
            text = fields.get(name)
            fields[name] = EMPTY if text is None else msgspec.Raw(text.encode())
        for name in ("finish_reasons", "tags"):
            fields[name] = fields.get(name) or []
        found = dict(zip(self.derived, cells[len(self.span) :], strict=True))
        if found.get("otel") is not None:
            found["otel"] = found["otel"].encode()
        return StoredSpan(project, received_ns, Span(**fields), Derived(**found))


_ALL = _Columns(Span.__struct_fields__, Derived.__struct_fields__)
# What a cost depends on, and what a span cannot do without.
_PRICED = _Columns(
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


class Place(NamedTuple):
    """What tells a span from all others."""

    project: str
    trace_id: str
    span_id: str


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
    conditions = _select(selection)
    conditions.add(_IS_FOREIGN)
    if older_than is not None:
        conditions.add("mapper_version < ?", older_than)
    return _read_chunk(connection, conditions, page, _ALL, size_bytes)


def read_priceable(
    connection: duckdb.DuckDBPyConnection, selection: Selection, page: Page
) -> Chunk:
    """Return the next spans whose cost was not reported, with what a cost depends on."""
    conditions = _select(selection)
    conditions.add(_IS_PRICEABLE)
    return _read_chunk(connection, conditions, page, _PRICED, None)


def find_spans(
    connection: duckdb.DuckDBPyConnection,
    places: Collection[Place],
    window: Window | None = None,
) -> list[StoredSpan]:
    """Return those of the spans that are stored; without a window the whole table is looked at."""
    return _find(connection, places, window, _ALL)


def replace_spans(
    connection: duckdb.DuckDBPyConnection, before: Sequence[StoredSpan], after: Sequence[StoredSpan]
) -> None:
    """Write the rows ``after`` in place of the rows ``before``."""
    if not before:
        return
    _register(connection, [row.place for row in before])
    window = _find_window(before)
    connection.execute(
        f"DELETE FROM store.spans AS spans USING wanted WHERE {_MATCH} AND {_BETWEEN}",
        [window.first_ns, window.last_ns],
    )
    connection.unregister("wanted")
    table = build_spans(
        [row.span for row in after],
        [row.project for row in after],
        [row.derived for row in after],
    )
    received = pa.array([row.received_ns for row in after], pa.int64())
    connection.register("incoming", table.append_column("received_ns", received))
    connection.execute("INSERT INTO store.spans BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")


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


def _select(selection: Selection) -> Conditions:
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
    page: Page,
    columns: _Columns,
    size_bytes: int | None,
) -> Chunk:
    # The keys first, and from them how many rows fit into memory.
    _KEYSET.begin(conditions, page)
    size = "0" if size_bytes is None else _SIZE
    cursor = connection.execute(
        f"SELECT start_ns, span_id, trace_id, project, {size} AS size FROM store.spans "
        f"{conditions.where} {_KEYSET.order_by(page)} LIMIT {page.limit:d}",
        conditions.values,
    )
    found = [_Key(*row) for row in cursor.fetchall()]
    keys = found if size_bytes is None else _take(found, size_bytes)
    if not keys:
        return Chunk()
    rows = _find(
        connection, [k.place for k in keys], Window(keys[0].start_ns, keys[-1].start_ns), columns
    )
    places = {key.place: position for position, key in enumerate(keys)}
    rows.sort(key=lambda row: places[row.place])
    is_last = len(keys) == len(found) < page.limit
    last = Page(limit=1, is_descending=page.is_descending)
    return Chunk(rows, None if is_last else _KEYSET.end([keys[-1]._asdict()], last))


def _take(keys: Sequence[_Key], size_bytes: int) -> list[_Key]:
    """Return as many as are that large together, and at least one."""
    taken = []
    for key in keys:
        taken.append(key)
        size_bytes -= key.size
        if size_bytes <= 0:
            break
    return taken


def _find(
    connection: duckdb.DuckDBPyConnection,
    places: Iterable[Place],
    window: Window | None,
    columns: _Columns,
) -> list[StoredSpan]:
    wanted = set(places)
    _register(connection, wanted)
    between = "" if window is None else f" AND {_BETWEEN}"
    found = connection.execute(
        "SELECT spans.span_key, spans.start_ns FROM store.spans AS spans, wanted "
        f"WHERE {_MATCH}{between}",
        [] if window is None else [window.first_ns, window.last_ns],
    ).fetchall()
    connection.unregister("wanted")
    if not found:
        return []
    keys, starts_ns = zip(*found, strict=True)
    names = ", ".join(f"spans.{name}" for name in columns.names)
    rows = connection.execute(
        f"SELECT {names} FROM store.spans AS spans WHERE {_BETWEEN} AND {HAS_KEY}",
        [min(starts_ns), max(starts_ns), list(keys)],
    ).fetchall()
    return [row for row in map(columns.read, rows) if row.place in wanted]


def _update(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[StoredSpan], columns: dict[str, pa.Array]
) -> None:
    _register(connection, [row.place for row in rows], columns)
    window = _find_window(rows)
    values = ", ".join(f"{name} = wanted.{name}" for name in columns)
    connection.execute(
        f"UPDATE store.spans AS spans SET {values} FROM wanted WHERE {_MATCH} AND {_BETWEEN}",
        [window.first_ns, window.last_ns],
    )
    connection.unregister("wanted")


def _register(
    connection: duckdb.DuckDBPyConnection,
    places: Iterable[Place],
    columns: Mapping[str, pa.Array] | None = None,
) -> None:
    """Make the places a table ``wanted``, with more columns of theirs."""
    each = list(places)
    identities = {
        name: pa.array([getattr(place, name) for place in each], pa.string())
        for name in Place._fields
    }
    keys = make_span_keys([place.span_id for place in each])
    connection.register("wanted", pa.table({**identities, "span_key": keys, **(columns or {})}))


def _find_window(rows: Sequence[StoredSpan]) -> Window:
    starts = [row.span.start_ns for row in rows]
    return Window(min(starts), max(starts))


def _read_raw(raw: msgspec.Raw) -> bytes | None:
    # As in the columns: a null is nothing.
    text = bytes(raw)
    return None if text in (b"", b"null") else text
