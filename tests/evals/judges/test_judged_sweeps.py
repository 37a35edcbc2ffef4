"""``headway eval sweep`` with judges: each question asked once, and one budget for all."""

import shutil
from pathlib import Path

import pytest

from headway_evals.errors import ModelError
from headway_evals.runs import list_runs, load_run
from headway_evals.sweep_judging import SweepJudges
from headway_evals.sweeps import Row
from tests.evals.judges.judge_projects import SUITE
from tests.evals.judges.sweep_projects import Project
from tests.evals.made_adapters import make_adapter
from tests.evals.served_models import Asked, Said, serve

PAIRED = """\
suite: manners
scorers:
  - rubric: {judge: "python:judges:fair", rubric: Is it polite?, scale: 1-5}
  - pairwise: {judge: "python:judges:longer", criterion: Which is better?}
gates:
  - {scorer: pairwise, margin: 0.1}
  - {scorer: rubric, margin: 0.1}
cases: cases.jsonl
"""


def judged(rows: tuple[Row, ...], name: str) -> list[int | float | None]:
    return [getattr(row.judging, name) for row in rows]


def test_what_several_candidates_answer_alike_is_judged_once(project: Project) -> None:
    project.make("js_a")

    project.sweep()

    rows = project.last.rows
    assert project.calls == 100
    assert judged(rows, "calls") == [30, 10]
    assert judged(rows, "kept_count") == [30, 50]
    assert [row.mean for row in rows] == [1.0, pytest.approx((40 + 20 * 0.25) / 60)]
    assert "judges of all runs of the sweep: 100 calls" in project.said
    assert "30 calls" in project.said


def test_a_candidate_is_judged_in_a_sweep_as_in_a_run_of_its_own(project: Project) -> None:
    project.make("js_b")
    project.sweep()
    swept = project.record(project.last.rows[1].run_id)

    project.type("run", "suite.yaml", "--model", "python:js_b:kind", "--no-publish", "--out", "own")

    alone = load_run(list_runs(Path("own"))[0].run_id, Path("own"))
    assert [each.scores for each in alone.results] == [each.scores for each in swept.results]
    told = [run.run.settings["judges"]["scorers"] for run in (alone, swept)]
    assert told[0] == told[1]


def test_kept_judgements_are_not_asked_by_a_later_sweep(project: Project) -> None:
    project.make("js_c")
    project.sweep("--cache-functions")

    project.sweep("--cache-functions")

    assert project.calls == 100
    assert judged(project.last.rows, "calls") == [0, 0]
    assert judged(project.last.rows, "kept_count") == [60, 60]


def test_a_budget_is_for_the_whole_sweep_and_says_whom_it_left_out(project: Project) -> None:
    project.make("js_d", f"{SUITE}judges: {{max_calls: 70}}\n")

    project.sweep()

    # "polite" has 10 of its 30 new answers judged, 0 to 18, and "kind" the 6 of them it shares.
    rows = project.last.rows
    assert project.calls == 70
    assert judged(rows, "calls") == [10, 0]
    assert judged(rows, "unjudged_count") == [20, 24]
    assert [row.n for row in rows] == [40, 36]
    for model, count in (("polite", 20), ("kind", 24)):
        told = f"python:js_d:{model}: not judged, and not counted: {count} cases; max_calls: 70"
        assert told in project.said


def test_a_candidate_that_nothing_is_left_for_is_a_line_with_the_reason(project: Project) -> None:
    project.make("js_e", f"{SUITE}judges: {{max_calls: 90}}\n")

    project.sweep(models=("polite", "curt", "kind"))

    entries = project.last.entries
    assert [each.run_id is None for each in entries] == [False, True, False]
    assert "not one answer of python:js_e:curt was judged" in str(entries[1].error)
    assert "max_calls: 90 calls were made" in str(entries[1].error)


