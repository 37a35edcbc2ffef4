"""Whether a text is one SELECT that may be run: over the views alone, and of bounded growth.

DuckDB's own parser says what a text is (``json_serialize_sql``), and whatever of its tree is not
named here is refused: statements, tables, functions, and kinds of nodes that a later version
brings. How much its expressions make of a text is counted by ``sql_growth``.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from headway_collector.errors import InvalidRequestError
from headway_collector.store.sql_arguments import Node, check_constant, show
from headway_collector.store.sql_functions import TABLES
from headway_collector.store.sql_growth import MAX_TEXT_CHARS, Growth, check_function
from headway_collector.store.sql_views import MOST_COLUMNS, VIEWS

MAX_SQL_CHARS = 16_000
"""What DuckDB's parser reads within its own limits of depth, and in a second at worst."""
_MAX_DEPTH = 100
"""Of nodes; a call in a call takes two or three."""
_MAX_NODES = 3_000
_MAX_TABLES = 64
"""With those of a subquery wherever it is named again."""
_MAX_COLUMNS = 2_000
_MAX_GROUPINGS = 32
_MAX_TREE_CHARS = 4_000_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_OURS = re.compile(r"duckdb_|pg_|pragma_|sqlite_|information_schema", re.IGNORECASE)

_NAMES_OF_EXPRESSIONS = """
BETWEEN CASE CAST COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR
POSITIONAL_REFERENCE STAR SUBQUERY WINDOW
"""
_NAMES_OF_PARTS = """
ORDER_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING
DESCENDING
"""
_EXPRESSIONS = frozenset(_NAMES_OF_EXPRESSIONS.split())
_PLAIN = frozenset(_NAMES_OF_PARTS.split())
_COUNTED = {"FUNCTION": Growth.call, "WINDOW": Growth.window, "LAMBDA": Growth.arrow}


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much a query may have in it: tables, however often they are named, and columns."""

    tables: int = 0
    columns: int = 0


def check_sql(cursor: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return how many characters a text may have that this reads, if it is one SELECT.

    Args:
        cursor: parses, and runs nothing of the text.
        sql: what was asked.

    Raises:
        InvalidRequestError: it is anything else; the message says what of it.
    """
    if not sql.strip():
        raise InvalidRequestError("sql is empty: give one SELECT, such as SELECT * FROM spans")
    if len(sql) > MAX_SQL_CHARS:
        raise InvalidRequestError(f"sql has {len(sql)} characters; {MAX_SQL_CHARS} are allowed")
    if "\0" in sql:
        raise InvalidRequestError("sql has a zero byte in it: leave it out")
    _check_statement(sql)
    try:
        return _Walk().check(_parse(cursor, sql))
    except RecursionError as error:
        raise _too_deep() from error


