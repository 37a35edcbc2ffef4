"""What a process lost, at the collector: the same number and reasons as in its own last line."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.processes import CollectorProcess, clean_environment, run_headway

LOSER = """
import json
import headway
headway.init(journal_limit_bytes=300_000)
for _ in range(2000):
    with headway.span("call", input="x" * 1000): pass
print(json.dumps([headway.stats().client_id, headway.stats().recorded]))
"""


def test_losses_of_a_process_without_a_collector_are_shown_by_the_collector_later(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    folder = str(tmp_path / "journal")
    collector.stop()
    loser = subprocess.run(
        [sys.executable, "-c", LOSER],
        env=clean_environment(HEADWAY_URL=collector.url, HEADWAY_JOURNAL_DIR=folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    client_id, recorded = json.loads(loser.stdout)
    collector.start()
    shipped, doctor = (
        run_headway(*command, cwd=tmp_path, HEADWAY_URL=collector.url, HEADWAY_JOURNAL_DIR=folder)
        for command in (["ship"], ["doctor", "--json"])
    )
    losses = collector.api.get("/v1/losses")["losses"]
    counts = {loss["reason"]: loss["count"] for loss in losses}
    total = sum(counts.values())
    last_line = loser.stderr.splitlines()[-1]
    findings = json.loads(doctor.stdout)["findings"]
    told = [each["data"]["reasons"] for each in findings if each["check"] == "losses"]

    assert shipped.returncode == 0, shipped.stderr
    assert {loss["client_id"] for loss in losses} == {client_id}
    assert f"; {total:,} dropped (" in last_line
    assert all(f"{reason} {count:,}" in last_line for reason, count in counts.items())
    assert collector.api.get("/v1/projects")["projects"][0]["span_count"] == recorded - total
    assert told == [counts]
    assert doctor.returncode == 1
