"""The example of a suite under pytest, with the shipped models: one passes, one must not."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "test_triage_suite.py"


def run_pytest(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A root of its own: this project's configuration makes errors of other people's warnings.
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", f"--rootdir={path.parent}"]
    options = ["-p", "no:cacheprovider", "-q", str(path), *arguments]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=240)


def test_the_good_fine_tune_passes() -> None:
    done = run_pytest(EXAMPLE)

    assert done.returncode == pytest.ExitCode.OK, done.stdout[-4000:]
    assert "headway: 600 prompts to hf:triage-base+triage-v2 …" in done.stdout
    assert "test_triage[gate]: improved: +" in done.stdout


def test_the_faulty_fine_tune_fails_where_it_is_faulty(tmp_path: Path) -> None:
    path = tmp_path / EXAMPLE.name
    path.write_text(EXAMPLE.read_text().replace("+triage-v2", "+triage-v3"))

    done = run_pytest(path, "-rf")

    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-4000:]
    assert "test_triage[gate]: regressed in kind:refund" in done.stdout
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) > 10
    assert all("[refund-" in line or "[gate]" in line for line in failed)