def _check_statement(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise InvalidRequestError(f"this is no SQL: {first_lines(error)}") from error
    if len(statements) != 1:
        # DuckDB makes two of a PIVOT without its values.
        raise InvalidRequestError(
            f"this makes {len(statements)} statements, and one SELECT is allowed (PIVOT is none)"
        )
    if statements[0].type != duckdb.StatementType.SELECT:
        raise InvalidRequestError(
            f"this is a statement of type {statements[0].type.name}; one SELECT is allowed"
        )


def _parse(cursor: duckdb.DuckDBPyConnection, sql: str) -> Node:
    row = cursor.execute("SELECT json_serialize_sql($1::VARCHAR)", [sql]).fetchone()
    text = str(row[0]) if row else ""
    if len(text) > _MAX_TREE_CHARS:
        raise InvalidRequestError("this makes too large a statement: ask for less at once")
    try:
        tree: Node = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _too_deep() from error
    if tree["error"]:
        raise InvalidRequestError(f"this is no SELECT: {tree['error_message']}")
    (statement,) = tree["statements"]
    if statement["named_param_map"]:
        raise InvalidRequestError("sql has parameters: write their values in it")
    node: Node = statement["node"]
    return node


class _Walk:
    """One way through the tree of a statement."""

    def __init__(self) -> None:
        self._growth = Growth()
        self._inner_tables = 0
        self._nodes = 0
        self._depth = 0
        self._is_recursive = False

    def check(self, node: Node) -> int:
        """Raise for what may not be, and return how long a text may be."""
        if node["type"] == "SELECT_NODE":
            self._growth.allow_gathering(node["select_list"])
        self._query(node, {})
        self._growth.check(self._is_recursive)
        return int(MAX_TEXT_CHARS / self._growth.weight)

    def _query(self, node: Node, known: dict[str, _Extent]) -> _Extent:
        """Check a query, given the queries that its text can name, and return its extent."""
        outer_tables, self._inner_tables = self._inner_tables, 0
        with self._deeper():
            known = dict(known)
            for entry in node["cte_map"]["map"]:
                known[_cte_name(entry["key"])] = self._cte(entry, known)
            kind = node["type"]
            if kind == "SELECT_NODE":
                extent = self._select(node, known)
            elif kind == "SET_OPERATION_NODE":
                sides = node.get("children") or [node["left"], node["right"]]
                extents = [self._query(side, known) for side in sides]
                extent = _Extent(
                    sum(each.tables for each in extents), max(each.columns for each in extents)
                )
            elif kind == "RECURSIVE_CTE_NODE":
                extent = self._recursion(node, known)
            else:
                raise InvalidRequestError(f"{show(kind)} is not possible here")
            self._any(node["modifiers"], known, extent)
            extent = _Extent(extent.tables + self._inner_tables, extent.columns)
            _check_extent(extent)
        self._inner_tables = outer_tables
        return extent

    def _cte(self, entry: Node, known: dict[str, _Extent]) -> _Extent:
        query = entry["value"]["query"]["node"]
        self._any(entry["value"].get("key_targets"), known, _Extent())
        return self._query(query, known)

    def _recursion(self, node: Node, known: dict[str, _Extent]) -> _Extent:
        self._is_recursive = True
        first = self._query(node["left"], known)
        itself = {_cte_name(node["cte_name"]): _Extent(1, first.columns)}
        again = self._query(node["right"], known | itself)
        self._any(node["key_targets"], known, first)
        return _Extent(first.tables + again.tables, max(first.columns, again.columns))

    def _select(self, node: Node, known: dict[str, _Extent]) -> _Extent:
        source = self._table(node["from_table"], known)
        if len(node["group_sets"]) > _MAX_GROUPINGS:
            raise InvalidRequestError("CUBE and ROLLUP of so many columns are not possible here")
        _check_sample(node.get("sample"))
        columns = 0
        for item in node["select_list"]:
            has_star = self._starred(item, known, source)
            columns += max(source.columns, 1) if has_star else 1
        for name, value in node.items():
            if name not in ("select_list", "from_table", "cte_map", "modifiers", "sample", "type"):
                self._starred(value, known, source)
        return _Extent(max(source.tables, 1), columns)

    def _starred(self, value: Any, known: dict[str, _Extent], source: _Extent) -> bool:
        stars: list[bool] = []
        with self._growth.with_columns(source.columns, stars):
            stars.append(self._any(value, known, source))
        return any(stars)

    def _table(self, node: Node, known: dict[str, _Extent]) -> _Extent:
        """Check what stands in FROM, and return its extent."""
        self._count()
        _check_sample(node.get("sample"))
        with self._deeper():
            kind = node["type"]
            if kind == "EMPTY":
                return _Extent(0, 0)
            if kind == "BASE_TABLE":
                extent = _find_table(node, known)
            elif kind == "SUBQUERY":
                extent = self._query(node["subquery"]["node"], known)
            elif kind == "JOIN":
                left = self._table(node["left"], known)
                right = self._table(node["right"], known)
                extent = _Extent(left.tables + right.tables, left.columns + right.columns)
                self._any(node["condition"], known, extent)
            elif kind == "EXPRESSION_LIST":
                self._any(node["values"], known, _Extent())
                extent = _Extent(1, max(map(len, node["values"]), default=0))
            elif kind == "TABLE_FUNCTION":
                function = node["function"]
                check_function(function, TABLES, "table function")
                self._any(function["children"], known, _Extent())
                extent = _Extent(1, MOST_COLUMNS)
            else:
                what = "SHOW, DESCRIBE and SUMMARIZE are" if kind == "SHOW_REF" else f"{kind} is"
                raise InvalidRequestError(f"{what} not possible here: SELECT from the views")
        _check_extent(extent)
        return extent

    def _any(self, value: Any, known: dict[str, _Extent], source: _Extent) -> bool:
        """Check expressions and what they stand in; return whether a star stands in them."""
        if isinstance(value, list):
            found = [self._any(each, known, source) for each in value]
            return any(found)
        if not isinstance(value, dict):
            return False
        self._count()
        with self._deeper():
            if "class" in value:
                return self._expression(value, known, source)
            if "node" in value:
                self._inner_tables += self._query(value["node"], known).tables
                return False
            if "type" in value and value["type"] not in _PLAIN:
                raise InvalidRequestError(f"{show(value['type'])} is not possible here")
            return self._inside(value, known, source)

    def _expression(self, node: Node, known: dict[str, _Extent], source: _Extent) -> bool:
        kind = node["class"]
        if kind not in _EXPRESSIONS:
            raise InvalidRequestError(f"{show(kind)} is not possible here")
        if kind == "CONSTANT":
            check_constant(node["value"])
            return False
        if kind == "COLUMN_REF":
            self._growth.name(node)
            return False
        if kind == "CAST":
            self._growth.cast(node)
            return self._any(node["child"], known, source)
        if node["type"] == "OPERATOR_TRY":
            # It tries rows of others, too, and gives null for one's own where those fail.
            raise InvalidRequestError("TRY is not possible here: TRY_CAST and try_strptime are")
        if node["type"] == "OPERATOR_UNPACK":
            raise InvalidRequestError("*COLUMNS is not possible in a call: name the columns")
        if kind in _COUNTED:
            _COUNTED[kind](self._growth, node)
        return self._inside(node, known, source) or kind == "STAR"

    def _inside(self, node: Node, known: dict[str, _Extent], source: _Extent) -> bool:
        # A list, since every part is looked at, also after the first star.
        found = [self._any(part, known, source) for part in node.values()]
        return any(found)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _too_deep()
        yield
        self._depth -= 1

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise InvalidRequestError(f"sql has more than {_MAX_NODES} parts: ask for less at once")


def first_lines(error: duckdb.Error) -> str:
    """Return what DuckDB says of a text, without the place that it draws."""
    return str(error).partition("\n\n")[0].replace("\n", " ")[:500]


def _check_extent(extent: _Extent) -> None:
    if extent.tables > _MAX_TABLES:
        raise InvalidRequestError(
            f"sql reads more than {_MAX_TABLES} tables, with those of named queries wherever "
            "they are named"
        )
    if extent.columns > _MAX_COLUMNS:
        raise InvalidRequestError(f"sql makes more than {_MAX_COLUMNS} columns: name fewer")


def _find_table(node: Node, known: dict[str, _Extent]) -> _Extent:
    name = str(node["table_name"])
    if node["catalog_name"] or node["schema_name"]:
        raise InvalidRequestError(
            f"{show(name)} is named with a schema or database: name one of the views alone "
            f"({', '.join(VIEWS)})"
        )
    if node["at_clause"] is not None:
        raise InvalidRequestError("AT is not possible here: the views are as they are now")
    key = name.lower()
    if key in known:
        return known[key]
    if key in VIEWS:
        return _Extent(1, MOST_COLUMNS)
    raise InvalidRequestError(f"there is no {show(name)}; there are {', '.join(VIEWS)}")


def _cte_name(name: str) -> str:
    # What DuckDB could take for a file or for a table of its own, were it to miss the query.
    if not _NAME.fullmatch(name) or _OURS.match(name):
        raise InvalidRequestError(
            f"{show(name)} is no name for a query: give one of letters, digits and _, not a "
            "name of DuckDB's own"
        )
    return name.lower()


def _check_sample(sample: Node | None) -> None:
    # A share of vectors, which is what a plain share means: how many of one's own rows stand in
    # one tells how many rows of others do.
    if sample is not None and "system" in str(sample["method"]).lower():
        raise InvalidRequestError(
            "a sample is of rows here: write TABLESAMPLE reservoir(10%) or bernoulli(10%)"
        )


def _too_deep() -> InvalidRequestError:
    return InvalidRequestError("sql is nested too deeply: take queries out of each other by WITH")
