"""The bytes of an export: batches of rows in, pieces of a file out, and nothing kept in between.

Only Parquet gathers rows, as many as stand in one of its row groups.
"""

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from headway_collector.export_columns import COLUMNS, Form, What, make_schema

MEDIA_TYPES: dict[Form, str] = {
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8; header=present",
}

_GROUP_ROWS = 32 * 1024
_GROUP_BYTES = 32 * 1024 * 1024
"""Of texts before they are compressed: readers skip whole groups, and one is held in memory."""


class ExportWriter(Protocol):
    """Writes one file."""

    def begin(self) -> bytes:
        """Return what stands before all rows."""

    def write(self, batch: pa.RecordBatch) -> bytes:
        """Return what these rows add, which may be nothing yet."""

    def end(self) -> bytes:
        """Return what makes the file whole."""


def make_writer(what: What, form: Form) -> ExportWriter:
    """Return the writer of a format."""
    if form == "parquet":
        return ParquetExport(what)
    if form == "arrow":
        return ArrowExport(what)
    return LineExport(make_header(what) if form == "csv" else b"")


def make_header(what: What) -> bytes:
    """Return the first line of CSV."""
    return ",".join(column.name for column in COLUMNS[what]).encode() + b"\r\n"


class LineExport:
    """JSONL and CSV: the database has written each row as a line."""

    def __init__(self, header: bytes) -> None:
        self._header = header

    def begin(self) -> bytes:
        """Return the names of the columns."""
        return self._header

    def write(self, batch: pa.RecordBatch) -> bytes:
        """Return the lines."""
        lines = batch.column(0)
        if not len(lines):
            return b""
        # One after another they stand in Arrow's buffer already.
        _, ends, data = lines.buffers()
        ends = memoryview(ends).cast("i")
        first, last = ends[lines.offset], ends[lines.offset + len(lines)]
        return bytes(memoryview(data)[first:last]) if data is not None else b""

    def end(self) -> bytes:
        """Return nothing: a line knows of no other."""
        return b""


class ArrowExport:
    """Arrow IPC, the streaming format, with its buffers compressed (LZ4)."""

    def __init__(self, what: What) -> None:
        self._schema = make_schema(what)
        self._sink = _Sink()
        self._writer: pa.RecordBatchWriter | None = None

    def begin(self) -> bytes:
        """Return the schema."""
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        file = pa.PythonFile(self._sink, mode="w")
        self._writer = pa.ipc.new_stream(file, self._schema, options=options)
        return self._sink.take()

    def write(self, batch: pa.RecordBatch) -> bytes:
        """Return the rows as one batch."""
        assert self._writer is not None
        self._writer.write_batch(_shape(batch, self._schema))
        return self._sink.take()

    def end(self) -> bytes:
        """Return the mark of the end."""
        assert self._writer is not None
        self._writer.close()
        return self._sink.take()


class ParquetExport:
    """Parquet with zstd; what is short and repeats is written as words of a dictionary."""

    def __init__(self, what: What) -> None:
        self._schema = make_schema(what)
        self._short = [column.name for column in COLUMNS[what] if not column.is_content]
        self._sink = _Sink()
        self._writer: pq.ParquetWriter | None = None
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def begin(self) -> bytes:
        """Return the magic number."""
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"),
            self._schema,
            compression="zstd",
            use_dictionary=self._short,
            write_statistics=self._short,
        )
        return self._sink.take()

    def write(self, batch: pa.RecordBatch) -> bytes:
        """Return a row group where there are rows enough for one."""
        self._batches.append(_shape(batch, self._schema))
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._write_group()
        return self._sink.take()

    def end(self) -> bytes:
        """Return the rest of the rows, and the footer without which it is no Parquet."""
        assert self._writer is not None
        self._write_group()
        self._writer.close()
        return self._sink.take()

    def _write_group(self) -> None:
        assert self._writer is not None
        if self._batches:
            table = pa.Table.from_batches(self._batches, self._schema)
            self._writer.write_table(table, row_group_size=max(self._rows, 1))
        self._batches = []
        self._rows = self._bytes = 0


class _Sink:
    """A file for Arrow to write to, whose bytes are taken out as they come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        self._pieces.append(bytes(data))
        self._size_bytes += len(self._pieces[-1])
        return len(self._pieces[-1])

    def tell(self) -> int:
        return self._size_bytes

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def _shape(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch with times as times; the numbers stay the same."""
    columns: Sequence[pa.Array] = [
        batch.column(place).cast(field.type) for place, field in enumerate(schema)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
