"""Bands that hold the truth, and cohorts that differ as often as chance has it and no oftener."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator

from headway_measures.intervals import pass_rate_interval, wilson
from headway_measures.quality import Cohort, CohortChange, compare_cohorts, is_rate, measure_level
from tests.measures.simulations import ALPHA, Rate, simulation_draws

SESSIONS = 60


def in_sessions(
    rng: Generator, chance: float, sessions: int = SESSIONS
) -> tuple[list[float], list[int]]:
    """Draw scores of sessions of one to six answers, good sessions and bad ones."""
    sizes = rng.integers(1, 7, sessions)
    rates = np.repeat(rng.beta(4 * chance, 4 * (1 - chance), sessions), sizes)
    values = (rng.random(rates.size) < rates).astype(float)
    return values.tolist(), np.repeat(np.arange(sessions), sizes).tolist()


def numbers_in_sessions(rng: Generator, mean: float) -> tuple[list[float], list[int]]:
    """Draw numbers, of whose variance a half is their session's."""
    sizes = rng.integers(1, 7, SESSIONS)
    sessions = np.repeat(np.arange(SESSIONS), sizes)
    shared = rng.normal(0, 0.7, SESSIONS)[sessions]
    return (mean + shared + rng.normal(0, 0.7, sessions.size)).tolist(), sessions.tolist()


def cohort(values: list[float], sessions: list[int], prompts: list[int] | None = None) -> Cohort:
    return Cohort(values, sessions, prompts or [None] * len(values))


def p_value_of(change: CohortChange) -> float:
    assert change.p_value is not None
    return change.p_value


def test_answers_apart_have_wilsons_band() -> None:
    level = measure_level([1.0] * 15 + [0.0] * 5, list(range(20)), are_rates=True)
    expected = wilson(15, 20)

    assert (level.n, level.units, level.mean) == (20, 20, 0.75)
    assert (level.lower, level.upper) == pytest.approx((expected.lower, expected.upper))


def test_answers_of_one_session_count_less_than_as_many_apart() -> None:
    values, sessions = in_sessions(np.random.default_rng(1), 0.7)
    level = measure_level(values, sessions, are_rates=True)
    expected = pass_rate_interval([bool(value) for value in values], sessions)
    apart = measure_level(values, list(range(len(values))), are_rates=True)

    assert (level.lower, level.upper) == pytest.approx((expected.lower, expected.upper))
    assert level.upper - level.lower > apart.upper - apart.lower  # type: ignore[operator]


def test_the_mean_weighs_every_answer_alike_whatever_its_session() -> None:
    values = [4.0, 5.0, 1.0, 2.5]

    assert measure_level(values, [1, 1, 1, 2], are_rates=False).mean == np.mean(values)


def test_one_session_says_nothing_of_others() -> None:
    level = measure_level([3.0, 4.0], ["s", "s"], are_rates=False)

    assert (level.mean, level.lower, level.upper, level.units) == (3.5, None, None, 1)


def test_nothing_has_no_mean_and_no_band() -> None:
    level = measure_level([], [], are_rates=False)

    assert (level.n, level.units, level.mean, level.lower, level.upper) == (0, 0, None, None, None)


@pytest.mark.parametrize(("values", "expected"), [([0, 1], True), ([0, 2], False), ([], False)])
def test_a_rate_is_yes_or_no_throughout(values: list[float], expected: bool) -> None:
    assert is_rate(values) is expected


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_the_band_of_a_rate_in_sessions_holds_the_truth(chance: float) -> None:
    rng, draws = np.random.default_rng(7), simulation_draws(400)
    levels = [measure_level(*in_sessions(rng, chance), are_rates=True) for _ in range(draws)]
    held = [each.lower <= chance <= each.upper for each in levels]  # type: ignore[operator]

    assert Rate(sum(held), draws).upper >= 1 - ALPHA


def test_the_band_of_numbers_in_sessions_holds_the_truth() -> None:
    rng, draws = np.random.default_rng(7), simulation_draws(400)
    levels = [measure_level(*numbers_in_sessions(rng, 3.0), are_rates=False) for _ in range(draws)]
    held = [each.lower <= 3.0 <= each.upper for each in levels]  # type: ignore[operator]

    assert Rate(sum(held), draws).upper >= 1 - ALPHA


