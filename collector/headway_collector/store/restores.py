"""A backup made ready to be served in the place of another database, while neither is served.

A backup knows nothing of what was decided since. Those decisions are kept: who was erased stays so,
a key that was revoked does not open anything again, the rules of retention are the latest ones, and
the audit goes on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from headway_collector.callers import EVERYONE
from headway_collector.errors import StoreError
from headway_collector.store import migrations
from headway_collector.store.audit import save_action
from headway_collector.store.openings import MEMORY, OFFLINE, STORAGE
from headway_collector.store.outages import explain_opening, first_line, quote
from headway_collector.store.retention import Rule

_OLD = "replaced"
_SAME_PLACE = (
    "ours.project IS NOT DISTINCT FROM theirs.project "
    "AND ours.kind IS NOT DISTINCT FROM theirs.kind"
)
_REMOVAL = "retention.remove"


@dataclass(frozen=True, slots=True)
class Carried:
    """What the replaced database decided that the backup had not.

    Args:
        tombstones: how many.
        actions: rows of the audit.
        kept_rules: rules of retention that were made or changed since.
        removed_rules: those of the backup that were removed since.
    """

    tombstones: int = 0
    actions: int = 0
    kept_rules: list[Rule] = field(default_factory=list)
    removed_rules: list[Rule] = field(default_factory=list)


def check_backup(path: Path) -> None:
    """Do nothing for a whole database of ours that is not newer than this program.

    Every value of every row is read, and DuckDB compares the checksum of each block that it reads.

    Raises:
        StoreError: it is something else, damaged or newer.
    """
    with _instance(path) as connection:
        try:
            connection.execute(f"ATTACH {quote(str(path))} AS store (READ_ONLY)")
        except (duckdb.SerializationException, duckdb.InternalException) as error:
            raise _explain_damage(path, error) from error
        migrations.check_known(connection, str(path))
        if migrations.read_version(connection) == 0:
            raise StoreError(f"{path} is an empty database, not a backup: choose another file")
        try:
            for table in sorted(migrations.list_tables(connection)):
                connection.execute(
                    f"SELECT count(*), sum(hash(row)) FROM (SELECT * FROM store.{table}) AS row"
                ).fetchone()
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise _explain_damage(path, error) from error


def _explain_damage(path: Path, error: duckdb.Error) -> StoreError:
    return StoreError(f"{path} is damaged ({first_line(error)}): restore another backup")


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


def carry_over(connection: duckdb.DuckDBPyConnection, restored: Path) -> Carried:
    """Take what the database that is held decided since into the restored one.

    Raises:
        StoreError: they are not of one collector.
    """
    connection.execute(f"ATTACH {quote(str(restored))} AS store ({STORAGE})")
    migrations.migrate(connection)
    carried = Carried()
    if _has(connection, "tombstones"):
        tombstones = _carry_erasures(connection)
        # The removal of a rule is known from the audit alone, so that this goes first.
        carried = Carried(
            tombstones,
            removed_rules=_remove_rules(connection),
            kept_rules=_carry_rules(connection),
            actions=_carry_audit(connection),
        )
    if _has(connection, "keys"):
        connection.execute(
            f"UPDATE store.keys AS kept SET revoked_ns = gone.revoked_ns FROM {_OLD}.keys "
            "AS gone WHERE kept.key_id = gone.key_id AND gone.revoked_ns IS NOT NULL"
        )
    connection.execute("CHECKPOINT store")
    connection.execute("DETACH store")
    return carried


def sign_restore(restored: Path, detail: dict[str, Any], time_ns: int) -> None:
    """Write into a restored database's audit that it is one.

    Args:
        restored: nobody serves it.
        detail: plain facts, as in ``save_action``.
        time_ns: when.

    Raises:
        StoreError: it cannot be written.
    """
    with _instance(restored) as connection:
        connection.execute(f"ATTACH {quote(str(restored))} AS store ({STORAGE})")
        migrations.migrate(connection)
        save_action(connection, "backup.restore", EVERYONE, None, detail, time_ns)
        connection.execute("CHECKPOINT store")
        connection.execute("DETACH store")


def _remove_rules(connection: duckdb.DuckDBPyConnection) -> list[Rule]:
    """Remove rules that the replaced database removed after the backup was made."""
    rows = connection.execute(
        f"""DELETE FROM store.retention AS ours
        WHERE NOT EXISTS (FROM {_OLD}.retention AS theirs WHERE {_SAME_PLACE})
        AND EXISTS (
            FROM {_OLD}.audit AS done WHERE done.action = $1 AND done.time_ns >= ours.changed_ns
            AND done.project IS NOT DISTINCT FROM ours.project
            AND (done.detail ->> '$.kind') IS NOT DISTINCT FROM ours.kind)
        RETURNING project, kind, days, content_days""",
        [_REMOVAL],
    ).fetchall()
    return [Rule(*row) for row in rows]


def _carry_rules(connection: duckdb.DuckDBPyConnection) -> list[Rule]:
    """Take rules that were made or changed after the backup was made."""
    newer = f"""FROM {_OLD}.retention AS theirs WHERE NOT EXISTS (
        FROM store.retention AS ours
        WHERE {_SAME_PLACE} AND ours.changed_ns >= theirs.changed_ns)"""
    rows = connection.execute(
        f"SELECT project, kind, days, content_days {newer} "
        "ORDER BY project NULLS FIRST, kind NULLS FIRST"
    ).fetchall()
    connection.execute("BEGIN TRANSACTION")
    connection.execute(f"INSERT INTO store.retention BY NAME SELECT * {newer}")
    connection.execute(
        "DELETE FROM store.retention AS ours WHERE EXISTS (FROM store.retention AS theirs "
        f"WHERE {_SAME_PLACE} AND theirs.changed_ns > ours.changed_ns)"
    )
    connection.execute("COMMIT")
    return [Rule(*row) for row in rows]


def _carry_audit(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute(
        f"INSERT INTO store.audit BY NAME SELECT * FROM {_OLD}.audit "
        "WHERE audit_id NOT IN (SELECT audit_id FROM store.audit)"
    ).fetchone()
    return int(row[0]) if row else 0


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
    # The backup may be of a moment in which an erasure ran that was ended since.
    connection.execute(
        "DELETE FROM store.erasures WHERE counts IS NULL AND (project, receipt_id) IN ("
        "SELECT (project, receipt_id) FROM store.erasures WHERE counts IS NOT NULL)"
    )
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
