"""A process that never met its collector: it ends in time, stays small, and loses nothing.

5,000 calls here; ``make soak`` runs the same with ``HEADWAY_DOWN_CALLS`` at 100,000.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.processes import CollectorProcess, clean_environment

CALLS = int(os.environ.get("HEADWAY_DOWN_CALLS", "5000"))
GROWTH_LIMIT_MB = 64
EXIT_LIMIT_S = 3.0

LOGGING = """
import json, pydoc_data.topics, resource, sys
import headway

calls = int(sys.argv[1])
prose = "".join(pydoc_data.topics.topics.values())

@headway.observe(kind="llm", model="support-7b")
def answer(message):
    return message[512:] + message[:512]

before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(calls):
    with headway.context(session=f"{sys.argv[2]} {number}"):
        answer(prose[number : number + 1024])
growth_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
stats = headway.stats()
counts = [stats.recorded, stats.pending, dict(stats.dropped)]
print(json.dumps([growth_kb / 1024, *counts]), flush=True)
"""
SHIPPING = LOGGING + "assert headway.flush(timeout_s=200), headway.stats()"


@pytest.mark.timeout(120 + CALLS // 100)
def test_what_a_process_logged_without_a_collector_is_stored_once_there_is_one(
    absent_collector: CollectorProcess, tmp_path: Path
) -> None:
    without = start(LOGGING, CALLS, "without", absent_collector, tmp_path)
    assert without.stdout is not None
    growth_mb, recorded, pending, dropped = json.loads(without.stdout.readline())
    _, exit_line = without.communicate(timeout=EXIT_LIMIT_S)

    with absent_collector:
        later = start(SHIPPING, 1, "later", absent_collector, tmp_path)
        _, complaint = later.communicate(timeout=240)
        spans = absent_collector.api.pages("/v1/spans", "spans", {"content": "none", "limit": 1000})
        stored = Counter(span["session_id"] for span in spans)

    assert (without.returncode, later.returncode) == (0, 0), complaint
    assert (recorded, pending, dropped) == (CALLS, CALLS, {})
    assert growth_mb <= GROWTH_LIMIT_MB
    assert f"{CALLS:,} recorded and not shipped" in exit_line
    assert str(tmp_path / "journal") in exit_line
    assert stored == Counter([*(f"without {number}" for number in range(CALLS)), "later 0"])


def start(
    program: str, calls: int, name: str, collector: CollectorProcess, folder: Path
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(calls), name],
        env=clean_environment(
            HEADWAY_URL=collector.url, HEADWAY_JOURNAL_DIR=str(folder / "journal")
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
