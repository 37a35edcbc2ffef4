"""Rows of tables: CSV, TSV, JSONL, JSON and Parquet, each row a mapping with the line it stands in.

Values of JSON and Parquet keep their types. A cell of CSV is text, unless types are asked for: then
a column has the type that pandas, and so lm-eval, reads it as.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.reports import ImportReport
from headway_evals.suite_rows import read_text
from headway_measures.scores import counted

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt")

_LONGEST_CELL = 16 * 1024 * 1024
_WHOLE = re.compile(r"[-+]?\d+")
# What pandas takes for a missing value.
_MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row, and the line where it starts; 0 where a file has no lines."""

    values: dict[str, Any]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file.

    Args:
        path: the file.
        columns: the names of all columns, in the order of the file.
        rows: those that could be read.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(
    path: Path,
    report: ImportReport,
    *,
    kind: str | None = None,
    is_typed: bool = False,
    separator: str | None = None,
    under: str | None = None,
) -> Table:
    """Read a table; a row that cannot be read is reported, and the others are read.

    Args:
        path: the file.
        report: where rows go that cannot be read.
        kind: csv, tsv, jsonl, json, parquet or text; None goes by the file's name.
        is_typed: whether the cells of CSV get the types of their columns.
        separator: between the cells of CSV.
        under: the key of a JSON document that holds its rows.

    Raises:
        ImportingError: the file cannot be read, is of no known kind, or holds no table.
    """
    suffix = path.suffix.lower().lstrip(".")
    kind = kind or {"ndjson": "jsonl", "txt": "text"}.get(suffix, suffix)
    if kind == "parquet":
        rows = _parquet_rows(path)
    elif kind in ("csv", "tsv"):
        rows = _csv_rows(path, separator or ("\t" if kind == "tsv" else ","), report)
        rows = _typed(rows) if is_typed else rows
    elif kind == "jsonl":
        rows = _jsonl_rows(read_text(path), path, report)
    elif kind == "json":
        rows = _json_rows(path, report, under)
    elif kind == "text":
        lines = read_text(path).splitlines()
        rows = [Row({"text": each}, number) for number, each in enumerate(lines, start=1)]
    else:
        raise ImportingError(f"{path} is none of {', '.join(SUFFIXES)}")
    columns = dict.fromkeys(column for row in rows for column in row.values)
    return Table(path, tuple(columns), tuple(rows))


def _csv_rows(path: Path, separator: str, report: ImportReport) -> list[Row]:
    # The limit is the module's, and its usual one is less than a long document.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=separator, strict=True)
    rows: list[Row] = []
    try:
        header = next(reader, [])
        if not header or len(set(header)) < len(header):
            told = "two columns of one name" if header else "no line of column names"
            raise ImportingError(f"{path} has {told} at its top")
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(header):
                told = f"it has {counted(len(cells), 'cell')}, its table {len(header)} columns"
                report.omit("row of another length", told, path.name, line)
            elif cells:
                rows.append(Row(dict(zip(header, cells, strict=True)), line))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ImportingError(f"{path}:{reader.line_num}: not CSV: {error}") from error
    return rows


def _jsonl_rows(text: str, path: Path, report: ImportReport) -> list[Row]:
    rows: list[Row] = []
    # Not splitlines: JSON may hold U+2028 as it is, which ends a line to Python alone.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            report.omit("line that is not JSON", str(error), path.name, number)
            continue
        if isinstance(value, dict):
            rows.append(Row(value, number))
        else:
            report.omit("line that is no object", "a row is {…}", path.name, number)
    return rows


def _json_rows(path: Path, report: ImportReport, under: str | None) -> list[Row]:
    text = read_text(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _jsonl_rows(text, path, report)
    if under is not None:
        found = found.get(under) if isinstance(found, dict) else None
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        place = f" under {under!r}" if under else ""
        raise ImportingError(f"{path} holds no list of rows{place}")
    rows: list[Row] = []
    for place_of, value in enumerate(found, start=1):
        if isinstance(value, dict):
            rows.append(Row(value))
        else:
            report.omit("item that is no object", f"item {place_of}: a row is {{…}}", path.name)
    return rows


def _parquet_rows(path: Path) -> list[Row]:
    # Heavy only for those who use it.
    import polars as pl

    try:
        frame = pl.read_parquet(path, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ImportingError(f"{path} cannot be read as Parquet: {error}") from error
    return [Row({key: _plain(each) for key, each in row.items()}) for row in frame.to_dicts()]


def _plain(value: Any) -> Any:
    """Return a value of Parquet as JSON has it."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _typed(rows: Sequence[Row]) -> list[Row]:
    """Return rows whose columns of numbers and truth values hold such."""
    if not rows:
        return []
    columns = {name: _column([row.values[name] for row in rows]) for name in rows[0].values}
    return [
        Row({name: cells[place] for name, cells in columns.items()}, row.line)
        for place, row in enumerate(rows)
    ]


def _column(cells: Sequence[str]) -> list[Any]:
    given: list[str | None] = [None if cell in _MISSING else cell for cell in cells]
    known = [cell.strip() for cell in given if cell is not None]
    has_gaps = len(known) < len(cells)
    if known and all(map(_WHOLE.fullmatch, known)):
        # A column with gaps is one of floating-point numbers there.
        return [None if c is None else float(c) if has_gaps else int(c) for c in given]
    if known and _are_numbers(known):
        return [None if cell is None else float(cell) for cell in given]
    if known and set(known) <= {"True", "False", "TRUE", "FALSE", "true", "false"}:
        return [None if cell is None else cell.strip().lower() == "true" for cell in given]
    return list(given)


def _are_numbers(cells: Iterable[str]) -> bool:
    try:
        return all("_" not in cell and float(cell) is not None for cell in cells)
    except ValueError:
        return False
