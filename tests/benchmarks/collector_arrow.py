"""The denominator: what DuckDB itself takes in, with the collector's settings and nothing else.

Arrow tables that lie ready in memory, one transaction each, and a checkpoint after every second:
no HTTP, no JSON, no de-duplication.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from headway_collector.store.connections import Store

INSERT_ROWS = 10_000
_INSERTS_PER_CHECKPOINT = 2


def measure_inserts(tables: Sequence[pa.Table], rows: int, folder: Path) -> float:
    """Return how many rows a second are inserted and checkpointed.

    Args:
        tables: of ``INSERT_ROWS`` rows; taken in turn.
        rows: how many to insert.
        folder: where the database of the moment lies.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        store = Store(Path(temporary) / "arrow.duckdb")
        inserts = rows // INSERT_ROWS
        started_s = time.perf_counter()
        for number in range(inserts):
            insert(store, "spans", tables[number % len(tables)])
            if (number + 1) % _INSERTS_PER_CHECKPOINT == 0:
                store.checkpoint()
        store.checkpoint()
        took_s = time.perf_counter() - started_s
        store.close()
    return inserts * INSERT_ROWS / took_s


def insert(store: Store, table: str, rows: pa.Table) -> None:
    """Insert Arrow rows in one transaction."""
    with store.transaction() as connection:
        connection.register("incoming", rows)
        connection.execute(f"INSERT INTO store.{table} BY NAME SELECT * FROM incoming")
        connection.unregister("incoming")
