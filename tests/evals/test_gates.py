"""What a gate looks at: scores of any direction and scale, several gates, cases that must pass."""

from collections.abc import Sequence

import msgspec
import pytest

from headway_collector.schemas.evaluations import Comparison as PostedComparison
from headway_evals.comparisons import compare
from headway_evals.errors import ComparisonError
from headway_evals.outcomes import Comparison
from headway_evals.runs import MUST_PASS, Result, ScoreSummary
from headway_evals.suites import Gate
from headway_evals.wordings import verdict_sentence
from headway_measures.scores import Direction, ScoreValue
from headway_measures.verdicts import Margin
from tests.evals.made_runs import judged, record, result, results


def scored(values: Sequence[float | None], name: str = "latency") -> list[Result]:
    """Return results by a scorer that only measures; None is one that it could not score."""
    return [
        result(
            f"c{i:03}",
            True,
            scores={
                name: ScoreValue(1e9, False, error="no clock")
                if value is None
                else ScoreValue(value, None)
            },
        )
        for i, value in enumerate(values)
    ]


def by_latency(old: Sequence[Result], new: Sequence[Result], margin: float = 50.0) -> Comparison:
    scores = {"latency": ScoreSummary(0.0, 0, "down", None)}
    return compare(
        record("base", old, scores=scores),
        record("new", new, scores=scores),
        Gate("latency", Margin(margin)),
    )


def test_less_is_better_where_the_scorer_says_so() -> None:
    fast = scored([100.0 + i % 7 for i in range(60)])
    slow = scored([300.0 + i % 5 for i in range(60)])

    assert by_latency(fast, slow).verdict == "regressed"
    assert by_latency(slow, fast).verdict == "improved"
    assert by_latency(fast, slow).overall.difference == pytest.approx(-199, abs=1)


def test_a_difference_beyond_one_is_not_cut_off() -> None:
    outcome = by_latency(
        scored([100.0 + i % 7 for i in range(60)]), scored([300.0 + i % 5 for i in range(60)])
    ).overall

    assert outcome.lower < outcome.difference < outcome.upper < -150
    assert (outcome.direction, outcome.scale) == ("down", None)


def test_a_score_that_could_not_be_given_is_the_worst_and_not_the_best() -> None:
    known = [100.0 + i % 7 for i in range(60)]
    broken: list[float | None] = [*known[:30], *[None] * 30]

    outcome = by_latency(scored(known), scored(broken), margin=0.5).overall

    assert outcome.verdict == "regressed"
    assert outcome.candidate < 110


def test_an_answer_that_is_missing_counts_as_the_worst_score() -> None:
    known = [100.0 + i % 7 for i in range(60)]
    mute = [
        result(f"c{i:03}", False, output=None, error="it broke", scores={}) for i in range(30, 60)
    ]

    outcome = by_latency(scored(known), [*scored(known)[:30], *mute], margin=0.5).overall

    assert outcome.verdict == "regressed"
    assert outcome.flips_to_fail == 30


def test_runs_without_a_single_score_cannot_be_compared() -> None:
    nothing = scored([None] * 20)

    with pytest.raises(ComparisonError, match="the runs cannot be compared: neither model has"):
        by_latency(nothing, nothing)


def test_scores_that_are_no_shares_are_told_as_they_are() -> None:
    sentence = verdict_sentence(
        by_latency(
            scored([100.0 + i % 7 for i in range(60)]), scored([300.0 + i % 5 for i in range(60)])
        )
    )

    assert "new scores 302 on 60 cases, base 102.9: −199.1 gained, less is better" in sentence
    assert "margin 50" in sentence
    assert "%" not in sentence.replace("95 %", "")


def two_scorers(exact: Sequence[bool], polite: Sequence[bool]) -> list[Result]:
    return [
        result(
            f"c{i:03}",
            one and other,
            scores={
                "exact": ScoreValue(float(one), one),
                "polite": ScoreValue(float(other), other),
            },
        )
        for i, (one, other) in enumerate(zip(exact, polite, strict=True))
    ]


GATES = (Gate("exact"), Gate("polite", name="manners"))


def test_each_of_several_gates_must_pass() -> None:
    old = two_scorers([True] * 200, [True] * 200)
    new = two_scorers([True] * 200, [False] * 60 + [True] * 140)

    comparison = judged(old, new, GATES)

    assert comparison.overall.verdict == "passed"
    assert [(each.gate, each.verdict) for each in comparison.overall.gates] == [
        ("exact", "passed"),
        ("manners", "regressed"),
    ]
    assert (comparison.verdict, comparison.exit_code) == ("regressed", 1)
    assert verdict_sentence(comparison).startswith(
        "REGRESSED in gate manners, although passed overall:"
    )


def test_a_gate_that_cannot_tell_keeps_the_others_from_passing() -> None:
    old = two_scorers([True] * 200, [True] * 200)
    new = two_scorers([True] * 200, [False] * 6 + [True] * 194)

    comparison = judged(old, new, (Gate("exact"), Gate("polite", Margin(0.01, is_hard=True))))

    assert (comparison.verdict, comparison.exit_code) == ("inconclusive", 3)
    assert verdict_sentence(comparison).startswith("INCONCLUSIVE by gate polite:")


