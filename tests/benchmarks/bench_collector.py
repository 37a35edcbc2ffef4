"""``make bench-collector``: how fast spans come in and are found again, on this machine.

The collector runs as its users start it, wrk sends, and what is stored is counted in the file.
The denominator is what DuckDB takes in by itself, measured before and after in the same run. A
benchmark and no test: a bar that is missed is printed. A whole run takes three quarters of an hour;
``--only ingest,otlp`` runs parts, ``--quick`` shows that they work and measures nothing.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import collector_wrk
from tests.benchmarks.collector_export import export
from tests.benchmarks.collector_loads import ingest, otlp, singles
from tests.benchmarks.collector_reads import queries, search
from tests.benchmarks.collector_rivals import phoenix
from tests.benchmarks.collector_sections import QUICK, Bench, Sizes
from tests.benchmarks.collector_servers import PHOENIX_PEER
from tests.benchmarks.collector_store import find_store
from tests.benchmarks.results import RESULTS, Section, record, say

SECTIONS: Mapping[str, Callable[[Bench], Section]] = {
    each.__name__: each for each in (ingest, singles, otlp, queries, search, export, phoenix)
}
_PACKAGES = ("headway", "duckdb", "pyarrow", "fastapi", "uvicorn", "msgspec", "protobuf")
_STORE_GB = 30
# Below this the large store is none, and fits anywhere.
_LARGE_ROWS = 1_000_000


def main() -> None:
    """Run the sections and record what they measured."""
    parser = argparse.ArgumentParser(description="How fast spans come in and are found again.")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas")
    parser.add_argument("--quick", action="store_true", help="small; RESULTS.md stays as it is")
    parser.add_argument("--seconds", type=int, help="of every load (default 60)")
    parser.add_argument("--rows", type=int, help="of the large store (default 10 million)")
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(tempfile.gettempdir()) / "headway-bench",
        help="the folder where the large store is kept (default %(default)s)",
    )
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section {', '.join(unknown)}: there are {', '.join(SECTIONS)}")
    if not collector_wrk.is_here():
        parser.error("wrk is not here: install it, for example with apt-get install wrk")
    sizes = QUICK if arguments.quick else Sizes()
    if arguments.seconds is not None:
        sizes = replace(sizes, seconds=arguments.seconds)
    if arguments.rows is not None:
        sizes = replace(sizes, store_rows=arguments.rows)

    with tempfile.TemporaryDirectory(prefix="headway-bench-") as scratch:
        bench = Bench(sizes, Path(scratch), arguments.store)
        results = Path(scratch) / "RESULTS.md" if arguments.quick else RESULTS
        for name in chosen:
            if name in ("queries", "search", "export") and not _has_room(bench):
                say(f"{name}: skipped, {arguments.store} has less than {_STORE_GB} GB free")
                continue
            section = SECTIONS[name](bench)
            command = f"make bench-collector ARGS='--only {name}'"
            record(section.title, command, section.lines, versions=_versions(name), results=results)


def _has_room(bench: Bench) -> bool:
    if (
        bench.sizes.store_rows < _LARGE_ROWS
        or find_store(bench.cache, bench.sizes.store_rows).exists()
    ):
        return True
    bench.cache.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(bench.cache).free >= _STORE_GB * 10**9


def _versions(section: str) -> dict[str, str]:
    versions = {name: version(name) for name in _PACKAGES}
    if section == "phoenix":
        versions["arize-phoenix"] = PHOENIX_PEER.distributions()["arize-phoenix"]
    return versions


if __name__ == "__main__":
    main()
