"""Geometric means and their ratios: the truth is covered, and one odd text decides nothing."""

import math

import numpy as np
import pytest

from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval, geometric_mean_interval
from headway_measures.paired import Change, measure_change
from headway_measures.scores import Direction
from headway_measures.verdicts import Margin, judge
from tests.measures.simulations import ALPHA, Rate, simulation_draws

# As perplexities per token are: most between 5 and 80, a few in the thousands.
CENTRE, SPREAD, N = math.log(20), 1.2, 30


def ratio(old: list[float], new: list[float], direction: Direction = "down") -> Change:
    return measure_change(old, new, direction=direction, scale=None, average="geometric")


def held(intervals: list[Interval], truth: float) -> Rate:
    return Rate(sum(each.lower <= truth <= each.upper for each in intervals), len(intervals))


def test_thirty_log_normal_perplexities_hold_their_geometric_mean() -> None:
    rng = np.random.default_rng(7)
    draws = rng.lognormal(CENTRE, SPREAD, size=(simulation_draws(), N))

    found = held([geometric_mean_interval(each.tolist()) for each in draws], math.exp(CENTRE))

    assert found.upper >= 0.95
    assert found.lower <= 0.97


def test_thirty_pairs_of_them_hold_the_ratio_of_the_means() -> None:
    rng, worse = np.random.default_rng(7), 1.1
    shares = []
    for _ in range(simulation_draws()):
        old = rng.lognormal(CENTRE, SPREAD, N)
        change = ratio(old.tolist(), (old * worse * rng.lognormal(0, 0.2, N)).tolist())
        interval = change.interval(ALPHA)
        shares.append(
            Interval(0.0, interval.lower / change.baseline, interval.upper / change.baseline)
        )

    found = held(shares, 1 - worse)

    assert found.upper >= 0.95
    assert found.lower <= 0.97


@pytest.mark.parametrize(("direction", "gain"), [("down", -2.0), ("up", 2.0)])
def test_means_are_geometric_and_a_gain_is_their_difference(
    direction: Direction, gain: float
) -> None:
    old = [1.0, 10.0, 100.0, 1000.0]

    change = ratio(old, [each * 1.2 for each in old], direction)

    assert change.baseline == pytest.approx(1000**0.5)
    assert change.candidate == pytest.approx(1.2 * 1000**0.5)
    assert change.interval(ALPHA).estimate == pytest.approx(gain / 10 * 1000**0.5)


def test_a_margin_is_held_against_the_ratio() -> None:
    rng = np.random.default_rng(7)
    old = rng.lognormal(CENTRE, SPREAD, 200)
    new = (old * 1.05 * rng.lognormal(0, 0.05, 200)).tolist()
    change = ratio(old.tolist(), new)

    verdicts = [judge(change, Margin(part * change.baseline)).verdict for part in (0.01, 0.1)]

    assert verdicts == ["regressed", "passed"]


def test_one_case_that_no_model_finds_likely_does_not_decide() -> None:
    rng = np.random.default_rng(7)
    old = rng.lognormal(CENTRE, SPREAD, 100)
    new = old * 0.8 * rng.lognormal(0, 0.05, 100)
    old[0], new[0] = 1e6, 1.4e6

    assert judge(ratio(old.tolist(), new.tolist()), Margin(0.0)).verdict == "improved"


def test_scores_that_have_no_ratio_are_refused() -> None:
    with pytest.raises(MeasureError, match="must be above 0"):
        ratio([0.0, 1.0], [1.0, 1.0])


def test_one_value_has_no_interval_that_is_one() -> None:
    interval = geometric_mean_interval([27.95])

    assert interval.estimate == pytest.approx(27.95)
    assert (interval.lower, interval.upper) == (0.0, math.inf)
