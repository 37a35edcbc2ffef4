"""Running a suite, and the run on disk."""

import json
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway_evals.errors import ModelError, RunError
from headway_evals.executions import execute, new_run_id
from headway_evals.models.requests import Completion, OnProgress, Request
from headway_evals.runs import Result, RunRecord, RunWriter, list_runs, load_run
from headway_evals.suites import Case, Suite
from headway_measures.scorers import make_scorer

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)


class Canned:
    """A model that knows what it will say."""

    name, digest = "canned", "d1"

    def __init__(self, completions: Sequence[Completion]) -> None:
        self.completions = list(completions)
        self.settings: dict[str, Any] = {"kind": "canned"}

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        for index in reversed(range(len(requests))):
            on_progress(index, self.completions[index])
        return self.completions


def suite(expected: Sequence[str]) -> Suite:
    scorers = {"exact": make_scorer("exact", {}), "short": make_scorer("regex", {"pattern": "^.$"})}
    cases = tuple(
        Case(f"c{i}", f"q{i}", each, ("kind:x",), None, scorers) for i, each in enumerate(expected)
    )
    return Suite("letters", "v1", cases)


def run(folder: Path, answers: Sequence[Completion | str], **options: Any) -> RunRecord:
    completions = [Completion(each) if isinstance(each, str) else each for each in answers]
    letters = suite("abcdefgh"[: len(completions)])
    return execute(letters, Canned(completions), folder, now=lambda: NOW, **options)


def test_a_run_has_the_shape_of_the_contract(tmp_path: Path) -> None:
    run(tmp_path / "r1", ["a", "x", "see"], settings={"spec": "canned:"})

    written = json.loads((tmp_path / "r1" / "run.json").read_text())
    lines = (tmp_path / "r1" / "results.jsonl").read_text().splitlines()

    assert list(written) == [
        *("run_id", "suite", "suite_version", "model", "model_digest", "started_at", "ended_at"),
        *("case_count", "passed_count", "pass_rate", "scores", "settings", "environment"),
    ]
    assert (written["run_id"], written["suite"], written["model"]) == ("r1", "letters", "canned")
    assert written["started_at"] == "2026-11-22T10:15:00Z"
    assert (written["case_count"], written["passed_count"]) == (3, 1)
    assert written["pass_rate"] == pytest.approx(1 / 3)
    assert written["scores"]["short"] == {
        "mean": pytest.approx(2 / 3),
        "count": 3,
        "direction": "up",
        "scale": 1.0,
        "failed_count": 0,
        "average": "arithmetic",
    }
    assert written["settings"]["gate"]["margin"] == {"value": 0.05, "is_hard": False}
    assert written["settings"]["gates"] == [written["settings"]["gate"]]
    assert written["settings"]["spec"] == "canned:"
    assert json.loads(lines[1]) == {
        "case_id": "c1",
        "input": "q1",
        "output": "x",
        "expected": "b",
        "tags": ["kind:x"],
        "passed": False,
        "scores": {
            "exact": {"value": 0.0, "passed": False, "detail": "'x' is not 'b'", "error": None},
            "short": {"value": 1.0, "passed": True, "detail": "", "error": None},
        },
        "error": None,
        "latency_ms": None,
        "input_tokens": None,
        "output_tokens": None,
        "span_id": None,
        "trace_id": None,
    }


def test_a_run_is_read_back_by_id_or_folder(tmp_path: Path) -> None:
    record = run(tmp_path / "r1", ["a", "x"])

    by_id, by_folder = load_run("r1", tmp_path), load_run(str(tmp_path / "r1"), Path("elsewhere"))

    assert by_id == by_folder
    assert by_id.run == record.run
    assert sorted(by_id.results, key=lambda each: each.case_id) == list(record.results)


def test_missing_cases_count_nowhere_and_failed_ones_count_as_failed(tmp_path: Path) -> None:
    record = run(
        tmp_path / "r1",
        [
            "a",
            Completion(None, error="no logged call", is_missing=True),
            Completion(None, error="it broke"),
        ],
    )

    assert (record.run.case_count, record.run.passed_count) == (2, 1)
    assert record.run.settings["missing_count"] == 1
    assert load_run("r1", tmp_path).run == record.run
    assert record.results[1].error == "missing: no logged call"
    assert [each.is_missing for each in record.results] == [False, True, False]
    assert not record.results[2].passed


def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    record = run(tmp_path / "r1", [""])

    assert record.results[0].error is None
    assert record.run.pass_rate == 0


def test_results_are_on_disk_before_the_run_is(tmp_path: Path) -> None:
    seen = []

    def look(result: Result, *, is_kept: bool) -> None:
        lines = (tmp_path / "r1" / "results.jsonl").read_text().splitlines()
        seen.append((len(lines), (tmp_path / "r1" / "run.json").exists()))

    run(tmp_path / "r1", ["a", "b", "c"], on_result=look)

    assert seen == [(1, False), (2, False), (3, False)]


def test_a_run_that_is_broken_off_keeps_its_results_and_is_no_run(tmp_path: Path) -> None:
    def interrupt(result: Result, *, is_kept: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "r1", ["a", "b"], on_result=interrupt)

    assert len((tmp_path / "r1" / "results.jsonl").read_text().splitlines()) == 1
    with pytest.raises(RunError, match=r"was broken off; `headway eval rerun .*/r1` makes it ag"):
        load_run("r1", tmp_path)


