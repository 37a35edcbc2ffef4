"""A backup made ready to be served in the place of another database, while neither is served.

A backup knows nothing of what was decided since. Two of those decisions are kept: who was erased
stays so, and a key that was revoked does not open anything again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from headway_collector.errors import StoreError
from headway_collector.store import migrations
from headway_collector.store.connections import MEMORY, OFFLINE, STORAGE
from headway_collector.store.outages import explain_opening, quote

_OLD = "replaced"


def check_backup(path: Path) -> None:
    """Do nothing for a database of ours that is not newer than this program.

    Raises:
        StoreError: it is something else, damaged or newer.
    """
    with _instance(path) as connection:
        connection.execute(f"ATTACH {quote(str(path))} AS store (READ_ONLY)")
        migrations.check_known(connection, str(path))
        if migrations.read_version(connection) == 0:
            raise StoreError(f"{path} is an empty database, not a backup: choose another file")


@contextmanager
def holding(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Keep others from opening the database while the block runs, with nothing left in its log.

    Nothing else in this process may open its file meanwhile: closing it drops the lock.

    Raises:
        StoreError: it is in use, or not ours.
    """
    with _instance(path) as connection:
        connection.execute(f"ATTACH {quote(str(path))} AS store (READ_ONLY)")
        migrations.check_known(connection, str(path))
        connection.execute("DETACH store")
        connection.execute(f"ATTACH {quote(str(path))} AS {_OLD} ({STORAGE})")
        connection.execute(f"CHECKPOINT {_OLD}")
        yield connection


def carry_over(connection: duckdb.DuckDBPyConnection, restored: Path) -> int:
    """Take erasures and revocations of the database that is held into the restored one.

    Returns:
        how many tombstones were new to it.

    Raises:
        StoreError: they are not of one collector.
    """
    connection.execute(f"ATTACH {quote(str(restored))} AS store ({STORAGE})")
    migrations.migrate(connection)
    count = _carry_erasures(connection) if _has(connection, "tombstones") else 0
    if _has(connection, "keys"):
        connection.execute(
            f"UPDATE store.keys AS kept SET revoked_ns = gone.revoked_ns FROM {_OLD}.keys "
            "AS gone WHERE kept.key_id = gone.key_id AND gone.revoked_ns IS NOT NULL"
        )
    connection.execute("CHECKPOINT store")
    connection.execute("DETACH store")
    return count


def _carry_erasures(connection: duckdb.DuckDBPyConnection) -> int:
    # Tombstones are digests under a salt: beside another salt they would say nothing.
    other = connection.execute(
        f"SELECT 1 FROM store.salts AS ours JOIN {_OLD}.salts AS theirs USING (name) "
        "WHERE ours.salt <> theirs.salt"
    ).fetchone()
    if other:
        raise StoreError(
            "the backup is of another collector than the database, whose erasures cannot be kept "
            "in it: choose another file with --db, or move that one away"
        )
    connection.execute("BEGIN TRANSACTION")
    connection.execute(
        f"INSERT INTO store.salts SELECT * FROM {_OLD}.salts "
        "WHERE name NOT IN (SELECT name FROM store.salts)"
    )
    for table in ("erasures", "tombstones"):
        row = connection.execute(
            f"INSERT INTO store.{table} BY NAME "
            f"(SELECT * FROM {_OLD}.{table} EXCEPT SELECT * FROM store.{table})"
        ).fetchone()
    connection.execute("COMMIT")
    return int(row[0]) if row else 0


def _has(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = $1 AND table_name = $2", [_OLD, table]
    ).fetchone()
    return found is not None


@contextmanager
def _instance(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(MEMORY, config=OFFLINE) as connection:
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            yield connection
        except duckdb.Error as error:
            raise StoreError(explain_opening(str(path), error)) from error
