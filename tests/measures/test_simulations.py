"""How often verdicts and intervals are wrong, in worlds whose truth is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from headway_measures.intervals import clopper_pearson, wilson
from headway_measures.power import minimum_detectable_effect
from headway_measures.verdicts import Verdict
from tests.measures.simulations import (
    ALPHA,
    World,
    binomial_coverage,
    clustered_flips,
    clustered_scores,
    coverage,
    flip_coverage,
    flip_verdict_rate,
    noisy_scores,
    rare_drops,
    simulation_draws,
    skewed_scores,
    sliced_alarm_rate,
    verdict_rate,
)

PASSES: Sequence[Verdict] = ("passed", "improved")
# The layouts of a suite's clusters: of one size, of many, and with one that outweighs the rest.
LAYOUTS = {
    "equal": [5] * 40,
    "few": [10] * 10,
    "one or thirty": [1, 1, 1, 30] * 12,
    "doubling": [1, 2, 4, 8, 16] * 6,
    "one large": [60] + [1] * 29,
}


@pytest.mark.parametrize(
    ("n", "fail", "rise"),
    [(100, 0.05, 0.0), (100, 0.1, 0.05), (200, 0.25, 0.2), (300, 0.08, 0.03), (1000, 0.06, 0.01)],
)
def test_a_drop_of_the_margin_seldom_passes(n: int, fail: float, rise: float) -> None:
    rate = flip_verdict_rate(n, fail, rise, PASSES, simulation_draws())

    assert rate.lower <= ALPHA / 2


@pytest.mark.parametrize("n", [50, 100, 200, 400])
@pytest.mark.parametrize(("share", "size"), [(0.05, 1.0), (0.1, 0.5), (0.25, 0.2)])
def test_rare_large_drops_of_the_margin_seldom_pass(n: int, share: float, size: float) -> None:
    # A hair below 1, or the scores would be passes and fails.
    rate = verdict_rate(rare_drops(n, share, size - 1e-9), PASSES, simulation_draws(400))

    assert rate.lower <= ALPHA / 2


@pytest.mark.parametrize(
    "world", [noisy_scores(100, -0.05, 0.2), skewed_scores(100, -0.05)], ids=["noisy", "skewed"]
)
def test_scores_that_all_drop_by_the_margin_on_average_seldom_pass(world: World) -> None:
    rate = verdict_rate(world, PASSES, simulation_draws(400))

    assert rate.lower <= ALPHA


@pytest.mark.parametrize("sizes", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_clusters_that_drop_by_the_margin_seldom_pass(sizes: Sequence[int]) -> None:
    draws = simulation_draws(250)

    flips = verdict_rate(clustered_flips(sizes, 0.05), PASSES, draws)
    scores = verdict_rate(clustered_scores(sizes, -0.05), PASSES, draws)

    assert flips.lower <= ALPHA / 2
    assert scores.lower <= ALPHA


@pytest.mark.parametrize("sizes", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_models_alike_on_clusters_are_seldom_called_regressed(sizes: Sequence[int]) -> None:
    rate = verdict_rate(clustered_scores(sizes), ["regressed"], simulation_draws(400))

    assert rate.lower <= ALPHA


@pytest.mark.parametrize("n", [50, 100, 500])
@pytest.mark.parametrize("flips", [0.02, 0.1, 0.4])
def test_models_alike_are_seldom_called_regressed(n: int, flips: float) -> None:
    rate = flip_verdict_rate(n, flips / 2, flips / 2, ["regressed"], simulation_draws())

    assert rate.lower <= ALPHA


def test_models_alike_are_seldom_called_regressed_on_any_of_ten_slices() -> None:
    rate = sliced_alarm_rate(500, 10, 0.1, simulation_draws())

    assert rate.lower <= ALPHA


@pytest.mark.parametrize(
    ("n", "fail", "rise"),
    [(100, 0.08, 0.04), (100, 0.2, 0.2), (200, 0.03, 0.03), (500, 0.02, 0.02), (1000, 0.1, 0.05)],
)
def test_tangos_interval_covers_as_promised(n: int, fail: float, rise: float) -> None:
    rate = flip_coverage(n, fail, rise, 10 * simulation_draws())

    assert rate.lower <= 0.96
    assert rate.upper >= 0.94


@pytest.mark.parametrize("n", [100, 400])
def test_the_interval_of_scores_covers_as_promised(n: int) -> None:
    rate = coverage(noisy_scores(n, -0.02, 0.1), -0.02, simulation_draws(), scale=2.0)

    assert rate.lower <= 0.96
    assert rate.upper >= 0.94


@pytest.mark.parametrize("n", [5, 30, 60])
def test_clopper_pearson_never_covers_too_little(n: int) -> None:
    assert binomial_coverage(clopper_pearson, n, np.linspace(0.01, 0.99, 99)).min() >= 1 - ALPHA


@pytest.mark.parametrize("n", [20, 50, 100])
def test_wilson_covers_as_promised_on_average_over_rates(n: int) -> None:
    covered = binomial_coverage(wilson, n, np.linspace(0.005, 0.995, 199))

    assert 0.94 <= float(covered.mean()) <= 0.96


@pytest.mark.parametrize(("n", "flips"), [(100, 0.1), (200, 0.2), (500, 0.1)])
def test_the_effect_said_to_be_detectable_is_found_four_times_in_five(n: int, flips: float) -> None:
    effect = minimum_detectable_effect(n, flips)
    lower, higher = (flips - effect) / 2, (flips + effect) / 2

    found = flip_verdict_rate(n, lower, higher, ["improved"], simulation_draws())

    assert found.upper >= 0.75
    # More often where nearly all flips go one way, which leaves less variance than the formula's.
    assert found.lower <= 0.92
