"""Published values: Newcombe 1998, Statistics in Medicine 17, 857-872, table I."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from headway_measures.intervals import Interval, clopper_pearson, mean_interval, wilson


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
    values = [0.2, 0.5, 0.9, 0.4]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))

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
