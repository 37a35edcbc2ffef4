"""``make soak``: crashes, outages, full disks and simulations at full size, into RESULTS.md.

The same tests as in ``make test``, with more of everything. The variables of ``SIZES`` make them
larger or smaller.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from tests.benchmarks.results import record, table

SIZES = {
    "HEADWAY_CRASH_ROUNDS": "300",
    "HEADWAY_DOWN_CALLS": "100000",
    "HEADWAY_EVAL_KILLS": "10",
    "HEADWAY_SIMULATION_DRAWS": "20000",
}
TESTS = (
    "e2e/test_crashes",
    "e2e/test_collector_down",
    "e2e/test_small_journals",
    "e2e/test_losses",
    "e2e/test_full_disk",
    "evals/test_resuming",
    "measures/test_simulations",
)

_WORST_FIRST = ("FAILED", "skipped", "passed")


def main() -> int:
    """Run the tests, record what came of each, and return pytest's exit code."""
    sizes = {name: os.environ.get(name, size) for name, size in SIZES.items()}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tests = [f"tests/{name}.py" for name in TESTS]
        code = subprocess.call(
            [sys.executable, "-m", "pytest", *tests, "-v", f"--junitxml={report}"],
            env={**os.environ, **sizes},
        )
        rows = outcomes(ElementTree.parse(report).iter("testcase"))
    kills = int(sizes["HEADWAY_CRASH_ROUNDS"])
    calls = int(sizes["HEADWAY_DOWN_CALLS"])
    record(
        "Killed, cut off and full: nothing is lost that is not counted",
        "make soak",
        [
            f"{kills - kills // 3} applications killed with `kill -9` under 4 threads, "
            f"{kills // 3} kills of the collector, {calls:,} calls without a collector, "
            f"{sizes['HEADWAY_EVAL_KILLS']} kills of an eval of 1,000 cases that is resumed, "
            f"{int(sizes['HEADWAY_SIMULATION_DRAWS']):,} draws of each simulated suite.",
            "",
            *table(["test", "outcome", "s"], rows),
        ],
    )
    return code


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
