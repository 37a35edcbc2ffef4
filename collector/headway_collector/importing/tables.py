"""A CSV, JSONL or Parquet file as rows, a slice at a time.

Every row knows the line on which it starts, as an editor numbers it (in Parquet, the number of
the row), and a row that cannot be read is a row with a fault, not the end of the file.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from headway.errors import CommandError

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_PARQUET_SLICE_ROWS = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it is, and what it holds or why it cannot be read."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None


class Table(Protocol):
    """A file of rows; ``position`` goes from 0 to ``size`` while they are read."""

    columns: list[str]
    size: int
    position: int

    def rows(self) -> Iterator[Row]:
        """Yield every row, from the first."""


def open_table(path: Path, form: Format | None = None) -> Table:
    """Return the file as a table.

    Raises:
        CommandError: it is missing, of no known format, or not what it says it is.
    """
    form = form or _SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise CommandError(
            f"{path.name} does not end in {', '.join(_SUFFIXES)}: "
            f"say what it is with --format {'|'.join(FORMATS)}"
        )
    if not path.is_file():
        raise CommandError(f"there is no file {path}")
    try:
        if form == "csv":
            return CsvTable(path)
        return JsonlTable(path) if form == "jsonl" else ParquetTable(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from error


class CsvTable:
    """Comma-separated values with a header; quoted cells may span lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        self.position = 0
        header = _read_header(path)
        if not header:
            raise CommandError(f"{path} is empty: a CSV file begins with the names of its columns")
        # A column without a name is usually the index that a data frame was written with.
        self.columns = [name or f"column_{index}" for index, name in enumerate(header, start=1)]
        _refuse_repeated(path, self.columns)

    def rows(self) -> Iterator[Row]:
        """Yield every row after the header; blank lines are none."""
        with self._path.open("rb") as raw, _as_csv_text(raw) as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            while True:
                line = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Row(line, fault=_explain_csv(error, line, reader.line_num))
                    continue
                self.position = raw.tell()
                if cells:
                    yield self._make_row(line, cells)

    def _make_row(self, line: int, cells: list[str]) -> Row:
        if len(cells) != len(self.columns):
            return Row(line, fault=f"{len(cells)} cells, but {len(self.columns)} columns")
        try:
            "".join(cells).encode()
        except UnicodeEncodeError:
            return Row(line, fault="not UTF-8")
        return Row(line, dict(zip(self.columns, cells, strict=True)))


class JsonlTable:
    """One JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        self.position = 0
        # There is no header, and a column may first appear in the last row.
        names: dict[str, None] = {}
        fault: Row | None = None
        for row in self.rows():
            names.update(dict.fromkeys(row.values))
            fault = fault or (row if row.fault else None)
        if not names:
            why = f"line {fault.line} is {fault.fault}" if fault else "it is empty"
            raise CommandError(f"{path} holds no JSON object with a column: {why}")
        self.columns = list(names)

    def rows(self) -> Iterator[Row]:
        """Yield every line that is not blank."""
        self.position = 0
        with self._path.open("rb") as file:
            for line, text in enumerate(file, start=1):
                self.position += len(text)
                if not text.isspace():
                    yield _read_json_line(line, text)


class ParquetTable:
    """A Parquet file; its lines are its rows, from 1."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pq.ParquetFile(path)
        except pa.ArrowException as error:
            raise CommandError(f"{path} is not a Parquet file: {_first_line(error)}") from error
        self.columns = list(self._file.schema_arrow.names)
        _refuse_repeated(path, self.columns)
        self.size = self._file.metadata.num_rows
        self.position = 0

    def rows(self) -> Iterator[Row]:
        """Yield every row; where the file is damaged, that row is the last."""
        self.position = 0
        batches = self._file.iter_batches(batch_size=_PARQUET_SLICE_ROWS)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, pa.ArrowException) as error:
                line = self.position + 1
                damage = f"the file is damaged: {_first_line(error)}"
                yield Row(line, fault=f"from row {line} to the end (row {self.size}): {damage}")
                return
            if batch is None:
                return
            for row in _read_batch(batch, self.position + 1):
                self.position += 1
                yield row


def _refuse_repeated(path: Path, columns: list[str]) -> None:
    repeated = {name for name, count in Counter(columns).items() if count > 1}
    if repeated:
        raise CommandError(f"{path} has more than one column {min(repeated)!r}")


def _read_header(path: Path) -> list[str]:
    try:
        with path.open("rb") as raw, _as_csv_text(raw) as file:
            header = next(csv.reader(file, strict=True), [])
        "".join(header).encode()
    except UnicodeEncodeError as error:
        raise CommandError(
            f"{path} is not UTF-8: convert it first, for example with iconv"
        ) from error
    except csv.Error as error:
        raise CommandError(f"{path} is not CSV: {error}") from error
    return header


def _explain_csv(error: csv.Error, line: int, last_line: int) -> str:
    # Only a quote can make the reader go on to the end of the file; csv tells it by text alone.
    if str(error) == "unexpected end of data":
        return f"from line {line} to the end (line {last_line}): a quote is never closed"
    return f"not CSV: {error}"


def _as_csv_text(raw: BinaryIO) -> io.TextIOWrapper:
    csv.field_size_limit(2**31 - 1)
    # Bytes that are not UTF-8 survive the reading, so that only their own row is at fault.
    return io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="")


def _read_json_line(line: int, text: bytes) -> Row:
    try:
        # Not msgspec: its strictness is right for the wire, and wrong for NaN in other's logs.
        values = json.loads(text.decode("utf-8-sig"), parse_constant=lambda name: None)
    except UnicodeDecodeError:
        return Row(line, fault="not UTF-8")
    except (ValueError, RecursionError) as error:
        return Row(line, fault=f"not JSON: {error}")
    if not isinstance(values, dict):
        return Row(line, fault=f"a JSON {type(values).__name__}, not an object")
    return Row(line, values)


def _read_batch(batch: pa.RecordBatch, first_line: int) -> list[Row]:
    try:
        plain = batch.cast(_plain_schema(batch.schema), safe=False)
        return [Row(line, row) for line, row in enumerate(plain.to_pylist(), start=first_line)]
    except (ValueError, OverflowError, pa.ArrowException) as error:
        # Python has no year 10000, for example; row by row only those at fault are lost.
        if batch.num_rows == 1:
            return [Row(first_line, fault=f"cannot be read: {_first_line(error)}")]
    rows = range(batch.num_rows)
    return [row for n in rows for row in _read_batch(batch.slice(n, 1), first_line + n)]


def _first_line(error: Exception) -> str:
    # Arrow tells the inner causes on lines of their own, and a fault has one.
    return str(error).partition("\n")[0]


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([_plain_field(field) for field in schema])


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(_plain_type(field.type))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type with times as Python has them, at any depth: microseconds, and UTC."""
    types = pa.types
    if types.is_timestamp(kind):
        # An instant is the same in every zone, also in one that this machine does not know.
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, kind.tz and "UTC")
    if types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if types.is_time64(kind):
        return pa.time64("us")
    if types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    if types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field), kind.list_size)
    if types.is_large_list(kind):
        return pa.large_list(_plain_field(kind.value_field))
    if types.is_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    return kind
