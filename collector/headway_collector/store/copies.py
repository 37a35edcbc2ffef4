"""A consistent copy of the whole store in a second file, made while the writer writes on.

A transaction on a cursor of its own sees the store as it was at one moment between two commits, and
keeps seeing that while the writer commits and checkpoints. What DuckDB reads in it and writes to
the second file never stands in memory whole. The second file has our schema and our compression,
and only rows that are alive: what was deleted before the copy began is not among its bytes.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from headway_collector.errors import CopyError
from headway_collector.store import migrations
from headway_collector.store.changes import KEYS, Changes
from headway_collector.store.connections import Store
from headway_collector.store.openings import MEMORY, OFFLINE, STORAGE
from headway_collector.store.outages import quote, translated
from headway_collector.store.swaps import remove_copy, sync_path

COPY = "fresh"
"""What the second file is attached as."""

_DATABASES = ("store", COPY)

# Of live traffic only the last hours are read again, although spans of last year came as well.
_TIMES = {"spans": "start_ns", "descriptors": "start_ns"}
_GAP_NS = 3600 * 10**9
_MOST_WINDOWS = 8
_ALL_TIME = (-(2**63), 2**63 - 1)
# What a checkpoint of the copy and the log of the store may want beside it.
_SPARE_BYTES = 64 * 1024 * 1024
_NARROW = ("BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "TIMESTAMP WITH TIME ZONE")


class Copy:
    """A second file on its way to hold what the store holds.

    ``pin`` belongs into the writer's thread, between two commits; all else is for any one thread.

    Args:
        store: what is copied; it has to be in a file.
        path: where the copy is made; a file that is there is replaced.
        free_bytes: tells the free room of a folder.

    Raises:
        CopyError: the disk has no room for it, or the store holds what is not ours.
        StoreUnavailableError: the database is down.
    """

    def __init__(
        self,
        store: Store,
        path: Path,
        *,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.path = path
        self._is_attached = False
        with translated():
            self._cursor = store.open_cursor()
            try:
                _check_room(self._cursor, path, free_bytes)
                remove_copy(path)
                create_empty(path)
                self._cursor.execute(f"ATTACH {quote(str(path))} AS {COPY} ({STORAGE})")
                self._is_attached = True
                self._tables = self._match_tables()
            except BaseException:
                self.close()
                remove_copy(path)
                raise

    def pin(self) -> None:
        """See the store as it is now, until the next ``save``. For the writer's thread."""
        with translated():
            self._cursor.execute("BEGIN TRANSACTION")
            self._cursor.execute("SELECT max(version) FROM store.schema_versions").fetchall()

    def fill(self) -> None:
        """Copy all rows of all tables."""
        with translated():
            for table in self._tables:
                self._insert_all(table)

    def catch_up(self, changes: Changes) -> None:
        """Make every table what it is by now, given what was written since the last pin."""
        with translated():
            for table in self._tables:
                if table not in KEYS or table in changes.whole:
                    if self._measure("store", table) != self._measure(COPY, table):
                        self._cursor.execute(f"DELETE FROM {COPY}.{table}")
                        self._insert_all(table)
                else:
                    self._insert_changed(table, changes.find_keys(table))

    def check_all(self) -> None:
        """Compare every value of every row of both.

        Raises:
            CopyError: they are not the same.
        """
        self._compare(dict.fromkeys(self._tables, "*"))

    def check_keys(self, changes: Changes) -> None:
        """Compare numbers and times of all rows, and all that `check_changed` compares.

        It reads every row: beside the writer, not while that waits.

        Raises:
            CopyError: they are not the same.
        """
        self._compare({table: self._find_narrow(table) for table in self._tables if table in KEYS})
        self.check_changed(changes)

    def check_changed(self, changes: Changes) -> None:
        """Compare all values of the rows that changed, and how many rows there are.

        Tables without keys were compared whole by ``catch_up``, and are compared again.

        Raises:
            CopyError: they are not the same.
        """
        with translated():
            for table in self._tables:
                _check_same(table, *(self._count(database, table) for database in _DATABASES))
        self._compare({table: "*" for table in self._tables if table not in KEYS})
        with translated():
            for table in KEYS:
                wanted = changes.find_keys(table)
                for window in self._find_windows(table, wanted):
                    found = [
                        self._measure_changed(database, table, window, wanted)
                        for database in _DATABASES
                    ]
                    _check_same(table, *found)

    def save(self) -> None:
        """Bring what was copied onto the disk; after it the store is no longer seen."""
        with translated():
            self._cursor.execute("COMMIT")
            self._cursor.execute(f"CHECKPOINT {COPY}")

    def finish(self) -> None:
        """Let go of the file, which is whole and has no log beside it."""
        with translated():
            self._cursor.execute(f"DETACH {COPY}")
            self._is_attached = False
        # Nothing in this process may hold the file now: closing it drops every lock on it.
        sync_path(self.path)
        sync_path(self.path.parent)

    def interrupt(self) -> None:
        """Stop what runs at the moment, from another thread."""
        self._cursor.interrupt()

    def close(self) -> None:
        """Let go of the second file as it is."""
        for statement in ("ROLLBACK", f"DETACH {COPY}") if self._is_attached else ():
            try:
                self._cursor.execute(statement)
            except duckdb.Error:  # there was no transaction, or the file is gone with its disk
                continue
        self._is_attached = False
        self._cursor.close()

    @property
    def size_bytes(self) -> int:
        """How large the file is by now."""
        return self.path.stat().st_size

    def _match_tables(self) -> list[str]:
        """Return the tables of the store, all of which the copy has, without rows."""
        tables = _list_tables(self._cursor, "store")
        foreign = set(tables) - set(_list_tables(self._cursor, COPY))
        foreign.update(
            name
            for (name,) in self._cursor.execute(
                "SELECT view_name FROM duckdb_views() "
                "WHERE database_name = 'store' AND NOT internal"
            ).fetchall()
        )
        if foreign:
            raise CopyError(
                f"the database holds {min(foreign)}, which is not Headway's and would be lost in "
                "a copy: keep it in a file of its own, and drop it here"
            )
        for table in tables:  # the steps of the schema leave their own rows
            self._cursor.execute(f"DELETE FROM {COPY}.{table}")
        return tables

    def _insert_all(self, table: str) -> None:
        self._cursor.execute(f"INSERT INTO {COPY}.{table} BY NAME SELECT * FROM store.{table}")

    def _insert_changed(self, table: str, wanted: pa.Table) -> None:
        if not len(wanted):
            return
        # DuckDB finds the keys by the name of the argument.
        self._cursor.execute(
            f"DELETE FROM {COPY}.{table} AS old USING wanted WHERE old.{KEYS[table]} = wanted.key"
        )
        for window in self._find_windows(table, wanted):
            self._cursor.execute(
                f"INSERT INTO {COPY}.{table} BY NAME "
                f"SELECT * FROM store.{table} AS spans {_matching(table, window)}"
            )

    def _find_windows(self, table: str, wanted: pa.Table) -> list[tuple[int, int]]:
        """Return from when to when rows of the keys lie; for tables without times one of all."""
        if table not in _TIMES:
            return [_ALL_TIME] if len(wanted) else []
        found = self._cursor.execute(
            f"SELECT {_TIMES[table]} AS time_ns FROM store.{table} AS spans {_matching(table)}"
        ).to_arrow_table()
        return list(_split(found["time_ns"].to_numpy()))

    def _count(self, database: str, table: str) -> tuple[Any, ...]:
        return _fetch(self._cursor.execute(f"SELECT count(*) FROM {database}.{table}"))

    def _measure(self, database: str, table: str, columns: str = "*") -> tuple[Any, ...]:
        return _fetch(
            self._cursor.execute(
                f"SELECT count(*), sum(hash(row)) FROM (SELECT {columns} FROM {database}.{table}) "
                "AS row"
            )
        )

    def _measure_changed(
        self, database: str, table: str, window: tuple[int, int], wanted: pa.Table
    ) -> tuple[Any, ...]:
        return _fetch(
            self._cursor.execute(
                "SELECT count(*), sum(hash(row)) FROM "
                f"(SELECT * FROM {database}.{table} AS spans {_matching(table, window)}) AS row"
            )
        )

    def _find_narrow(self, table: str) -> str:
        """Return the columns of fixed width, which are read in little time."""
        rows = self._cursor.execute(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = 'store' "
            "AND table_name = $1 AND list_contains($2, data_type)",
            [table, list(_NARROW)],
        ).fetchall()
        return ", ".join(name for (name,) in rows)

    def _compare(self, columns: dict[str, str]) -> None:
        with translated():
            for table, which in columns.items():
                found = [self._measure(database, table, which) for database in _DATABASES]
                _check_same(table, *found)


