"""Files that ``headway export`` wrote, as the lines that ``POST /v1/import`` takes.

They are known by what they hold, whatever they are called: by the schema of Parquet and Arrow, the
header of CSV, the keys of the first line of JSONL.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headway.apis import ApiClient
from headway.errors import CommandError
from headway.records import IngestAnswer
from headway_collector.export_columns import (
    COLUMNS,
    FORMULA,
    METADATA_KEY,
    VERBATIM,
    VERSION,
    WHATS,
    ColumnKind,
    ExportColumn,
    What,
    recognise_names,
)
from headway_collector.export_formats import make_header
from headway_collector.importing.mapping import RowFault
from headway_collector.importing.tables import Row
from headway_collector.times import format_time

EXPORTED_ROW_BYTES = 60 * 1024 * 1024
"""Of one row: as much as a collector takes in one body."""

_HEAD_BYTES = 64 * 1024
_PARQUET = b"PAR1"
_ARROW = b"\xff\xff\xff\xff"
# Without it a stream that was cut off between two batches reads like a whole one.
_ARROW_END = b"\xff\xff\xff\xff\0\0\0\0"
_SLICE_ROWS = 500
_LINE = "line"
# A cell in quotes, or one without; then a comma, or the end.
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|$)')
_FORMULA = re.compile(FORMULA)

_encoder = msgspec.json.Encoder()


class ExportTable:
    """An export as rows, each with its line; ``position`` goes from 0 to ``size`` meanwhile."""

    def __init__(
        self, path: Path, what: What, size: int, read: Callable[["ExportTable"], Iterator[Row]]
    ) -> None:
        self.path = path
        self.what = what
        self.columns = [column.name for column in COLUMNS[what]]
        self.size = size
        self.position = 0
        self._read = read

    def rows(self) -> Iterator[Row]:
        """Yield every row, from the first."""
        self.position = 0
        return self._read(self)


class LineMapper:
    """Gives back the line that a row of an export is."""

    def map_row(self, number: int, values: dict[str, Any]) -> list[bytes]:
        """Return it."""
        line: bytes = values[_LINE]
        return [line]


class ExportClient:
    """Sends lines of an export to a collector.

    Args:
        project: that of all; None leaves to each its own.
    """

    def __init__(self, client: ApiClient, what: What, project: str | None) -> None:
        self._client = client
        self._what = what
        self._project = project

    def ingest(self, lines: Sequence[bytes], *, project: str, batch_id: str) -> IngestAnswer:
        """Send them, and return what came of them."""
        return self._client.import_rows(
            lines, what=self._what, project=self._project, batch_id=batch_id
        )


def open_export(path: Path) -> ExportTable | None:
    """Return the file as an export; None where it is none of ours.

    Raises:
        CommandError: it cannot be read, or a newer Headway wrote it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_PARQUET))
            first = head + file.readline(_HEAD_BYTES)
        size = path.stat().st_size
        if head == _PARQUET:
            # Arrow's words for what is wrong with a file are told by who opens it as any other.
            return _open_parquet(path)
        if head == _ARROW:
            return _open_arrow(path, size)
    except (OSError, pa.ArrowException):
        return None
    for what in WHATS:
        if first.rstrip(b"\r\n") == make_header(what).rstrip():
            return ExportTable(path, what, size, _read_csv)
    found = _recognise_line(path) if first.startswith(b'{"project":') else None
    return None if found is None else ExportTable(path, found, size, _read_jsonl)


def _open_parquet(path: Path) -> ExportTable | None:
    with pq.ParquetFile(path) as file:
        what = _find_what(path, file.schema_arrow)
        rows = file.metadata.num_rows
    return None if what is None else ExportTable(path, what, rows, _read_parquet)


def _open_arrow(path: Path, size: int) -> ExportTable | None:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        what = _find_what(path, reader.schema)
    if what is None:
        return None
    with path.open("rb") as stored:
        stored.seek(-len(_ARROW_END), os.SEEK_END)
        if stored.read() != _ARROW_END:
            raise CommandError(f"{path} was cut off: its end is missing, so export it again")
    return ExportTable(path, what, size, _read_arrow)


def _find_what(path: Path, schema: pa.Schema) -> What | None:
    said = (schema.metadata or {}).get(METADATA_KEY)
    if said is None:
        return None
    named, _, version = said.decode().partition(" ")
    for what in WHATS:
        if named == what and version == VERSION and recognise_names(schema.names) == what:
            return what
    raise CommandError(
        f"{path} is an export of {named!r}, version {version}, and this Headway knows version "
        f"{VERSION} of {' and '.join(WHATS)}: install the Headway that wrote it"
    )


