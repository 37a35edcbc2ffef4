import math
from itertools import combinations

import numpy as np
import pytest

from headway_measures.errors import MeasureError
from headway_measures.repeats import (
    intraclass_correlation,
    pass_at_k,
    pass_hat_k,
    repeats_interval,
)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_both_are_the_share_of_all_ways_to_draw_k_answers(k: int) -> None:
    answers = [True, True, False, False, False]
    draws = list(combinations(answers, k))

    assert pass_at_k(5, 2, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_hat_k(5, 2, k) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_their_mean_over_cases_has_an_interval_that_no_agreement_shortens_to_nothing() -> None:
    mixed = [[True, True, False], [True, False, False], [True, True, True]] * 20

    once = repeats_interval(pass_at_k, mixed, 2)
    always = repeats_interval(pass_hat_k, mixed, 2)
    sure = repeats_interval(pass_at_k, [[True] * 3] * 10, 2)

    assert always.estimate == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert always.upper < once.lower
    assert sure.lower == pytest.approx(0.025 ** (1 / 10))
    assert repeats_interval(pass_hat_k, mixed, 2, clusters=[0, 1, 2] * 20).lower < always.lower


@pytest.mark.parametrize(
    ("n", "passed", "k", "fault"),
    [(3, 4, 1, "4 passed of 3"), (3, 1, 4, "k is 4 with 3 answers"), (3, 1, 0, "k is 0")],
)
def test_more_than_was_answered_cannot_be_asked(n: int, passed: int, k: int, fault: str) -> None:
    for estimate in (pass_at_k, pass_hat_k):
        with pytest.raises(MeasureError, match=fault):
            estimate(n, passed, k)


def test_answers_to_one_case_are_alike_as_far_as_cases_differ() -> None:
    never_differ = [[True] * 4, [False] * 4] * 10
    rng = np.random.default_rng(3)
    by_chance = (rng.random((2000, 4)) < 0.6).tolist()
    # Of a chance to pass that is 0.2 or 0.8, the variance is 0.09 of 0.25.
    own = (rng.random((4000, 3)) < rng.choice([0.2, 0.8], (4000, 1))).tolist()

    assert intraclass_correlation(never_differ) == 1.0
    assert intraclass_correlation(by_chance) == pytest.approx(0.0, abs=0.03)
    assert intraclass_correlation(own) == pytest.approx(0.36, abs=0.03)
    assert math.isnan(intraclass_correlation([[True]]))
