"""Opening the database: its settings, as they were measured best, and which file it is.

Every table stands in the attached database ``store``, so that a shared lakehouse can take its
place. A file that is not ours to use is refused before anything in it is touched, and one that was
opened is told from any other that comes to its path.
"""

import logging
import os
from pathlib import Path

import duckdb

from headway_collector.store import migrations
from headway_collector.store.beginnings import remove_beginning
from headway_collector.store.outages import quote
from headway_collector.store.privacy import is_readable_by_all, keep_private

MEMORY = ":memory:"
"""The path of a database that lives and dies with the process."""

ROW_GROUP_ROWS = 10_240
"""Small row groups keep checkpoints short and let time ranges skip most of the file.

Halved from 20,480, with checkpoints of as many rows, a checkpoint stalls half as long at the same
cost a row; the file grows by an eighth.
"""

# Compression is ignored below this storage version, and DuckDB 2 reads and keeps it.
STORAGE = f"STORAGE_VERSION 'v1.5.0', ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
_SETTINGS = (
    "SET GLOBAL TimeZone = 'UTC'",
    # The writer checkpoints between commits; DuckDB itself never does inside one.
    "SET GLOBAL checkpoint_threshold = '1TB'",
    # DuckDB's own limit is what is free when a read first needs room, for as long as the process
    # lives: after a disk that was full for a moment no large read would end well again.
    "SET GLOBAL max_temp_directory_size = '16GB'",
    "SET GLOBAL preserve_insertion_order = false",
    # A page's keys are looked for first and its rows fetched by them; DuckDB doing the same once
    # more, by row numbers, takes five times as long.
    "SET GLOBAL late_materialization_max_rows = 0",
)
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

_log = logging.getLogger(__name__)


def connect() -> duckdb.DuckDBPyConnection:
    """Return DuckDB itself, with nothing attached, that never asks the network for anything."""
    return duckdb.connect(MEMORY, config=OFFLINE)


def set_up(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Make all settings, and refuse a file that is not ours.

    Raises:
        StoreError: the file is foreign, or newer than this program.
        duckdb.Error: it is locked, or no database.
    """
    for setting in _SETTINGS:
        connection.execute(setting)
    if path != MEMORY:
        keep_private()
        connection.execute("SET GLOBAL temp_directory = $1", [f"{path}.tmp"])
        _refuse_foreign(connection, path)


def attach(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Attach the database as ``store``; a path without a file becomes a new and empty one."""
    connection.execute(f"ATTACH {quote(path)} AS store ({STORAGE})")


def resolve(path: str) -> Path | None:
    """Return the database's file, behind any link; None in memory."""
    if path == MEMORY:
        return None
    return Path(os.path.realpath(os.path.expanduser(path)))


def identify(path: str) -> tuple[int, int] | None:
    """Return what tells the file from any other at its path; None without a file."""
    if path == MEMORY:
        return None
    try:
        found = os.stat(os.path.expanduser(path))
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _refuse_foreign(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    # Read-only first: a file that is not ours to use is not touched, not even its log.
    remove_beginning(path)
    if not os.path.exists(path):
        return
    connection.execute(f"ATTACH {quote(path)} AS store (READ_ONLY)")
    migrations.check_known(connection, path)
    connection.execute("DETACH DATABASE store")
    if is_readable_by_all(os.path.expanduser(path)):
        _log.warning("%s can be read by every user of this machine: chmod o= %s", path, path)
