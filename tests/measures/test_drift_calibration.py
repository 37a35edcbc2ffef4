"""How often a column is called different where nothing changed: never more often than alpha.

Rates and flips are counted out. The rest is drawn, with so few draws that only gross faults show;
``make bench-drift`` draws the same cells 4,000 times.
"""

import numpy as np
import polars as pl
import pytest
from numpy.random import Generator
from scipy import stats

from headway_measures.binary_changes import mcnemar
from headway_measures.drift.columns import compare_column
from headway_measures.drift.pairs import compare_category_pairs, signed_rank
from headway_measures.drift.permutations import drawn_p_value
from headway_measures.drift.rates import rate_p_value
from headway_measures.drift.windows import Options
from tests.measures.drift_worlds import (
    SIZES,
    WORLDS,
    SessionWorld,
    false_alarm_rate,
    metric_of,
)
from tests.measures.simulations import ALPHA, Rate, simulation_draws

TRUE_RATES = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])


def chances(n: int, rates: np.ndarray) -> np.ndarray:
    return np.asarray(stats.binom.pmf(np.arange(n + 1), n, rates[:, None]))


@pytest.mark.parametrize(("n_ref", "n_cur"), [(50, 50), (90, 40), (30, 60)])
def test_small_rates_counted_out_are_called_different_as_often_as_alpha(
    n_ref: int, n_cur: int
) -> None:
    alarms = np.array(
        [
            [rate_p_value(ref, n_ref, cur, n_cur)[1] <= ALPHA for cur in range(n_cur + 1)]
            for ref in range(n_ref + 1)
        ],
        np.float64,
    )

    sizes = ((chances(n_ref, TRUE_RATES) @ alarms) * chances(n_cur, TRUE_RATES)).sum(1)
    assert sizes.max() <= 0.0525
    # A test that never alarms is calibrated, too.
    assert sizes[-3:].min() >= 0.04


def test_large_rates_go_by_a_z_that_is_called_different_as_often_as_alpha() -> None:
    n = 600
    chance = stats.binom.pmf(np.arange(n + 1), n, 0.5)
    likely = np.flatnonzero(chance > 1e-4)

    size = sum(
        chance[ref] * chance[cur]
        for ref in likely.tolist()
        for cur in likely.tolist()
        if rate_p_value(ref, n, cur, n)[1] <= ALPHA
    )

    assert rate_p_value(300, n, 300, n)[0] == "two_proportions"
    assert 0.045 <= size <= 0.0535


@pytest.mark.parametrize("pairs", [30, 50, 100])
def test_flips_counted_out_are_called_a_change_as_often_as_alpha(pairs: int) -> None:
    most = [
        sum(mcnemar(fewer, flips - fewer) <= ALPHA for fewer in range(flips // 2)) - 1
        for flips in range(pairs + 1)
    ]
    of_flips = 2 * stats.binom.cdf(most, np.arange(pairs + 1), 0.5)

    sizes = chances(pairs, np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])) @ of_flips
    assert sizes.max() <= 0.0525


@pytest.mark.parametrize("name", WORLDS)
def test_no_column_is_called_different_too_often(name: str) -> None:
    size = "1000 v 1000" if isinstance(WORLDS[name], SessionWorld) else "2000 v 50"
    # With fewer calls each of so many levels is too rare, and the test says so.
    size = "2000 v 200" if name == "50 levels alike" else size

    rate = false_alarm_rate(name, *SIZES[size], draws=simulation_draws(100))

    assert rate.draws >= 90
    assert rate.lower <= ALPHA


def test_calls_of_a_session_would_alarm_too_often_were_each_counted() -> None:
    world, rng = WORLDS["sessions, numbers"], np.random.default_rng(5)
    names = [f"r{place}" for place in range(500)], [f"c{place}" for place in range(500)]
    alarms = 0
    for _ in range(100):
        ref, cur, _ = world(rng, 500, 500)
        _, _, alone = WORLDS["normal"](rng, 500, 500)
        (evidence,) = compare_column(ref, cur, metric_of("number"), Options(), alone, names)
        alarms += (evidence.p_value or 1.0) <= ALPHA

    assert Rate(alarms, 100).lower > ALPHA


def test_drawn_p_values_are_small_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    found = np.array(
        [
            drawn_p_value(rng.normal(), lambda count: rng.normal(0, 1, count), 199)
            for _ in range(600)
        ]
    )

    assert all(Rate(int((found <= p).sum()), 600).lower <= p for p in (0.01, 0.05, 0.2, 0.5))
    assert Rate(int((found <= 0.2).sum()), 600).upper >= 0.2


@pytest.mark.parametrize("n", [30, 60])
def test_signed_ranks_alarm_as_often_as_alpha(n: int) -> None:
    rng = np.random.default_rng(n)
    draws = 400
    alarms = sum(
        signed_rank(np.round(rng.laplace(0, 1, n)) * rng.choice([0, 1, 1], n)) <= ALPHA
        for _ in range(draws)
    )

    assert Rate(alarms, draws).lower <= ALPHA
    assert Rate(alarms, draws).upper >= 0.04


def test_categories_of_the_same_prompts_alarm_as_often_as_alpha() -> None:
    rng = np.random.default_rng(3)
    draws, n = 150, 60

    def alarm(rng: Generator) -> bool:
        usual = rng.choice(["a", "b", "c"], n)
        sides = [
            _series(np.where(rng.random(n) < 0.3, rng.choice(["a", "b", "c"], n), usual))
            for _ in range(2)
        ]
        prompts = np.arange(n), np.arange(n)
        names = [str(place) for place in range(n)]
        found = compare_category_pairs(
            sides[0], sides[1], prompts, (names, names), metric_of("category"), Options()
        )
        return found is not None and (found.p_value or 1.0) <= ALPHA

    rate = Rate(sum(alarm(rng) for _ in range(draws)), draws)
    assert rate.lower <= ALPHA
    assert rate.upper >= ALPHA


def test_a_cell_is_drawn_from_its_name() -> None:
    first, again = (false_alarm_rate("rate 0.3", 60, 60, 20) for _ in range(2))

    assert first == again


def _series(values: np.ndarray) -> pl.Series:
    return pl.Series(values.tolist())
