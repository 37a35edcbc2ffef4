"""The same OTLP load for arize-phoenix: what is really stored, and what survives ``kill -9``."""

import time
from dataclasses import dataclass

from tests.benchmarks.collector_crashes import Losses, count_losses
from tests.benchmarks.collector_databases import count_phoenix, count_spans
from tests.benchmarks.collector_sections import Bench, make_exports
from tests.benchmarks.collector_servers import HEADWAY, PHOENIX, PHOENIX_PEER, Program, Server
from tests.benchmarks.collector_spans import BATCH_SPANS
from tests.benchmarks.collector_wrk import run_wrk
from tests.benchmarks.results import Section, at_least, at_most, say, table
from tests.benchmarks.sdk_rounds import wait_until_idle

# A server that is behind only refuses more of them with more connections.
_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Stored:
    """Spans a second: said to be stored, stored under the load, and stored when it was over."""

    acknowledged: float
    under_load: float
    afterwards: float = 0.0

    @property
    def best(self) -> float:
        """What the server can do at its best."""
        return max(self.under_load, self.afterwards)


def phoenix(bench: Bench) -> Section:
    """Ours and Phoenix under the same load, then killed."""
    say("installing arize-phoenix ...")
    PHOENIX_PEER.install()
    stored = {HEADWAY.name: _load_headway(bench), PHOENIX.name: _load_phoenix(bench)}
    losses = {program.name: _kill(bench, program) for program in (HEADWAY, PHOENIX)}
    headers = ["server", "acknowledged a second", "stored a second", "stored after the load"]
    rows = [
        [
            name,
            f"{stored[name].acknowledged:,.0f}",
            f"{stored[name].under_load:,.0f}",
            f"{stored[name].afterwards:,.0f}",
            f"{losses[name].rounds}",
            f"{losses[name].acknowledged:,}",
            f"{losses[name].lost:,}",
        ]
        for name in stored
    ]
    ours, theirs = stored[HEADWAY.name].best, stored[PHOENIX.name].best
    return Section(
        "Beside arize-phoenix",
        [
            f"{bench.sizes.seconds} s of OTLP from {_CONNECTIONS} connections of wrk to each, "
            f"protobuf, exports of {BATCH_SPANS}, new ids; Phoenix with its defaults and SQLite. "
            f"Stored is what stands in the file: at the end of the load, and by the second "
            f"{bench.sizes.drain_s} s later, without load. The better of the two counts. Then "
            "each is killed with `kill -9` while four threads post, started again, and the "
            "acknowledged spans are looked for.",
            "",
            *table([*headers, "kills", "acknowledged until then", "lost"], rows),
            "",
            at_least("stored a second, of Phoenix's", ours / max(theirs, 1.0), 50),
            at_most("acknowledged spans that we lost", losses[HEADWAY.name].lost, 0),
        ],
    )


def _load_headway(bench: Bench) -> Stored:
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
        stored = Stored(load.per_s * BATCH_SPANS, count_spans(database) / load.took_s)
    say(f"headway: {stored}")
    return stored


def _load_phoenix(bench: Bench) -> Stored:
    with bench.folder() as folder:
        database = folder / "phoenix.db"
        wait_until_idle()
        server = Server(PHOENIX, database, folder)
        server.start()
        try:
            load = run_wrk(
                server.url,
                make_exports(),
                folder,
                connections=_CONNECTIONS,
                seconds=bench.sizes.seconds,
            )
            at_end = count_phoenix(database)
            time.sleep(bench.sizes.drain_s)
            drained = count_phoenix(database) - at_end
        finally:
            # It would go on storing what it has acknowledged, for minutes.
            server.kill()
    stored = Stored(load.per_s * BATCH_SPANS, at_end / load.took_s, drained / bench.sizes.drain_s)
    say(f"phoenix: {stored}")
    return stored


def _kill(bench: Bench, program: Program) -> Losses:
    with bench.folder() as folder:
        server = Server(program, folder / "killed.db", folder)
        losses = count_losses(server, make_exports(), bench.sizes.kills)
    say(f"{program.name}: {losses}")
    return losses
