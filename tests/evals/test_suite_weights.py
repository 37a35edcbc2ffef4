"""What scorers count for: turned round, weighed, grouped, under a threshold, under a metric."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headway_evals.case_results import score_case
from headway_evals.errors import SuiteError
from headway_evals.executions import execute
from headway_evals.models.functions import Function
from headway_evals.models.requests import Completion
from headway_evals.runs import Result, Weighing, load_run
from headway_evals.suite_files import load_suite
from headway_evals.suites import Suite

PLAIN_VERSION = "4a5c4a507317"


def load(folder: Path, text: str) -> Suite:
    path = folder / "s.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_suite(path)


def suite_of(folder: Path, scorers: str, case: str = "") -> Suite:
    return load(
        folder,
        f"""
        suite: s
        scorers: {scorers}
        cases: [{{id: a, input: x, expected: "yes"{case}}}]
        """,
    )


def answer(suite: Suite, text: str, **fields: Any) -> Result:
    return score_case(suite.cases[0], Completion(text, **fields))


def faults(folder: Path, scorers: str, case: str = "") -> str:
    with pytest.raises(SuiteError) as caught:
        suite_of(folder, scorers, case)
    return str(caught.value)


def test_a_scorer_turned_round_passes_what_it_failed(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "[includes: {values: sorry, not: true}]")

    assert answer(suite, "gladly").passed
    assert not answer(suite, "sorry, no").passed
    assert answer(suite, "sorry, no").scores["includes"].value == 0
    assert "should not" in answer(suite, "sorry, no").scores["includes"].detail


def test_a_graded_score_turned_round_is_what_was_missing_of_one(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "[f1: {at_least: 0.5, not: true, expected: a1 b1 c1 d1}]")

    # F1 of one word of four: 2·1 / (1 + 4)
    assert answer(suite, "a1").scores["f1"].value == pytest.approx(0.6)
    assert answer(suite, "a1").passed
    assert not answer(suite, "a1 b1 c1").passed


def test_where_less_is_better_a_scorer_turned_round_is_a_yes_or_no(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "[latency: {at_most: 100, not: true}]")

    assert answer(suite, "x", latency_ms=250.0).scores["latency"].value == 1
    assert answer(suite, "x", latency_ms=50.0).scores["latency"].value == 0


def test_a_scorer_that_cannot_say_fails_turned_round_too(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "[latency: {at_most: 100, not: true}]")

    result = answer(suite, "x")

    assert not result.passed
    assert "not known" in str(result.scores["latency"].error)


def test_without_a_threshold_every_scorer_with_a_weight_has_to_pass(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "[exact: {weight: 3}, includes: {values: 'no', weight: 0}]")

    assert answer(suite, "yes").passed
    assert answer(suite, "yes").scores["includes"].passed is None
    assert not answer(suite, "no").passed


def test_a_threshold_is_reached_by_the_mean_by_weight(tmp_path: Path) -> None:
    scorers = "[exact: {weight: 3}, regex: {pattern: z}]"

    at_mean = answer(suite_of(tmp_path, scorers, ", threshold: 0.75"), "yes")
    above = answer(suite_of(tmp_path, scorers, ", threshold: 0.76"), "yes")

    assert at_mean.weighing == Weighing(score=0.75, threshold=0.75, weights={"exact": 3.0})
    assert at_mean.passed
    assert not above.passed


def test_a_group_counts_as_one_scorer(tmp_path: Path) -> None:
    group = "scorers: [exact, {regex: {pattern: e}}, {regex: {name: z, pattern: z, weight: 2}}]"
    suite = suite_of(tmp_path, f"[group: {{name: shape, threshold: 0.5, {group}}}]")
    strict = suite_of(tmp_path, f"[group: {{name: shape, {group}}}]")

    assert answer(suite, "yes").scores["shape"].value == 0.5
    assert answer(suite, "yes").passed
    assert answer(suite, "e").scores["shape"].value == 0.25
    assert not answer(suite, "e").passed
    assert "z: no match" in answer(strict, "yes").scores["shape"].detail


def test_a_metric_is_the_mean_of_its_scorers_and_can_be_a_gates(tmp_path: Path) -> None:
    suite = load(
        tmp_path,
        """
        suite: s
        scorers:
          - exact: {metric: tone, weight: 3}
          - regex: {pattern: z, metric: tone}
        gate: {scorer: tone}
        cases: [{id: a, input: x, expected: "yes"}]
        """,
    )

    result = answer(suite, "yes")

    assert result.scores["tone"].value == 0.75
    assert result.scores["tone"].passed is None
    assert suite.scale == 1.0


def test_a_metric_of_scorers_that_only_inform_is_their_plain_mean(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path, "[exact, {regex: {name: r, pattern: e, metric: m, weight: 0}}, "
        "{regex: {name: s, pattern: z, metric: m, weight: 0}}]"
    )  # fmt: skip

    assert answer(suite, "yes").scores["m"].value == 0.5
    assert answer(suite, "yes").passed


def test_a_scorer_may_expect_something_of_its_own(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "[exact, {exact: {name: other, expected: 'no', not: true}}]")

    assert answer(suite, "yes").passed


@pytest.mark.parametrize(
    ("scorers", "case", "told"),
    [
        ("[exact: {not: maybe}]", "", "not: 'maybe', which is not true or false"),
        ("[exact: {weight: -1}]", "", "weight is -1.0, which must be 0 or more"),
        ("[exact: {weight: heavy}]", "", "weight 'heavy', which is not a number"),
        ("[exact: {metric: all}]", "", "metric 'all', which is no name"),
        ("[exact: {metric: exact}]", "", "metric 'exact' is called as a scorer is"),
        ("[numeric: {expected: many}]", "", "expected is 'many', which holds no number"),
        ("[exact: {weight: 0}]", ", threshold: 1", "no scorer with a weight"),
        ("[exact]", ", threshold: 2", "threshold 2.0, which must be from 0 to 1"),
        ("[group: {}]", "", "group has scorers None"),
        ("[group: {scorers: [exact], any: 1}]", "", "group has no option 'any'"),
        ("[group: {scorers: [{exact: {metric: m}}]}]", "", "give it to the group"),
        ("[group: {scorers: [numeric]}]", "", "expected value for group that is 'yes'"),
        ("[group: {scorers: [choice]}]", "", "which needs ask: choice"),
    ],
)
def test_what_cannot_count_is_a_fault_of_the_file(
    tmp_path: Path, scorers: str, case: str, told: str
) -> None:
    assert told in faults(tmp_path, scorers, case)


def test_versions_are_those_from_before_where_nothing_is_weighed(tmp_path: Path) -> None:
    plain = suite_of(tmp_path, "[exact, {f1: {at_least: 0.5}}]")
    weighed = suite_of(tmp_path, "[exact: {weight: 2}, f1: {at_least: 0.5}]")
    bound = suite_of(tmp_path, "[exact, {f1: {at_least: 0.5}}]", ", threshold: 0.5")

    assert plain.version == PLAIN_VERSION
    assert len({plain.version, weighed.version, bound.version}) == 3


def test_results_say_how_scores_counted_only_where_they_do_not_count_alike(tmp_path: Path) -> None:
    weighed = suite_of(tmp_path, "[exact: {weight: 0.5}]")
    plain = suite_of(tmp_path, "[exact]")
    (tmp_path / "always_yes.py").write_text("def say(prompt: str) -> str:\n    return 'yes'\n")
    model = Function("always_yes:say", folder=tmp_path)

    execute(weighed, model, tmp_path / "weighed")
    execute(plain, model, tmp_path / "plain")

    (result,) = load_run("weighed", tmp_path).results
    assert result.weighing == Weighing(score=1.0, weights={"exact": 0.5})
    assert b"weighing" not in (tmp_path / "plain" / "results.jsonl").read_bytes()
