"""Comparisons that are looked at after each case: how seldom they err, how soon they stop."""

import json
import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special

from headway_measures.errors import MeasureError
from headway_measures.paired import measure_change
from headway_measures.sequential import (
    Looks,
    average_e_values,
    e_benjamini_hochberg,
    log_flip_e_value,
    sequential_change,
)
from headway_measures.verdicts import Margin, decide
from tests.measures.sequential_worlds import ALPHA, Flips, Stops, passes, regressions
from tests.measures.simulations import Rate, simulation_draws

DRAWS = 150
# Whole intervals take a hundred times as long as one claim.
_MOST_WHOLE = 500
AT_THE_MARGIN = [Flips(0.075, 0.025), Flips(0.05, 0.0), Flips(0.2, 0.15)]
ALIKE = [Flips(0.05, 0.05), Flips(0.01, 0.01), Flips(0.25, 0.25)]


def note(name: str, world: Flips, stops: Stops) -> None:
    """Write down what a simulation found, where ``make soak`` asks for it."""
    path = os.environ.get("HEADWAY_SEQUENTIAL_TALLIES")
    if path is None:
        return
    row = {
        "name": name,
        "world": f"{world.to_fail:.3f} to fail, {world.to_pass:.3f} to pass",
        "draws": len(stops.cases),
        "decided": stops.rate.value,
        "median": stops.median,
    }
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


@pytest.mark.parametrize("world", AT_THE_MARGIN)
def test_a_drop_of_the_margin_seldom_passes_however_often_one_looks(world: Flips) -> None:
    stops = passes(world, simulation_draws(DRAWS))

    note("passes at the margin", world, stops)
    assert stops.rate.lower <= ALPHA / 2


@pytest.mark.parametrize("world", ALIKE)
def test_models_alike_are_seldom_called_regressed_however_often_one_looks(world: Flips) -> None:
    stops = regressions(world, simulation_draws(DRAWS))

    note("regressed, nothing changed", world, stops)
    assert stops.rate.lower <= ALPHA / 2


@pytest.mark.parametrize("world", AT_THE_MARGIN)
def test_a_drop_of_a_hard_margin_is_seldom_called_regressed(world: Flips) -> None:
    stops = regressions(world, simulation_draws(DRAWS), claim=-0.05)

    note("regressed at a hard margin", world, stops)
    assert stops.rate.lower <= ALPHA / 2


@pytest.mark.parametrize("world", [Flips(0.2, 0.0), Flips(0.25, 0.05)])
def test_a_drop_of_20_points_is_found_after_60_cases_in_half_of_all_runs(world: Flips) -> None:
    stops = regressions(world, simulation_draws(DRAWS))

    note("regressed, 20 points worse", world, stops)
    assert stops.median <= 60
    assert stops.rate.value == 1.0


def test_no_change_passes_after_300_cases_in_half_of_all_runs() -> None:
    # More draws than elsewhere: the median lies within a few cases of the bar.
    stops = passes(Flips(0.05, 0.05), simulation_draws(2 * DRAWS), seed=11)

    note("passed, nothing changed", Flips(0.05, 0.05), stops)
    spread = 1.25 * 170 / math.sqrt(len(stops.cases))
    assert stops.median - 3 * spread <= 300
    assert stops.rate.upper >= 0.95


def test_bounds_hold_at_all_times_together() -> None:
    draws = min(simulation_draws(40), _MOST_WHOLE)
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(draws):
        # Scores that lose much seldom and gain a little often: the mean gain is -0.02.
        gains = np.where(rng.random(300) < 0.1, -0.65, 0.05)
        changes = (
            sequential_change([0.65] * n, (0.65 + gains[:n]).tolist()) for n in (30, 100, 300)
        )
        intervals = [change.interval(ALPHA) for change in changes]
        missed += not all(each.lower <= -0.02 <= each.upper for each in intervals)
        # What was once refuted stays so.
        assert all(new.lower >= old.lower for old, new in pairwise(intervals))

    assert Rate(missed, draws).lower <= ALPHA


def test_clusters_that_fail_as_one_seldom_refute_what_is_true() -> None:
    draws = min(simulation_draws(60), _MOST_WHOLE)
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(draws):
        sizes = rng.integers(1, 6, 150)
        fails = rng.random(150) < 0.05
        old = [1.0] * int(sizes.sum())
        new = np.repeat(1.0 - fails, sizes).tolist()
        clusters = np.repeat(np.arange(150), sizes).tolist()
        change = sequential_change(old, new, clusters, margin=0.05, largest=5)
        wrong += decide(change.interval(ALPHA), Margin(0.05)) in ("passed", "improved")

    assert Rate(wrong, draws).lower <= ALPHA / 2


