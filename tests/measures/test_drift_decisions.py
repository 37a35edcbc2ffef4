from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from headway_measures.descriptors.catalog import METRICS
from headway_measures.descriptors.metrics import Kind, Side
from headway_measures.drift.decisions import SHARES, decide, family_of, levels_of, verdict_of
from headway_measures.drift.metrics_found import TEXT_METRICS
from headway_measures.drift.results import Effect, Evidence, State
from headway_measures.multiplicity import benjamini_hochberg, weighted_benjamini_hochberg
from tests.measures.simulations import ALPHA, Rate, simulation_draws


def measured(
    p_value: float,
    kind: Kind = "number",
    side: Side = "answer",
    *,
    effect: float = 0.5,
    floor: float = 0.1,
) -> Evidence:
    effects = (Effect("any", effect, None, None, floor),)
    return replace(unmeasured("no_drift", kind, side), p_value=p_value, effects=effects)


def unmeasured(state: State, kind: Kind = "number", side: Side = "answer") -> Evidence:
    return Evidence("any", kind, side, "any", state, 100, 100, 100, 100)


def test_equal_weights_give_the_plain_q_values() -> None:
    p_values = list(np.random.default_rng(1).uniform(size=40) ** 2)

    weighted = weighted_benjamini_hochberg(p_values, [3.0] * 40)

    assert weighted == pytest.approx(benjamini_hochberg(p_values))
    assert weighted_benjamini_hochberg([], []) == []


