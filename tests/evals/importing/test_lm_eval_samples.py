"""Runs of lm-eval, imported and put before our gate."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest

from headway_evals.commands import EVAL
from headway_evals.importing.lm_eval_samples import SampleOptions, read_samples
from headway_evals.importing.reports import ImportReport
from headway_evals.runs import list_runs, load_run

_TIME = "2026-01-02T03-04-05.678901"


def _sample(place: int, value: float, filter_name: str = "strict", **more: Any) -> dict[str, Any]:
    given = {
        "doc_id": place,
        "doc": {"q": f"{place} + 1", "level": "easy" if place % 2 else "hard"},
        "target": str(place + 1),
        "arguments": {"gen_args_0": {"arg_0": f"Q: {place} + 1", "arg_1": {"until": []}}},
        "resps": [[f"#### {place}"]],
        "filtered_resps": [f"{place}"],
        "filter": filter_name,
        "metrics": ["exact_match"],
        "doc_hash": f"{place:064x}"[::-1],
        "prompt_hash": f"p{place:063x}",
        "target_hash": "t",
        "exact_match": value,
    }
    return {**given, **more}


def _write(folder: Path, samples: list[dict[str, Any]], task: str = "sums") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_{_TIME}.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in samples))
    return path


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    EVAL.configure(parser)
    return EVAL.run(parser.parse_args(list(words)))


def test_two_of_their_runs_get_our_paired_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    good = _write(tmp_path / "base", [_sample(n, 1.0) for n in range(200)])
    bad = _write(tmp_path / "tuned", [_sample(n, float(n % 4 > 0)) for n in range(150)])

    imported = _run("import", str(good), str(bad), "--tag", "level")
    told = capsys.readouterr().out
    runs = {run.model: run for run in list_runs(tmp_path / ".headway" / "runs")}
    verdict = _run("compare", runs["base"].run_id, runs["tuned"].run_id, "--no-publish")

    report = capsys.readouterr().out
    assert imported == 0
    assert f"150 questions of sums are in {runs['base'].run_id}, too" in told
    assert f"headway eval compare {runs['base'].run_id} {runs['tuned'].run_id}" in told
    # 38 of the 150 common cases got worse: a fall of 25 points.
    assert verdict == 1
    assert "-25.3" in report.replace("−", "-")
    assert "level:hard" in report
    assert runs["base"].model_digest == "unknown"
    assert runs["base"].settings["imported"]["from"] == "lm-eval"
    assert runs["base"].started_at == "2026-01-02T03:04:05.678901Z"


def test_questions_and_prompts_that_differ_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first = _write(tmp_path / "a", [_sample(n, 1.0) for n in range(3)])
    other = [_sample(0, 1.0, doc_hash="0123456789abcdef"), _sample(1, 1.0, prompt_hash="x")]
    second = _write(tmp_path / "b", [*other, _sample(2, 1.0)])

    _run("import", str(first), str(second))

    told = capsys.readouterr().out
    assert "1 question of sums are not those of" in told
    assert "0-0123456789ab for one" in told
    assert "1 prompt of 2 are not those of" in told


def test_filters_are_scores_of_one_run_or_one_of_them_is_taken(tmp_path: Path) -> None:
    samples = [_sample(0, 0.0), _sample(0, 1.0, "flexible"), _sample(0, 1.0)]
    path, report = _write(tmp_path, samples), ImportReport()

    both = read_samples(path, SampleOptions("m"), report)
    one = read_samples(path, SampleOptions("m", filter="flexible"), ImportReport())

    assert both.cases[0].values == {"exact_match,strict": 0.0, "exact_match,flexible": 1.0}
    assert one.cases[0].values == {"exact_match": 1.0}
    assert (both.cases[0].output, both.cases[0].expected) == ("#### 0", "1")
    assert report.counts() == {"sample that stands twice": 1}


def test_a_choices_answer_is_the_likeliest_and_perplexities_are_made_of_likelihoods(
    tmp_path: Path,
) -> None:
    arguments = {
        f"gen_args_{n}": {"arg_0": "Q", "arg_1": each} for n, each in enumerate((" a", " b"))
    }
    sample = _sample(
        0,
        0.0,
        "none",
        arguments=arguments,
        resps=[[["-3.5", "False"]], [["-0.5", "True"]]],
        metrics=["acc", "word_perplexity", "perplexity", "f1"],
        acc=1.0,
        word_perplexity=[-6.0, 3],
        perplexity=-0.5,
        f1=[1, 1],
    )
    report = ImportReport()

    found = read_samples(_write(tmp_path, [sample]), SampleOptions("m"), report)

    (case,) = found.cases
    assert case.output == "b"
    assert case.values == pytest.approx(
        {"acc": 1.0, "word_perplexity": math.exp(2), "perplexity": math.exp(0.5)}
    )
    assert found.measures["word_perplexity"].average == "geometric"
    assert report.counts() == {"metric f1": 1}


def test_the_model_and_the_tasks_version_are_those_of_the_results_beside(tmp_path: Path) -> None:
    path = _write(tmp_path, [_sample(0, 0.25)])
    results = {
        "model_name": "org/model",
        "versions": {"sums": 3.0},
        "higher_is_better": {"sums": {"exact_match": False}},
    }
    (tmp_path / f"results_{_TIME}.json").write_text(json.dumps(results))

    found = read_samples(path, SampleOptions(), ImportReport())

    assert (found.model, found.facts["task_version"]) == ("org/model", 3.0)
    assert found.measures["exact_match"].direction == "down"


def test_a_file_that_cannot_be_read_keeps_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.jsonl").write_text('{"a": 1}\n')
    good = _write(tmp_path / "m", [_sample(0, 1.0)])

    code = _run("import", "odd.jsonl", "gone.jsonl", "log.eval", str(good))

    told = capsys.readouterr().out
    (run,) = list_runs(tmp_path / ".headway" / "runs")
    record = load_run(run.run_id, tmp_path / ".headway" / "runs")
    assert code == 1
    assert "odd.jsonl holds no lm-eval samples" in told
    assert "there is no file gone.jsonl" in told
    assert "inspect log dump" in told
    assert [each.passed for each in record.results] == [True]
