"""``headway eval run --stop-early``: no more is asked than the verdict takes, and that is told."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headway.errors import HeadwayError
from headway_evals.comparisons import compare
from headway_evals.early_stops import NOT_ASKED, early_stop_of, in_units, looked_at
from headway_evals.errors import ComparisonError
from headway_evals.executions import execute
from headway_evals.models.requests import Completion, OnProgress, Request
from headway_evals.runs import RunRecord, find_equal, list_runs, load_run
from headway_evals.stopping import Stopping
from headway_evals.suites import Case, Gate, Suite
from headway_measures.scorers import make_scorer
from headway_measures.verdicts import Margin
from tests.evals.made_runs import result
from tests.evals.paid_projects import CACHED, SUITE, Shell

EXACT = make_scorer("exact", {}, folder=Path())


class Model:
    """A model that answers as it is told, and remembers what it was asked."""

    digest = "d"
    settings: dict[str, Any] = {}  # noqa: RUF012  # as a model's protocol has it

    def __init__(self, name: str, answer: Callable[[str], bool]) -> None:
        self.name = name
        self.asked: list[list[str]] = []
        self._answer = answer

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        self.asked.append([each.case_id for each in requests])
        done = [Completion("yes" if self._answer(each.case_id) else "no") for each in requests]
        for index in reversed(range(len(done))):
            on_progress(index, done[index])
        return done


def suite(count: int, **fields: object) -> Suite:
    cases = (
        Case(f"c{i}", f"q{i}", "yes", scorers={"exact": EXACT}, **fields)  # type: ignore[arg-type]
        for i in range(count)
    )
    return Suite("s", "v1", tuple(cases), gates=(Gate(),))


def number(case_id: str) -> int:
    return int(case_id.removeprefix("c"))


def run(tmp_path: Path, suite: Suite, model: Model, stopping: Stopping | None = None) -> RunRecord:
    return execute(suite, model, tmp_path / f"run-{model.name}", stopping=stopping)


def test_a_clear_drop_stops_the_run_and_the_rest_is_not_asked(tmp_path: Path) -> None:
    asked = suite(600)
    base = run(tmp_path, asked, Model("base", lambda case_id: True))
    worse = Model("worse", lambda case_id: number(case_id) % 4 != 0)
    stopping = Stopping(base, asked.gates)

    record = run(tmp_path, asked, worse, stopping)

    comparison = compare(base, record, asked.gates)
    stop = early_stop_of(record.run)
    assert comparison.verdict == "regressed"
    assert stop is not None
    assert stop.is_stopped
    assert sum(map(len, worse.asked)) == stop.case_count == comparison.overall.n <= 96
    assert sum(each.error == NOT_ASKED for each in record.results) == 600 - stop.case_count
    assert f"stopped after {stop.case_count} of 600 cases" in comparison.overall.note
    assert comparison.overall.lower < -0.25 < comparison.overall.upper < 0
    kept = load_run(str(record.folder), tmp_path)
    assert compare(base, kept, asked.gates).overall == comparison.overall


def test_models_alike_pass_before_the_end_and_a_small_suite_is_asked_whole(tmp_path: Path) -> None:
    large, small = suite(2000), suite(40)
    for asked, is_early in ((large, True), (small, False)):
        base = run(tmp_path, asked, Model(f"base{is_early}", lambda case_id: True))
        same = Model(f"same{is_early}", lambda case_id: number(case_id) % 37 != 0)

        record = run(tmp_path, asked, same, Stopping(base, asked.gates))

        comparison = compare(base, record, asked.gates)
        assert comparison.verdict == ("passed" if is_early else "inconclusive")
        assert (sum(map(len, same.asked)) < len(asked.cases)) == is_early
        note = "stopped after" if is_early else "looked at as it went"
        assert note in comparison.overall.note


def test_cases_are_asked_in_an_order_that_the_seed_and_not_the_file_decides() -> None:
    forward = [result(f"c{i}", True) for i in range(300)]

    order = [unit[0].case_id for unit in in_units(forward, 7)]
    backward = [unit[0].case_id for unit in in_units(forward[::-1], 7)]

    assert order == backward != [each.case_id for each in forward]
    assert order != [unit[0].case_id for unit in in_units(forward, 8)]
    # Of the first hundred a third is from each third of the file, by no more than chance.
    assert 20 <= sum(number(each) < 100 for each in order[:100]) <= 47


def test_the_cases_of_a_cluster_are_asked_together_and_count_as_one(tmp_path: Path) -> None:
    cases = tuple(
        Case(f"c{i}", f"q{i}", "yes", cluster=f"k{i // 5}", scorers={"exact": EXACT})
        for i in range(600)
    )
    asked = Suite("s", "v1", cases, gates=(Gate(),))
    base = run(tmp_path, asked, Model("base", lambda case_id: True))
    # Whole clusters fail, so that five failures are one piece of evidence.
    worse = Model("worse", lambda case_id: number(case_id) // 5 % 4 != 0)

    record = run(tmp_path, asked, worse, Stopping(base, asked.gates))

    clusters = [{number(each) // 5 for each in batch} for batch in worse.asked]
    assert [len(batch) for batch in worse.asked] == [5 * len(each) for each in clusters]
    assert compare(base, record, asked.gates).verdict == "regressed"
    # One in four of 32 clusters: as many cases alone would take no more than these clusters.
    assert sum(map(len, worse.asked)) >= 5 * 32


def test_a_case_that_must_pass_is_asked_first_and_decides_alone(tmp_path: Path) -> None:
    asked = suite(600)
    last = in_units(asked.cases, 7)[-1][0]
    cases = tuple(
        Case(each.case_id, each.input, "yes", scorers=each.scorers, must_pass=each == last)
        for each in asked.cases
    )
    asked = Suite("s", "v1", cases, gates=(Gate(),))
    base = run(tmp_path, asked, Model("base", lambda case_id: True))
    model = Model("new", lambda case_id: case_id != last.case_id)

    record = run(tmp_path, asked, model, Stopping(base, asked.gates))

    comparison = compare(base, record, asked.gates)
    assert len(model.asked) == 1
    assert comparison.overall.must_pass == (last.case_id,)
    assert comparison.verdict == "regressed"
    # It was asked before its turn, and so is no part of the sample.
    assert comparison.overall.n == 32


def test_a_stopped_run_is_compared_with_no_other_and_stands_for_no_whole_one(
    tmp_path: Path,
) -> None:
    asked = suite(400)
    base = run(tmp_path, asked, Model("base", lambda case_id: True))
    other = run(tmp_path, asked, Model("other", lambda case_id: True))
    cut = run(tmp_path, asked, Model("cut", lambda case_id: False), Stopping(base, asked.gates))

    with pytest.raises(ComparisonError, match="run-cut was stopped after 32 of 400 cases, when"):
        compare(other, cut, asked.gates)
    with pytest.raises(ComparisonError, match="was stopped after 32 of 400 cases"):
        compare(cut, other, asked.gates)
    with pytest.raises(ComparisonError, match="was itself stopped early"):
        Stopping(cut, asked.gates)
    case_ids = [case.case_id for case in asked.cases]
    assert find_equal(tmp_path, "v1", "any", case_ids) is None


def test_looking_at_results_knows_only_those_whose_turn_had_come(tmp_path: Path) -> None:
    asked = suite(400)
    base = run(tmp_path, asked, Model("base", lambda case_id: True))
    cut = run(tmp_path, asked, Model("cut", lambda case_id: False), Stopping(base, asked.gates))
    stop = early_stop_of(cut.run)

    assert stop is not None
    seen = looked_at(cut.results, stop)
    assert len(seen) == 32
    assert all(each.error is None for each in seen)


def test_the_command_stops_says_so_and_goes_on_when_it_is_asked_to(shell: Shell) -> None:
    text = shell.project.module.read_text()
    shell.project.module.write_text(
        text + "\n\ndef perfect(prompt: str) -> str:\n    return prompt.upper()\n"
    )
    baseline = f"python:{shell.project.module.stem}:perfect"
    flags = ("--baseline", baseline, "--stop-early", CACHED, "--margin", "0.02")

    paid = shell.run(*flags)

    cut = shell.project.latest
    manifest = json.loads((cut.folder / "manifest.json").read_text())
    assert shell.code == 1
    assert 32 <= len(paid) < 1000
    assert f"certain after {len(paid)} of 1,000 cases, the others are not asked" in shell.said
    assert f"stopped after {len(paid)} of 1,000 cases" in " ".join(shell.said.split())
    assert "without a logged answer" not in shell.said
    assert manifest["order_seed"] == 7
    base = next(each for each in list_runs(shell.project.runs) if each.run_id != cut.run.run_id)
    gate = Gate(margin=Margin(0.02))
    again = compare(load_run(base.run_id, shell.project.runs), cut, gate)
    assert again.verdict == "regressed"

    rest = shell.type("rerun", cut.run.run_id, "--no-publish")

    assert shell.code == 0
    assert len(rest) == 1000 - len(paid)
    assert early_stop_of(shell.project.latest.run) is None


@pytest.mark.parametrize(
    ("flags", "suite_text", "message"),
    [
        ((), SUITE, "give --baseline, a model or a run"),
        (("--baseline", "python:x:y", "--noise-floor"), SUITE, "measure the floor in a run"),
        (
            ("--baseline", "python:x:y"),
            SUITE.replace("[exact]", "[latency]") + "    gate: {scorer: latency, margin: 5}\n",
            "nothing bounds the scores of 'latency'",
        ),
    ],
)
def test_what_cannot_be_stopped_is_told_before_anything_is_asked(
    shell: Shell, flags: tuple[str, ...], suite_text: str, message: str
) -> None:
    Path("suite.yaml").write_text(dedent(suite_text))

    with pytest.raises(HeadwayError, match=message):
        shell.run("--stop-early", *flags)

    assert not shell.project.runs.exists()
