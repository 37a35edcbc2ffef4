import math

import pytest

from headway_measures.power import (
    PastChange,
    cases_needed,
    expected_variance,
    minimum_detectable_effect,
)


def test_millers_example_needs_969_cases() -> None:
    assert cases_needed(0.03, 1 / 9) == 969


@pytest.mark.parametrize(
    ("n", "flips", "effect", "margin"),
    [
        (50, 0.05, 0.089, 0.079),
        (100, 0.10, 0.089, 0.079),
        (200, 0.20, 0.089, 0.079),
        (1000, 0.10, 0.028, 0.025),
        (2000, 0.20, 0.028, 0.025),
    ],
)
def test_the_table_of_detectable_effects_is_reproduced(
    n: int, flips: float, effect: float, margin: float
) -> None:
    assert minimum_detectable_effect(n, flips) == pytest.approx(effect, abs=5e-4)
    assert minimum_detectable_effect(n, flips, sides=1) == pytest.approx(margin, abs=5e-4)


def test_the_cases_needed_find_the_effect_they_are_needed_for() -> None:
    n = cases_needed(0.04, 0.1)

    assert minimum_detectable_effect(n, 0.1) <= 0.04 < minimum_detectable_effect(n - 1, 0.1)


def test_nothing_is_found_by_no_cases_and_no_effect_by_any() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        minimum_detectable_effect(0, 0.1)
    with pytest.raises(ValueError, match="must be above 0"):
        cases_needed(0.0, 0.1)


def test_a_suites_own_history_outweighs_the_usual_share_of_flips() -> None:
    history = [PastChange(200, 0.02), PastChange(400, 0.035)]

    assert expected_variance([]) == 0.1
    assert expected_variance(history) == pytest.approx((20 * 0.1 + 4 + 14) / 620)
    assert expected_variance([PastChange(3, 0.0)]) > 0.08
    assert expected_variance([PastChange(3, math.inf)]) == 0.1
