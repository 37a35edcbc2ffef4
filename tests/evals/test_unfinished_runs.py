"""Runs without an end: what is listed of them, and what a person who stops one is told."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headway_evals.runs import RESULTS_FILE
from headway_evals.unfinished_runs import list_unfinished
from tests.evals.paid_projects import CACHED, CASES, Shell

MAIN = "from headway.cli import main; raise SystemExit(main())"
WRITER = """
import sys
from pathlib import Path
from headway_evals.runs import Result, RunWriter

writer = RunWriter(Path(sys.argv[1]))
writer.add(Result(case_id="a", input="", output="", expected="", tags=(), passed=True, scores={},
    error=None, latency_ms=None, input_tokens=None, output_tokens=None, span_id=None,
    trace_id=None))
sys.stdout.write("written\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def stop_at(shell: Shell, monkeypatch: pytest.MonkeyPatch, prompt: str, *words: str) -> None:
    """Run as somebody does who stops it when that is asked."""
    monkeypatch.setenv("BREAK_AT", prompt)
    with pytest.raises(KeyboardInterrupt):
        shell.run(*words)
    monkeypatch.delenv("BREAK_AT")


def test_a_killed_run_is_listed_with_what_goes_on_with_it(shell: Shell) -> None:
    shell.project.run_and_kill(CACHED, after=200)
    (folder,) = shell.project.runs.iterdir()

    shell.type("runs")
    told = shell.said
    shell.type("rerun", folder.name, "--no-publish")

    done = len((folder / RESULTS_FILE).read_bytes().splitlines())
    assert told == (
        f"{folder.name}: broken off after {done} of 1,000 cases: headway eval rerun {folder.name}\n"
    )
    assert 190 < done <= 200
    assert shell.project.latest.run.case_count == CASES


def test_a_run_elsewhere_is_named_by_its_folder(shell: Shell) -> None:
    shell.project.run_and_kill("--out", "my runs", after=3)
    (folder,) = Path("my runs").iterdir()

    shell.type("runs", "--out", "my runs")

    assert shell.said.endswith(f"1,000 cases: headway eval rerun '{folder}'\n")


def test_finished_runs_stand_above_those_without_an_end(shell: Shell) -> None:
    shell.project.run_and_kill(after=3)
    shell.run("--limit", "2")

    shell.type("runs")

    lines = shell.said.splitlines()
    assert len(lines) == 3
    assert "50.0 %" not in lines[0]
    assert "100.0 %" in lines[1]
    assert "broken off after" in lines[2]


def test_a_run_that_nothing_tells_how_it_was_made_is_listed_without_a_command(
    tmp_path: Path, shell: Shell
) -> None:
    shell.project.run_and_kill(after=3)
    (folder,) = shell.project.runs.iterdir()
    (folder / "manifest.json").unlink()
    (shell.project.runs / "stranger").mkdir()

    shell.type("runs")

    assert "cases: it cannot be made again, for its manifest.json cannot be read" in shell.said
    assert "stranger" not in shell.said


def test_a_run_that_a_process_is_at_is_not_called_broken_off(shell: Shell) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, "runs/now"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        (during,) = list_unfinished(Path("runs"))
        process.kill()
    (after,) = list_unfinished(Path("runs"))

    assert during.told("now") == "now: under way, 1 case"
    assert after.told("now").startswith("now: broken off after 1 case: ")


def test_who_stops_a_run_is_told_what_is_kept(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(shell, monkeypatch, "q30", CACHED)
    told = shell.said

    paid = shell.run(CACHED)

    assert "stopped: 30 of 1,000 answers are kept, the same command goes on\n" in told
    assert len(paid) == CASES - 30


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "stopped: 30 of 1,000 cases were done, and no answers are kept"),
        (
            [CACHED, "--refresh"],
            "stopped: 30 of 1,000 answers are kept, the same command asks for all of them anew",
        ),
    ],
)
def test_nothing_is_promised_that_the_same_command_does_not_do(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    stop_at(shell, monkeypatch, "q30", *words)

    assert told in shell.said


def test_a_run_that_is_stopped_ends_with_130(shell: Shell) -> None:
    words = ["eval", "run", "suite.yaml", "--no-publish", "--model", shell.project.spec]
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        env={**os.environ, "PAID": str(writer)},
        pass_fds=[writer],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as paid:
        paid.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "of 1,000 cases were done, and no answers are kept" in said
    assert "Traceback" not in said


def test_what_a_full_disk_did_is_said_again_below_the_verdict(shell: Shell) -> None:
    """The limit on the size of files stands for the disk."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limit[1]))
    try:
        shell.run(CACHED, "--limit", "100")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert shell.said.count("answers are no longer kept in .headway/cache: No space left") == 2
    assert shell.said.count("its verdict holds, but it will not be found again") == 2
