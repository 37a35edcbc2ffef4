"""Inspect's samples become suites, its logs become runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from headway_evals.errors import ImportingError
from headway_evals.importing.imported_runs import write_run
from headway_evals.importing.inspect_logs import read_log
from headway_evals.importing.lm_eval_samples import SampleOptions
from headway_evals.importing.reports import ImportReport
from tests.evals.importing.imported_files import import_files, values_of


def test_targets_are_looked_for_as_inspects_includes_does(tmp_path: Path) -> None:
    samples = [
        {"input": "Who wrote Faust?", "target": "goethe", "id": "faust"},
        {"input": [{"role": "user", "content": "Capital?"}], "target": ["Rome", "Roma"]},
        {"input": "Sum?", "target": 4},
    ]
    answers = {"Who wrote Faust?": "It was Goethe.", "Sum?": "5"}

    found = import_files(tmp_path, "inspect", {"facts.jsonl": samples})

    def answer(prompt: Any) -> str:
        return answers[prompt] if isinstance(prompt, str) else "ROMA it is"

    assert values_of(found.run(answer), "includes") == [1, 1, 0]
    assert [case.case_id for case in found.suite.cases] == ["faust", "2", "3"]


def test_choices_are_weighed_in_a_suite_of_their_own(tmp_path: Path) -> None:
    samples = [
        {"input": "Open?", "target": "yes"},
        {"input": "Closed?", "choices": ["one", "two"], "target": "B", "id": 7},
        {"input": "Both?", "choices": ["one", "two"], "target": ["A", "B"]},
    ]

    found = import_files(tmp_path, "inspect", {"mixed.jsonl": samples})

    plain, chosen = found.suites
    assert (plain.name, chosen.name, chosen.ask) == ("mixed", "mixed-choices", "choice")
    case = chosen.cases[0]
    assert (case.case_id, case.choices, case.expected) == ("7", ("one", "two"), 1)
    assert found.report.counts() == {"sample's choices": 1}


def test_every_field_is_taken_over_or_listed(tmp_path: Path) -> None:
    samples = [
        {
            "input": "a",
            "target": "b",
            "metadata": {"level": 2, "hard": True, "steps": ["x"]},
            "sandbox": "docker",
            "files": {"a.txt": "b"},
            "setup": "ls",
            "colour": "red",
        },
        {"input": "c"},
    ]

    found = import_files(tmp_path, "inspect", {"s.jsonl": samples})

    assert found.suite.cases[0].tags == ("level:2", "hard:true")
    assert found.report.counts() == {
        "metadata steps": 1,
        "sample without a target": 1,
        "sample's colour": 1,
        "sample's files": 1,
        "sample's sandbox": 1,
        "sample's setup": 1,
    }


def test_columns_of_ones_own_are_mapped_as_by_a_field_spec(tmp_path: Path) -> None:
    table = "question,answer,level,nr\nWho?,Ann,3,q-1\n"
    fields = {"input": "question", "target": "answer", "id": "nr", "metadata": "level"}

    found = import_files(tmp_path, "inspect", {"t.csv": table}, fields=fields)

    case = found.suite.cases[0]
    assert (case.case_id, case.input, case.expected, case.tags) == (
        "q-1",
        "Who?",
        "Ann",
        ("level:3",),
    )


def _log(*samples: dict[str, Any]) -> str:
    about = {"task": "facts", "model": "openai/gpt", "created": "2026-01-02T03:04:05+00:00"}
    return json.dumps({"version": 2, "status": "success", "eval": about, "samples": list(samples)})


def _sample(name: str, value: Any, epoch: int = 1, **more: Any) -> dict[str, Any]:
    output = {"choices": [{"message": {"content": [{"type": "text", "text": f"of {name}"}]}}]}
    given = {"id": name, "epoch": epoch, "input": "q", "target": "t", "output": output}
    return {**given, "scores": {"match": {"value": value}}, **more}


def test_a_log_is_a_run_with_inspects_grades(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    usage = {"openai/gpt": {"input_tokens": 11, "output_tokens": 3}}
    path.write_text(
        _log(
            _sample("a", "C", model_usage=usage, total_time=1.5, metadata={"kind": "x"}),
            _sample("a", "I", epoch=2),
            _sample("b", "P"),
            _sample("c", {"x": 1}, error={"message": "out of luck"}),
            _sample("d", "hard to say"),
        )
    )
    report = ImportReport()

    found = read_log(path, SampleOptions(tags=("kind",)), report)
    record = write_run(found, tmp_path / "runs", token="0000")

    first, again, half, broken, unread = record.results
    assert record.run.run_id == "20260102T030405Z-facts-openai-gpt-0000"
    assert (first.case_id, again.case_id, first.cluster) == ("a", "a#2", "a")
    assert (first.output, first.tags, first.latency_ms) == ("of a", ("kind:x",), 1500)
    assert (first.input_tokens, first.output_tokens) == (11, 3)
    assert [each.scores["match"].value for each in (first, again, half)] == [1.0, 0.0, 0.5]
    assert (broken.error, broken.output, broken.passed) == ("out of luck", None, False)
    assert unread.scores == {}
    assert report.counts() == {"score match": 1}


def test_a_packed_log_and_one_without_samples_are_told_apart_from_logs(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(_log())

    with pytest.raises(ImportingError, match="no log of Inspect with samples"):
        read_log(tmp_path / "log.json", SampleOptions(), ImportReport())
