"""What really stands in the databases: read from the files, not asked of the servers."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa


def count_spans(database: Path) -> int:
    """Return how many spans a collector has stored that does not run; none of them twice.

    Raises:
        RuntimeError: a span stands there twice.
    """
    with _open(database) as connection:
        row = connection.execute(
            "SELECT count(*), count(DISTINCT (project, trace_id, span_id)) FROM spans"
        ).fetchone()
    assert row is not None
    if row[0] != row[1]:
        raise RuntimeError(f"{database} has {row[0]} spans, and only {row[1]} different ones")
    return int(row[0])


def list_ids(database: Path) -> list[str]:
    """Return the ids of all spans of a collector that does not run."""
    with _open(database) as connection:
        return [row[0] for row in connection.execute("SELECT span_id FROM spans").fetchall()]


def read_rows(database: Path, size: int, count: int) -> list[pa.Table]:
    """Return at most ``count`` tables of ``size`` spans each, as a collector has stored them."""
    with _open(database) as connection:
        whole = connection.sql(f"SELECT * FROM spans LIMIT {size * count:d}").to_arrow_table()
    whole = whole.combine_chunks()
    return [whole.slice(first, size) for first in range(0, len(whole) - size + 1, size)]


def count_phoenix(database: Path) -> int:
    """Return how many spans Phoenix has stored; it may run."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM spans").fetchone()[0])


def list_phoenix(database: Path) -> list[str]:
    """Return the ids of all spans of Phoenix."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT span_id FROM spans")]


@contextmanager
def _open(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    # Not read-only: a log that a killed collector left behind has to be replayed.
    with duckdb.connect(str(database)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
