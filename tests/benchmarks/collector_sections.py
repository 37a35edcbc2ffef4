"""What every section of ``make bench-collector`` shares: sizes and the denominator."""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from tests.benchmarks.collector_arrow import INSERT_ROWS, measure_inserts
from tests.benchmarks.collector_databases import read_rows
from tests.benchmarks.collector_requests import Template
from tests.benchmarks.collector_servers import HEADWAY, Server
from tests.benchmarks.collector_spans import make_ingest, make_otlp
from tests.benchmarks.collector_wrk import run_wrk
from tests.benchmarks.results import say
from tests.benchmarks.sdk_rounds import wait_until_idle

BATCHES = 16
CONNECTIONS = 16
_TABLES = 10


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything is done.

    Args:
        seconds: of every load.
        arrow_rows: in one measurement of the denominator.
        arrow_times: measurements before a load, and as many after it.
        store_rows: spans in the large store.
        repeats: of every query, for each project that is looked at.
        kills: of each server.
        drain_s: how long Phoenix may go on storing after the load.
    """

    seconds: int = 60
    arrow_rows: int = 200_000
    arrow_times: int = 3
    store_rows: int = 10_000_000
    repeats: int = 10
    kills: int = 20
    drain_s: int = 60


QUICK = Sizes(
    seconds=3,
    arrow_rows=20_000,
    arrow_times=1,
    store_rows=200_000,
    repeats=1,
    kills=2,
    drain_s=5,
)


@dataclass(slots=True)
class Bench:
    """One run of the benchmark.

    Args:
        scratch: where databases lie while they are measured.
        cache: where the large store is kept.
    """

    sizes: Sizes
    scratch: Path
    cache: Path
    _tables: list[pa.Table] = field(default_factory=list)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder that is removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield Path(folder)

    def measure_arrow(self) -> list[float]:
        """Return how many rows a second DuckDB inserts by itself, measured some times."""
        rows = self.sizes.arrow_rows
        tables = self._tables or self._collect_tables()
        rates = []
        for _ in range(self.sizes.arrow_times):
            idle = wait_until_idle()
            rates.append(measure_inserts(tables, rows, self.scratch))
            say(f"DuckDB by itself: {rates[-1]:,.0f} rows a second, idle {idle:.0%} before")
        return rates

    def _collect_tables(self) -> list[pa.Table]:
        # The same rows: what the collector makes of such a load, read back from its file.
        wanted = min(_TABLES, self.sizes.arrow_rows // INSERT_ROWS)
        with self.folder() as folder:
            database = folder / "rows.duckdb"
            while len(self._tables) < wanted:
                with Server(HEADWAY, database, folder) as server:
                    run_wrk(server.url, make_batches(), folder, connections=CONNECTIONS, seconds=5)
                self._tables = read_rows(database, INSERT_ROWS, _TABLES)
        return self._tables


def make_batches() -> list[Template]:
    """Return the batches that are sent as NDJSON."""
    return [make_ingest(number) for number in range(BATCHES)]


def make_exports() -> list[Template]:
    """Return the same as OTLP."""
    return [make_otlp(number) for number in range(BATCHES)]


def describe_rates(rates: Sequence[float]) -> str:
    """Return the median of the denominator and what it is the median of."""
    each = ", ".join(f"{rate:,.0f}" for rate in rates)
    return f"{statistics.median(rates):,.0f} rows a second (before and after: {each})"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
