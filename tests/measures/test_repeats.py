from itertools import combinations

import pytest

from headway_measures.errors import MeasureError
from headway_measures.repeats import pass_at_k, pass_hat_k, repeats_interval


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