def test_a_weight_makes_one_test_easier_and_the_others_harder() -> None:
    assert weighted_benjamini_hochberg([0.02, 0.02], [3, 1]) == pytest.approx([0.08 / 3, 0.04])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_a_weight_must_be_there_and_above_0(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights above 0"):
        weighted_benjamini_hochberg([0.1, 0.2], weights)


def test_families_share_the_weight_as_planned() -> None:
    tests = [
        measured(0.5, "rate", "score"),
        *[measured(0.5, "text", side) for side in ("prompt", "answer")],
        *[measured(0.5, "embedding", side) for side in ("prompt", "answer")],
        *[measured(0.5, "cluster", side) for side in ("prompt", "answer")],
        *[measured(0.5) for _ in range(25)],
    ]

    decided = decide(tests, ALPHA)

    m = len(tests)
    assert [each.weight for each in decided[:7]] == pytest.approx(
        [m / 4, m / 16, m / 16, m / 32, m / 32, m / 32, m / 32]
    )
    assert decided[7].weight == pytest.approx(m / 2 / 25)
    assert sum(each.weight for each in decided) == pytest.approx(m)
    assert sum(SHARES.values()) == 1


def test_the_share_of_absent_families_goes_to_those_there_are() -> None:
    decided = decide([measured(0.5), measured(0.5), measured(0.5, "text")], ALPHA)

    assert [each.weight for each in decided] == pytest.approx([1.2, 1.2, 0.6])


def test_sizes_are_told_for_the_p_value_that_is_a_drift_on_the_card() -> None:
    columns = [replace(METRICS["answer_chars"], name=f"column {place}") for place in range(20)]
    score = replace(METRICS["is_refusal"], name="score:good", side="score")
    metrics = [*columns, score, *TEXT_METRICS]
    levels = levels_of(metrics, ALPHA)

    for metric in metrics:
        level = levels[family_of(metric)]
        for p_value, state in ((0.99 * level, "drift"), (1.01 * level, "no_drift")):
            tests = [
                measured(p_value if each is metric else 1.0, each.kind, each.side)
                for each in metrics
            ]
            decided = decide(tests, ALPHA)
            assert decided[metrics.index(metric)].state == state


def test_a_score_is_a_score_however_it_is_compared() -> None:
    assert family_of(unmeasured("no_drift", "text", "score")) == "score"
    assert family_of(unmeasured("no_drift", "category", "call")) == "column"


def test_what_was_not_tested_is_left_alone_and_makes_nothing_harder() -> None:
    states: list[State] = ["not_enough_data", "identical", "failed"]
    alone = decide([measured(0.03)], ALPHA)

    others = [*map(unmeasured, states), unmeasured("identical", "text")]
    decided = decide([*others, measured(0.03)], ALPHA)

    assert decided[4] == alone[0]
    assert alone[0].state == "drift"
    assert alone[0].q_value == pytest.approx(0.03)
    assert decided[:4] == others


@pytest.mark.parametrize(
    ("effect", "state"), [(0.099, "no_drift"), (0.1, "drift"), (-0.1, "drift"), (-0.09, "no_drift")]
)
def test_a_sure_difference_counts_from_the_floor_on(effect: float, state: State) -> None:
    assert decide([measured(1e-9, effect=effect)], ALPHA)[0].state == state


def test_the_first_effect_decides() -> None:
    large, small = Effect("tvd", 0.5, None, None, 0.1), Effect("tvd", 0.01, None, None, 0.1)
    test = measured(1e-9)

    decided = decide([replace(test, effects=(small, large)), replace(test, effects=())], ALPHA)

    assert [each.state for each in decided] == ["no_drift", "no_drift"]


def test_a_large_difference_that_may_be_chance_is_no_drift() -> None:
    decided = decide([measured(0.02), *[measured(0.9) for _ in range(9)]], ALPHA)

    assert decided[0].q_value == pytest.approx(0.2)
    assert decided[0].state == "no_drift"


def test_a_weight_never_makes_a_drift_of_a_p_value_above_alpha() -> None:
    decided = decide([measured(0.06, "rate", "score"), *[measured(1e-9) for _ in range(30)]], ALPHA)

    assert decided[0].q_value is not None
    assert decided[0].q_value < ALPHA
    assert decided[0].state == "no_drift"


def test_deciding_again_changes_nothing() -> None:
    once = decide([measured(0.001), measured(0.3, "text"), unmeasured("identical")], ALPHA)

    assert decide(once, ALPHA) == once
    assert decide([], ALPHA) == []


def test_the_chance_of_any_drift_is_at_most_alpha_where_nothing_changed() -> None:
    rng = np.random.default_rng(7)
    draws = simulation_draws()
    # Columns that move together, up to copies of each other, and others that do not.
    common, own = rng.normal(size=(draws, 1)), rng.normal(size=(draws, 30))
    columns = np.where(np.arange(30) < 20, 0.9 * common + 0.44 * own, own)
    z = np.concatenate([columns, columns[:, :4] * 0.7 + 0.71 * rng.normal(size=(draws, 4))], 1)
    p_values = 2 * stats.norm.sf(np.abs(z))
    kinds: list[tuple[Kind, Side]] = [
        *[("number", "answer") for _ in range(30)],
        ("rate", "score"),
        ("text", "answer"),
        ("embedding", "answer"),
        ("cluster", "answer"),
    ]

    alarms = 0
    for row in p_values:
        tests = [measured(float(p), *kind) for p, kind in zip(row, kinds, strict=True)]
        alarms += verdict_of(decide(tests, ALPHA)) == "drift"

    rate = Rate(alarms, draws)
    assert rate.lower <= ALPHA
    assert rate.value > 0.005


def test_one_drift_makes_the_verdict() -> None:
    tests = [
        unmeasured("drift", side="prompt"),
        unmeasured("not_enough_data"),
        unmeasured("failed"),
    ]

    assert verdict_of(tests) == "drift"


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        (["no_drift", "not_enough_data", "failed"], "no_drift"),
        (["identical", "not_enough_data"], "not_enough_data"),
        (["not_enough_data", "failed"], "not_enough_data"),
        (["failed", "identical"], "failed"),
        (["identical"], "no_drift"),
    ],
)
def test_without_a_drift_the_answers_make_the_verdict(answers: list[State], verdict: State) -> None:
    prompts: list[State] = ["no_drift", "not_enough_data"]

    tests = [*(unmeasured(each, side="prompt") for each in prompts), *map(unmeasured, answers)]

    assert verdict_of(tests) == verdict


@pytest.mark.parametrize(("units", "verdict"), [(1, "not_enough_data"), (30, "no_drift")])
def test_equal_values_of_few_units_say_nothing(units: int, verdict: State) -> None:
    equal = replace(unmeasured("identical"), units_cur=units)

    assert verdict_of([equal]) == verdict


def test_where_no_answers_were_asked_for_the_others_make_the_verdict() -> None:
    assert verdict_of([unmeasured("no_drift", side="prompt")]) == "no_drift"
    assert verdict_of([unmeasured("not_enough_data", side="score")]) == "not_enough_data"
    assert verdict_of([]) == "not_enough_data"
