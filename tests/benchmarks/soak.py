"""``make soak``: crashes, outages and full disks at full size, their outcome in RESULTS.md.

The same tests as in ``make test``, with more of everything. ``HEADWAY_CRASH_ROUNDS`` and
``HEADWAY_DOWN_CALLS`` make them larger or smaller.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.benchmarks.results import record, table

SIZES = {"HEADWAY_CRASH_ROUNDS": "300", "HEADWAY_DOWN_CALLS": "100000"}
TESTS = ("crashes", "collector_down", "small_journals", "losses", "full_disk")


def main() -> int:
    """Run the tests, record what came of each, and return pytest's exit code."""
    sizes = {name: os.environ.get(name, size) for name, size in SIZES.items()}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tests = [f"tests/e2e/test_{name}.py" for name in TESTS]
        code = subprocess.call(
            [sys.executable, "-m", "pytest", *tests, "-v", f"--junitxml={report}"],
            env={**os.environ, **sizes},
        )
        rows = [outcome(case) for case in ElementTree.parse(report).iter("testcase")]
    kills = int(sizes["HEADWAY_CRASH_ROUNDS"])
    calls = int(sizes["HEADWAY_DOWN_CALLS"])
    record(
        "Killed, cut off and full: nothing is lost that is not counted",
        "make soak",
        [
            f"{kills - kills // 3} applications killed with `kill -9` under 4 threads, "
            f"{kills // 3} kills of the collector, {calls:,} calls without a collector.",
            "",
            *table(["test", "outcome", "s"], rows),
        ],
    )
    return code


def outcome(case: ElementTree.Element) -> list[str]:
    """Return the row of one test: its name as a sentence, what came of it, its seconds."""
    name = case.attrib["name"].removeprefix("test_").replace("_", " ")
    word = next((each.tag for each in case if each.tag != "system-out"), "passed")
    return [name, {"failure": "FAILED", "error": "FAILED"}.get(word, word), case.attrib["time"]]


if __name__ == "__main__":
    sys.exit(main())
