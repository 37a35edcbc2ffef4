"""The bytes of an export: batches of rows in, pieces of a file out.

Parquet and Arrow gather rows, as many as stand in one row group or batch of theirs; lines are
handed on at once.
"""

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

PIECE_BYTES = 256 * 1024
"""Handed to the connection at once; it holds as much for a client that is slow."""

_GROUP_ROWS = 16 * 1024
_GROUP_BYTES = 32 * 1024 * 1024
"""Of texts before they are compressed: readers skip whole groups, and one is held in memory.

So is what the footer says of every group, some 90 KB: of smaller ones, a long export has too many.
"""

_BATCH_ROWS = 1024
_BATCH_BYTES = 4 * 1024 * 1024


class ExportWriter(Protocol):
    """Writes one file, whose bytes come in pieces."""

    def begin(self) -> list[bytes]:
        """Return what stands before all rows."""

    def write(self, batch: pa.RecordBatch) -> list[bytes]:
        """Return what these rows add, which may be nothing yet."""

    def end(self) -> list[bytes]:
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

    def begin(self) -> list[bytes]:
        """Return the names of the columns."""
        return [self._header] if self._header else []

    def write(self, batch: pa.RecordBatch) -> list[bytes]:
        """Return the lines."""
        lines = batch.column(0)
        if not len(lines):
            return []
        # One after another they stand in Arrow's buffer already.
        _, ends, data = lines.buffers()
        ends = memoryview(ends).cast("i")
        first, last = ends[lines.offset], ends[lines.offset + len(lines)]
        return [bytes(memoryview(data)[first:last])] if data is not None else []

    def end(self) -> list[bytes]:
        """Return nothing: a line knows of no other."""
        return []


class ArrowExport:
    """Arrow IPC, the streaming format, with its buffers compressed (LZ4)."""

    def __init__(self, what: What) -> None:
        self._schema = make_schema(what)
        self._gathered = _Gathered(self._schema, _BATCH_ROWS, _BATCH_BYTES)
        self._sink = _Sink()
        self._writer: pa.RecordBatchWriter | None = None

    def begin(self) -> list[bytes]:
        """Return the schema."""
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        file = pa.PythonFile(self._sink, mode="w")
        self._writer = pa.ipc.new_stream(file, self._schema, options=options)
        return self._sink.take()

    def write(self, batch: pa.RecordBatch) -> list[bytes]:
        """Return a batch where there are rows enough for one."""
        if self._gathered.add(batch):
            self._write_batch()
        return self._sink.take()

    def end(self) -> list[bytes]:
        """Return the rest of the rows, and the mark of the end."""
        assert self._writer is not None
        self._write_batch()
        self._writer.close()
        return self._sink.take()

    def _write_batch(self) -> None:
        assert self._writer is not None
        for batch in self._gathered.take().combine_chunks().to_batches():
            self._writer.write_batch(batch)


class ParquetExport:
    """Parquet with zstd; what is short and repeats is written as words of a dictionary."""

    def __init__(self, what: What) -> None:
        self._schema = make_schema(what)
        self._short = [column.name for column in COLUMNS[what] if not column.is_content]
        self._sink = _Sink()
        self._writer: pq.ParquetWriter | None = None
        self._gathered = _Gathered(self._schema, _GROUP_ROWS, _GROUP_BYTES)

    def begin(self) -> list[bytes]:
        """Return the magic number."""
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"),
            self._schema,
            compression="zstd",
            use_dictionary=self._short,
            write_statistics=self._short,
        )
        return self._sink.take()

    def write(self, batch: pa.RecordBatch) -> list[bytes]:
        """Return a row group where there are rows enough for one."""
        if self._gathered.add(batch):
            self._write_group()
        return self._sink.take()

    def end(self) -> list[bytes]:
        """Return the rest of the rows, and the footer without which it is no Parquet."""
        assert self._writer is not None
        self._write_group()
        self._writer.close()
        return self._sink.take()

    def _write_group(self) -> None:
        assert self._writer is not None
        table = self._gathered.take()
        if len(table):
            self._writer.write_table(table, row_group_size=len(table))
            # What Arrow keeps for the next group is of other sizes than what that one asks for.
            pa.default_memory_pool().release_unused()


class _Gathered:
    """Rows until there are many, or large ones."""

    def __init__(self, schema: pa.Schema, most_rows: int, most_bytes: int) -> None:
        self._schema = schema
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> bool:
        """Keep rows, and return whether they are enough."""
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        return self._rows >= self._most_rows or self._bytes >= self._most_bytes

    def take(self) -> pa.Table:
        """Return the rows, with times as times; the numbers stay the same."""
        batches, self._batches = self._batches, []
        self._rows = self._bytes = 0
        if not batches:
            return self._schema.empty_table()
        columns = pa.Table.from_batches(batches).columns
        shaped = [
            column.cast(field.type) for column, field in zip(columns, self._schema, strict=True)
        ]
        return pa.Table.from_arrays(shaped, schema=self._schema)


class _Sink:
    """A file for Arrow to write to, whose bytes are taken out as they come.

    They are never joined: of a group of Parquet that would be as much once more.
    """

    def __init__(self) -> None:
        self._whole: list[bytes] = []
        self._last = bytearray()
        self._size_bytes = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        # Arrow writes pages of any length, and a message for each would be many.
        added = memoryview(data).cast("B")
        for first in range(0, len(added), PIECE_BYTES):
            self._last += added[first : first + PIECE_BYTES]
            if len(self._last) >= PIECE_BYTES:
                self._cut()
        self._size_bytes += len(added)
        return len(added)

    def tell(self) -> int:
        return self._size_bytes

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> list[bytes]:
        """Return what was written since the last time."""
        if self._last:
            self._cut()
        taken, self._whole = self._whole, []
        return taken

    def _cut(self) -> None:
        self._whole.append(bytes(self._last))
        self._last.clear()
