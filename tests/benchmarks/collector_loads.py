"""Spans coming in: batches, single spans and OTLP, from wrk to a file that is counted."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.collector_databases import count_spans
from tests.benchmarks.collector_requests import Template
from tests.benchmarks.collector_sections import (
    CONNECTIONS,
    Bench,
    describe_rates,
    make_batches,
    make_exports,
)
from tests.benchmarks.collector_servers import HEADWAY, Server
from tests.benchmarks.collector_spans import make_ingest
from tests.benchmarks.collector_wrk import Load, run_wrk
from tests.benchmarks.peers import ROOT, clean_environment
from tests.benchmarks.results import Section, at_least, at_most, say, table
from tests.benchmarks.sdk_rounds import wait_until_idle

_SINGLES = 2_000
_CLIENTS = 64
# Sixteen connections with one batch in so long: half of the rows a second that are asked for.
_PAUSE_MS = 1_000
# What wrk leaves unanswered when it stops is written first.
_SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One load, and what it was."""

    what: str
    load: Load
    spans_per_request: int

    @property
    def acknowledged(self) -> int:
        """How many spans were said to be stored."""
        return self.load.acknowledged * self.spans_per_request

    @property
    def per_s(self) -> float:
        """How many of them a second."""
        return self.load.per_s * self.spans_per_request


def ingest(bench: Bench) -> Section:
    """Batches of 500, alone and beside a dashboard."""
    batches = make_batches()
    rates = bench.measure_arrow()
    with bench.folder() as folder:
        database = folder / "ingest.duckdb"
        with Server(HEADWAY, database, folder) as server:
            alone = _send(bench, server, batches, folder, "back to back")
            with _dashboard(server, folder) as asked:
                beside = _send(bench, server, batches, folder, "the same, dashboard in a loop")
                paced = _send(
                    bench, server, batches, folder, "with pauses, dashboard in a loop", _PAUSE_MS
                )
                answers = asked.stat().st_size
            peak_mb = server.peak_mb()
        stored = count_spans(database)
    rates += bench.measure_arrow()
    phases = (alone, beside, paced)
    return Section(
        "Ingest over HTTP, batches of 500",
        [
            f"{bench.sizes.seconds} s each from {CONNECTIONS} connections of wrk, with the "
            "checkpoints that fall due; durable, de-duplicated, ids and times new in every "
            "request. The dashboard is every query of Overview and Traces over the last hour, "
            f"without pause or cache: {answers:,} answers.",
            "",
            *_tabulate(phases),
            "",
            f"DuckDB's own Arrow insert and checkpoint: {describe_rates(rates)}.",
            "",
            at_least("of DuckDB's own", alone.per_s / statistics.median(rates), 0.6),
            at_least("rows a second", alone.per_s, 15_000),
            at_most("p99 back to back beside a dashboard, ms", beside.load.p99_ms, 500),
            at_most("p99 with pauses beside a dashboard, ms", paced.load.p99_ms, 500),
            at_most("most memory of the server, MB", peak_mb, 1_000),
            _compare(stored, phases),
        ],
    )


def singles(bench: Bench) -> Section:
    """One span a post."""
    posts = [make_ingest(number, 1, key="bench-key") for number in range(_SINGLES)]
    with bench.folder() as folder:
        database = folder / "singles.duckdb"
        wait_until_idle()
        with Server(HEADWAY, database, folder) as server:
            phase = _send(bench, server, posts, folder, "single spans", connections=_CLIENTS)
            peak_mb = server.peak_mb()
        stored = count_spans(database)
    return Section(
        "Ingest over HTTP, one span a post",
        [
            f"{bench.sizes.seconds} s from {_CLIENTS} connections of wrk, with checkpoints, batch "
            "ids and de-duplication; a key is in every post, but nobody checks keys yet.",
            "",
            *_tabulate([phase]),
            "",
            at_least("posts a second", phase.per_s, 2_000),
            at_most("p99, ms", phase.load.p99_ms, 100),
            at_most("worst, ms", phase.load.worst_ms, 1_000),
            at_most("most memory of the server, MB", peak_mb, 1_000),
            _compare(stored, [phase]),
        ],
    )


def otlp(bench: Bench) -> Section:
    """Protobuf exports of 500."""
    exports = make_exports()
    rates = bench.measure_arrow()
    with bench.folder() as folder:
        database = folder / "otlp.duckdb"
        with Server(HEADWAY, database, folder) as server:
            phase = _send(bench, server, exports, folder, "back to back")
            peak_mb = server.peak_mb()
        stored = count_spans(database)
    rates += bench.measure_arrow()
    return Section(
        "OTLP over HTTP, protobuf, exports of 500",
        [
            f"{bench.sizes.seconds} s from {CONNECTIONS} connections of wrk: the same texts as "
            "GenAI messages, 25 attributes a span.",
            "",
            *_tabulate([phase]),
            "",
            f"DuckDB's own Arrow insert and checkpoint: {describe_rates(rates)}.",
            "",
            at_least("of DuckDB's own", phase.per_s / statistics.median(rates), 0.35),
            at_most("most memory of the server, MB", peak_mb, 1_000),
            _compare(stored, [phase]),
        ],
    )


def _send(
    bench: Bench,
    server: Server,
    templates: Sequence[Template],
    folder: Path,
    what: str,
    pause_ms: int = 0,
    *,
    connections: int = CONNECTIONS,
) -> Phase:
    load = run_wrk(
        server.url,
        templates,
        folder,
        connections=connections,
        seconds=bench.sizes.seconds,
        pause_ms=pause_ms,
    )
    time.sleep(_SETTLE_S)
    phase = Phase(what, load, templates[0].span_count)
    say(f"{what}: {phase.per_s:,.0f} spans a second, p99 {load.p99_ms:.0f} ms")
    return phase


@contextmanager
def _dashboard(server: Server, folder: Path) -> Iterator[Path]:
    """Ask what the dashboard asks, from a process of its own, which adds a byte an answer."""
    asked, complaints = folder / "asked", folder / "complaints"
    command = [sys.executable, "-m", "tests.benchmarks.collector_dashboard", server.url]
    with asked.open("wb") as answers, complaints.open("wb") as errors:
        process = subprocess.Popen(
            command, stdout=answers, stderr=errors, cwd=ROOT, env=clean_environment()
        )
    try:
        yield asked
        if process.poll() is not None:
            raise RuntimeError(f"the dashboard ended: {complaints.read_text()[-4000:]}")
    finally:
        process.kill()
        process.wait()


def _tabulate(phases: Sequence[Phase]) -> list[str]:
    headers = ["load", "spans a second", "p50 ms", "p99 ms", "worst ms", "refused", "broken"]
    return table(
        headers,
        [
            [
                phase.what,
                f"{phase.per_s:,.0f}",
                f"{phase.load.p50_ms:.0f}",
                f"{phase.load.p99_ms:.0f}",
                f"{phase.load.worst_ms:.0f}",
                f"{phase.load.refused}",
                f"{phase.load.broken}",
            ]
            for phase in phases
        ],
    )


def _compare(stored: int, phases: Sequence[Phase]) -> str:
    acknowledged = sum(phase.acknowledged for phase in phases)
    # What was on its way when wrk stopped may be stored without an answer, never the reverse.
    return at_least(f"stored, of {acknowledged:,} acknowledged", stored, acknowledged)
