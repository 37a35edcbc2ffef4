"""Rates and sizes: published and counted figures, and what so many units can show."""

import math

import numpy as np
import pytest
from scipy import stats

from headway_measures.drift.permutations import drawn_p_value
from headway_measures.drift.rates import newcombe, rate_floor, storer_kim
from headway_measures.drift.sizes import (
    mix_detectable,
    mix_needs,
    order_detectable,
    order_needs,
    rate_detectable,
    rate_needs,
)


def test_newcombes_interval_is_the_published_one() -> None:
    interval = newcombe(48, 80, 56, 70, 0.05)  # 1998, table II (a), method 10

    assert (interval.lower, interval.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_small_tables_are_counted_out() -> None:
    pooled = 5 / 9
    by_hand = 0.0
    for ref in range(6):
        for cur in range(5):
            share = (ref + cur) / 9
            spread = math.sqrt(share * (1 - share) * (1 / 5 + 1 / 4)) or math.inf
            seen = abs(1 / 4 - 4 / 5) / math.sqrt(pooled * (1 - pooled) * (1 / 5 + 1 / 4))
            if abs(ref / 5 - cur / 4) / spread >= seen - 1e-9:
                chance = stats.binom.pmf(ref, 5, pooled) * stats.binom.pmf(cur, 4, pooled)
                by_hand += float(chance)

    assert storer_kim(4, 5, 1, 4) == pytest.approx(by_hand)


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.02), (0.5, 0.55), (0.98, 1.0)])
def test_the_floor_of_a_rate_is_two_points_or_a_tenth_of_h(before: float, after: float) -> None:
    floor = rate_floor(before, after)

    angle = abs(2 * math.asin(math.sqrt(min(1.0, before + floor))) - 2 * math.asin(before**0.5))
    assert floor >= 0.02
    assert angle >= 0.1 or before + floor >= 1
    assert floor == 0.02 or angle == pytest.approx(0.1)


def test_drawing_stops_at_the_tenth_draw_as_large() -> None:
    made = []

    def draw(count: int) -> np.ndarray:
        made.append(count)
        return np.arange(count) % 2 * 1.0

    assert drawn_p_value(1.0, draw, 9_999) == 10 / 20
    assert sum(made) < 100
    assert drawn_p_value(2.0, draw, 9_999) == 1 / 10_000


def test_refusals_that_double_need_642_units_a_side() -> None:
    assert rate_needs(0.05, 0.10, 0.01) == 642


def test_sizes_and_what_they_show_agree() -> None:
    n = rate_needs(0.05, 0.10, 0.01)
    assert rate_detectable(0.05, n, n, 0.01) == pytest.approx(0.05, rel=1e-2)
    n = order_needs(0.1, 0.05)
    assert n == 524
    assert order_detectable(n, n, 0.05) == pytest.approx(0.1, rel=1e-2)
    n = mix_needs(0.05, 4, 0.05)
    assert mix_detectable(n, n, 4, 0.05) == pytest.approx(0.05, rel=1e-2)


@pytest.mark.parametrize(("before", "n"), [(0.0, 5), (1.0, 40), (0.5, 3), (0.0, 10**6)])
def test_what_a_few_units_show_is_never_more_than_there_is(before: float, n: int) -> None:
    assert 0 < rate_detectable(before, n, n, 0.05) <= 1


def test_windows_of_the_promised_size_find_four_in_five() -> None:
    n, rng = rate_needs(0.05, 0.10, 0.05), np.random.default_rng(9)
    ref, cur = rng.binomial(n, 0.05, 400), rng.binomial(n, 0.10, 400)

    found = [
        storer_kim(int(before), n, int(after), n) <= 0.05
        for before, after in zip(ref, cur, strict=True)
    ]

    assert np.mean(found) >= 0.75
