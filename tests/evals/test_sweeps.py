"""Many candidates against one baseline in one process: the same answers, one table."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from headway.errors import HeadwayError
from headway_evals.comparisons import compare
from headway_evals.models import loading
from headway_evals.models.bases import Base
from headway_evals.runs import list_runs, load_run
from headway_evals.suites import Gate
from headway_evals.sweep_candidates import candidates_of, with_adapter
from headway_measures.verdicts import Margin
from tests.evals.conftest import StandIn
from tests.evals.made_adapters import make_adapter
from tests.evals.served_models import Asked, Said, serve
from tests.evals.sweep_folders import COUNT, Folder


@pytest.fixture
def folder(
    tmp_path: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, checkpoint, capsys)


def test_each_candidate_answers_in_a_sweep_as_in_a_run_of_its_own(folder: Folder) -> None:
    folder.sweep()
    (sweep,) = folder.sweeps

    assert [each.candidate for each in sweep.entries] == [
        f"hf:base+adapters/step-{number}" for number in (1, 2, 10)
    ]
    outputs = []
    for entry in sweep.entries:
        words = ("--model", entry.candidate, "--no-cache", "--no-publish", "--out", "alone")
        folder.type("run", "suite.yaml", *words)
        alone = load_run(list_runs(Path("alone"))[0].run_id, Path("alone"))
        swept = folder.record(entry.run_id)
        assert alone.run.model == swept.run.model
        told = [
            {each.case_id: (each.output, each.scores, each.passed) for each in run.results}
            for run in (alone, swept)
        ]
        assert told[0] == told[1]
        assert len(told[0]) == COUNT
        outputs.append(tuple(each.output for each in swept.results))
    # Otherwise they would be equal whoever answered.
    assert len(set(outputs)) == 3


def test_the_base_is_loaded_once_for_the_baseline_and_all_candidates(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = loading.load_weights

    def counting(*arguments: Any, **given: Any) -> Any:
        loads.append(arguments[0])
        return load(*arguments, **given)

    monkeypatch.setattr("headway_evals.models.bases.load_weights", counting)

    folder.sweep()

    assert [path.name for path in loads] == ["base"]
    assert len(folder.sweeps[0].rows) == 3


def test_the_table_says_of_each_candidate_what_its_comparison_does(folder: Folder) -> None:
    code = folder.sweep()
    (sweep,) = folder.sweeps
    baseline = folder.record(sweep.baseline_run_id)

    assert sweep.exit_code == code
    for row in sweep.rows:
        comparison = compare(baseline, folder.record(row.run_id), Gate(margin=Margin(0.1)))
        overall = comparison.overall
        assert (row.mean, row.difference, row.lower, row.upper, row.n) == (
            *(overall.candidate, overall.difference, overall.lower, overall.upper),
            COUNT,
        )
        assert row.p_adjusted >= row.p_value
        assert row.run_id in folder.said
    assert sweep.flips is not None
    assert sweep.flips.run_ids == (sweep.baseline_run_id, *(row.run_id for row in sweep.rows))


def test_a_candidate_without_a_run_is_a_line_and_the_others_go_on(folder: Folder) -> None:
    alien = Path(shutil.copytree(folder.path / "adapters" / "step-1", folder.path / "alien"))
    config = (alien / "adapter_config.json").read_text()
    (alien / "adapter_config.json").write_text(config.replace('"r": 4', '"r": 5'))

    folder.sweep("--adapter", "alien", "nowhere", "adapters/step-2", "--model", "python:none:f")

    (sweep,) = folder.sweeps
    assert [each.run_id is None for each in sweep.entries] == [True, True, False, True]
    assert [row.position for row in sweep.rows] == [2]
    assert [each["position"] for each in sweep.failed] == [0, 1, 3]
    assert "alien does not fit its base" in str(sweep.entries[0].error)
    assert "there is no model folder 'nowhere'" in str(sweep.entries[1].error)
    assert "hf:base+nowhere: no run: there is no model folder" in folder.said


def test_a_sweep_in_which_nobody_runs_ends_with_2(folder: Folder) -> None:
    assert folder.sweep("--adapter", "nowhere", "elsewhere") == 2
    assert folder.sweeps[0].exit_code == 2


def test_a_sweep_that_was_stopped_goes_on_where_it_was(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    wearing = Base.wearing

    def stopping(self: Base, adapter: Path | None) -> Any:
        if adapter is not None and adapter.name == "step-10":
            raise KeyboardInterrupt
        return wearing(self, adapter)

    with monkeypatch.context() as patch:
        patch.setattr(Base, "wearing", stopping)
        with pytest.raises(KeyboardInterrupt):
            folder.sweep()
    (broken,) = folder.sweeps
    assert [each.run_id is not None for each in broken.entries] == [True, True, False]
    assert broken.ended_at is None

    folder.sweep()

    (sweep,) = folder.sweeps
    assert sweep.sweep_id == broken.sweep_id
    assert [each.run_id for each in sweep.entries][:2] == [each.run_id for each in broken.entries][
        :2
    ]
    assert len(sweep.rows) == 3
    assert f"going on with {broken.sweep_id}: 2 of 3 candidates done" in folder.said


def test_an_adapter_that_was_trained_on_meanwhile_is_run_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("headway_evals.sweeping._Sweeping._finish", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            folder.sweep()
    earlier = [each.run_id for each in folder.sweeps[0].entries]
    shutil.rmtree(folder.path / "adapters" / "step-2")
    make_adapter(folder.base, folder.path / "adapters" / "step-2", seed=99)

    folder.sweep()

    now = [each.run_id for each in folder.sweeps[0].entries]
    assert [old == new for old, new in zip(earlier, now, strict=True)] == [True, False, True]


def test_a_finished_sweep_is_not_gone_on_with(folder: Folder) -> None:
    folder.sweep("--adapter", "adapters/step-1")
    folder.sweep("--adapter", "adapters/step-1")

    first, second = folder.sweeps
    assert first.sweep_id != second.sweep_id
    # Its answers are kept all the same.
    assert second.rows[0].kept_count == COUNT


def test_an_earlier_run_can_be_the_baseline(folder: Folder) -> None:
    folder.type("run", "suite.yaml", "--model", "hf:base", "--no-publish")
    earlier = list_runs(Path(".headway/runs"))[0].run_id

    folder.sweep("--adapter", "adapters/step-1", "--baseline", earlier)

    assert folder.sweeps[0].baseline_run_id == earlier


def test_a_sweep_that_stops_early_settles_what_it_stops(folder: Folder) -> None:
    many = [{"id": f"c{i}", "input": f"q{i}", "expected": f"q{i}"} for i in range(400)]
    (folder.path / "cases.jsonl").write_text("\n".join(map(json.dumps, many)))
    (folder.path / "suite.yaml").write_text(
        "suite: echoes\nscorers: [exact]\ngate: {margin: 0.1}\ncases: cases.jsonl\n"
    )
    (folder.path / "echoing.py").write_text(
        "def good(prompt: str) -> str:\n    return prompt\n"
        "def bad(prompt: str) -> str:\n    return '?'\n"
    )
    models = ("--model", "python:echoing:bad", "--model", "python:echoing:good")

    code = folder.type(
        *("sweep", "suite.yaml", *models, "--baseline", "python:echoing:good"),
        *("--stop-early", "--no-publish"),
    )

    bad, good = folder.sweeps[0].rows
    assert code == 0
    assert (bad.verdict, good.verdict) == ("regressed", "passed")
    assert bad.n < 100


def test_what_answers_cost_stands_in_the_table_where_the_suite_scores_it(folder: Folder) -> None:
    (folder.path / "suite.yaml").write_text(
        "suite: letters\nscorers: [{includes: {values: a}}, cost]\ngate: {scorer: includes}\n"
        "cases: cases.jsonl\n"
    )

    def answer(asked: Asked) -> Said:
        price = 0.25 if asked.body["model"] == "dear" else 0.125
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "cost": price}
        return Said({"choices": [{"text": "a", "finish_reason": "stop"}], "usage": usage})

    with serve(answer) as served:
        specs = [f"openai:{name}@{served.url}" for name in ("cheap", "dear")]
        folder.type(
            *("sweep", "suite.yaml", "--baseline", specs[0], "--model", specs[1], "--no-publish")
        )

    (row,) = folder.sweeps[0].rows
    assert row.cost_usd == 0.25 * COUNT
    assert "6.0000 dollars" in folder.said


def test_runs_verdicts_rows_and_flips_go_to_the_collector(
    folder: Folder, collector: StandIn
) -> None:
    folder.type(
        *("sweep", "suite.yaml", "--base", "base", "--adapter", "adapters/step-1"),
        *("adapters/step-2", "nowhere", "--url", collector.url, "--publish"),
    )

    (sweep,) = folder.sweeps
    bodies = [body for path, _, body in collector.posts if path == "/v1/runs"]
    comparisons = [body for path, _, body in collector.posts if path == "/v1/comparisons"]
    baseline, first, second = (body["run"] for body in bodies)
    assert baseline["run_id"] == sweep.baseline_run_id
    assert {run["settings"]["sweep_id"] for run in (first, second)} == {sweep.sweep_id}
    told = first["settings"]["sweep"]
    assert (told["position"], told["size"], told["run_id"]) == (0, 3, first["run_id"])
    assert told["comparison_id"] == comparisons[0]["comparison_id"]
    assert [each["candidate"] for each in told["failed"]] == ["hf:base+nowhere"]
    # What one loses to the other, the other gains.
    flips = told["flips"][second["run_id"]]
    back = second["settings"]["sweep"]["flips"][first["run_id"]]
    assert (flips["to_fail"], flips["to_pass"]) == (back["to_pass"], back["to_fail"])
    lost = comparisons[0]["overall"]["flips_to_fail"]
    assert told["flips"][baseline["run_id"]]["to_fail"] == lost


def test_flips_between_any_two_runs_are_listed(folder: Folder) -> None:
    folder.sweep()
    (sweep,) = folder.sweeps
    assert sweep.flips is not None
    _, first, second, _ = sweep.flips.run_ids

    assert folder.type("flips", first, second, "--json") == 0

    flips = json.loads(folder.said)
    counts = sweep.flips.counts
    assert flips
    assert [sum(each["direction"] == way for each in flips) for way in ("to_fail", "to_pass")] == [
        counts[1][2],
        counts[2][1],
    ]
    folder.type("flips", first, second)
    assert f"{len(flips)} of {COUNT} cases flip between base+step-1 and base+step-2" in folder.said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--adapter", "a"], "--adapter and --adapters need --base"),
        ([], "there is no candidate: give --base with --adapter"),
        (["--base", "base", "--adapters", "."], "holds no adapter: no folder in it has"),
        (["--model", "hf:base"], "--model needs --baseline"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(
    folder: Folder, words: list[str], message: str
) -> None:
    with pytest.raises(HeadwayError, match=message):
        folder.type("sweep", "suite.yaml", *words, "--no-publish")

    assert not folder.sweeps


def test_candidates_are_taken_once_and_steps_by_their_number(folder: Folder) -> None:
    given = argparse.Namespace(
        base="hf:base", adapter=["adapters/step-2"], adapters="adapters", model=["hf:base"]
    )

    assert candidates_of(given) == [
        *(f"hf:base+adapters/step-{number}" for number in (2, 1, 10)),
        "hf:base",
    ]
    assert with_adapter("vllm:base?max_model_len=9", "a") == "vllm:base+a?max_model_len=9"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
