"""``headway eval`` with judges, by the real command and scripted judges."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from headway_evals.commands import EVAL
from headway_evals.errors import ModelError, RunError
from headway_evals.runs import RunRecord, list_runs, load_run
from tests.evals.judges.judge_projects import SUITE, make

Type = Callable[..., str]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        parser = argparse.ArgumentParser()
        EVAL.configure(parser)
        EVAL.run(parser.parse_args(words))
        said = capsys.readouterr()
        return said.err + said.out

    return run


def latest(folder: Path, model: str) -> RunRecord:
    runs = [run for run in list_runs(folder / ".headway/runs") if run.model.endswith(model)]
    return load_run(runs[0].run_id, folder / ".headway/runs")


def batches(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "judged.txt").read_text().split()]


def go(typed: Type, module: str, *words: str, model: str = "polite") -> str:
    return typed(
        *("run", "suite.yaml", "--model", f"python:{module}:{model}", "--no-publish", *words)
    )


def test_all_answers_go_to_the_judge_in_one_batch_and_its_grades_are_shares(
    typed: Type, tmp_path: Path
) -> None:
    make(tmp_path, "jr_a")

    said = go(typed, "jr_a", model="rude")

    record = latest(tmp_path, "rude")
    assert batches(tmp_path) == [60]
    assert {each.scores["rubric"].value for each in record.results} == {0.25, 1.0}
    assert [each.passed for each in record.results[:2]] == [False, True]
    assert record.run.settings["judges"]["models"]["python:jr_a:fair"]["answers"] == 60
    assert record.run.settings["judges"]["scorers"]["rubric"]["prompt_version"]
    assert "judge python:jr_a:fair: 60 answers" in said


def test_kept_judgements_are_not_asked_again(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_b")
    go(typed, "jr_b", "--cache-functions")

    said = go(typed, "jr_b", "--cache-functions")

    assert batches(tmp_path) == [60]
    assert "60 answers, 60 of them kept" in said


def test_nonsense_is_marked_and_the_verdict_warns_of_it(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_c", judge="babbling", n=78)

    said = go(typed, "jr_c", "--baseline", "python:jr_c:rude")

    results = latest(tmp_path, "polite").results
    marked = [each for each in results if each.scores["rubric"].error]
    assert len(marked) == 15
    assert all("nonsense" in (each.scores["rubric"].error or "") for each in marked)
    assert "15 nonsense (19.2 %)" in said
    assert "warning: 19.2 % of the answers of the judge" in said


def test_what_a_budget_leaves_out_is_not_judged_and_not_counted(
    typed: Type, tmp_path: Path
) -> None:
    make(tmp_path, "jr_d", suite=f"{SUITE}judges: {{max_calls: 25}}\n")

    said = go(typed, "jr_d")

    record = latest(tmp_path, "polite")
    assert sum(batches(tmp_path)) == record.run.case_count == 25
    assert sum(each.is_missing for each in record.results) == 35
    assert "not judged, and not counted: 35 cases; max_calls: 25 calls were made" in said


def test_a_judge_without_a_price_cannot_keep_to_dollars(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_e", suite=f"{SUITE}judges: {{max_cost_usd: 1}}\n")

    said = go(typed, "jr_e")

    assert sum(batches(tmp_path)) == 4
    assert "tells no price" in said


def test_a_judge_that_is_not_there_is_told_before_anything_is_asked(
    typed: Type, tmp_path: Path
) -> None:
    make(tmp_path, "jr_f", judge="missing")

    with pytest.raises(ModelError, match="missing"):
        go(typed, "jr_f")

    assert not (tmp_path / ".headway/runs").exists()


PAIRED = """\
suite: manners
scorers:
  - includes: {values: q}
  - pairwise: {judge: "python:judges:JUDGE", criterion: Which is better?}
