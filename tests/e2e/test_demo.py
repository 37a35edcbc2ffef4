"""``headway demo --once``: from the models' answers to two verdicts, in one command."""

import argparse
import re
import time
from pathlib import Path

import pytest

from headway_evals.commands import DEMO
from tests.e2e.processes import run_headway

# The models answer every call, and an eighth of the demo's takes the same way.
CALLS = 300


def test_a_fortnight_has_thousands_of_calls() -> None:
    parser = argparse.ArgumentParser()
    DEMO.configure(parser)

    assert parser.parse_args([]).calls >= 2000


@pytest.mark.timeout(400)
def test_the_demo_logs_a_fortnight_and_judges_both_candidates(tmp_path: Path) -> None:
    started = time.monotonic()
    done = run_headway(
        *["demo", "--once", "--collector-port", "0", "--ui-port", "0", "--calls", str(CALLS)],
        cwd=tmp_path,
        timeout_s=380,
        TMPDIR=str(tmp_path),
    )
    words = re.sub(r"\s+", " ", done.stdout)

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"triage-v2: (improved|passed) \(exit code 0\)", words)
    assert re.search(r"triage-v3: passed overall, regressed in kind:refund \(exit code 1\)", words)
    assert "/quality?project=triage-demo" in words
    # One line each for the shift and for the release: two windows that meet where it began.
    links = re.findall(r"/drift\?\S*end%3D(\S+?)&current=start%3D(\S+?)%26end", done.stdout)
    assert len(links) == 2
    assert all(cut == start for cut, start in links)
    assert f"{CALLS} calls logged" in words
    assert time.monotonic() - started < 240
