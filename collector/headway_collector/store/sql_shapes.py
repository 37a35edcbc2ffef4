"""How each type of a column leaves: what DuckDB makes of it last, and what JSON says of that.

Nothing that can come out of a query is without an answer: what Arrow or JSON has no form for (an
interval, an infinite time, a union) is text, as DuckDB writes it.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa

Form = Literal["json", "arrow"]

_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG)INT|U?INTEGER|HUGEINT|FLOAT|DOUBLE|DECIMAL\(.*\))")
_NESTED = re.compile(r"(.*\[\d*\]|(STRUCT|MAP|UNION)\(.*\))", re.DOTALL)
_TIMESTAMP = re.compile(r"TIMESTAMP(_S|_MS|_NS)?")
# Polars and Arrow have other ideas of these, or none.
_STRANGE = re.compile(
    r"INTERVAL|UHUGEINT|\bBIT\b|BIGNUM|VARIANT|UNION|TIME WITH|TIME_NS|ENUM|GEOMETRY|"
    r'STRUCT\((?!"|\w+ )'
)
_ZONED = "TIMESTAMP WITH TIME ZONE"
_PLAIN_ARROW = frozenset(("BOOLEAN", "VARCHAR", "BLOB", "DATE", "UUID", "JSON", _ZONED))
_DECIMAL_OF_HUGEINT = pa.decimal128(38, 0)


def express(types: Sequence[str], names: Sequence[str], form: Form) -> str:
    """Return what to select of the columns of a query, by their places.

    Args:
        types: DuckDB's names of their types.
        names: their names; several may be the same.
        form: which answer it is for.
    """
    make = _for_json if form == "json" else _for_arrow
    return ", ".join(
        f'{make(f"#{place}", kind)} AS "{name.replace(chr(34), 2 * chr(34))}"'
        for place, (kind, name) in enumerate(zip(types, names, strict=True), 1)
    )


def _for_json(column: str, kind: str) -> str:
    if kind in ("BOOLEAN", "VARCHAR", "JSON") or _NUMBER.fullmatch(kind):
        return column
    if kind == _ZONED or _TIMESTAMP.fullmatch(kind):
        zone = "Z" if kind == _ZONED else ""
        written = f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%f{zone}')"
        return f"CASE WHEN isfinite({column}) THEN {written} ELSE {column}::VARCHAR END"
    if kind == "BLOB":
        return f"base64({column})"
    if _NESTED.fullmatch(kind):
        return f"to_json({column})::VARCHAR"
    return f"{column}::VARCHAR"


def _for_arrow(column: str, kind: str) -> str:
    if _STRANGE.search(kind):
        return f"to_json({column})::VARCHAR" if _NESTED.fullmatch(kind) else f"{column}::VARCHAR"
    is_plain = kind in _PLAIN_ARROW or _NUMBER.fullmatch(kind) or _NESTED.fullmatch(kind)
    if is_plain or _TIMESTAMP.fullmatch(kind):
        return column
    return f"{column}::VARCHAR"


def name_apart(names: Sequence[str]) -> list[str]:
    """Return names that differ, since the columns of a frame have to."""
    taken: set[str] = set()
    apart = []
    for name in names:
        number, candidate = 1, name
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate)
        apart.append(candidate)
    return apart


def with_integers(table: pa.Table) -> pa.Table:
    """Return the table with sums, which DuckDB counts in 128 bits, in 64 where they fit."""
    for place, column in enumerate(table.schema):
        if column.type == _DECIMAL_OF_HUGEINT:
            try:
                values = table.column(place).cast(pa.int64())
            except pa.ArrowInvalid:
                continue
            table = table.set_column(place, column.name, values)
    return table


def list_rows(table: pa.Table, types: Sequence[str]) -> list[list[Any]]:
    """Return the rows, ready for ``encode_rows``.

    Args:
        table: as ``express`` had it made for JSON.
        types: DuckDB's names of the types before that.
    """
    columns = []
    for place, kind in enumerate(types):
        values = table.column(place).to_pylist()
        if kind == "JSON" or _NESTED.fullmatch(kind):
            values = [None if value is None else _as_json(value) for value in values]
        columns.append(values)
    return [list(row) for row in zip(*columns, strict=True)]


def _as_json(text: str) -> Any:
    try:
        msgspec.json.decode(text)
        return msgspec.Raw(text.encode())
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        # DuckDB writes NaN and Infinity inside of what is nested.
        return json.loads(text, parse_constant=lambda word: None)
    except (ValueError, RecursionError):
        return text


_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def encode_rows(answer: Any) -> bytes:
    """Return an answer as JSON: decimals digit by digit, NaN and the infinities as null."""
    return _ENCODER.encode(answer)
