"""Running one SELECT of a caller's own, within bounds of time, memory, rows and bytes.

DuckDB's limit of memory is that of all connections together. So a watcher looks every few
milliseconds at what is held, and interrupts the question long before the writer could want for
memory; what questions spill to disk counts as if it were in memory, so that no disk fills. Some
aggregates (``median``, ``quantile``) hold what DuckDB does not count: the process's own size is
looked at, too. An interrupt is heeded between two vectors of rows, and what one vector may grow to
is bounded before (``sql_checks``).
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from headway.errors import HeadwayError
from headway_collector.errors import (
    InvalidRequestError,
    StoreUnavailableError,
    TooBroadError,
)
from headway_collector.store.connections import Store
from headway_collector.store.sql_checks import check_sql, first_lines
from headway_collector.store.sql_shapes import Form, express, name_apart, with_integers
from headway_collector.store.sql_views import TOO_LONG, TextBounds, create_views

DEFAULT_ROWS = 10_000
MAX_ROWS = 100_000
_BATCH_ROWS = 1024
_SLICE_ROWS = 32
_LOOK_S = 0.005
_MEBIBYTE = 1024 * 1024
_PAGE_BYTES = 4096
# DuckDB counts sixteen bytes for a text, however long it is, in what it works out ahead.
_READ_AHEAD = "SET SESSION streaming_buffer_size = '16KB'"
_STATM = Path("/proc/self/statm")
# Pages of the file, which are let go when others want room, and what the writer alone holds.
_HELD = (
    "SELECT sum(memory_usage_bytes + temporary_storage_bytes)::BIGINT FROM duckdb_memory() "
    "WHERE tag NOT IN ('BASE_TABLE', 'IN_MEMORY_TABLE', 'METADATA', 'TRANSACTION', 'ART_INDEX')"
)
# What goes wrong as rows come is said by Arrow, in DuckDB's words.
_INTERRUPT = "INTERRUPT"
_SHORTAGE = "Out of Memory"
_INTERRUPTS = (duckdb.InterruptException,)
_SHORTAGES = (duckdb.OutOfMemoryException, MemoryError)
_OUTAGES = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.TransactionException,
    duckdb.CatalogException,
)

Cut = Literal["limit", "bytes"]


@dataclass(frozen=True, slots=True)
class SqlBounds:
    """What one question may take.

    Args:
        time_s: from its parsing to its last row.
        result_bytes: of its rows, as Arrow columns.
        memory_bytes: that DuckDB holds or has spilled, for it and for other reads.
        growth_bytes: how much larger the process may be than at its start.
    """

    time_s: float = 10.0
    result_bytes: int = 32 * _MEBIBYTE
    memory_bytes: int = 256 * _MEBIBYTE
    growth_bytes: int = 512 * _MEBIBYTE


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What came out.

    Args:
        names: of the columns; several may be the same.
        types: DuckDB's names of their types.
        table: the rows, each column in the form that was asked for.
        cut_by: what kept further rows out; None where these are all.
    """

    names: list[str]
    types: list[str]
    table: pa.Table
    cut_by: Cut | None


def run_sql(
    store: Store,
    sql: str,
    projects: Sequence[str] | None,
    *,
    limit: int = DEFAULT_ROWS,
    form: Form = "json",
    text_chars: int | None = None,
    bounds: SqlBounds | None = None,
) -> SqlAnswer:
    """Return what one SELECT over the views gives.

    Args:
        store: is read only.
        sql: the text; whatever it is.
        projects: whose rows the views have; None means all.
        limit: the most rows.
        form: what the columns are made for.
        text_chars: where a longer text is cut to; without, a text too long for the question is an
            error.
        bounds: what it may take.

    Raises:
        InvalidRequestError: it is not one SELECT, or not one that may be run or can be computed.
        TooBroadError: it took too long or too much memory, and was ended.
        StoreUnavailableError: the database cannot be read at the moment.
    """
    bounds = bounds or SqlBounds()
    # Values stand in what DuckDB says of them, and it might say it of a row before the row's
    # project was looked at: whoever sees all projects may see all values.
    is_open = projects is None
    with store.lend_cursor() as cursor, _Watch(store, cursor, bounds) as watch:
        try:
            texts = _bound_texts(check_sql(cursor, sql), text_chars)
            cursor.execute(_READ_AHEAD)
            is_walled = False
            while True:
                create_views(cursor, projects, texts, is_walled=is_walled)
                try:
                    return _answer(cursor, sql, limit, form, bounds.result_bytes)
                except HeadwayError:
                    raise
                except Exception as error:
                    if is_open or is_walled or not _is_of_a_row(error):
                        raise
                # It may have been another's row, on which nobody must see anything fail.
                is_walled = True
        except HeadwayError:
            raise
        except Exception as error:
            raise _translate(error, watch.reason, is_open, texts.chars) from error


def _bound_texts(most_chars: int, asked_chars: int | None) -> TextBounds:
    """Return how long texts may be, given what the question makes of them at most.

    Raises:
        InvalidRequestError: more is asked for.
    """
    if asked_chars is None:
        return TextBounds(most_chars)
    if asked_chars > most_chars:
        raise InvalidRequestError(
            f"text_chars is {asked_chars}; for what this makes of texts {most_chars} are allowed"
        )
    return TextBounds(asked_chars, is_cut=True)


