"""One scenario of one SDK, in a fresh process of that SDK's environment.

Run by ``sdk_rounds.py`` as ``python -m tests.benchmarks.sdk_worker SCENARIO SDK URL FOLDER CALLS``.
It writes ``begin`` when it is ready and waits for a line; it writes ``done`` when the last call
has returned, and then one line of JSON. It ends when its stdin does, as a program that ends by
itself: whatever the SDK does at exit, it does.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.dummy_server import MARK
from tests.benchmarks.sdk_variants import VARIANTS, Variant, abare, bare, piece

WARM_UP = 200
SINGLES = 5_000
THREADS = TASKS = 8
PACED_HZ = 500
OUTAGE_HZ = 100
_clock_ns = time.perf_counter_ns


@dataclass(frozen=True, slots=True)
class Together:
    """How long some calls took from the first to the last, and each of them."""

    wall_ns: int
    singles_ns: list[int]


def loop(variant: Variant, calls: int) -> dict[str, float]:
    """Calls of one thread back to back; before that some of them timed one by one."""
    questions = [piece(number) for number in range(calls)]
    warm_up(variant)
    bare_p50 = summary(time_each(bare, questions[:SINGLES]))["p50_us"]
    singles = summary(time_each(variant.call, questions[:SINGLES]), bare_p50)
    variant.flush()
    plain = run_through(bare, questions)
    begin()
    process_ns = time.process_time_ns()
    logged = run_through(variant.call, questions)
    done()
    variant.flush()
    process_ns = time.process_time_ns() - process_ns
    return {
        "wall_us": (logged["wall_ns"] - plain["wall_ns"]) / calls / 1e3,
        "caller_us": (logged["thread_ns"] - plain["thread_ns"]) / calls / 1e3,
        "process_us": (process_ns - plain["thread_ns"]) / calls / 1e3,
        **singles,
    }


def threads(variant: Variant, calls: int) -> dict[str, float]:
    """Calls of eight threads at once, back to back."""
    questions = [piece(number) for number in range(calls)]
    warm_up(variant)
    plain = in_threads(bare, questions)
    begin()
    logged = in_threads(variant.call, questions)
    done()
    variant.flush()
    return {
        "wall_us": (logged.wall_ns - plain.wall_ns) / calls / 1e3,
        **summary(logged.singles_ns, summary(plain.singles_ns)["p50_us"]),
    }


def tasks(variant: Variant, calls: int) -> dict[str, float]:
    """Calls of eight tasks of one event loop, back to back."""
    questions = [piece(number) for number in range(calls)]
    warm_up(variant)
    plain_ns = asyncio.run(in_tasks(abare, questions))
    begin()
    logged_ns = asyncio.run(in_tasks(variant.acall, questions))
    done()
    variant.flush()
    return {"wall_us": (logged_ns - plain_ns) / calls / 1e3}


def paced(variant: Variant, calls: int) -> dict[str, float]:
    """Calls at an even pace, each timed alone."""
    warm_up(variant)
    plain = summary(time_paced(bare, calls // 4, PACED_HZ))
    begin()
    singles = time_paced(variant.call, calls, PACED_HZ)
    done()
    variant.flush()
    return summary(singles, plain["p50_us"])


def down(variant: Variant, calls: int) -> dict[str, float]:
    """Calls back to back while nobody answers: what memory grows to."""
    for number in range(WARM_UP):
        variant.call(piece(number))
    before_mb = most_mb = resident_mb()
    begin()
    started_ns = _clock_ns()
    worst_ns = 0
    for number in range(WARM_UP, calls):
        question = piece(number)
        before_ns = _clock_ns()
        variant.call(question)
        worst_ns = max(worst_ns, _clock_ns() - before_ns)
        if number % 1000 == 0:
            most_mb = max(most_mb, resident_mb())
    loop_s = (_clock_ns() - started_ns) / 1e9
    most_mb = max(most_mb, resident_mb())
    done()
    return {
        "loop_s": loop_s,
        "worst_us": worst_ns / 1e3,
        "before_mb": before_mb,
        "growth_mb": most_mb - before_mb,
    }


def outage(variant: Variant, calls: int) -> dict[str, float]:
    """Calls at an even pace while the server comes up."""
    begin()
    singles = time_paced(variant.call, calls, OUTAGE_HZ)
    done()
    return summary(singles)


def after(variant: Variant, calls: int) -> dict[str, float]:
    """A short process after one that could not send: it flushes once and ends."""
    for number in range(calls):
        variant.call(piece(number))
    variant.flush()
    return {}


def warm_up(variant: Variant) -> None:
    """Have everything imported, connected and run once."""
    for number in range(WARM_UP):
        variant.call(piece(number))
    variant.flush()


def run_through(function: Callable[[str], str], questions: Sequence[str]) -> dict[str, int]:
    """Return what a loop of calls takes, on the wall and of this thread's processor time."""
    wall_ns, thread_ns = _clock_ns(), time.thread_time_ns()
    for question in questions:
        function(question)
    return {"wall_ns": _clock_ns() - wall_ns, "thread_ns": time.thread_time_ns() - thread_ns}