def create_empty(path: Path) -> None:
    """Make a file with the newest schema and no rows, by the steps that every database took."""
    with duckdb.connect(MEMORY, config=OFFLINE) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute(f"ATTACH {quote(str(path))} AS store ({STORAGE})")
        migrations.migrate(connection)
        connection.execute("CHECKPOINT store")
        connection.execute("DETACH store")


def save_rewrite(connection: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> None:
    """Write down what came of a rewrite, by the columns of ``rewrites``."""
    marks = ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO store.rewrites ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )


def _check_room(
    connection: duckdb.DuckDBPyConnection, path: Path, free_bytes: Callable[[Path], int]
) -> None:
    (used,) = _fetch(
        connection.execute(
            "SELECT used_blocks * block_size FROM pragma_database_size() "
            "WHERE database_name = 'store'"
        )
    )
    needed, free = int(used) + _SPARE_BYTES, free_bytes(path.parent)
    if free < needed:
        raise CopyError(
            f"a copy of the database needs up to {needed:,} bytes in {path.parent}, which has "
            f"{free:,} free: make room"
        )


def _list_tables(connection: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 ORDER BY table_name",
        [database],
    ).fetchall()
    return [name for (name,) in rows]


def _matching(table: str, window: tuple[int, int] | None = None) -> str:
    """Return the rest of a query that leaves the rows of ``wanted``, in a window of time."""
    joined = f"SEMI JOIN wanted ON spans.{KEYS[table]} = wanted.key"
    if window is None or table not in _TIMES:
        return joined
    return f"{joined} WHERE spans.{_TIMES[table]} BETWEEN {window[0]:d} AND {window[1]:d}"


def _split(times_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[tuple[int, int]]:
    if not len(times_ns):
        return
    ordered = np.sort(times_ns)
    gaps = np.diff(ordered)
    widest = np.argsort(gaps)[::-1][: _MOST_WINDOWS - 1]
    edges = sorted(int(index) + 1 for index in widest if gaps[index] > _GAP_NS)
    for first, end in zip([0, *edges], [*edges, len(ordered)], strict=True):
        yield int(ordered[first]), int(ordered[end - 1])


def _fetch(result: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    row = result.fetchone()
    if row is None:
        raise CopyError("the database gave no answer to a count")
    return tuple(row)


def _check_same(table: str, ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    if tuple(ours) != tuple(theirs):
        raise CopyError(
            f"the copy of table {table} has {_show(theirs)}, and the store has {_show(ours)}"
        )


def _show(found: Sequence[Any]) -> str:
    count, *sums = found
    return f"{count} rows" + "".join(f" (sum {each})" for each in sums)
