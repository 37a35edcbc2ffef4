"""The same OTLP load for arize-phoenix: what is really stored, and what survives ``kill -9``."""

import time

from tests.benchmarks.collector_crashes import Losses, count_losses
from tests.benchmarks.collector_databases import count_phoenix, count_spans
from tests.benchmarks.collector_sections import (
    Bench,
    Section,
    at_least,
    at_most,
    make_exports,
    say,
)
from tests.benchmarks.collector_servers import HEADWAY, PHOENIX, PHOENIX_PEER, Program, Server
from tests.benchmarks.collector_wrk import run_wrk
from tests.benchmarks.results import table
from tests.benchmarks.sdk_rounds import wait_until_idle

# More would only be refused sooner by a server that stores a hundred spans a second.
_CONNECTIONS = 4


def phoenix(bench: Bench) -> Section:
    """Ours and Phoenix under the same load, then killed."""
    say("installing arize-phoenix ...")
    PHOENIX_PEER.install()
    ours = _load_headway(bench)
    theirs, their_drain = _load_phoenix(bench)
    rows = [
        ["headway", f"{ours:,.0f}", "nothing left", *_cells(_kill(bench, HEADWAY))],
        ["phoenix", f"{theirs:,.0f}", f"{their_drain:,.0f}", *_cells(_kill(bench, PHOENIX))],
    ]
    headers = ["server", "stored a second", "after the load", "kills", "acknowledged", "lost"]
    return Section("Beside arize-phoenix", ["", *table(headers, rows)])


def _load_headway(bench: Bench) -> float:
    """Return how many spans were stored a second."""
    with bench.folder() as folder:
        database = folder / "headway.duckdb"
        wait_until_idle()
        with Server(HEADWAY, database, folder) as server:
            load = run_wrk(
                server.url,
                make_exports(),
                folder,
                connections=_CONNECTIONS,
                seconds=bench.sizes.seconds,
            )
        return count_spans(database) / load.took_s


def _load_phoenix(bench: Bench) -> tuple[float, float]:
    raise NotImplementedError


def _kill(bench: Bench, program: Program) -> Losses:
    with bench.folder() as folder:
        losses = count_losses(
            Server(program, folder / "killed.db", folder), make_exports(), bench.sizes.kills
        )
    say(f"{program.name}: {losses.lost:,} of {losses.acknowledged:,} lost in {losses.rounds} kills")
    return losses


def _cells(losses: Losses) -> list[str]:
    return [f"{losses.rounds}", f"{losses.acknowledged:,}", f"{losses.lost:,}"]