def time_each(function: Callable[[str], str], questions: Sequence[str]) -> list[int]:
    """Return how long each call takes, back to back, in nanoseconds."""
    times = []
    for question in questions:
        before_ns = _clock_ns()
        function(question)
        times.append(_clock_ns() - before_ns)
    return times


def time_paced(function: Callable[[str], str], calls: int, rate_hz: int) -> list[int]:
    """Return how long each call takes at an even pace, in nanoseconds."""
    questions = [piece(number) for number in range(calls)]
    times = []
    started_s = time.perf_counter()
    for number, question in enumerate(questions):
        time.sleep(max(0.0, started_s + number / rate_hz - time.perf_counter()))
        before_ns = _clock_ns()
        function(question)
        times.append(_clock_ns() - before_ns)
    return times


def in_threads(function: Callable[[str], str], questions: Sequence[str]) -> Together:
    """Return how long all calls take together, and each of them."""
    times: list[int] = []
    barrier = threading.Barrier(THREADS + 1)

    def work(share: Sequence[str]) -> None:
        barrier.wait()
        mine = time_each(function, share)
        times.extend(mine)

    workers = [
        threading.Thread(target=work, args=(questions[first::THREADS],)) for first in range(THREADS)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    started_ns = _clock_ns()
    for worker in workers:
        worker.join()
    return Together(_clock_ns() - started_ns, times)


async def in_tasks(function: Callable[[str], Awaitable[str]], questions: Sequence[str]) -> int:
    """Return how long all calls take together, in nanoseconds."""

    async def work(share: Sequence[str]) -> None:
        for question in share:
            await function(question)

    started_ns = _clock_ns()
    await asyncio.gather(*(work(questions[first::TASKS]) for first in range(TASKS)))
    return _clock_ns() - started_ns


def summary(times: list[int], bare_p50_us: float = 0.0) -> dict[str, float]:
    """Return p50 (the bare call's subtracted), p99 and worst in microseconds."""
    ranked = sorted(times)
    return {
        "p50_us": ranked[len(ranked) // 2] / 1e3 - bare_p50_us,
        "p99_us": ranked[len(ranked) * 99 // 100] / 1e3,
        "worst_us": ranked[-1] / 1e3,
    }


def resident_mb() -> float:
    """Return the memory this process holds, mapped files included."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def begin() -> None:
    """Say that all is ready, and wait for leave."""
    say("begin")
    sys.stdin.readline()


def done() -> None:
    """Say that the last call has returned."""
    say("done")


def say(line: str) -> None:
    """Write a line to whoever runs this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


SCENARIOS: dict[str, Callable[[Variant, int], dict[str, float]]] = {
    each.__name__: each for each in (loop, threads, tasks, paced, down, outage, after)
}


def main() -> None:
    """Measure, say so, and wait to be let go."""
    scenario, sdk, url, folder, calls = sys.argv[1:]
    # Another name, so that what the first process left is told from what this one adds.
    name = "another-process" if scenario == "after" else MARK
    say(json.dumps(SCENARIOS[scenario](VARIANTS[sdk](name, url, folder), int(calls))))
    sys.stdin.read()


if __name__ == "__main__":
    main()
