"""Two scores of the same answers: kappa from textbooks, and an interval that holds the truth."""

import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from headway_measures.agreement import Value, measure_agreement
from headway_measures.errors import MeasureError
from tests.measures.simulations import ALPHA, Rate, simulation_draws


def from_table(table: list[list[int]], names: list[Value]) -> tuple[list[Value], list[Value]]:
    cells = [
        (one, other)
        for one, row in zip(names, table, strict=True)
        for other, count in zip(names, row, strict=True)
        for _ in range(count)
    ]
    return [one for one, _ in cells], [other for _, other in cells]


def apart(values: list[Value]) -> list[int]:
    return list(range(len(values)))


def test_yes_and_no_have_cohens_kappa_and_a_table() -> None:
    # 50 grants, two readers: agreement .7, by chance .5, kappa .4 (a textbook's example).
    first, second = from_table([[15, 10], [5, 20]], [0.0, 1.0])
    found = measure_agreement(first, second, apart(first))

    assert (found.kind, found.n, found.units) == ("boolean", 50, 50)
    assert found.agreement == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert (found.labels, found.table) == (("no", "yes"), ((15, 10), (5, 20)))
    assert found.spearman == pytest.approx(stats.spearmanr(first, second).statistic)
    assert found.mean_difference == pytest.approx(0.1)


def test_words_have_a_kappa_and_no_ranks() -> None:
    table = [[22, 2, 2], [5, 7, 14], [0, 2, 4]]
    first, second = from_table(table, ["good", "fair", "bad"])
    found = measure_agreement(first, second, apart(first))
    shares = np.array(table) / 58
    chance = float(shares.sum(0) @ shares.sum(1))

    assert found.kind == "category"
    assert found.kappa == pytest.approx((float(np.trace(shares)) - chance) / (1 - chance))
    assert found.labels == ("good", "fair", "bad")
    assert [list(row) for row in found.table] == table
    assert (found.spearman, found.mean_difference) == (None, None)


def test_a_stricter_judge_has_the_same_ranks_and_a_lower_concordance() -> None:
    first = [1.0, 2.0, 3.0, 4.0, 5.0] * 8
    second = [value - 1 for value in first]
    found = measure_agreement(first, second, list(range(40)))

    assert (found.kind, found.table) == ("number", ())
    assert found.spearman == pytest.approx(1.0)
    assert found.mean_difference == pytest.approx(-1.0)
    # 2·cov / (var + var + 1²), with a variance of 2.
    assert found.kappa == pytest.approx(4 / 5)


def test_answers_of_one_session_widen_the_interval() -> None:
    first, second = from_table([[30, 10], [10, 50]], [0.0, 1.0])
    alone = measure_agreement(first, second, apart(first))
    together = measure_agreement(first, second, [place // 5 for place in apart(first)])

    assert together.units == 20
    assert width(together) > 1.3 * width(alone)


def width(found: object) -> float:
    return found.kappa_upper - found.kappa_lower  # type: ignore[attr-defined, no-any-return]


def test_ten_answers_alike_are_not_certainty() -> None:
    values: list[Value] = [0.0, 1.0] * 5
    found = measure_agreement(values, values, apart(values))

    assert (found.kappa, found.kappa_upper) == (1.0, 1.0)
    assert found.kappa_lower is not None
    assert 0.2 < found.kappa_lower < 0.6


@pytest.mark.parametrize("values", [[1.0] * 20, ["good"] * 20])
def test_a_score_that_never_varies_has_no_kappa(values: list[Value]) -> None:
    found = measure_agreement(values, values, apart(values))

    assert found.agreement == 1.0
    assert (found.kappa, found.kappa_lower, found.kappa_upper) == (None, None, None)


def test_equal_numbers_have_no_interval() -> None:
    values = [float(number) for number in range(30)]
    found = measure_agreement(values, values, apart(list(values)))

    assert found.kappa == pytest.approx(1.0)
    assert (found.kappa_lower, found.kappa_upper) == (None, None)


def test_one_session_says_nothing_of_others() -> None:
    first, second = from_table([[15, 10], [5, 20]], [0.0, 1.0])
    found = measure_agreement(first, second, [1] * 50)

    assert (found.units, found.kappa_lower, found.kappa_upper) == (1, None, None)


def test_the_same_answers_give_the_same_interval() -> None:
    first, second = from_table([[15, 10], [5, 20]], [0.0, 1.0])

    assert measure_agreement(first, second, apart(first)) == measure_agreement(
        first, second, apart(first)
    )


def test_nothing_agrees_with_nothing() -> None:
    found = measure_agreement([], [], [])

    assert (found.n, found.agreement, found.kappa, found.table) == (0, None, None, ())


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (["good"], [1.0], "one score says words and the other numbers"),
        ([1.0], [1.0, 0.0], "cannot compare 1 scores with 2"),
        ([f"comment {place}" for place in range(20)], ["good"] * 20, "21 different words"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    first: list[Value], second: list[Value], message: str
) -> None:
    with pytest.raises(MeasureError, match=message):
        measure_agreement(first, second, list(range(len(first))))


def judged(rng: Generator, n: int) -> tuple[list[Value], list[Value]]:
    """Draw answers of which four in five are good, and two judges that err one time in ten."""
    good = rng.random(n) < 0.8
    sides = [np.where(rng.random(n) < 0.1, ~good, good).astype(float) for _ in range(2)]
    return sides[0].tolist(), sides[1].tolist()


def test_the_interval_of_kappa_holds_the_truth() -> None:
    rng, draws, n = np.random.default_rng(7), simulation_draws(200), 150
    # Both say yes .74 of the time, and the same .82 of the time.
    chance = 0.74**2 + 0.26**2
    truth = (0.82 - chance) / (1 - chance)
    found = [measure_agreement(*judged(rng, n), list(range(n)), draws=399) for _ in range(draws)]
    held = [each.kappa_lower <= truth <= each.kappa_upper for each in found]  # type: ignore[operator]

    assert Rate(sum(held), draws).upper >= 1 - ALPHA
