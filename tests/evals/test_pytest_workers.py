"""Suites under pytest-xdist: models are asked once for all workers, and gates wait for them all."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from headway_evals.errors import EvalError, ModelError
from headway_evals.executions import execute
from headway_evals.models.functions import Function
from headway_evals.pytest_folders import Finished, SharedFolder
from headway_evals.runs import RunRecord
from headway_evals.suites import Case, Suite
from headway_measures.scorers import make_scorer
from tests.evals.suite_projects import CASES, COUNT, TEST, Project, lines_with


@pytest.mark.parametrize(
    "workers", [("-n", "2"), ("-n", "2", "--dist", "loadfile")], ids=["load", "loadfile"]
)
def test_models_are_asked_once_for_all_workers(
    pytester: pytest.Pytester,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: Sequence[str],
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    project = Project(pytester)

    result = project.run(*workers)

    result.assert_outcomes(passed=COUNT + 1)
    assert project.asked() == ["baseline 40", "candidate 40"]
    assert lines_with(result, "headway: ") == [
        "headway: 40 prompts to python:test_it:candidate",
        "headway: 40 prompts to python:test_it:baseline",
    ]
    assert lines_with(result, "[gate]: passed: +0.0 points")
    assert list(tmp_path.glob("headway-pytest-*")) == []


def test_cases_and_gate_agree_on_whatever_workers_they_run(pytester: pytest.Pytester) -> None:
    project = Project(
        pytester,
        candidate_fails=CASES[:20],
        baseline_fails=CASES[:2],
        body='assert case.case_id not in ("case-30", "case-31")',
    )

    result = project.run("-n", "2")

    result.assert_outcomes(failed=18 + 2 + 1, xfailed=2, passed=18)
    assert "20 flipped to fail and 0 to pass" in lines_with(result, "[gate]: regressed")[0]
    # Whole lines: where CI is set, pytest repeats each reason behind the test's name.
    said = "exact fails, passes on the baseline; the suite regressed"
    assert result.stdout.lines.count(said) == 18


def test_several_suites_wait_for_each_other_and_end(pytester: pytest.Pytester) -> None:
    tests = "\n".join(TEST.replace("test_letters", f"test_{name}") for name in "abc")
    mark = "model=candidate, baseline=baseline, limit=20, margin=0.4"

    result = Project(pytester, test=tests, mark=mark).run("-n", "2")

    result.assert_outcomes(passed=3 * 21)


def test_a_model_that_cannot_answer_is_asked_once_for_all_workers(
    pytester: pytest.Pytester,
) -> None:
    broken = "def broken(prompts: list[str]) -> list[str]: return answer('x', (), prompts)[1:]"
    project = Project(pytester, test=f"{broken}\n{TEST}", mark="model=broken")

    result = project.run("-n", "2")

    result.assert_outcomes(skipped=COUNT, failed=1)
    assert project.asked() == ["x 40"]


def test_a_gate_gives_no_verdict_where_a_worker_crashed(pytester: pytest.Pytester) -> None:
    body = 'import os; case.case_id == "case-10" and os._exit(1)'

    result = Project(pytester, body=body).run("-n", "2")

    assert result.parseoutcomes()["failed"] == 2  # the case that crashed, and the gate
    assert "did not run to the end: gw" in lines_with(result, "[gate]: no verdict")[0]


def test_work_stealing_is_refused_in_one_line(pytester: pytest.Pytester) -> None:
    result = Project(pytester).run("-n", "2", "--dist", "worksteal")

    assert lines_with(result, "suites cannot run under --dist worksteal")
    result.stdout.no_fnmatch_line("*Traceback*")


# The folder that the processes of a run share


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[SharedFolder]:
    folder = SharedFolder(tmp_path / "shared", "gw0")
    folder.enter([])
    yield folder
    folder.leave()


def start_worker(folder: SharedFolder, code: str) -> subprocess.Popen[str]:
    """Start another worker; it has ``folder``, and tells when it is there."""
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from headway_evals.pytest_folders import Finished, SharedFolder\n"
        f"folder = SharedFolder(Path({str(folder.path)!r}), 'gw1')\n"
        "folder.enter([])\n"
        "sys.stdout.write('here\\n'); sys.stdout.flush()\n"
        f"{code}\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "here\n"
    return worker


def make_run(place: Path) -> RunRecord:
    case = Case("c", "x", "X", scorers={"exact": make_scorer("exact", {})})
    return execute(Suite("s", "1", (case,)), Function(str.upper, folder=place), place)


class Patience:
    """A sleep that takes no time: it lets another worker go on, and counts."""

    def __init__(self, worker: subprocess.Popen[str]) -> None:
        self.worker = worker
        self.slept_s = 0.0

    def __call__(self, delay_s: float) -> None:
        """Sleep; after a minute, the worker ends."""
        self.slept_s += delay_s
        if self.slept_s >= 60 and self.worker.poll() is None:
            self.worker.communicate()


def test_a_gate_waits_while_another_worker_is_at_work(folder: SharedFolder) -> None:
    folder.note("suite", Finished("a", "a", False, False))
    code = """
with folder.at_work():
    sys.stdout.write('at work\\n'); sys.stdout.flush()
    sys.stdin.read()
    folder.note('suite', Finished('b', 'b', False, False))
folder.leave()
"""
    with start_worker(folder, code) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "at work\n"
        patience = Patience(worker)

        missing = folder.wait("suite", ["a", "b"], sleep=patience)

    assert missing == set()
    assert patience.slept_s == pytest.approx(60, abs=0.2)


def test_a_gate_does_not_wait_for_workers_that_have_nothing_to_do(folder: SharedFolder) -> None:
    with start_worker(folder, "sys.stdin.read()") as worker:
        patience = Patience(worker)

        missing = folder.wait("suite", ["a"], sleep=patience)

        assert worker.poll() is None
        worker.communicate()
    assert missing == {"a"}
    assert patience.slept_s == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(
    ("end", "crashed"), [("folder.leave()", []), ("os._exit(1)", ["gw1"])], ids=["left", "crashed"]
)
def test_a_gate_does_not_wait_for_workers_that_are_gone(
    folder: SharedFolder, end: str, crashed: list[str]
) -> None:
    with start_worker(folder, end) as worker:
        worker.communicate()

    patience = Patience(worker)

    assert folder.wait("suite", ["a"], sleep=patience) == {"a"}
    assert patience.slept_s == 0
    assert folder.crashed() == crashed


def test_a_run_whose_process_died_over_it_is_made_again(folder: SharedFolder) -> None:
    code = "folder.run_once('key', lambda place: (place.mkdir(), os._exit(1)))"
    with start_worker(folder, code) as worker:
        worker.communicate()

    record = folder.run_once("key", make_run)

    assert record.run.passed_count == 1
    assert folder.run_once("key", make_run).run == record.run


def test_a_run_that_failed_is_not_tried_again(folder: SharedFolder) -> None:
    tries: list[Path] = []

    def work(place: Path) -> RunRecord:
        tries.append(place)
        raise ModelError("it has no weights")

    for _ in range(2):
        with pytest.raises(EvalError, match="it has no weights"):
            folder.run_once("key", work)

    assert len(tries) == 1