@pytest.mark.parametrize(
    ("draw", "are_rates"),
    [
        (lambda rng: in_sessions(rng, 0.8), True),
        (lambda rng: in_sessions(rng, 0.05), True),
        (lambda rng: numbers_in_sessions(rng, 3.0), False),
    ],
)
def test_cohorts_alike_differ_no_oftener_than_chance(
    draw: Callable[[Generator], tuple[list[float], list[int]]], are_rates: bool
) -> None:
    rng, draws = np.random.default_rng(11), simulation_draws(100)
    found = [
        compare_cohorts(cohort(*draw(rng)), cohort(*draw(rng)), are_rates=are_rates)
        for _ in range(draws)
    ]
    alarms = [p_value_of(each) < ALPHA for each in found]

    assert Rate(sum(alarms), draws).lower <= ALPHA


def test_the_interval_and_the_p_value_of_cohorts_never_disagree() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        sides = [cohort(*in_sessions(rng, chance, 30)) for chance in (0.6, 0.75)]
        change = compare_cohorts(sides[0], sides[1], are_rates=True)
        is_apart = not change.lower <= 0 <= change.upper  # type: ignore[operator]

        assert is_apart == (p_value_of(change) < ALPHA)
        assert (change.needs_n is None) == (is_apart or not change.difference)


def test_a_fall_is_found_and_named_with_its_sign() -> None:
    change = compare_cohorts(
        cohort([1.0] * 90 + [0.0] * 10, list(range(100))),
        cohort([1.0] * 60 + [0.0] * 40, list(range(100, 200))),
        are_rates=True,
    )

    assert not change.is_paired
    assert change.difference == pytest.approx(-0.3)
    # Newcombe's interval, computed by hand from both Wilson intervals.
    assert (change.lower, change.upper) == pytest.approx((-0.4077, -0.1846), abs=2e-3)
    assert p_value_of(change) < 1e-5


def test_what_is_needed_shrinks_as_the_difference_grows() -> None:
    needs = [
        compare_cohorts(
            cohort([1.0] * 20 + [0.0] * 20, list(range(40))),
            cohort([1.0] * good + [0.0] * (40 - good), list(range(40, 80))),
            are_rates=True,
        ).needs_n
        for good in (21, 23, 26)
    ]

    # (1.96 + 0.8416)² · 2 · 0.25 / 0.025², roughly.
    assert needs[0] == pytest.approx(6_280, rel=0.01)
    assert needs[0] > needs[1] > needs[2]  # type: ignore[operator]


def test_the_same_prompts_are_compared_with_themselves() -> None:
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 5, 40)
    prompts = list(range(40))
    ref = cohort((hard + rng.normal(0, 0.2, 40)).tolist(), prompts, prompts)
    cur = cohort(
        (hard - 0.3 + rng.normal(0, 0.2, 40)).tolist(), [100 + each for each in prompts], prompts
    )
    paired = compare_cohorts(ref, cur, are_rates=False)
    alone = compare_cohorts(
        cohort(list(ref.values), prompts), cohort(list(cur.values), prompts), are_rates=False
    )

    assert (paired.is_paired, paired.pairs, alone.is_paired) == (True, 40, False)
    assert p_value_of(paired) < 1e-4
    assert p_value_of(alone) > 0.5


def test_prompts_of_one_session_are_one_piece_of_evidence() -> None:
    prompts = list(range(40))
    before, after = [1.0] * 40, [0.0] * 20 + [1.0] * 20
    apart = compare_cohorts(
        cohort(before, prompts, prompts), cohort(after, prompts, prompts), are_rates=True
    )
    together = compare_cohorts(
        cohort(before, prompts, prompts),
        cohort(after, [each // 10 for each in prompts], prompts),
        are_rates=True,
    )

    assert p_value_of(apart) < 1e-4
    assert p_value_of(together) > ALPHA


def test_a_few_shared_prompts_pair_nothing() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 100).tolist()
    half = compare_cohorts(
        cohort(values, list(range(100)), list(range(100))),
        cohort(values, list(range(100)), list(range(50, 150))),
        are_rates=False,
    )
    few = compare_cohorts(
        cohort(values, list(range(100)), [each % 4 for each in range(100)]),
        cohort(values, list(range(100)), [each % 4 for each in range(100)]),
        are_rates=False,
    )

    assert (half.is_paired, few.is_paired) == (False, False)


def test_an_empty_cohort_differs_from_nothing() -> None:
    change = compare_cohorts(cohort([1.0], [1]), cohort([], []), are_rates=True)

    assert (change.reference.n, change.current.n, change.difference, change.p_value) == (
        1,
        0,
        None,
        None,
    )


def test_cohorts_of_one_session_each_show_nothing() -> None:
    change = compare_cohorts(
        cohort([1.0, 2.0], [1, 1]), cohort([9.0, 9.5], [2, 2]), are_rates=False
    )

    assert (change.difference, change.lower, change.upper) == (7.75, None, None)
    assert change.p_value == pytest.approx(1.0)
