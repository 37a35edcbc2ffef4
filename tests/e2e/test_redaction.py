"""Secrets on the whole way: not in the journal, the database's files, or what the API tells."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.processes import CollectorProcess, clean_environment
from tests.sdk.redaction.planting import PLANTED

APPLICATION = """
import headway
from tests.sdk.redaction.planting import log_planted

log_planted()
assert headway.flush(timeout_s=20)
"""


def test_nothing_planted_is_in_the_journal_the_database_or_an_answer(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", APPLICATION],
        env=clean_environment(
            HEADWAY_URL=collector.url,
            HEADWAY_JOURNAL_DIR=str(tmp_path / "journal"),
            HEADWAY_REDACT="all",
            HEADWAY_REDACT_NAMES="password",
        ),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    spans = collector.api.get("/v1/spans")["spans"]
    traces = [collector.api.get(f"/v1/traces/{span['trace_id']}") for span in spans]
    # Before the checkpoint, in the log, nothing is compressed.
    living = files_under(tmp_path)
    collector.stop()
    told = json.dumps(traces, ensure_ascii=False).encode()

    assert b"[email]" in told
    assert b"[email]" in living
    for haystack in (told, living, files_under(tmp_path)):
        assert not [secret for secret in PLANTED if secret.encode() in haystack]


def files_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