gate: {scorer: pairwise, margin: 0.1}
cases: cases.jsonl
"""


def test_two_answers_are_judged_in_both_orders(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_g", judge="longer", suite=PAIRED)

    said = go(typed, "jr_g", "--baseline", "python:jr_g:rude")

    assert "pairwise: of 60 pairs the candidate wins 30, the baseline 0, 30 are ties" in said
    # What pairs cost is told, and not that the runs alone asked nothing.
    assert said.count("judge python:jr_g:longer: 60 answers") == 1
    assert "longer: 0 answers" not in said
    assert said.startswith("run ") or "IMPROVED" in said
    assert "75.0 %" in said  # wins, and half of the ties


def test_a_judge_that_prefers_a_place_makes_ties(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_h", judge="first", suite=PAIRED)

    said = go(typed, "jr_h", "--baseline", "python:jr_h:rude")

    assert "the candidate wins 0, the baseline 0, 60 are ties" in said
    assert "names the first answer in both orders 30 times" in said


def write_labels(folder: Path, of: Callable[[int, str], int]) -> None:
    rows = []
    for model in ("polite", "rude"):
        for result in latest(folder, model).results[:40]:
            label = of(int(result.case_id[1:]), result.output or "")
            rows.append({"id": result.case_id, "output": result.output, "label": label})
    unique = {json.dumps(row) for row in rows}
    (folder / "labels.jsonl").write_text("\n".join(sorted(unique)) + "\n")


def test_labels_correct_the_gate_and_both_intervals_are_told(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_i", n=100)
    go(typed, "jr_i", "--baseline", "python:jr_i:rude")
    old, new = latest(tmp_path, "rude").run.run_id, latest(tmp_path, "polite").run.run_id
    # People find rude answers less bad than the judge does.
    write_labels(tmp_path, lambda i, text: 5 if "please" in text else 4 - i % 3)

    said = typed("compare", old, new, "--labels", "labels.jsonl", "--no-publish")

    assert "corrected by people's labels of 40 cases, prediction-powered" in said
    assert "the judge alone says +37.5 points" in said
    assert "+25" in said or "+26" in said or "+24" in said
    assert "kappa" in said


def test_agreement_is_told_of_one_run(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_j")
    go(typed, "jr_j", model="rude")
    rows = [
        {"id": f"c{i}", "label": 5 if i % 2 else 2 - (i % 4 == 0), "rater": rater}
        for i in range(30)
        for rater in ("ann", "bob")
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run = latest(tmp_path, "rude").run.run_id

    said = typed("agreement", run, "--labels", "labels.jsonl")

    assert "of 30 answers" in said
    assert "2 people: Krippendorff's alpha 1.00 on 30 answers" in said
    assert "corrected by people (prediction-powered)" in said


def test_a_label_that_the_judge_could_not_give_is_told_with_its_line(
    typed: Type, tmp_path: Path
) -> None:
    make(tmp_path, "jr_k")
    go(typed, "jr_k")
    (tmp_path / "labels.jsonl").write_text('\n{"id": "c1", "label": 9}\n')
    run = latest(tmp_path, "polite").run.run_id

    with pytest.raises(RunError, match=r"labels.jsonl:2: the label 9 is not one of 1 to 5"):
        typed("agreement", run, "--labels", "labels.jsonl")


def test_a_run_can_be_judged_afterwards_as_a_new_run(typed: Type, tmp_path: Path) -> None:
    suite = "suite: s\nscorers: [{includes: {values: q}}]\ncases: cases.jsonl\n"
    make(tmp_path, "jr_l", suite=suite)
    go(typed, "jr_l", model="rude")
    first = latest(tmp_path, "rude")

    typed(
        *("judge", first.run.run_id, "--judge", "python:jr_l:fair", "--rubric", "Polite?"),
        "--no-publish",
    )

    judged = latest(tmp_path, "rude")
    assert judged.run.settings["judged_from"] == first.run.run_id
    assert judged.run.passed_count == 30
    assert set(judged.run.scores) == {"includes", "rubric"}
    assert load_run(first.run.run_id, tmp_path / ".headway/runs").run == first.run


def test_a_judge_that_is_the_candidate_is_warned_of(typed: Type, tmp_path: Path) -> None:
    make(tmp_path, "jr_m", judge="polite")

    said = go(typed, "jr_m", "--baseline", "python:jr_m:rude")

    assert "is one of the two models that it judges" in said


def test_the_shipped_model_is_a_judge_like_any_other(typed: Type, tmp_path: Path) -> None:
    rubric = 'rubric: {judge: "hf:triage-base", rubric: Polite?, scale: yes-no, max_new_tokens: 8}'
    suite = f"suite: s\nscorers: [{{includes: {{values: q}}}}, {{{rubric}}}]\ncases: cases.jsonl\n"
    make(tmp_path, "jr_n", suite=suite, n=3)

    go(typed, "jr_n", "--device", "cpu")
    said = go(typed, "jr_n", "--device", "cpu")

    told = latest(tmp_path, "polite").run.settings["judges"]["models"]["hf:triage-base"]
    assert (told["answers"], told["kept"], told["calls"]) == (3, 3, 0)
    assert told["cache_key"]
    assert "judge hf:triage-base: 3 answers, 3 of them kept" in said
