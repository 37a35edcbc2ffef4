from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from headway_measures.multiplicity import benjamini_hochberg, holm

Adjust = Callable[[list[float]], list[float]]


def test_benjamini_hochberg_keeps_the_order_given() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_benjamini_hochberg_agrees_with_scipy() -> None:
    p_values = list(np.random.default_rng(1).uniform(size=50) ** 2)

    assert benjamini_hochberg(p_values) == pytest.approx(
        list(stats.false_discovery_control(p_values))
    )


def test_holm_multiplies_the_smallest_by_all_and_keeps_rising() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("adjust", [benjamini_hochberg, holm])
def test_adjusted_values_stay_between_the_p_value_and_one(adjust: Adjust) -> None:
    p_values = [0.9, 0.8, 0.99]

    adjusted = adjust(p_values)

    assert all(p <= q + 1e-12 and q <= 1 for p, q in zip(p_values, adjusted, strict=True))


def test_no_test_needs_no_adjustment() -> None:
    assert benjamini_hochberg([]) == []
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
