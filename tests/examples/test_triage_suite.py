"""The example of a suite under pytest: as it stands, and run on its first cases."""

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


def test_the_example_is_a_test_for_each_case_and_one_for_the_verdict() -> None:
    done = run_pytest(EXAMPLE, "--collect-only")

    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "601 tests collected" in done.stdout
    assert "test_triage[refund-001]" in done.stdout


def test_the_shipped_fine_tune_passes_on_the_first_cases(tmp_path: Path) -> None:
    path = tmp_path / EXAMPLE.name
    # Of so few cases no verdict could be had at five points.
    path.write_text(EXAMPLE.read_text().replace('-base")', '-base", limit=60, margin=0.3)'))

    done = run_pytest(path)

    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "headway: 60 prompts to hf:triage-base+triage-v2 …" in done.stdout
    assert " on 60 cases, " in done.stdout
