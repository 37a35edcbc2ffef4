"""The database while it is open: reading, one transaction, checkpoints, and its file replaced.

Each read has its own cursor and is never blocked by the writer; transactions, checkpoints and
``heal`` belong to the one writer thread.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from headway_collector.errors import (
    CheckpointPostponedError,
    StoreError,
    StoreInUseError,
    StoreUnavailableError,
    UnstorableError,
)
from headway_collector.store import migrations, openings
from headway_collector.store.interrupts import Reads, interrupting
from headway_collector.store.memories import USUAL, Memory, is_short_of_memory
from headway_collector.store.openings import MEMORY
from headway_collector.store.outages import (
    explain_opening,
    first_line,
    is_given_up,
    is_in_use,
    translated,
)
from headway_collector.store.swaps import find_copy_path, put_in_place, remove_copy

# DuckDB counts sixteen bytes for a text however long it is, so that what it would work out ahead of
# who takes the rows, a megabyte by its count, is two hundred where a row is one text.
_READ_AHEAD = "SET SESSION streaming_buffer_size = '16KB'"


class Store:
    """One open database.

    Args:
        path: a file, made where missing, or ``MEMORY``.
        usual_memory: as a rule DuckDB takes no more.
        most_memory: what it may take for long texts; None is its own limit.

    Raises:
        StoreError: the file is locked, foreign, newer than this program, or cannot be made.
    """

    def __init__(
        self,
        path: str | Path = MEMORY,
        *,
        usual_memory: str = USUAL,
        most_memory: str | None = None,
    ) -> None:
        self.path = str(path)
        self._is_broken = False
        self._reads = Reads()
        self._connection = openings.connect()
        self.memory = Memory(self._connection, usual_memory, most_memory)
        try:
            openings.set_up(self._connection, self.path)
            with self.memory.widened():
                openings.attach(self._connection, self.path)
            self._identity = openings.identify(self.path)
            if self.file is not None:
                remove_copy(find_copy_path(self.file))
            migrations.migrate(self._connection)
        except duckdb.Error as error:
            self.close()
            kind = StoreInUseError if is_in_use(error) else StoreError
            raise kind(explain_opening(self.path, error)) from error
        except StoreError:
            self.close()
            raise

    def read(
        self, sql: str, parameters: Sequence[object] = (), *, limit_s: float | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a query by column name; one that lacks memory is run again with more.

        Raises:
            StoreUnavailableError: the database cannot be read at the moment.
            duckdb.InterruptException: it took longer than ``limit_s``.
        """
        try:
            return self._read(sql, parameters, limit_s)
        except StoreUnavailableError as error:
            if not is_short_of_memory(error):
                raise
            self.memory.note_shortage("a read", error)
        with self.memory.widened():
            return self._read(sql, parameters, limit_s)

    def _read(
        self, sql: str, parameters: Sequence[object], limit_s: float | None
    ) -> list[dict[str, Any]]:
        with self._reading() as cursor, ExitStack() as watch:
            if limit_s is not None:
                watch.enter_context(interrupting(cursor, limit_s))
            cursor.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def stream(
        self,
        sql: str,
        parameters: Sequence[object] = (),
        batch_rows: int = 10_000,
        *,
        tell_interrupt: Callable[[Callable[[], None]], object] = lambda interrupt: None,
    ) -> Iterator[pa.RecordBatchReader]:
        """Give the rows of a query batch by batch, as Arrow columns.

        Args:
            sql: DuckDB works on it no faster than its rows are taken.
            parameters: its values.
            batch_rows: in a batch.
            tell_interrupt: is given what ends the query, from whichever thread.

        Raises:
            StoreUnavailableError: the database cannot be read at the moment.
        """
        # Nobody could take up again what ends in the middle.
        with self.memory.widened(), self._reading() as cursor:
            tell_interrupt(cursor.interrupt)
            cursor.execute(_READ_AHEAD)
            cursor.execute(sql, list(parameters))
            yield cursor.to_arrow_reader(batch_rows)

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with (
                translated(),
                self._connection.cursor() as cursor,
                self._reads.count(cursor),
            ):
                yield cursor
        except duckdb.InterruptException as error:
            if not self._reads.are_stopped:
                raise
            message = "the collector is shutting down: try again later"
            raise StoreUnavailableError(message) from error
        finally:
            if self.memory.is_wide:
                self.memory.trim()

    @property
    def file(self) -> Path | None:
        """The database's file, behind any link; None in memory."""
        return openings.resolve(self.path)

    def open_cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor with transactions of its own, for the caller to interrupt and close."""
        return self._connection.cursor()

    def lend_cursor(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Give a cursor to read with, as often as the block likes; it counts as one read.

        Raises:
            StoreUnavailableError: the database cannot be read at the moment.
        """
        return self._reading()

    def stop_reading(self) -> None:
        """End all reads, those that run and those to come; what is written is not touched."""
        self._reads.stop()

    @property
    def is_stopping(self) -> bool:
        """Whether reads have been ended, since the process will end."""
        return self._reads.are_stopped

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Commit what the block does, or nothing of it. For the writer thread.

        Raises:
            StoreUnavailableError: the disk is full, the file gone, or the like; later it may work.
            UnstorableError: these rows will never work.
        """
        self._check_place()
        self.heal()
        try:
            with translated():
                self._connection.execute("BEGIN TRANSACTION")
                yield self._connection
                self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(duckdb.Error):  # a failed COMMIT has already ended it
                self._connection.execute("ROLLBACK")
            self._is_broken |= is_given_up(error)
            if isinstance(error, duckdb.Error):
                message = f"the database refuses this: {first_line(error)}"
                raise UnstorableError(message) from error
            raise

    def favour_writes(self, is_wanted: bool) -> None:
        """Let statements run in the thread that asks for them alone, or in all threads again.

        A statement that DuckDB's own threads take part in makes its caller wait for them at full
        speed, with the interpreter lock. Where rows stream in that takes a fifth of the machine,
        and where they do not, large reads are worth every thread. For the writer thread.

        Raises:
            StoreUnavailableError: the database is down.
        """
        with translated():
            threads = "SET GLOBAL threads = 1" if is_wanted else "RESET GLOBAL threads"
            self._connection.execute(threads)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file. For the writer thread.

        Raises:
            CheckpointPostponedError: a read is older than an update, and needs what it replaced.
            StoreUnavailableError: the disk is full, or the like; ``heal`` before going on.
        """
        self.heal()
        # DuckDB gives up a database whose checkpoint fails, so this is true until it succeeds.
        self._is_broken = True
        with self.memory.widened(is_trimmed=False), translated():
            try:
                self._connection.execute("CHECKPOINT store")
            except duckdb.TransactionException as error:
                self._is_broken = False  # it was not begun
                message = "a read that runs is older than an update: it is checkpointed later"
                raise CheckpointPostponedError(message) from error
        self._is_broken = False

    def replace_file(self, copy: Path, on_stage: Callable[[str], None]) -> None:
        """Go on with a copy in the place of the file. For the writer thread.

        Reads wait for it, and one that runs on and on is ended.

        Args:
            copy: has all rows, and is open nowhere.
            on_stage: told how far it is.

        Raises:
            StoreUnavailableError: the old file stays in its place, or cannot be opened again at
                the moment; nothing is lost.
        """
        assert self.file is not None
        with suppress(CheckpointPostponedError):
            self.checkpoint()
        on_stage("checkpointed")
        with self._reads.pausing():
            # While reads were there, the log may have had to stay; what is left is little.
            self.checkpoint()
            self._is_broken = True
            with translated():
                self._connection.execute("DETACH DATABASE store")
            on_stage("detached")
            try:
                put_in_place(copy, self.file)
                self._identity = openings.identify(self.path)
                on_stage("renamed")
            finally:
                self.heal()
            on_stage("attached")

    def heal(self) -> None:
        """Open the file again if a checkpoint failed; what was committed is in its log.

        Raises:
            StoreUnavailableError: it does not open at the moment.
        """
        if not self._is_broken or self.path == MEMORY:
            return
        self._check_place()  # a path without a file would be made a new and empty one
        # A read that still runs keeps hold of the file, which then cannot be attached again.
        with (
            self._reads.pausing(),
            self.memory.widened(is_trimmed=False),
            translated(),
        ):
            self._connection.execute("DETACH DATABASE IF EXISTS store")
            openings.attach(self._connection, self.path)
        self._is_broken = False

    def find_fault(self) -> str | None:
        """Return why rows would be lost with this process, however well they are written."""
        if openings.identify(self.path) == self._identity:
            return None
        return (
            f"{self.path} was moved or deleted while in use: put that very file back, "
            "or start the collector again"
        )

    def close(self) -> None:
        """Release the file."""
        self.memory.close()
        self._connection.close()

    def _check_place(self) -> None:
        fault = self.find_fault()
        if fault is not None:
            raise StoreUnavailableError(fault)
