"""Answers that are JSON, as odd as models make them: each is judged, and none holds up a run."""

import json
import time
from typing import Any

import pytest

from headway_measures.errors import ScorerError
from headway_measures.scorers import make_scorer, score_answered
from headway_measures.scores import Answered, ScoreValue

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
# Needs a time that doubles with every letter.
ENDLESS = "^(a|a|aa)+$"
LETTERS = "a" * 80 + "!"


def score(schema: dict[str, Any], output: str) -> ScoreValue:
    scorers = {"json": make_scorer("json_schema", {"schema": schema})}
    return score_answered(scorers, Answered(output))["json"]


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"pattern": ENDLESS}, LETTERS),
        ({"items": {"pattern": ENDLESS}}, [LETTERS]),
        ({"patternProperties": {ENDLESS: {}}}, {LETTERS: 1}),
        ({"patternProperties": {ENDLESS: {}}, "additionalProperties": False}, {LETTERS: 1}),
        (
            {"allOf": [{"patternProperties": {ENDLESS: {}}}], "unevaluatedProperties": False},
            {LETTERS: 1},
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "propertyNames": {"pattern": ENDLESS},
            },
            {LETTERS: 1},
        ),
    ],
)
def test_a_pattern_without_end_marks_its_case_and_the_run_goes_on(
    schema: dict[str, Any], found: Any
) -> None:
    started = time.monotonic()

    value = score(schema, json.dumps(found))

    assert "took more than 1 s on 81 characters" in str(value.error)
    assert not value.passed
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("schema", "found", "fault"),
    [
        ({"pattern": "^a"}, "abc", ""),
        ({"pattern": "b"}, "abc", ""),
        ({"pattern": "^b"}, "abc", "$: 'abc' does not match '^b'"),
        ({"pattern": "^b"}, 7, ""),
        ({"patternProperties": {"^n": {"type": "integer"}}}, {"n": 1, "m": "x"}, ""),
        (
            {"patternProperties": {"^n": {"type": "integer"}}},
            {"n_1": "x"},
            "$.n_1: 'x' is not of type 'integer'",
        ),
        ({"patternProperties": {"^n": False}}, [], ""),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1}, ""),
        ({"additionalProperties": False}, 7, ""),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"a": 1, "b": 2},
            "$: 'b' may not be there",
        ),
        (
            {"patternProperties": {"^x": {}}, "additionalProperties": False},
            {"x1": 1, "b": 2},
            "$: 'b' may not be there, and match none of '^x'",
        ),
        (
            {"additionalProperties": {"type": "integer"}},
            {"b": "2"},
            "$.b: '2' is not of type 'integer'",
        ),
        (
            {"patternProperties": {"^x": {}}, "unevaluatedProperties": False},
            {"x1": 1, "b": 2},
            "$: Unevaluated properties are not allowed ('b' was unexpected)",
        ),
    ],
)
def test_patterns_mean_what_they_mean_in_json_schema(
    schema: dict[str, Any], found: Any, fault: str
) -> None:
    value = score(schema, json.dumps(found))

    assert (value.detail, value.error, value.passed) == (fault, None, not fault)


def test_a_schema_with_a_broken_pattern_is_refused_before_the_run() -> None:
    with pytest.raises(ScorerError, match=r"schema.pattern is not JSON Schema: '\('"):
        make_scorer("json_schema", {"schema": {"pattern": "("}})


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        ("[" * 100_000, "not JSON: nested too deeply"),
        ("1e999", "not JSON: 1e999 is greater than any number"),
        ("-1e999", "not JSON: -1e999 is greater than any number"),
        ("9" * 5000, "not JSON: Exceeds the limit"),
        ("NaN", "not JSON: NaN is no JSON number"),
        ('{"a": [-Infinity]}', "not JSON: -Infinity is no JSON number"),
        ('{"a": 1, "a": 2}', "not JSON: a key stands twice in one object"),
        ("\ufeff{}", "not JSON: Unexpected UTF-8 BOM"),
    ],
)
def test_what_is_no_json_says_why(output: str, fault: str) -> None:
    assert score({}, output).detail.startswith(fault)


@pytest.mark.parametrize(
    ("schema", "output"),
    [({"$ref": "#"}, "{}"), ({"multipleOf": 0.01}, "9" * 400)],
)
def test_what_cannot_be_validated_marks_its_case(schema: dict[str, Any], output: str) -> None:
    assert "the scorer raised" in str(score(schema, output).error)


def test_answers_nested_to_the_limit_are_judged_or_marked() -> None:
    deep = "[" * 900 + "]" * 900
    scorers = {"exact": make_scorer("exact", {})}

    value = score_answered(scorers, Answered(deep, json.loads(deep)))["exact"]

    assert value.passed or value.error
