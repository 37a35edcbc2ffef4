"""The database: opening it with the settings that were measured best, reading, one transaction.

Every table stands in the attached database ``store``, so that a shared lakehouse can take its
place. Each read has its own cursor and is never blocked by the writer; transactions, checkpoints
and ``heal`` belong to the one writer thread.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from headway_collector.errors import StoreError, StoreUnavailableError, UnstorableError
from headway_collector.store import migrations
from headway_collector.store.interrupts import Reads, interrupting

MEMORY = ":memory:"
"""The path of a database that lives and dies with the process."""

ROW_GROUP_ROWS = 10_240
"""Small row groups keep checkpoints short and let time ranges skip most of the file.

Halved from 20,480, with checkpoints of as many rows, a checkpoint stalls half as long at the same
cost a row; the file grows by an eighth.
"""

# Compression is ignored below this storage version, and DuckDB 2 reads and keeps it.
_STORAGE = f"STORAGE_VERSION 'v1.5.0', ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
_SETTINGS = (
    "SET GLOBAL TimeZone = 'UTC'",
    # The writer checkpoints between commits; DuckDB itself never does inside one.
    "SET GLOBAL checkpoint_threshold = '1TB'",
    "SET GLOBAL memory_limit = '640MB'",
    "SET GLOBAL preserve_insertion_order = false",
    # A page's keys are looked for first and its rows fetched by them; DuckDB doing the same once
    # more, by row numbers, takes five times as long.
    "SET GLOBAL late_materialization_max_rows = 0",
)
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# What time or an operator can mend; everything else is the fault of what was asked.
_OUTAGES = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException)
_LOCK_HOLDER = re.compile(r"Conflicting lock is held in (.*? \(PID \d+\))")


class Store:
    """One open database.

    Args:
        path: a file, made where missing, or ``MEMORY``.

    Raises:
        StoreError: the file is locked, foreign, newer than this program, or cannot be made.
    """

    def __init__(self, path: str | Path = MEMORY) -> None:
        self.path = str(path)
        self._is_broken = False
        self._reads = Reads()
        self._connection = duckdb.connect(MEMORY, config=_OFFLINE)
        try:
            for setting in _SETTINGS:
                self._connection.execute(setting)
            if self.path != MEMORY:
                self._connection.execute("SET GLOBAL temp_directory = $1", [f"{self.path}.tmp"])
                self._refuse_foreign()
            self._attach()
            self._identity = self._identify()
            migrations.migrate(self._connection)
        except duckdb.Error as error:
            self._connection.close()
            raise StoreError(_explain_opening(self.path, error)) from error
        except StoreError:
            self._connection.close()
            raise

    def read(
        self, sql: str, parameters: Sequence[object] = (), *, limit_s: float | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a query by column name.

        Raises:
            StoreUnavailableError: the database cannot be read at the moment.
            duckdb.InterruptException: it took longer than ``limit_s``.
        """
        with self._reading() as cursor, ExitStack() as watch:
            if limit_s is not None:
                watch.enter_context(interrupting(cursor, limit_s))
            cursor.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def stream(
        self, sql: str, parameters: Sequence[object] = (), batch_rows: int = 10_000
    ) -> Iterator[pa.RecordBatchReader]:
        """Give the rows of a query batch by batch, as Arrow columns.

        Raises:
            StoreUnavailableError: the database cannot be read at the moment.
        """
        with self._reading() as cursor:
            cursor.execute(sql, list(parameters))
            yield cursor.to_arrow_reader(batch_rows)

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with (
                _translated(),
                self._connection.cursor() as cursor,
                self._reads.count(cursor),
            ):
                yield cursor
        except duckdb.InterruptException as error:
            if not self._reads.are_stopped:
                raise
            message = "the collector is shutting down: try again later"
            raise StoreUnavailableError(message) from error

    def stop_reading(self) -> None:
        """End all reads, those that run and those to come; what is written is not touched."""
        self._reads.stop()

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
            with _translated():
                self._connection.execute("BEGIN TRANSACTION")
                yield self._connection
                self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(duckdb.Error):  # a failed COMMIT has already ended it
                self._connection.execute("ROLLBACK")
            if isinstance(error, duckdb.Error):
                message = f"the database refuses this: {_first_line(error)}"
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
        with _translated():
            threads = "SET GLOBAL threads = 1" if is_wanted else "RESET GLOBAL threads"
            self._connection.execute(threads)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file. For the writer thread.

        Raises:
            StoreUnavailableError: the disk is full, or the like; ``heal`` before going on.
        """
        self.heal()
        # DuckDB gives up a database whose checkpoint fails, so this is true until it succeeds.
        self._is_broken = True
        with _translated():
            self._connection.execute("CHECKPOINT store")
        self._is_broken = False

    def heal(self) -> None:
        """Open the file again if a checkpoint failed; what was committed is in its log.

        Raises:
            StoreUnavailableError: it does not open at the moment.
        """
        if not self._is_broken or self.path == MEMORY:
            return
        self._check_place()  # a path without a file would be made a new and empty one
        with _translated():
            self._connection.execute("DETACH DATABASE IF EXISTS store")
            self._attach()
        self._is_broken = False

    def find_fault(self) -> str | None:
        """Return why rows would be lost with this process, however well they are written."""
        if self._identify() == self._identity:
            return None
        return (
            f"{self.path} was moved or deleted while in use: put that very file back, "
            "or start the collector again"
        )

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _check_place(self) -> None:
        fault = self.find_fault()
        if fault is not None:
            raise StoreUnavailableError(fault)

    def _identify(self) -> tuple[int, int] | None:
        """Return what tells the file from any other at its path; None without a file."""
        if self.path == MEMORY:
            return None
        try:
            found = os.stat(os.path.expanduser(self.path))
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _attach(self) -> None:
        self._connection.execute(f"ATTACH {_quote(self.path)} AS store ({_STORAGE})")

    def _refuse_foreign(self) -> None:
        # Read-only first: a file that is not ours to use is not touched, not even its log.
        if not os.path.exists(self.path):
            return
        self._connection.execute(f"ATTACH {_quote(self.path)} AS store (READ_ONLY)")
        migrations.check_known(self._connection, self.path)
        self._connection.execute("DETACH DATABASE store")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _OUTAGES as error:
        raise StoreUnavailableError(f"the database is down: {_first_line(error)}") from error
    except duckdb.TransactionException as error:
        raise StoreUnavailableError(f"the commit failed: {_first_line(error)}") from error
    except duckdb.CatalogException as error:
        if 'schema "store" does not exist' not in str(error):
            raise
        raise StoreUnavailableError("the database is being reopened: try again") from error


def _explain_opening(path: str, error: duckdb.Error) -> str:
    text = str(error)
    holder = _LOCK_HOLDER.search(text)
    if holder or "already attached" in text:
        who = holder[1] if holder else "this process"
        return f"{path} is in use by {who}: stop that one, or choose another file with --db"
    if os.path.isdir(path):
        return f"{path} is a folder: name a file with --db, for example {path}/headway.duckdb"
    if "not a valid DuckDB database file" in text:
        return f"{path} is not a DuckDB database: choose another file with --db"
    if "Cannot open file" in text:
        reason = text.rsplit(": ", 1)[-1]
        return f"{path} cannot be opened ({reason}): is its folder there, and yours to write to?"
    return f"{path} cannot be opened: {_first_line(error)}"


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