def _recognise_line(path: Path) -> What | None:
    with path.open("rb") as file:
        line = file.readline()
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    *names, last = values
    return recognise_names(names) if last == VERBATIM else None


def _read_jsonl(table: ExportTable) -> Iterator[Row]:
    with table.path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            table.position += len(line)
            if not line.isspace():
                yield Row(number, {_LINE: line.rstrip(b"\r\n")})


def _read_csv(table: ExportTable) -> Iterator[Row]:
    columns = COLUMNS[table.what]
    with table.path.open("rb") as file:
        table.position += len(file.readline())
        number = next_number = 2
        pieces: list[bytes] = []
        is_open = False
        for line in file:
            table.position += len(line)
            next_number += 1
            pieces.append(line)
            # Inside a quoted cell a line may end; every quote of its own stands there twice.
            is_open ^= line.count(b'"') % 2 == 1
            if is_open:
                continue
            text, pieces = b"".join(pieces), []
            if not text.isspace():
                yield _read_cells(number, text, table.what, columns)
            number = next_number
        if pieces:
            yield Row(number, fault=f"from line {number} to the end: a quote is never closed")


def _read_cells(number: int, text: bytes, what: What, columns: Sequence[ExportColumn]) -> Row:
    try:
        cells = _cut(text.decode().removesuffix("\n").removesuffix("\r"))
        if len(cells) != len(columns):
            return Row(number, fault=f"{len(cells)} cells, but {len(columns)} columns")
        values = {
            column.name: None if cell is None else _read_cell(column.kind, cell)
            for column, cell in zip(columns, cells, strict=True)
        }
        return Row(number, {_LINE: _encode(what, values)})
    except UnicodeDecodeError:
        return Row(number, fault="not UTF-8")
    except (ValueError, RowFault) as error:
        return Row(number, fault=str(error))


def _cut(text: str) -> list[str | None]:
    """Return the cells; an empty one is None, and "" is an empty text."""
    cells: list[str | None] = []
    place = 0
    while True:
        match = _CELL.match(text, place)
        if match is None:
            raise ValueError(f"not CSV behind character {place}")
        quoted, bare, end = match.groups()
        cells.append(bare or None if quoted is None else quoted.replace('""', '"'))
        if not end:
            return cells
        place = match.end()


def _read_cell(kind: ColumnKind, cell: str) -> Any:
    if kind in ("text", "json", "texts"):
        if cell.startswith("'") and _FORMULA.match(cell):
            cell = cell[1:]
        return msgspec.json.decode(cell, type=list[str]) if kind == "texts" else cell
    if kind == "count":
        return int(cell)
    if kind == "number":
        return float(cell)
    if kind == "flag":
        if cell.lower() not in ("true", "false"):
            raise ValueError(f"{cell[:80]!r} is neither true nor false")
        return cell.lower() == "true"
    return cell


def _read_parquet(table: ExportTable) -> Iterator[Row]:
    with pq.ParquetFile(table.path) as file:
        for row in _read_batches(table, file.iter_batches(batch_size=_SLICE_ROWS)):
            table.position += 1
            yield row


def _read_arrow(table: ExportTable) -> Iterator[Row]:
    with pa.OSFile(str(table.path)) as file, pa.ipc.open_stream(file) as reader:
        for row in _read_batches(table, iter(reader)):
            table.position = file.tell()
            yield row


def _read_batches(table: ExportTable, batches: Iterator[pa.RecordBatch]) -> Iterator[Row]:
    number = 0
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            said = str(error).partition("\n")[0]
            yield Row(number + 1, fault=f"from row {number + 1} to the end: {said}")
            return
        if batch is None:
            return
        for values in _list_values(table.what, batch):
            number += 1
            yield Row(number, {_LINE: _encode(table.what, values)})


def _list_values(what: What, batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for column in COLUMNS[what]:
        cells = batch.column(column.name)
        if column.kind == "time":
            # Python's own times end at microseconds.
            times = cells.cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()).to_pylist()
            columns[column.name] = [None if each is None else format_time(each) for each in times]
        else:
            columns[column.name] = cells.to_pylist()
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _encode(what: What, values: dict[str, Any]) -> bytes:
    """Return a row as a line of JSONL."""
    verbatim: dict[str, str] = {}
    for column in COLUMNS[what]:
        text = values[column.name]
        if column.kind == "json" and text is not None:
            is_broken = "\n" in text or "\r" in text
            if is_broken:
                verbatim[column.name] = text
            values[column.name] = None if is_broken else msgspec.Raw(text.encode())
        elif column.kind == "texts" and text is None:
            values[column.name] = []
    values[VERBATIM] = verbatim or None
    return _encoder.encode(values)
