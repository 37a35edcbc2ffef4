"""What the database says of itself, for whoever watches it: few numbers, quickly read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway_collector.store.connections import Store
from headway_collector.store.receipts import count_pending

# Whoever watches asks every few seconds, and must not wait for a large read to end.
_LIMIT_S = 2.0
_MOST_REASONS = 100
_STATES = ("queued", "running", "done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Bytes on the disk; zero where there is no such file."""

    database: int
    wal: int


@dataclass(frozen=True, slots=True)
class Gauges:
    """What stands in the database now.

    Args:
        losses: what clients say they lost, by reason; of very many reasons the largest.
        rejects: how many rejects are kept.
        jobs: how many there are, by state.
        erasures_pending: what was erased from every read, and is still in the bytes of the file.
    """

    losses: dict[str, int]
    rejects: int
    jobs: dict[str, int]
    erasures_pending: int


def read_gauges(store: Store) -> Gauges:
    """Return what stands in the database now.

    Raises:
        StoreUnavailableError: it is down.
        duckdb.InterruptException: it takes too long at the moment.
    """
    losses = store.read(
        "SELECT reason, sum(count)::BIGINT AS n FROM store.losses GROUP BY reason "
        "ORDER BY n DESC, reason LIMIT ?",
        [_MOST_REASONS],
        limit_s=_LIMIT_S,
    )
    jobs = _count(store, "SELECT state AS name, count(*) AS n FROM store.jobs GROUP BY state")
    (rejects,) = store.read("SELECT count(*) AS n FROM store.rejects", limit_s=_LIMIT_S)
    return Gauges(
        losses={row["reason"]: row["n"] for row in losses},
        rejects=rejects["n"],
        jobs=dict.fromkeys(_STATES, 0) | jobs,
        erasures_pending=count_pending(store, limit_s=_LIMIT_S),
    )


def measure_files(store: Store) -> FileSizes:
    """Return how large the database and its write-ahead log are."""
    if store.file is None:
        return FileSizes(0, 0)
    return FileSizes(_measure(store.file), _measure(Path(f"{store.file}.wal")))


def _count(store: Store, sql: str) -> dict[str, int]:
    rows: list[dict[str, Any]] = store.read(sql, limit_s=_LIMIT_S)
    return {row["name"]: row["n"] for row in rows}


def _measure(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