def test_one_of_many_gates_does_not_regress_by_what_may_be_chance() -> None:
    old = two_scorers([True] * 100, [True] * 100)
    new = two_scorers([True] * 100, [False] * 6 + [True] * 94)
    alone = judged(old, new, Gate("polite", Margin(0.01)))
    gates = [Gate("polite", Margin(0.01)), *(Gate("exact", name=f"g{i}") for i in range(9))]

    among = judged(old, new, gates).overall

    assert alone.overall.verdict == "regressed"
    assert among.verdict == "inconclusive"
    assert among.note == "regressed if it stood alone, not proven among so many gates"
    assert among.gates[0].p_value < 0.05 < among.gates[0].q_value


def test_gates_without_names_go_by_their_scorers_and_are_told_apart() -> None:
    both = two_scorers([True] * 100, [True] * 100)
    gates = [Gate("exact"), Gate("exact"), Gate(), Gate("polite", name="exact 2"), Gate()]

    names = [each.gate for each in judged(both, both, gates).overall.gates]

    assert names == ["exact", "exact 3", "all", "exact 2", "all 2"]


def tagged(exact: Sequence[bool], polite: Sequence[bool]) -> list[Result]:
    tags = ["kind:r"] * 20 + ["kind:a"] * len(exact)
    return [
        msgspec.structs.replace(each, tags=(tag,))
        for each, tag in zip(two_scorers(exact, polite), tags, strict=False)
    ]


def test_each_gate_judges_its_own_slices() -> None:
    old = tagged([True] * 800, [True] * 800)
    new = tagged([True] * 800, [False] * 12 + [True] * 788)

    comparison = judged(old, new, GATES)
    first, manners = comparison.overall.gates

    assert [each.verdict for each in (first, manners)] == ["passed", "passed"]
    assert first.slices == ()
    assert {each.slice: each.verdict for each in comparison.slices}["kind:r"] != "regressed"
    assert {each.slice: each.verdict for each in manners.slices}["kind:r"] == "regressed"
    assert (comparison.verdict, comparison.exit_code) == ("regressed", 1)
    assert verdict_sentence(comparison).startswith(
        "REGRESSED in kind:r by gate manners, although passed overall:"
    )


def test_a_further_gate_may_do_without_slices() -> None:
    old = tagged([True] * 800, [True] * 800)
    new = tagged([True] * 800, [False] * 12 + [True] * 788)

    comparison = judged(old, new, (Gate("exact"), Gate("polite", slices="none")))

    assert comparison.overall.gates[1].slices == ()
    assert comparison.verdict == "passed"


def test_one_gate_alone_is_told_once() -> None:
    assert judged(results([True] * 50), results([True] * 50)).overall.gates == ()


def test_gates_are_part_of_the_question() -> None:
    old, new = two_scorers([True] * 50, [True] * 50), two_scorers([True] * 50, [True] * 50)

    assert judged(old, new, GATES).comparison_id != judged(old, new, GATES[0]).comparison_id


def must_pass(old: Sequence[bool], new: Sequence[bool], *case_ids: str) -> Comparison:
    settings = {MUST_PASS: list(case_ids)}
    return compare(
        record("base", results(old)), record("new", results(new), settings=settings), Gate()
    )


def test_a_case_that_must_pass_regresses_alone() -> None:
    comparison = must_pass([True] * 300, [False] + [True] * 299, "c000", "c001")

    assert comparison.overall.verdict == "passed"
    assert comparison.overall.must_pass == ("c000",)
    assert (comparison.verdict, comparison.exit_code) == ("regressed", 1)
    assert "must pass and fails now: c000" in comparison.overall.note
    assert verdict_sentence(comparison).startswith("REGRESSED in case c000, although passed")


def test_a_case_that_fails_for_both_models_is_no_regression() -> None:
    failing = [False] + [True] * 299

    assert must_pass(failing, failing, "c000").verdict == "passed"


@pytest.mark.parametrize(("direction", "best"), [("up", 1.0), ("down", 0.0)])
def test_a_scorer_that_raises_is_not_an_improvement(direction: Direction, best: float) -> None:
    scores = {"f1": ScoreSummary(0.0, 0, direction, 1.0)}
    good = [result(f"c{i:03}", True, scores={"f1": ScoreValue(best, True)}) for i in range(50)]
    fault = ScoreValue(1.0 - best, False, error="the scorer raised")
    raised = [result(f"c{i:03}", False, scores={"f1": fault}) for i in range(50)]

    comparison = compare(
        record("base", good, scores=scores), record("new", raised, scores=scores), Gate("f1")
    )

    assert comparison.verdict == "regressed"


def test_the_numbers_say_how_many_cases_are_missing_and_what_these_could_find() -> None:
    overall = judged(results([True] * 5), results([True] * 5)).overall

    assert overall.needs_n == 150
    assert overall.missing_n == 145
    assert overall.minimum_detectable_effect is not None
    assert overall.minimum_detectable_effect > 0.4


def test_the_collector_takes_a_comparison_with_gates_and_scales_and_keeps_them() -> None:
    scores = {"latency": ScoreSummary(0.0, 0, "down", None)}
    old, new = scored([100.0 + i for i in range(12)]), scored([300.0 + i for i in range(12)])
    comparison = compare(
        record("base", old, scores=scores),
        record("new", new, scores=scores),
        [Gate("latency", Margin(50.0)), Gate()],
    )

    content = msgspec.json.encode(comparison)
    posted = PostedComparison.model_validate_json(content).model_dump(mode="json")

    assert posted["overall"]["gates"][0]["scorer"] == "latency"
    assert posted["overall"] == msgspec.json.decode(content)["overall"]