def _answer(
    cursor: duckdb.DuckDBPyConnection, sql: str, limit: int, form: Form, most_bytes: int
) -> SqlAnswer:
    with _explained():
        relation = cursor.sql(sql)
    names, types = relation.columns, [str(kind) for kind in relation.types]
    shown = names if form == "json" else name_apart(names)
    # One row more than asked for tells whether there are any.
    limited = relation.limit(limit + 1).project(express(types, shown, form))
    table, cut_by = _collect(limited.to_arrow_reader(_BATCH_ROWS), limit, most_bytes)
    # Where batches begin tells how many rows of others stand between.
    table = table.combine_chunks()
    return SqlAnswer(names, types, with_integers(table) if form == "arrow" else table, cut_by)


def _collect(
    reader: pa.RecordBatchReader, limit: int, most_bytes: int
) -> tuple[pa.Table, Cut | None]:
    parts: list[pa.RecordBatch] = []
    row_count, size_bytes = 0, 0
    for batch in reader:
        for start in range(0, len(batch), _SLICE_ROWS):
            part = batch.slice(start, min(_SLICE_ROWS, limit - row_count))
            size_bytes += part.nbytes
            if size_bytes > most_bytes:
                return pa.Table.from_batches(parts, reader.schema), "bytes"
            parts.append(part)
            row_count += len(part)
            if row_count == limit and start + len(part) < len(batch):
                return pa.Table.from_batches(parts, reader.schema), "limit"
    is_cut = row_count == limit and _has_more(reader)
    return pa.Table.from_batches(parts, reader.schema), "limit" if is_cut else None


def _has_more(reader: pa.RecordBatchReader) -> bool:
    return any(len(batch) for batch in reader)


@contextmanager
def _explained() -> Iterator[None]:
    """Say what names and types are wrong, which is before any row is read."""
    try:
        yield
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as error:
        if 'schema "store" does not exist' in str(error):
            raise
        raise InvalidRequestError(f"this cannot be asked: {first_lines(error)}") from error


def _is_of_a_row(error: Exception) -> bool:
    """Return whether a value could not be computed, and nothing else went wrong."""
    return not (
        isinstance(error, (*_INTERRUPTS, *_SHORTAGES, *_OUTAGES))
        or any(word in str(error)[:40] for word in (_INTERRUPT, _SHORTAGE))
    )


def _translate(error: Exception, reason: str | None, is_open: bool, chars: int) -> Exception:
    """Return what a fault while a question runs is in our words."""
    said = str(error)
    if isinstance(error, _INTERRUPTS) or _INTERRUPT in said[:40]:
        if reason is None:
            # Reads are stopped, or had to make way; whoever did it says which.
            return StoreUnavailableError("the query was ended from outside: try again")
        return TooBroadError(reason)
    if isinstance(error, _SHORTAGES) or _SHORTAGE in said[:40]:
        return TooBroadError(_explain_memory("there is"))
    if isinstance(error, _OUTAGES):
        return error
    if TOO_LONG in said:
        return TooBroadError(
            f"a text has more than {chars} characters, too long for what this makes of texts: "
            f"filter, make fewer texts, or let longer ones be cut with text_chars up to {chars}"
        )
    shown = f": {said.partition(chr(10))[0][:500]}" if is_open else ""
    return InvalidRequestError(
        f"a value of a row cannot be computed{shown} (TRY_CAST gives null in its place)"
    )


def _explain_memory(share: str) -> str:
    return (
        f"this takes more memory than {share}: select fewer columns, group or filter before "
        "joins and sorts, or add a LIMIT"
    )


class _Watch:
    """Ends a question that takes too much, while the block runs it."""

    def __init__(
        self,
        store: Store,
        cursor: duckdb.DuckDBPyConnection,
        bounds: SqlBounds,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        measure_bytes: Callable[[], int] = lambda: measure_process(),
    ) -> None:
        self.reason: str | None = None
        self._store = store
        self._cursor = cursor
        self._bounds = bounds
        self._clock_s = clock_s
        self._measure_bytes = measure_bytes
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="headway-sql", daemon=True)

    def __enter__(self) -> "_Watch":
        self._end_s = self._clock_s() + self._bounds.time_s
        self._most_bytes = self._measure_bytes() + self._bounds.growth_bytes
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        with self._store.open_cursor() as cursor:
            while not self._is_over.wait(_LOOK_S):
                self.reason = self.reason or self._find_reason(cursor)
                if self.reason is not None:
                    # Again and again: what had not quite begun would not hear it.
                    self._cursor.interrupt()

    def _find_reason(self, cursor: duckdb.DuckDBPyConnection) -> str | None:
        if self._clock_s() > self._end_s:
            return (
                f"this takes more than {self._bounds.time_s:g} s: narrow start_time, or select "
                "fewer texts (input, output, attributes are most of what is read)"
            )
        try:
            row = cursor.execute(_HELD).fetchone()
        except duckdb.Error:
            # Memory may be short, or the database on its way out: the next look will tell.
            row = None
        is_much = row is not None and (row[0] or 0) > self._bounds.memory_bytes
        if is_much or self._measure_bytes() > self._most_bytes:
            return _explain_memory("queries may have")
        return None


def measure_process() -> int:
    """Return how many bytes of memory this process has; 0 where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
