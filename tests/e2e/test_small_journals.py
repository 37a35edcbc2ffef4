"""A journal with a small limit drops, and the program, its last line and the collector agree."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.processes import CollectorProcess, clean_environment

CALLS = 2_000
LIMIT_BYTES = 512 << 10
END_TIMEOUT_S = 60.0

PROGRAM = """
import json, sys
import headway

@headway.observe(kind="llm", model="support-7b")
def answer(message):
    return message.upper()

for number in range(int(sys.argv[1])):
    answer(f"parcel {number} " * 64)
print(json.dumps(dict(headway.stats().dropped)), flush=True)
if sys.stdin.readline():
    assert headway.flush(timeout_s=30), headway.stats()
    print(json.dumps(dict(headway.stats().dropped)), flush=True)
"""


def test_stats_exit_line_and_collector_show_the_same_losses(
    absent_collector: CollectorProcess, tmp_path: Path
) -> None:
    program = start_program(absent_collector, tmp_path)
    assert program.stdout is not None
    before = json.loads(program.stdout.readline())

    with absent_collector:
        rest, last_line = program.communicate("there is a collector\n", END_TIMEOUT_S)
        losses = absent_collector.api.get("/v1/losses")
        stored = count_spans(absent_collector)
    dropped = json.loads(rest)

    assert program.returncode == 0, last_line
    assert dropped["journal_full"] > 0
    assert dropped == before
    assert reasons_in(last_line) == dropped
    assert losses["reasons"] == dropped
    assert {loss["pid"] for loss in losses["losses"]} == {program.pid}
    assert losses["total"] == sum(dropped.values()) == CALLS - stored


def test_a_process_that_is_gone_has_its_losses_told_by_the_next(
    absent_collector: CollectorProcess, tmp_path: Path
) -> None:
    program = start_program(absent_collector, tmp_path)
    counted, last_line = program.communicate(timeout=END_TIMEOUT_S)

    with absent_collector:
        another = start_program(absent_collector, tmp_path, calls=1)
        another.communicate("there is a collector\n", END_TIMEOUT_S)
        losses = absent_collector.api.get("/v1/losses")
        stored = count_spans(absent_collector)
    dropped = reasons_in(last_line)

    assert dropped["journal_full"] == json.loads(counted)["journal_full"] > 0
    assert losses["reasons"] == dropped
    assert {loss["pid"] for loss in losses["losses"]} == {program.pid}
    assert losses["total"] == CALLS + 1 - stored


def start_program(
    collector: CollectorProcess, folder: Path, *, calls: int = CALLS
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(calls)],
        env=clean_environment(
            HEADWAY_URL=collector.url,
            HEADWAY_JOURNAL_DIR=str(folder / "journal"),
            HEADWAY_JOURNAL_LIMIT_BYTES=str(LIMIT_BYTES),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reasons_in(last_line: str) -> dict[str, int]:
    """Return what ``headway: 1,204 dropped (journal_full 1,200, exit 4)`` says, by reason."""
    said = re.search(r"dropped \((.*?)\)", last_line)
    assert said, last_line
    pairs = (part.rsplit(" ", 1) for part in said[1].split(", "))
    return {reason: int(count.replace(",", "")) for reason, count in pairs}


def count_spans(collector: CollectorProcess) -> int:
    answer = collector.api.get("/v1/metrics", {"measure": "count"})
    count: int = answer["rows"][0]["count"]
    return count
