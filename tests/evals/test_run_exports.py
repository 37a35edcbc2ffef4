"""A stored run as promptfoo's results and as JUnit: every result, with its parts."""

import argparse
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from headway_evals.commands import EVAL
from headway_evals.errors import RunError
from headway_evals.executions import execute
from headway_evals.models.functions import Function
from headway_evals.suite_files import load_suite

SUITE = """\
suite: letters
scorers:
  - exact: {metric: right, weight: 3}
  - includes: {values: B, metric: right}
  - latency: {weight: 0}
cases:
  - {id: a, input: {q: "x"}, expected: A, threshold: 0.75, tags: [kind:one]}
  - {id: b, input: y, expected: B}
  - {id: c, input: z, expected: C}
"""


def answer(prompt: str) -> Any:
    return {"y": "B", "z": None}.get(prompt, "A")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SUITE)
    model = Function(answer, folder=tmp_path)
    execute(load_suite(tmp_path / "s.yaml"), model, tmp_path / "runs" / "run-1")
    return tmp_path


def export(folder: Path, format_name: str, *words: str, run: str = "run-1") -> int:
    parser = argparse.ArgumentParser()
    EVAL.configure(parser)
    line = ["export", run, "--format", format_name, "--out", str(folder / "runs"), *words]
    return EVAL.run(parser.parse_args(line))


def test_promptfoos_results_list_every_result(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = export(folder, "promptfoo")

    document = json.loads(capsys.readouterr().out)
    results = document["results"]
    assert code == 0
    assert (document["evalId"], results["version"]) == ("run-1", 3)
    assert [each["testCase"]["description"] for each in results["results"]] == ["a", "b", "c"]
    assert [each["success"] for each in results["results"]] == [True, True, False]
    assert [each["failureReason"] for each in results["results"]] == [0, 0, 2]
    stats = {key: results["stats"][key] for key in ("successes", "failures", "errors")}
    assert stats == {"successes": 2, "failures": 0, "errors": 1}
    assert results["prompts"][0]["metrics"]["testPassCount"] == 2


def test_a_result_holds_its_parts_with_weights_and_metrics(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(folder, "promptfoo")

    first, second, _ = json.loads(capsys.readouterr().out)["results"]["results"]
    grading = first["gradingResult"]
    # (3·1 + 1·0) / 4: the latency only informs.
    assert (first["score"], grading["score"], first["testCase"]["threshold"]) == (0.75, 0.75, 0.75)
    assert [(each["assertion"]["type"], each["pass"]) for each in grading["componentResults"]] == [
        ("exact", True),
        ("includes", False),
        ("latency", True),
    ]
    assert grading["componentResults"][0]["assertion"] == {
        "type": "exact",
        "weight": 3.0,
        "metric": "right",
    }
    assert (first["vars"], second["vars"]) == ({"q": "x"}, {"input": "y"})
    assert (first["namedScores"], second["namedScores"]) == ({"right": 0.75}, {"right": 1.0})
    assert first["testCase"]["metadata"] == {"tags": ["kind:one"], "expected": "A"}
    assert second["response"]["output"] == "B"


def test_a_case_without_an_answer_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(folder, "promptfoo")

    *_, last = json.loads(capsys.readouterr().out)["results"]["results"]
    assert last["response"]["output"] is None
    assert "which is not text" in last["error"]
    assert last["gradingResult"]["reason"] == last["error"]


def test_junit_lists_every_case(folder: Path) -> None:
    code = export(folder, "junit", "--to", str(folder / "new" / "report.xml"))

    root = ElementTree.parse(folder / "new" / "report.xml").getroot()
    assert code == 0
    assert [each.attrib["name"] for each in root.iter("testcase")] == ["a", "b", "c"]
    assert root.attrib["tests"] == "3"
    (skipped,) = root.iter("skipped")
    assert "no answer" in skipped.attrib["message"]


def test_a_case_under_its_threshold_says_so(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SUITE.replace("threshold: 0.75", "threshold: 0.8"))
    model = Function(answer, folder=tmp_path)
    execute(load_suite(tmp_path / "s.yaml"), model, tmp_path / "runs" / "run-1")

    export(tmp_path, "junit", "--to", str(tmp_path / "report.xml"))

    message = next(ElementTree.parse(tmp_path / "report.xml").getroot().iter("skipped"))
    assert message.attrib["message"].startswith("score 0.75 is less than the threshold 0.8")


def test_a_run_that_is_not_there_is_an_error(folder: Path) -> None:
    with pytest.raises(RunError, match="there is no run 'other'"):
        export(folder, "junit", run="other")


def test_a_place_that_cannot_be_written_is_an_error(folder: Path) -> None:
    (folder / "file").write_text("")

    with pytest.raises(RunError, match="cannot be written to"):
        export(folder, "junit", "--to", str(folder / "file" / "report.xml"))
