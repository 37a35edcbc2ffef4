"""promptfoo's assertions, judged on answers whose scores were worked out by hand.

The expectations follow https://www.promptfoo.dev/docs/configuration/expected-outputs/.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from headway_evals.case_results import score_case
from headway_evals.importing.formats import import_file
from headway_evals.importing.promptfoo_patterns import our_pattern
from headway_evals.importing.promptfoo_tests import of_cell
from headway_evals.importing.reports import ImportOptions, ImportReport
from headway_evals.importing.writing import write_suite
from headway_evals.models.requests import Completion
from headway_evals.runs import Result
from headway_evals.suite_files import load_suite
from headway_measures.patterns import first_match


def imported(folder: Path, test: dict[str, Any], *, allow_code: bool = False) -> ImportReport:
    """Write a config of one test, import it, and leave the suite in the folder."""
    config = folder / "config.yaml"
    config.write_text(json.dumps({"prompts": ["Say {{word}}"], "tests": [test]}))
    (suite,), report = import_file(config, "promptfoo", ImportOptions(allow_code=allow_code))
    write_suite(suite, folder / "suite.yaml")
    return report


def judge(folder: Path, assertion: dict[str, Any], output: str, **fields: Any) -> Result:
    """Return what an answer comes to under one assertion."""
    report = imported(folder, {"vars": {"word": "yes"}, "assert": [assertion]})
    assert [each for each in report.omissions if "own" not in each.feature] == []
    (case,) = load_suite(folder / "suite.yaml").cases
    return score_case(case, Completion(output, **fields))


SCHEMA = {"type": "object", "required": ["a"]}


@pytest.mark.parametrize(
    ("assertion", "output", "passes"),
    [
        ({"type": "equals", "value": "yes"}, "yes", True),
        ({"type": "equals", "value": "yes"}, "yes ", False),
        ({"type": "equals", "value": "{{word}}"}, "yes", True),
        ({"type": "equals", "value": 4}, "4", True),
        ({"type": "equals", "value": {"b": 1, "a": [2]}}, '{"a": [2.0], "b": 1}', True),
        ({"type": "not-equals", "value": "yes"}, "no", True),
        ({"type": "contains", "value": "Yes"}, "yes", False),
        ({"type": "contains", "value": 12}, "a12b", True),
        ({"type": "icontains", "value": "YES"}, "oh yes", True),
        ({"type": "contains-any", "value": ["a", "b"]}, "xbx", True),
        ({"type": "contains-any", "value": 'q, "a, b"'}, "xa, bx", True),
        ({"type": "contains-any", "value": 'q, "a, b"'}, "xa", False),
        ({"type": "not-contains-any", "value": ["a", "b"]}, "xbx", False),
        ({"type": "contains-all", "value": ["a", "b"]}, "ab", True),
        ({"type": "icontains-all", "value": ["A", "B"]}, "ba", True),
        ({"type": "starts-with", "value": "a.b"}, "a.bc", True),
        ({"type": "starts-with", "value": "a.b"}, "axbc", False),
        ({"type": "regex", "value": r"^\d+$"}, "12", True),
        ({"type": "regex", "value": r"^\d+$"}, "12\n", False),
        ({"type": "regex", "value": r"^\d+$"}, "١٢", False),
        ({"type": "is-json"}, "[1]", True),
        ({"type": "is-json"}, "so: [1]", False),
        ({"type": "is-json", "value": SCHEMA}, '{"b": 1}', False),
        ({"type": "is-json", "value": "required: [a]"}, '{"a": 1}', True),
        ({"type": "contains-json"}, 'so: {"a": 1}.', True),
        ({"type": "contains-json"}, "so: {a}", False),
        ({"type": "contains-json", "value": SCHEMA}, '{"b": 1} or {"a": 1}', True),
        ({"type": "contains-json", "value": SCHEMA}, '{"b": {"a": 1}}', False),
        ({"type": "not-contains-json"}, "none", True),
        ({"type": "levenshtein", "value": "kitten", "threshold": 3}, "sitting", True),
        ({"type": "levenshtein", "value": "kitten", "threshold": 2}, "sitting", False),
        ({"type": "levenshtein", "value": "abcde"}, "", True),
        ({"type": "rouge-n", "value": "a b c d"}, "a b c d", True),
        ({"type": "rouge-n", "value": "a b c d"}, "a b", False),
        ({"type": "bleu", "value": "the cat sat on the mat"}, "the cat sat on the mat", True),
        ({"type": "word-count", "value": 2}, " two words\n", True),
        ({"type": "word-count", "value": 2}, "two words more", False),
        ({"type": "word-count", "value": {"min": 2}}, "two words more", True),
        ({"type": "word-count", "value": {"max": 2}}, "two words more", False),
    ],
)
def test_assertions_pass_what_promptfoo_passes(
    tmp_path: Path, assertion: dict[str, Any], output: str, passes: bool
) -> None:
    result = judge(tmp_path, assertion, output)

    assert result.passed is passes
    assert [each.error for each in result.scores.values()] == [None]
    if assertion["type"] not in ("rouge-n", "bleu", "levenshtein"):
        assert [each.value for each in result.scores.values()] == [float(passes)]


def test_latency_and_cost_are_held_to_their_threshold(tmp_path: Path) -> None:
    quick = {"type": "latency", "threshold": 100}
    cheap = {"type": "cost", "threshold": 0.001}

    assert judge(tmp_path, quick, "x", latency_ms=100.0).passed
    assert not judge(tmp_path, quick, "x", latency_ms=101.0).passed
    assert judge(tmp_path, cheap, "x", cost_usd=0.001).passed
    assert not judge(tmp_path, cheap, "x", cost_usd=0.002).passed


def test_a_tests_score_is_the_mean_by_weight_and_its_threshold_decides(tmp_path: Path) -> None:
    # Σ w·s / Σ w = (3·1 + 1·0 + 0·0) / 4
    asserts = [
        {"type": "contains", "value": "y", "weight": 3},
        {"type": "contains", "value": "z"},
        {"type": "contains", "value": "q", "weight": 0},
    ]
    scores = []
    for threshold in (0.75, 0.8, None):
        test = {"vars": {"word": "a"}, "assert": asserts, "threshold": threshold}
        imported(tmp_path, {key: each for key, each in test.items() if each is not None})
        (case,) = load_suite(tmp_path / "suite.yaml").cases
        scores.append(score_case(case, Completion("yes")))

    assert [each.passed for each in scores] == [True, False, False]
    assert [each.weighing.score for each in scores if each.weighing] == [0.75] * 3


def test_an_assert_set_passes_by_its_own_threshold(tmp_path: Path) -> None:
    inner = [{"type": "contains", "value": "y"}, {"type": "contains", "value": "z"}]
    half = {"type": "assert-set", "threshold": 0.5, "assert": inner}
    whole = {"type": "assert-set", "assert": inner}

    assert judge(tmp_path, half, "yes").passed
    assert judge(tmp_path, half, "yes").scores["assert-set"].value == 0.5
    assert not judge(tmp_path, whole, "yes").passed


@pytest.mark.parametrize(
    ("assertion", "feature", "reason"),
    [
        ({"type": "javascript", "value": "true"}, "assertion type javascript", "JavaScript"),
        ({"type": "similar", "value": "x"}, "assertion type similar", "embeddings"),
        ({"type": "not-is-refusal"}, "assertion type is-refusal", "list of phrases"),
        ({"type": "is-sql"}, "assertion type is-sql", "parser of SQL"),
        ({"type": "nonsense"}, "assertion type nonsense", "not known"),
        ({"type": "contains", "value": ""}, "assertion contains as written", "no text"),
        ({"type": "contains", "value": "x", "transform": "t"}, "assertion transform", "judged"),
        ({"type": "latency"}, "assertion latency as written", "threshold is None"),
        ({"type": "regex", "value": "("}, "assertion regex as written", "none here"),
        ({"type": "is-json", "value": {"format": "date"}}, "assertion is-json as", "format"),
        ({"type": "equals", "value": "{{word.toUpperCase()}}"}, "assertion equals as", "toUpper"),
        ({"type": "equals", "value": "{{env.HOME}}"}, "assertion equals as", "environment"),
        ({"type": "python", "value": "True"}, "assertion python as", "file of its own"),
        ({"type": "python", "value": "file://c.py"}, "assertion python as", "--allow-code"),
        ({"type": "contains", "value": "file:///etc/hostname"}, "assertion contains", "outside"),
        ({"type": "contains", "value": "file://../x.txt"}, "assertion contains as", "outside"),
        ({"$ref": "#/assertionTemplates/none"}, "assertion #/assertionTemplates/none", "names no"),
    ],
)
def test_what_cannot_be_scored_alike_is_reported_with_its_reason(
    tmp_path: Path, assertion: dict[str, Any], feature: str, reason: str
) -> None:
    kept = {"type": "contains", "value": "y"}
    report = imported(tmp_path, {"vars": {"word": "a"}, "assert": [kept, assertion]})

    (omission,) = report.omissions
    assert omission.feature.startswith(feature)
    assert reason in omission.reason
    assert omission.place == "config.yaml:1"
    (case,) = load_suite(tmp_path / "suite.yaml").cases
    assert list(case.scorers) == ["contains"]


def test_a_python_assertion_gets_output_and_vars_and_may_answer_as_there(tmp_path: Path) -> None:
    (tmp_path / "pf_checks.py").write_text(
        "def get_assert(output, context):\n"
        "    found = output == context['vars']['word']\n"
        "    return {'pass': found, 'score': 0.75 if found else 0.25, 'reason': 'told'}\n"
        "def length(output, context):\n"
        "    return len(output) / 10\n"
    )
    asserts = [
        {"type": "python", "value": "file://pf_checks.py"},
        {"type": "python", "value": "file://pf_checks.py:length", "threshold": 0.3},
    ]
    report = imported(tmp_path, {"vars": {"word": "yes"}, "assert": asserts}, allow_code=True)
    (case,) = load_suite(tmp_path / "suite.yaml").cases

    good, bad = score_case(case, Completion("yes")), score_case(case, Completion("no"))

    assert report.omissions == []
    assert [(each.value, each.passed) for each in good.scores.values()] == [
        (0.75, True),
        (0.3, True),
    ]
    assert [each.passed for each in bad.scores.values()] == [False, False]
    assert bad.scores["python"].detail == "told"


@pytest.mark.parametrize(
    ("cell", "assertion"),
    [
        ("4", {"type": "equals", "value": "4"}),
        ("equals:4", {"type": "equals", "value": "4"}),
        ("ratio: 4", {"type": "equals", "value": "ratio: 4"}),
        ("not-contains:a: b", {"type": "not-contains", "value": "a: b"}),
        ("contains-any: a, b", {"type": "contains-any", "value": ["a", "b"]}),
        ("levenshtein(3):x", {"type": "levenshtein", "value": "x", "threshold": 3}),
        ("levenshtein:x", {"type": "levenshtein", "value": "x", "threshold": 0.75}),
        ("is-json", {"type": "is-json"}),
        ("fn:output.length", {"type": "javascript", "value": "output.length"}),
        ("grade:is polite", {"type": "llm-rubric", "value": "is polite"}),
        ("file://c.py:f", {"type": "python", "value": "file://c.py:f"}),
        ("file://want.txt", {"type": "equals", "value": "file://want.txt"}),
    ],
)
def test_a_cell_says_its_assertion(cell: str, assertion: dict[str, Any]) -> None:
    assert of_cell(cell, 3) == assertion


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        (r"a.b", "axb", "a\rb"),
        (r"[\w-]+$", "a-b", "a-b\n"),
        (r"(?<x>.)\k<x>", "aa", "ab"),
        (r"[^]", "\n", ""),
        (r"\/\-\_", "/-_", "/_"),
        (r"[[]", "[", "]"),
        ("\\w", "a", "é"),
    ],
)
def test_patterns_find_what_they_find_in_javascript(pattern: str, found: str, missed: str) -> None:
    ours = our_pattern(pattern)

    assert first_match(ours, found) is not None
    assert first_match(ours, missed) is None
