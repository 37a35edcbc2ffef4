import re
from typing import Any

import pytest

from headway_measures.errors import ScorerError
from headway_measures.scorers import SCORERS, make_scorer, score_answered
from headway_measures.scores import Answered, ScoreValue


def score(name: str, output: str, expected: Any = None, **options: Any) -> ScoreValue:
    answered = Answered(output, expected)
    return score_answered({name: make_scorer(name, options)}, answered)[name]


@pytest.mark.parametrize(
    ("output", "expected", "ignore_case", "passed"),
    [
        ("Paris", "Paris", False, True),
        (" Paris\n", "Paris", False, True),
        ("paris", "Paris", False, False),
        ("PARIS", "paris", True, True),
        ("Paris, France", "Paris", False, False),
        ('{"b": 1.0, "a": [true, null]}', {"a": [True, None], "b": 1}, False, True),
        ('{"a": 1}', {"a": True}, False, False),
        ('{"a": "X"}', {"A": "x"}, True, True),
        ("7", 7, False, True),
        ("seven", 7, False, False),
    ],
)
def test_exact_compares_text_as_text_and_the_rest_as_json(
    output: str, expected: Any, ignore_case: bool, passed: bool
) -> None:
    assert score("exact", output, expected, ignore_case=ignore_case).passed is passed


@pytest.mark.parametrize(
    ("output", "detail"),
    [
        ('{"kind": "refund"}', "$.order is missing"),
        ('{"kind": "refund", "order": null, "x": 1}', "$.x is not expected"),
        ('{"kind": "refund", "order": "A2"}', '$.order is "A2", not null'),
        ('{"kind": ["a", "b"], "order": null}', '$.kind is ["a", "b"], not "refund"'),
        ('{"kind": "refund"', "not JSON: "),
        ('{"kind": 1, "kind": 2}', "not JSON: a key stands twice"),
        ('{"kind": NaN}', "not JSON: NaN is no JSON number"),
        ("[" * 100_000, "not JSON: nested too deeply"),
    ],
)
def test_exact_says_where_json_parts(output: str, detail: str) -> None:
    value = score("exact", output, {"kind": "refund", "order": None})

    assert not value.passed
    assert value.detail.startswith(detail)


def test_includes_gives_the_share_that_is_there() -> None:
    value = score("includes", "red and green", values=["red", "blue"])

    assert value == ScoreValue(0.5, False, "without 'blue'")


def test_includes_of_any_needs_one_and_falls_back_on_what_is_expected() -> None:
    assert score("includes", "red", ["RED", "blue"], mode="any", ignore_case=True).passed
    assert not score("includes", "red", ["green", "blue"], mode="any").passed
    assert score("includes", "a red one", "red").passed


@pytest.mark.parametrize(
    ("output", "expected", "passed"),
    [
        ("[Yes]", "yes", True),
        ("Let me think. yes, it is", "yes", True),
        ("[No]\n\nTherefore yes", "yes", False),
        ("I know nothing", "no", False),
        ("", "no", False),
    ],
)
def test_regex_compares_the_group_of_the_first_match(
    output: str, expected: str, passed: bool
) -> None:
    options = {"pattern": r"\[?\b(yes|no)\b\]?", "group": 1, "ignore_case": True}

    assert score("regex", output, expected, **options).passed is passed


def test_regex_without_a_group_only_looks_for_the_pattern() -> None:
    assert score("regex", "order A48213", "something else", pattern=r"[A-Z]\d{5}").passed
    assert not score("regex", "order 48213", pattern=r"[A-Z]\d{5}").passed


@pytest.mark.parametrize(
    ("output", "expected", "options", "passed"),
    [
        ("3 and 4 make 7.", 7, {}, True),
        ("it is 1,234.50", 1234.5, {}, True),
        ("so -2e3", -2000, {}, True),
        ("7.01", 7, {}, False),
        ("7.01", 7, {"tolerance": 0.02}, True),
        ("102", 100, {"relative": 0.02}, True),
        ("#### 18\nthat was 5 minutes", "9 * 2\n#### 18", {"pattern": "#### (.+)"}, True),
        ("18", "#### 18", {"pattern": "#### (.+)"}, False),
        ("none", 7, {}, False),
    ],
)
def test_numeric_reads_the_last_number_or_the_one_of_a_pattern(
    output: str, expected: Any, options: dict[str, Any], passed: bool
) -> None:
    assert score("numeric", output, expected, **options).passed is passed


SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["refund", "delivery"]}},
    "required": ["kind"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("output", "detail"),
    [
        ('{"kind": "refund"}', ""),
        ('{"kind": "other"}', "$.kind: 'other' is not one of ['refund', 'delivery']"),
        ("{}", "$: 'kind' is a required property"),
        ("kind: refund", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_json_schema_tells_the_fault(output: str, detail: str) -> None:
    value = score("json_schema", output, schema=SCHEMA)

    assert value == ScoreValue(float(not detail), not detail, detail)


def test_a_schema_elsewhere_is_not_fetched() -> None:
    value = score("json_schema", "{}", schema={"$ref": "http://127.0.0.1:1/schema.json"})

    assert not value.passed
    assert "Unresolvable" in str(value.error)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("exct", {}, "no scorer 'exct'; did you mean 'exact'"),
        ("pairwise", {}, "known: exact, includes, regex, numeric, json_schema"),
        ("exact", {"ignorecase": True}, "no option 'ignorecase'; did you mean 'ignore_case'"),
        ("exact", {"ignore_case": "yes"}, "expected 'bool', got 'str' - at 'ignore_case'"),
        ("regex", {}, "missing required field 'pattern'"),
        ("regex", {"pattern": "("}, r"'\(' is no regular expression: missing \)"),
        ("regex", {"pattern": "(a)", "group": 2}, "has no group 2, only 0, 1"),
        ("numeric", {"tolerance": -1}, "tolerance is -1"),
        ("numeric", {"pattern": "["}, "is no regular expression"),
        ("json_schema", {"schema": {"type": "objekt"}}, "schema.type is not JSON Schema"),
        ("f1", {"at_least": 2}, "at_least is 2.0, which must be from 0 to 1"),
        ("latency", {"at_most": -1}, "at_most is -1.0, which must be 0 or more"),
        ("rouge", {"variant": "rougeS"}, "Invalid enum value 'rougeS'"),
    ],
)
def test_a_scorer_that_cannot_be_made_says_why(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScorerError, match=message):
        make_scorer(name, options)


@pytest.mark.parametrize(
    ("name", "expected"), [("includes", 7), ("numeric", "seven"), ("numeric", True)]
)
def test_a_scorer_that_raises_fails_the_output_and_spares_the_others(
    name: str, expected: Any
) -> None:
    scorers = {name: make_scorer(name, {}), "has_7": make_scorer("regex", {"pattern": "7"})}

    scores = score_answered(scorers, Answered("7", expected))

    assert (scores[name].value, scores[name].passed) == (0.0, False)
    assert "the scorer raised TypeError" in str(scores[name].error)
    assert scores["has_7"].passed


@pytest.mark.parametrize(
    ("name", "options", "expected", "fault"),
    [
        ("exact", {}, {"any": ["value"]}, None),
        ("includes", {}, "text", None),
        ("includes", {}, [], r"is \[\], not a text"),
        ("includes", {}, ["a", 1], "holds 1, which is not text"),
        ("includes", {"values": "x"}, 7, None),
        ("regex", {"pattern": "a"}, 7, None),
        ("regex", {"pattern": "a", "group": 0}, 7, "is 7, not text"),
        ("numeric", {}, "7 apples", None),
        ("numeric", {}, 7, None),
        ("numeric", {}, "abc", "is 'abc', which holds no number"),
        ("numeric", {}, [1], r"is \[1\], which holds no number"),
        ("numeric", {}, 10**400, "too large"),
        ("numeric", {"pattern": "#### (.+)"}, "#### 1,018", None),
        ("bleu", {}, ["one", "two"], None),
        ("similarity", {}, 7, "is 7, not a text"),
        ("choice", {}, 2, None),
        ("choice", {}, "B", None),
        ("choice", {}, -1, "neither an option's text nor its place"),
        ("choice", {}, True, "neither an option's text nor its place"),
        ("perplexity", {}, ["a"], "not text"),
    ],
)
def test_a_scorer_says_what_a_case_cannot_expect(
    name: str, options: dict[str, Any], expected: Any, fault: str | None
) -> None:
    found = make_scorer(name, options).fault_of(expected)

    if fault is None:
        assert found is None
    else:
        assert found is not None
        assert re.search(fault, found)


def test_every_scorer_names_its_direction_and_scale() -> None:
    options: dict[str, dict[str, Any]] = {"regex": {"pattern": "a"}, "json_schema": {"schema": {}}}
    made = {name: make_scorer(name, options.get(name, {})) for name in SCORERS if name != "python"}

    falling = {name for name, scorer in made.items() if scorer.direction == "down"}
    unbounded = {name for name, scorer in made.items() if scorer.scale is None}

    assert falling == {"edit_distance", "perplexity", "latency", "cost"}
    assert unbounded == {"perplexity", "latency", "cost"}


@pytest.mark.parametrize(
    ("name", "options"),
    [("regex", {"pattern": "(x+x+)+y"}), ("numeric", {"pattern": "(x+x+)+y"})],
)
def test_a_pattern_that_would_never_end_marks_its_case(name: str, options: dict[str, Any]) -> None:
    value = score(name, "x" * 3000, "7", **options)

    assert not value.passed
    assert "took more than 1 s on 3000 characters" in str(value.error)


def test_where_less_is_better_a_scorer_that_raises_gives_the_greatest_value() -> None:
    assert score("edit_distance", "a", 7).value == 1.0
    assert score("latency", "a").value == 1e9
