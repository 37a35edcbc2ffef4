"""Functions of the user's own, and what an answer took."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway_measures.errors import ScorerError
from headway_measures.scorers import make_scorer, score_answered
from headway_measures.scores import Answered, ScoreValue

CHECKS = """
import numpy
from headway_measures.scores import ScoreValue

def is_short(output): return len(output) < 5
def is_short_numpy(output): return numpy.bool_(len(output) < 5)
def share(output, expected, latency_ms, rounds=3): return latency_ms / rounds / 100
def tensor(output): return numpy.float32(0.5)
def seconds(**anything): return 12.5
def graded(output): return ScoreValue(0.25, False, "a quarter")
def nothing(output): pass
def text(output): return "0.5"
def nan(output): return float("nan")
def leaves(output): raise SystemExit(0)
def strange(output, reference): return 1.0
number = 7
"""
ANSWERED = Answered("four", "4", latency_ms=150.0, cost_usd=0.002)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "headway_checks.py").write_text(CHECKS)
    (tmp_path / "headway_broken.py").write_text("1 / 0")
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("headway_checks", None)


def score(folder: Path, function: str, **options: Any) -> ScoreValue:
    scorer = make_scorer("python", {"call": f"headway_checks:{function}", **options}, folder=folder)
    return score_answered({"own": scorer}, ANSWERED)["own"]


@pytest.mark.parametrize(
    ("function", "options", "value", "passed"),
    [
        ("is_short", {}, 1.0, True),
        ("is_short_numpy", {}, 1.0, True),
        ("is_short", {"direction": "down"}, 0.0, True),
        ("share", {}, 0.5, None),
        ("share", {"at_least": 0.6}, 0.5, False),
        ("share", {"at_most": 0.6, "direction": "down"}, 0.5, True),
        ("tensor", {}, 0.5, None),
        ("seconds", {"scale": None, "direction": "down"}, 12.5, None),
        ("graded", {}, 0.25, False),
    ],
)
def test_a_function_gets_what_it_names_and_its_answer_is_the_score(
    folder: Path, function: str, options: dict[str, Any], value: float, passed: bool | None
) -> None:
    found = score(folder, function, **options)

    assert (found.value, found.passed, found.error) == (value, passed, None)


@pytest.mark.parametrize(
    ("function", "options", "fault"),
    [
        ("nothing", {}, "returned None, which is no number"),
        ("text", {}, "returned '0.5', which is no number"),
        ("seconds", {}, "returned 12.5, which is not from 0 to 1; give its scale"),
        ("nan", {"scale": None}, "gave nan, which is not a finite number"),
        ("leaves", {}, "the scorer raised SystemExit"),
    ],
)
def test_a_function_without_an_answer_marks_its_case(
    folder: Path, function: str, options: dict[str, Any], fault: str
) -> None:
    found = score(folder, function, **options)

    assert (found.value, found.passed) == (0.0, False)
    assert fault in str(found.error)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"call": "headway_checks"}, "names no function: write module:function"),
        ({"call": "headway_checks:missing"}, "AttributeError: .*missing"),
        ({"call": "headway_none:f"}, "ModuleNotFoundError"),
        ({"call": "headway_broken:f"}, "ZeroDivisionError: division by zero"),
        ({"call": "headway_checks:number"}, "is 7, which cannot be called"),
        (
            {"call": "headway_checks:strange"},
            "takes 'reference'; known arguments: output, expected",
        ),
        ({"call": "headway_checks:is_short", "scale": 0}, "scale is 0.0, which must be above 0"),
        ({}, "missing required field 'call'"),
    ],
)
def test_a_function_that_cannot_score_is_refused_at_once(
    folder: Path, options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ScorerError, match=fault):
        make_scorer("python", options, folder=folder)


def test_latency_and_cost_are_measured_and_held_to_a_limit() -> None:
    scorers = {
        "measured": make_scorer("latency", {}),
        "slow": make_scorer("latency", {"at_most": 100}),
        "cheap": make_scorer("cost", {"at_most": 0.01}),
    }

    scores = score_answered(scorers, ANSWERED)

    assert scores["measured"] == ScoreValue(150.0, None)
    assert scores["slow"] == ScoreValue(150.0, False, "150 is more than 100")
    assert scores["cheap"] == ScoreValue(0.002, True)


@pytest.mark.parametrize("name", ["latency", "cost"])
def test_what_is_not_known_of_an_answer_marks_its_case(name: str) -> None:
    value = score_answered({name: make_scorer(name, {})}, Answered("text"))[name]

    assert "is not known" in str(value.error)
