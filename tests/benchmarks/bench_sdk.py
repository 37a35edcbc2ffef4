"""``make bench-sdk``: what logging costs, beside OpenTelemetry's SDK and Langfuse's, in one run.

The same dummy server for all, a fresh process a round, the SDKs in turn with the order rotated,
each round after the machine was idle. Beside them runs the floor of ``sdk_floor``, which tells how
much of a figure is the machine's. A benchmark and no test: a bar that is missed is printed.
A whole run takes about twelve minutes; ``--only loop,paced`` runs a part, ``--rounds`` fewer.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks import sdk_redaction
from tests.benchmarks.dummy_server import DummyServer
from tests.benchmarks.peers import FLOOR, HEADWAY, OPENTELEMETRY, PEERS
from tests.benchmarks.results import record, table
from tests.benchmarks.sdk_rounds import (
    Round,
    Worker,
    count_arrivals,
    run_round,
    wait_until_idle,
)
from tests.benchmarks.sdk_tables import (
    Rounds,
    bar,
    bars,
    idleness,
    median,
    ratio,
    singles,
    stored,
    stored_bar,
    walls,
    worst_ms,
)

ROUNDS = 5
LOOP_CALLS = 20_000
THREAD_CALLS = TASK_CALLS = 16_000
PACED_CALLS = 2_000
DOWN_CALLS = 100_000
AFTER_CALLS = 10
OUTAGE_CALLS = 4_000
OUTAGE_S = 20.0
IMPORTS = 9


@dataclass(frozen=True, slots=True)
class Section:
    """What one scenario has to say in RESULTS.md."""

    title: str
    lines: Sequence[str]


def loop(rounds: int) -> Section:
    """One thread, back to back."""
    measured = run_rounds("loop", LOOP_CALLS, rounds)
    headers = ["SDK", "added µs", "rounds", "ours / theirs", "caller CPU µs", "process CPU µs"]
    headers += ["single p50 µs", "p99 µs", "worst ms", "stored"]
    rows = [
        [
            *walls(measured, sdk),
            f"{median(measured, sdk, 'caller_us'):.1f}",
            f"{median(measured, sdk, 'process_us'):.1f}",
            *singles(measured, sdk),
            stored(measured, sdk),
        ]
        for sdk in measured
    ]
    return Section(
        "A logged call, one thread, back to back",
        [
            f"{rounds} rounds of {LOOP_CALLS:,} calls, 1 KB in and 1 KB out. *Added* is the time "
            "of the whole loop less that of the bare function's, by call, the median of the "
            "rounds. *Process CPU* is all threads' from the first call to the end of the flush. "
            "*Single* calls are 5,000 others timed one by one; only p50 has the bare call's "
            "subtracted. *Stored* is the worst round's share 5 s after the last call.",
            "",
            *table(headers, rows),
            "",
            *bars(measured, "wall_us", limit=10.0, of_opentelemetry=1 / 6),
            bar("worst single call, ms", worst_ms(measured), 20.0),
            stored_bar(measured),
            idleness(measured),
        ],
    )


def threads(rounds: int) -> Section:
    """Eight threads."""
    measured = run_rounds("threads", THREAD_CALLS, rounds)
    headers = ["SDK", "added µs", "rounds", "ours / theirs", "single p50 µs", "p99 µs", "worst ms"]
    rows = [
        [*walls(measured, sdk), *singles(measured, sdk), stored(measured, sdk)] for sdk in measured
    ]
    return Section(
        "A logged call, 8 threads",
        [
            f"{rounds} rounds of {THREAD_CALLS:,} calls by 8 threads at once, back to back. "
            "*Added* is the time from the first call to the last less the bare function's, "
            "divided by all calls. A *single* call has the other threads' turns in it.",
            "",
            *table([*headers, "stored"], rows),
            "",
            *bars(measured, "wall_us", limit=20.0, of_opentelemetry=1 / 4),
            stored_bar(measured),
            idleness(measured),
        ],
    )


def tasks(rounds: int) -> Section:
    """Eight tasks of asyncio."""
    measured = run_rounds("tasks", TASK_CALLS, rounds)
    rows = [[*walls(measured, sdk), stored(measured, sdk)] for sdk in measured]
    return Section(
        "A logged call, asyncio",
        [
            f"{rounds} rounds of {TASK_CALLS:,} calls by 8 tasks of one event loop; each awaits "
            "`asyncio.sleep(0)` before it answers. *Added* as for threads.",
            "",
            *table(["SDK", "added µs", "rounds", "ours / theirs", "stored"], rows),
            "",
            *bars(measured, "wall_us", limit=10.0, of_opentelemetry=1 / 6),
            stored_bar(measured),
            idleness(measured),
        ],
    )


def paced(rounds: int) -> Section:
    """500 calls a second."""
    measured = run_rounds("paced", PACED_CALLS, rounds)
    rows = [[sdk, *singles(measured, sdk), stored(measured, sdk)] for sdk in measured]
    return Section(
        "A logged call at 500 calls a second",
        [
            f"{rounds} rounds of {PACED_CALLS:,} calls at an even pace, each timed alone: the "
            "median round's p50 (less the bare call's) and p99, the worst call of all rounds.",
            "",
            *table(["SDK", "p50 µs", "p99 µs", "worst ms", "stored"], rows),
            "",
            bar("p50 of OpenTelemetry's", ratio(measured, "p50_us"), 1 / 4),
            bar("p99, µs", median(measured, HEADWAY.sdk, "p99_us"), 100.0),
            bar("worst call, ms", worst_ms(measured), 20.0),
            idleness(measured),
        ],
    )


def imports(_: int) -> Section:
    """What is installed, and how long until the first call is logged."""
    idle = wait_until_idle()
    times: dict[str, list[float]] = {peer.sdk: [] for peer in PEERS}
    firsts: dict[str, list[float]] = {peer.sdk: [] for peer in PEERS}
    with DummyServer() as server:
        for _ in range(IMPORTS):
            for peer in PEERS:
                times[peer.sdk].append(peer.time_ms(peer.imports) - peer.time_ms("pass"))
                with tempfile.TemporaryDirectory() as folder:
                    firsts[peer.sdk].append(peer.first_call_ms(server.url, folder))
    rows = [
        [
            peer.sdk,
            f"{len(peer.distributions())}",
            f"{peer.site_packages_mb():.1f}",
            f"{min(times[peer.sdk]):.0f} / {statistics.median(times[peer.sdk]):.0f}",
            f"{peer.count_modules()}",
            f"{statistics.median(firsts[peer.sdk]):.0f}",
        ]
        for peer in PEERS
    ]
    ours, theirs = (statistics.median(times[peer.sdk]) for peer in (HEADWAY, OPENTELEMETRY))
    headers = ["SDK", "distributions", "MB", "import ms, min / median", "modules"]
    return Section(
        "The SDK installed and imported",
        [
            f"{IMPORTS} fresh processes each: `python -c 'import …'` less `python -c pass`; the "
            "first call's time is the median from the beginning of the import to the return of "
            "one logged call. Installed files without bytecode, pip and setuptools; Headway's "
            "distribution has the collector, the evals and the dashboard in it.",
            "",
            *table([*headers, "first logged call ms"], rows),
            "",
            bar("import of OpenTelemetry's", ours / theirs, 1 / 3),
            bar("distributions", len(HEADWAY.distributions()), 4),
            f"- The machine was {idle:.0%} idle before.",
        ],
    )


def redaction(_: int) -> Section:
    """Every redaction pattern on."""
    idle = wait_until_idle()
    lines = [*sdk_redaction.measure(), f"- The machine was {idle:.0%} idle before."]
    return Section("Every redaction pattern on", lines)


def down(_: int) -> Section:
    """No collector for the whole life of a process, and then a second process."""
    rows = []
    figures = {}
    for peer in PEERS:
        idle = wait_until_idle()
        server = DummyServer()
        with tempfile.TemporaryDirectory() as folder:
            with Worker(peer, "down", server.url, folder, DOWN_CALLS) as worker:
                worker.await_line("begin")
                worker.go()
                worker.await_line("done")
                figures[peer.sdk] = worker.figures()
                exit_s = worker.end()
            with server, Worker(peer, "after", server.url, folder, AFTER_CALLS) as worker:
                worker.figures()
                worker.end()
                arrived = server.arrived()
        figures[peer.sdk] |= {"exit_s": exit_s, "arrived": arrived}
        progress(f"down: {peer.sdk}, {arrived:,} arrived, idle {idle:.0%} before")
        rows.append(
            [
                peer.sdk,
                f"{figures[peer.sdk]['growth_mb']:.0f}",
                f"{figures[peer.sdk]['loop_s']:.1f}",
                f"{figures[peer.sdk]['worst_us'] / 1e3:.1f}",
                f"{exit_s:.1f}",
                f"{arrived:,}",
                f"{DOWN_CALLS - arrived:,}",
            ]
        )
    ours = figures[HEADWAY.sdk]
    return Section(
        "Nobody answers for the whole life of a process",
        [
            f"{DOWN_CALLS:,} calls back to back to a closed port, then the process ends by "
            f"itself; then a server, and a second process of the same SDK that logs "
            f"{AFTER_CALLS} calls, flushes and ends. One run each.",
            "",
            *table(
                ["SDK", "RSS growth MB", "loop s", "worst call ms", "exit s", "arrived", "lost"],
                rows,
            ),
            "",
            bar("RSS growth, MB", ours["growth_mb"], 64.0),
            bar("lost", DOWN_CALLS - ours["arrived"], 0),
            bar("worst call, ms", ours["worst_us"] / 1e3, 20.0),
            bar("exit, s", ours["exit_s"], 3.0),
        ],
    )


def outage(_: int) -> Section:
    """A collector that comes up twenty seconds late."""
    rows = []
    figures = {}
    for peer in PEERS:
        idle = wait_until_idle()
        server = DummyServer()
        with (
            tempfile.TemporaryDirectory() as folder,
            Worker(peer, "outage", server.url, folder, OUTAGE_CALLS) as worker,
        ):
            worker.await_line("begin")
            worker.go()
            time.sleep(OUTAGE_S)
            with server:
                worker.await_line("done")
                figures[peer.sdk] = worker.figures()
                worker.end()
                arrived = count_arrivals(server, OUTAGE_CALLS, within_s=1.0)
        figures[peer.sdk]["arrived"] = arrived
        progress(f"outage: {peer.sdk}, {arrived:,} arrived, idle {idle:.0%} before")
        worst = figures[peer.sdk]["worst_us"] / 1e3
        lost = 1 - arrived / OUTAGE_CALLS
        rows.append([peer.sdk, f"{arrived:,}", f"{lost:.1%}", f"{worst:.1f}"])
    return Section(
        "Nobody answers for 20 s",
        [
            f"{OUTAGE_CALLS:,} calls at 100 a second; the server comes up {OUTAGE_S:.0f} s after "
            "the first. Arrived when the process has ended by itself. One run each.",
            "",
            *table(["SDK", "arrived", "lost", "worst call ms"], rows),
            "",
            bar("lost", OUTAGE_CALLS - figures[HEADWAY.sdk]["arrived"], 0),
            bar("worst call, ms", figures[HEADWAY.sdk]["worst_us"] / 1e3, 20.0),
        ],
    )


def run_rounds(scenario: str, calls: int, rounds: int) -> Rounds:
    """Return the rounds of each SDK, run in turn in a rotating order."""
    contenders = (*PEERS, FLOOR)
    measured: dict[str, list[Round]] = {peer.sdk: [] for peer in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for peer in (*contenders[turn:], *contenders[:turn]):
            one = run_round(peer, scenario, calls)
            measured[peer.sdk].append(one)
            cost_us = one.figures["p50_us" if scenario == "paced" else "wall_us"]
            progress(
                f"{scenario}, round {number + 1} of {rounds}: {peer.sdk} {cost_us:.1f} µs, "
                f"{one.stored:.1%} stored, idle {one.idle:.0%} before"
            )
    return measured


def progress(line: str) -> None:
    """Say how far it is."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


SCENARIOS: Mapping[str, Callable[[int], Section]] = {
    each.__name__: each for each in (imports, loop, threads, tasks, paced, redaction, down, outage)
}


def main() -> None:
    """Run the scenarios and record what they measured."""
    parser = argparse.ArgumentParser(description="What logging costs, beside two other SDKs.")
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios, with commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(SCENARIOS):
        parser.error(f"no scenario {', '.join(unknown)}: there are {', '.join(SCENARIOS)}")
    for peer in PEERS:
        progress(f"installing {peer.sdk} ...")
        peer.install()
    versions = {
        name: number
        for peer in PEERS
        for name, number in peer.distributions().items()
        if name in ("headway", "msgspec", "opentelemetry-sdk", "langfuse")
    }
    for name in chosen:
        section = SCENARIOS[name](arguments.rounds)
        record(section.title, "make bench-sdk", section.lines, versions=versions)


if __name__ == "__main__":
    main()