def test_a_sweep_that_goes_on_does_not_begin_its_budget_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.make("js_f", f"{SUITE}judges: {{max_calls: 70}}\n")
    contend = SweepJudges.contend

    def stopping(self: SweepJudges, position: int, *rest: object) -> object:
        if position == 1:
            raise KeyboardInterrupt
        return contend(self, position, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(SweepJudges, "contend", stopping)
        with pytest.raises(KeyboardInterrupt):
            project.sweep("--cache-functions")
    broken = project.last
    assert broken.spent is not None
    assert broken.spent.calls == project.calls == 70

    project.sweep("--cache-functions")

    assert project.last.sweep_id == broken.sweep_id
    assert project.calls == 70
    assert [row.n for row in project.last.rows] == [40, 36]


def test_two_answers_are_judged_for_each_candidate_in_both_orders(project: Project) -> None:
    project.make("js_g", PAIRED)

    project.sweep()

    polite, kind = project.last.rows
    # Wins and half of the ties: 30 of 60 against none, and 20 against 10.
    assert (polite.mean, polite.baseline_mean) == (0.75, 0.25)
    assert kind.mean == pytest.approx((20 + 0.5 * 30) / 60)
    assert (polite.verdict, kind.verdict) == ("improved", "passed")
    assert "pairwise: of 60 pairs the candidate wins 20, the baseline 10, 30 are ties" in (
        project.said
    )
    # Two questions a pair of unlike answers, of which "kind" shares 20 pairs with "polite".
    assert judged(project.last.rows, "calls") == [30 + 60, 10 + 20]
    # By whether cases pass, for a judge of pairs fails none.
    flips = project.last.flips
    assert flips is not None
    assert flips.counts[0] == (0, 0, 10)
    assert flips.counts[1] == (30, 0, 20)


def test_pairs_are_paid_from_the_budget_of_the_sweep(project: Project) -> None:
    project.make("js_h", f"{PAIRED}judges: {{max_calls: 110}}\n")

    project.sweep()

    # 60 and 30 answers, then 20 questions of 10 pairs of "polite"; nothing is left for "kind".
    polite, *_ = project.last.rows
    assert polite.judging is not None
    assert (polite.judging.calls, polite.judging.unjudged_count) == (50, 20)
    assert polite.n == 40
    spent = project.last.spent
    assert spent is not None
    assert spent.calls == 110


def test_a_judge_that_is_not_there_is_told_before_anything_is_asked(project: Project) -> None:
    project.make("js_i", judge="missing")

    with pytest.raises(ModelError, match="missing"):
        project.sweep()

    assert not list(project.runs.glob("*/results.jsonl"))


def test_nonsense_of_a_judge_is_warned_of_per_candidate(project: Project) -> None:
    project.make("js_n", judge="babbling", n=78)

    project.sweep(models=("polite",))

    assert "warning: python:js_n:polite: 19.2 % of the answers of the judge" in project.said
    assert judged(project.last.rows, "nonsense_count") == [15]


def test_a_sweep_that_stops_early_has_only_what_it_asked_judged(project: Project) -> None:
    project.make("js_o", n=600)

    project.sweep("--stop-early", models=("curt", "rude"))

    curt, same = project.last.rows
    assert (curt.verdict, same.verdict) == ("regressed", "passed")
    assert judged((curt,), "calls") == [curt.n]
    assert curt.n < 600


def test_what_a_judge_costs_stands_in_the_table_and_bounds_the_sweep(project: Project) -> None:
    def grade(asked: Asked) -> Said:
        usage = {"prompt_tokens": 50, "completion_tokens": 2, "cost": 0.25}
        choice = {"text": '{"score": 5}', "finish_reason": "stop"}
        return Said({"choices": [choice], "usage": usage})

    with serve(grade) as served:
        judge = f"openai:judge@{served.url}"
        suite = SUITE.replace("python:judges:JUDGE", judge)
        project.make("js_p", f"{suite}judges: {{max_cost_usd: 18.75}}\n")
        project.sweep()

        assert len(served.asked) == 75
    polite = project.last.rows[0]
    assert polite.judging is not None
    assert (polite.judging.calls, polite.judging.cost_usd) == (15, 3.75)
    assert (polite.judging.input_tokens, polite.judging.output_tokens) == (750, 30)
    assert polite.judging.unjudged_count == 15
    spent = project.last.spent
    assert spent is not None
    assert (spent.calls, spent.cost_usd) == (75, 18.75)
    assert "15 calls, 3.7500 dollars" in project.said
    assert "judges of all runs of the sweep: 75 calls, 18.7500 dollars" in project.said


def test_the_base_can_judge_its_own_adapters_and_says_the_same_as_alone(
    project: Project, checkpoint: Path
) -> None:
    shutil.copytree(checkpoint, project.path / "base")
    for number in (1, 2):
        make_adapter(checkpoint, project.path / "adapters" / f"step-{number}", seed=number)
    # Its context has no room for our prompt.
    judge = 'judge: "hf:base", max_new_tokens: 8, prompt: "Grade {answer}"'
    suite = SUITE.replace('judge: "python:judges:JUDGE"', judge)
    project.make("js_q", f"{suite}generation: {{max_new_tokens: 6}}\n", n=5)
    words = ("--device", "cpu", "--no-cache", "--no-publish")

    project.type("sweep", "suite.yaml", "--base", "base", "--adapters", "adapters", *words)

    for entry in project.last.entries:
        swept = project.record(entry.run_id)
        project.type("run", "suite.yaml", "--model", entry.candidate, *words, "--out", "own")
        alone = load_run(list_runs(Path("own"))[0].run_id, Path("own"))
        # A model without training talks nonsense, which is told word by word.
        told = [[(e.output, e.scores) for e in record.results] for record in (swept, alone)]
        assert told[0] == told[1]