def test_the_stake_on_a_case_knows_nothing_of_it() -> None:
    gains = np.array([0.0, 1.0, -1.0, 0.0, 1.0, -1.0])
    other = gains.copy()
    other[3:] = [1.0, 1.0, 1.0]
    claims = np.array([-0.05, 0.3])

    for is_above in (True, False):
        one, two = (
            Looks(each, np.ones(6)).log_wealth(claims, is_above=is_above) for each in (gains, other)
        )
        assert (one[:3] == two[:3]).all()
        # With the same stake the wealth after the fourth is linear in its gain.
        ends = [
            np.exp(Looks(np.append(gains[:3], g), np.ones(4)).log_wealth(claims, is_above=is_above))
            for g in (-1.0, 0.0, 1.0)
        ]
        assert np.allclose(ends[0][3] + ends[2][3], 2 * ends[1][3])


def test_a_wealth_never_grows_on_average_while_the_claim_holds() -> None:
    before = np.array([0.0, -1.0, 0.0, 1.0, 0.0])
    for claim, chance in ((-0.05, (0.05, 0.0)), (-0.05, (0.525, 0.475)), (0.0, (0.3, 0.3))):
        to_fail, to_pass = chance
        claims = np.array([claim])

        def wealth(gains: list[float], claims: np.ndarray = claims) -> float:
            looks = Looks(np.append(before, gains), np.ones(before.size + len(gains)))
            return float(np.exp(looks.log_wealth(claims, is_above=True)[-1, 0]))

        grown = to_fail * wealth([-1.0]) + to_pass * wealth([1.0])
        grown += (1 - to_fail - to_pass) * wealth([0.0])

        assert grown == pytest.approx(wealth([]), rel=1e-9)


def test_the_mixture_over_flips_is_the_integral_that_it_stands_for() -> None:
    def integrand(theta: float, b: int, c: int) -> float:
        prior = 2 * theta**-0.5 * (1 - theta) ** -0.5 / special.beta(0.5, 0.5)
        return float(2 ** (b + c) * theta**c * (1 - theta) ** b * prior)

    for b, c in ((0, 0), (0, 7), (3, 9), (8, 2)):
        whole, _ = integrate.quad(integrand, 0.5, 1.0, args=(b, c))
        found = float(np.exp(log_flip_e_value(np.array(b), np.array(c))))

        assert found == pytest.approx(whole, rel=1e-6)
        mirrored = float(np.exp(log_flip_e_value(np.array(c), np.array(b))))
        plain = 2 ** (b + c) * special.beta(b + 0.5, c + 0.5) / special.beta(0.5, 0.5)
        assert (found + mirrored) / 2 == pytest.approx(plain)


def test_an_interval_that_holds_at_all_times_is_wider_than_one_for_a_fixed_number() -> None:
    old = [1.0] * 200
    new = [0.0 if i % 20 == 0 else 1.0 for i in range(200)]

    once = measure_change(old, new).interval(ALPHA)
    always = sequential_change(old, new, margin=0.1).interval(ALPHA)

    assert always.estimate == pytest.approx(once.estimate) == pytest.approx(-0.05)
    assert always.lower < once.lower
    assert once.upper < always.upper
    assert always.lower > -0.2


def test_less_is_better_and_other_scales_turn_the_gain() -> None:
    fewer = sequential_change([4.0] * 80, [3.0] * 80, direction="down", scale=4.0, margin=0.2)

    interval = fewer.interval(ALPHA)
    assert interval.estimate == 1.0
    assert 0 < interval.lower < 1 < interval.upper <= 4
    assert fewer.p_value < 1e-3


def test_a_missing_score_is_the_worst() -> None:
    change = sequential_change([1.0] * 30, [None] * 30)

    assert change.candidate == 0.0
    assert change.interval(ALPHA).upper < 0


def test_e_values_are_averaged_and_go_into_benjamini_and_hochbergs_procedure() -> None:
    assert average_e_values([30.0, 0.0, 3.0]) == 11.0
    # At 0.05 the k largest of four must be at least 80 / k.
    q_values = e_benjamini_hochberg([41.0, 0.0, 45.0, 2.0])
    assert [each <= 0.05 for each in q_values] == [True, False, True, False]
    assert e_benjamini_hochberg([79.0, 1.0, 1.0, 1.0])[0] > 0.05


@pytest.mark.parametrize(
    ("old", "new", "scale", "fault"),
    [
        ([], [], 1.0, "cannot pair 0"),
        ([1.0], [1.0, 0.0], 1.0, "cannot pair 1"),
        ([1.0], [3.0], 1.0, "more than their scale of 1"),
        ([1.0], [3.0], None, "nothing bounds"),
    ],
)
def test_what_cannot_be_bet_on_is_told(
    old: list[float], new: list[float], scale: float | None, fault: str
) -> None:
    with pytest.raises(MeasureError, match=fault):
        sequential_change(old, new, scale=scale)
