"""Published values: Newcombe 1998, Statistics in Medicine 17, 857-872, table I."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from headway_measures.clusters import effective_clusters, standard_error
from headway_measures.intervals import (
    Interval,
    clopper_pearson,
    mean_interval,
    pass_rate_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("passed", "n", "lower", "upper"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (5, 5, 0.5655, 1.0),
    ],
)
def test_wilson_gives_the_published_bounds(passed: int, n: int, lower: float, upper: float) -> None:
    interval = wilson(passed, n)

    assert interval.estimate == passed / n
    assert (interval.lower, interval.upper) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize(
    ("passed", "n", "lower", "upper"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_clopper_pearson_gives_the_published_bounds(
    passed: int, n: int, lower: float, upper: float
) -> None:
    interval = clopper_pearson(passed, n)

    assert (interval.lower, interval.upper) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize("method", [wilson, clopper_pearson])
def test_a_rate_of_nothing_may_be_anything(method: Callable[[int, int], Interval]) -> None:
    interval = method(0, 0)

    assert math.isnan(interval.estimate)
    assert (interval.lower, interval.upper) == (0.0, 1.0)


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="6 passed of 5"):
        wilson(6, 5)


def test_clopper_pearson_never_covers_too_little() -> None:
    n, rate = 60, 0.93
    chances = stats.binom.pmf(np.arange(n + 1), n, rate)
    bounds = [clopper_pearson(passed, n) for passed in range(n + 1)]

    covered = sum(
        chance
        for chance, each in zip(chances, bounds, strict=True)
        if each.lower <= rate <= each.upper
    )

    assert covered >= 0.95


def test_wilson_covers_as_promised_on_average_over_rates() -> None:
    n = 50
    bounds = [wilson(passed, n) for passed in range(n + 1)]
    coverage = [
        sum(
            stats.binom.pmf(passed, n, rate)
            for passed, each in enumerate(bounds)
            if each.lower <= rate <= each.upper
        )
        for rate in np.linspace(0.02, 0.98, 97)
    ]

    assert 0.94 <= float(np.mean(coverage)) <= 0.96


def test_a_mean_has_the_t_interval_of_the_textbook() -> None:
    values = [0.2, 0.5, 0.8, 0.4, 0.6]
    expected = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))

    interval = mean_interval(values)

    assert interval.estimate == pytest.approx(0.5)
    assert (interval.lower, interval.upper) == pytest.approx(expected)


def test_repeating_every_value_in_its_cluster_adds_no_certainty() -> None:
    values = [0.2, 0.5, 0.9, 0.4]

    repeated = mean_interval(values * 10, clusters=[0, 1, 2, 3] * 10)

    assert repeated.lower == pytest.approx(mean_interval(values).lower)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_one_value_says_nothing_about_spread(values: list[float]) -> None:
    interval = mean_interval(values)

    assert (interval.lower, interval.upper) == (-math.inf, math.inf)


def test_a_skewed_mean_reaches_further_to_the_side_of_its_tail() -> None:
    values = [1.0] * 90 + [0.0] * 10
    textbook = stats.t.interval(0.95, 99, loc=np.mean(values), scale=stats.sem(values))

    interval = mean_interval(values)

    assert interval.lower < textbook[0] - 0.005
    assert interval.upper == pytest.approx(textbook[1])


def test_equal_scores_keep_the_bound_from_no_other_score_seen() -> None:
    interval = mean_interval([1.0] * 10, scale=1.0)

    assert interval.lower == pytest.approx(0.025 ** (1 / 10))
    assert interval.upper == 1.0
    assert mean_interval([0.5], scale=1.0).lower < 0.02


def test_one_large_cluster_among_small_ones_is_little_evidence() -> None:
    rng = np.random.default_rng(3)
    clusters = [0] * 60 + list(range(1, 30))
    values = rng.normal(size=30)[clusters]

    assert effective_clusters(89, clusters) == pytest.approx(89**2 / (60**2 + 29))
    assert standard_error(values, clusters) > 3 * standard_error(values)


def test_clusters_of_one_size_have_the_standard_error_of_the_textbook() -> None:
    values = np.random.default_rng(4).normal(size=40)
    clusters = [index // 4 for index in range(40)]
    sums = (values - values.mean()).reshape(10, 4).sum(axis=1)

    error = standard_error(values, clusters)

    assert effective_clusters(40, clusters) == 10
    assert error == pytest.approx(math.sqrt(10 / 9 * (sums**2).sum()) / 40)


def test_a_pass_rate_over_clusters_is_less_certain_than_over_as_many_cases() -> None:
    clusters = [index // 10 for index in range(100)]
    together = [cluster < 8 for cluster in clusters]

    interval = pass_rate_interval(together, clusters)

    assert interval.estimate == 0.8
    assert interval.lower < wilson(8, 10).lower < wilson(80, 100).lower
    assert pass_rate_interval([True] * 100, clusters).lower < wilson(10, 10).lower
    assert pass_rate_interval(together) == wilson(80, 100)