def test_a_model_that_answers_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="canned answered none of 2 cases; the first: it broke"):
        run(tmp_path / "r1", [Completion(None, error="it broke")] * 2)


def test_a_model_that_fails_at_once_leaves_no_folder(tmp_path: Path) -> None:
    class Broken(Canned):
        def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> Any:
            raise ModelError("the weights are damaged")

    with pytest.raises(ModelError, match="damaged"):
        execute(suite("ab"), Broken([]), tmp_path / "r1")

    assert list(tmp_path.iterdir()) == []


def test_a_part_of_the_suite_can_be_run(tmp_path: Path) -> None:
    letters = suite("abc")

    record = execute(letters, Canned([Completion("a")]), tmp_path / "r", cases=letters.cases[:1])

    assert [each.case_id for each in record.results] == ["c0"]
    assert record.run.settings["suite_case_count"] == 3


def _cut_a_line(folder: Path) -> None:
    path = folder / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-20])


def _repeat(count: int) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        path = folder / "results.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:1] * count))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut_a_line, r"results.jsonl:2 is damaged"),
        (_repeat(1), "damaged: it holds 1 results and 0 missing ones, run.json says 2 and 0"),
        (_repeat(2), "results.jsonl is damaged: it holds case 'c1' 2 times"),
        (lambda folder: (folder / "run.json").write_text("{}"), "run.json is damaged: Object miss"),
        (lambda folder: (folder / "results.jsonl").unlink(), "results.jsonl cannot be read"),
    ],
)
def test_a_damaged_run_says_where(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    run(tmp_path / "r1", ["a", "b"])
    damage(tmp_path / "r1")

    with pytest.raises(RunError, match=message):
        load_run("r1", tmp_path)


def test_missing_results_are_counted_too(tmp_path: Path) -> None:
    run(tmp_path / "r1", [Completion(None, error="no call", is_missing=True), "b"])
    _repeat(1)(tmp_path / "r1")

    with pytest.raises(RunError, match=r"1 results and 0 missing ones, run.json says 1 and 1"):
        load_run("r1", tmp_path)


def test_runs_are_listed_the_latest_first_without_the_damaged(tmp_path: Path) -> None:
    older = run(tmp_path / "r1", ["a"])
    run(tmp_path / "r2", ["a"])
    run(tmp_path / "r3", ["a"])
    later = msgspec.structs.replace(older.run, run_id="r2", started_at="2026-11-23T00:00:00Z")
    (tmp_path / "r2" / "run.json").write_bytes(msgspec.json.encode(later))
    (tmp_path / "r3" / "run.json").write_text("{")

    assert [each.run_id for each in list_runs(tmp_path)] == ["r2", "r1"]


def test_an_unknown_run_names_the_latest(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run 'x' in .*: there are none yet"):
        load_run("x", tmp_path)
    run(tmp_path / "r1", ["a"])

    with pytest.raises(RunError, match="the latest are r1"):
        load_run("x", tmp_path)
    with pytest.raises(RunError, match=r"no run '' in .*: the latest are r1"):
        load_run("", tmp_path)


def test_a_run_is_never_written_over_another(tmp_path: Path) -> None:
    run(tmp_path / "r1", ["a"])

    with pytest.raises(RunError, match="holds a run already"):
        run(tmp_path / "r1", ["a"])


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RunError, match=r"cannot be written to .*: Not a directory"):
        run(tmp_path / "file" / "r1", ["a"])


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let the system refuse bytes behind that place of any file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_was_full_for_a_while_costs_no_result(tmp_path: Path) -> None:
    record = run(tmp_path / "r1", ["a", "b", "c", "d"])
    with closing(RunWriter(tmp_path / "r2")) as writer:
        writer.add(record.results[0])
        size = (tmp_path / "r2" / "results.jsonl").stat().st_size
        # Half of a line fits.
        with no_file_beyond(size + 100):
            writer.add(record.results[1])
            writer.add(record.results[2])
        writer.add(record.results[3])
        writer.finish(msgspec.structs.replace(record.run, run_id="r2"))

    assert load_run("r2", tmp_path).results == record.results


def test_a_full_disk_costs_the_file_and_not_the_run(tmp_path: Path) -> None:
    faults: list[str] = []
    with no_file_beyond(500):
        record = run(tmp_path / "r1", ["a", "b", "x"], on_fault=faults.append)

    assert (record.run.passed_count, len(record.results)) == (2, 3)
    (fault,) = faults
    assert "the run cannot be written to" in fault
    assert "its verdict holds, but it will not be found again" in fault
    with pytest.raises(RunError, match="broken off"):
        load_run("r1", tmp_path)
    with no_file_beyond(500), pytest.raises(RunError, match="cannot be written to"):
        run(tmp_path / "r2", ["a", "b"])


def test_an_id_makes_a_good_folder_name() -> None:
    assert new_run_id("my suite", "log:name=a/b,c", NOW, token="3fa9") == (
        "20261122T101500Z-my-suite-log-name-a-b-c-3fa9"
    )
    assert new_run_id("s", "m", NOW) != new_run_id("s", "m", NOW)
