"""``make soak``: crashes, outages, full disks, fuzzers, simulations at full size, into RESULTS.md.

The same tests as in ``make test``, with more of everything. The variables of ``SIZES`` make them
larger or smaller.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.benchmarks.results import record, table

SIZES = {
    "HEADWAY_CRASH_ROUNDS": "300",
    "HEADWAY_DISK_ROUNDS": "30",
    "HEADWAY_DOWN_CALLS": "100000",
    "HEADWAY_EVAL_KILLS": "10",
    "HEADWAY_SIMULATION_DRAWS": "20000",
    "HEADWAY_FUZZ_SECONDS": "3600",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Tests that are run and recorded together."""

    title: str
    tests: tuple[str, ...]
    told: Callable[[Mapping[str, int]], str]


def _told_of_calls(sizes: Mapping[str, int]) -> str:
    kills = sizes["HEADWAY_CRASH_ROUNDS"]
    return (
        f"{kills - kills // 3} applications killed with `kill -9` under 4 threads, "
        f"{kills // 3} kills of the collector, {sizes['HEADWAY_DOWN_CALLS']:,} calls without a "
        "collector."
    )


def _told_of_disks(sizes: Mapping[str, int]) -> str:
    return (
        f"A disk of 160 MB filled and freed {sizes['HEADWAY_DISK_ROUNDS']} times under a collector "
        "that six clients and the SDK write to, and one that stalls."
    )


def _told_of_evals(sizes: Mapping[str, int]) -> str:
    return (
        f"{sizes['HEADWAY_EVAL_KILLS']} kills with `kill -9` of an eval of 1,000 cases that is "
        f"resumed, {sizes['HEADWAY_SIMULATION_DRAWS']:,} draws of each simulated suite."
    )


def _told_of_fuzzers(sizes: Mapping[str, int]) -> str:
    return (
        f"{sizes['HEADWAY_FUZZ_SECONDS']} s of Schemathesis on the OpenAPI and of mutated OTLP, "
        "batches and bodies, each against a real process. Memory is the median of each "
        "third of a run, and the most of the processes of jobs and mappers beside. The last third "
        "may be above the middle one by 1 KiB for each of its requests, or 24 MiB."
    )


def _told_of_looks(sizes: Mapping[str, int]) -> str:
    return (
        f"{sizes['HEADWAY_SIMULATION_DRAWS']:,} draws of each world of at most 1,000 cases, each "
        "side of the interval at 0.025; the median is the number of cases until a verdict."
    )


def _told_of_labels(sizes: Mapping[str, int]) -> str:
    return (
        f"{sizes['HEADWAY_SIMULATION_DRAWS']:,} draws of each world of 1,000 or 5,000 answers, of "
        "which people label 50, 100 or 200 and a biased judge scores all."
    )


PARTS = {
    "calls": Part(
        "Killed, cut off and full: nothing is lost that is not counted",
        (
            "e2e/test_crashes",
            "e2e/test_collector_down",
            "e2e/test_small_journals",
            "e2e/test_losses",
            "e2e/test_full_disk",
        ),
        _told_of_calls,
    ),
    "disk": Part(
        "A collector on a full disk and on a slow one: nothing acknowledged is lost",
        ("e2e/test_collector_disk",),
        _told_of_disks,
    ),
    "evals": Part(
        "Evals killed and resumed, and verdicts simulated",
        ("evals/test_resuming", "measures/test_simulations"),
        _told_of_evals,
    ),
    "sequential": Part(
        "Comparisons that are looked at after each case",
        ("measures/test_sequential",),
        _told_of_looks,
    ),
    "ppi": Part(
        "Judges corrected by labels: intervals cover 0.94 to 0.96",
        ("measures/test_prediction_powered",),
        _told_of_labels,
    ),
    "fuzz": Part(
        "Bad input: fuzzed for an hour",
        (
            "collector/fuzz/test_openapi",
            "collector/fuzz/test_otlp_mutations",
            "collector/fuzz/test_ndjson_mutations",
            "collector/fuzz/test_hostile_bodies",
            "collector/fuzz/test_hostile_connections",
        ),
        _told_of_fuzzers,
    ),
}

_WORST_FIRST = ("FAILED", "skipped", "passed")


def main() -> int:
    """Run the tests, record what came of each, and return pytest's exit code."""
    parser = argparse.ArgumentParser(description="The long forms of the tests, at full size.")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas")
    chosen = parser.parse_args().only.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}")
    return max(run(name, PARTS[name]) for name in chosen)


def run(name: str, part: Part) -> int:
    """Run one part, and return pytest's exit code."""
    sizes = {key: int(os.environ.get(key, size)) for key, size in SIZES.items()}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tallies = Path(folder) / "tallies.jsonl"
        looks = Path(folder) / "looks.jsonl"
        tests = [f"tests/{each}.py" for each in part.tests]
        code = subprocess.call(
            [sys.executable, "-m", "pytest", *tests, "-v", f"--junitxml={report}"],
            env={
                **os.environ,
                **{key: str(size) for key, size in sizes.items()},
                "HEADWAY_FUZZ_TALLIES": str(tallies),
                "HEADWAY_SEQUENTIAL_TALLIES": str(looks),
                "HEADWAY_FUZZ_SEED": os.environ.get("HEADWAY_FUZZ_SEED", secrets.token_hex(4)),
            },
        )
        rows = outcomes(ElementTree.parse(report).iter("testcase"))
        tallied = [*list_tallies(tallies), *list_looks(looks)]
    command = f"make soak ARGS='--only {name}'"
    lines = [part.told(sizes), "", *tallied, *table(["test", "outcome", "s"], rows)]
    record(part.title, command, lines)
    return code


def list_tallies(path: Path) -> list[str]:
    """Return a table of what fuzzers counted, with an empty line; nothing where none did."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        statuses = ", ".join(f"{status}: {count:,}" for status, count in said["statuses"].items())
        memory = " ".join(map(str, [*said["memory_mib"], said["helpers_mib"]]))
        requests, slowest_s = f"{said['requests']:,}", f"{said['slowest_s']:.3f}"
        rows.append([said["name"], requests, statuses, slowest_s, memory])
    return [*table(["fuzzer", "requests", "statuses", "slowest s", "RSS, MiB"], rows), ""]


def list_looks(path: Path) -> list[str]:
    """Return a table of what simulated looks came to, with an empty line; nothing where none did.

    A median of a billion stands for a world where most draws were never decided.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        median = f"{said['median']:.0f}" if said["median"] < 10**9 else "none"
        rows.append([said["name"], said["world"], f"{said['decided']:.4f}", median])
    return [*table(["verdict", "world", "share of draws", "median cases"], rows), ""]


def outcomes(cases: Iterable[ElementTree.Element]) -> list[list[str]]:
    """Return a row for each test: its name as a sentence, what came of it, its seconds.

    A test that runs with several parameters has one row, and passed where all of them did.
    """
    words: dict[str, set[str]] = {}
    seconds: dict[str, float] = {}
    for case in cases:
        name = case.attrib["name"].partition("[")[0].removeprefix("test_").replace("_", " ")
        words.setdefault(name, set()).add(_word(case))
        seconds[name] = seconds.get(name, 0.0) + float(case.attrib["time"])
    return [
        [name, next(word for word in _WORST_FIRST if word in found), f"{seconds[name]:.3f}"]
        for name, found in words.items()
    ]


def _word(case: ElementTree.Element) -> str:
    word = next(
        (each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed"
    )
    return {"failure": "FAILED", "error": "FAILED"}.get(word, word)


if __name__ == "__main__":
    sys.exit(main())
