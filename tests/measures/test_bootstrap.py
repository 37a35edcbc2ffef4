import numpy as np
import pytest
from numpy.typing import NDArray

from headway_measures.bootstrap import bootstrap_change
from headway_measures.errors import MeasureError
from headway_measures.paired import measure_change
from headway_measures.verdicts import Margin, judge
from tests.measures.simulations import Rate

Floats = NDArray[np.float64]


def perplexity(sums: Floats) -> Floats:
    values: Floats = np.exp(-sums[..., 0] / sums[..., 1])
    return values


def test_the_bootstrap_of_a_mean_agrees_with_the_t_interval() -> None:
    rng = np.random.default_rng(1)
    old = rng.beta(2, 2, size=400)
    new = np.clip(old + rng.normal(-0.02, 0.1, size=400), 0, 1)

    drawn = bootstrap_change(old, new)
    textbook = measure_change(list(old), list(new))

    assert drawn.interval(0.05).lower == pytest.approx(textbook.interval(0.05).lower, abs=1e-3)
    assert drawn.interval(0.05).upper == pytest.approx(textbook.interval(0.05).upper, abs=1e-3)
    assert drawn.p_value == pytest.approx(textbook.p_value, abs=0.01)
    assert drawn.variance == pytest.approx(textbook.variance, rel=0.05)


def test_a_measure_of_sums_is_compared_as_a_whole() -> None:
    rng = np.random.default_rng(2)
    tokens = rng.integers(5, 50, size=100).astype(float)
    old = np.column_stack([-2.5 * tokens + rng.normal(0, 3, size=100), tokens])
    new = np.column_stack([old[:, 0] + 0.3 * tokens, tokens])

    change = bootstrap_change(old, new, perplexity, direction="down", scale=None)
    interval = change.interval(0.05)

    assert change.baseline == pytest.approx(perplexity(old.sum(0)))
    assert change.candidate < change.baseline
    assert 0 < interval.lower < interval.estimate < interval.upper
    assert judge(change, Margin(0.05)).verdict == "improved"


def test_the_same_seed_gives_the_same_bounds() -> None:
    rng = np.random.default_rng(3)
    old, new = rng.uniform(size=50), rng.uniform(size=50)

    first, second = bootstrap_change(old, new), bootstrap_change(old, new)

    assert first.interval(0.05) == second.interval(0.05)
    assert first.interval(0.05) != bootstrap_change(old, new, seed=8).interval(0.05)


def test_cases_repeated_inside_their_cluster_add_no_certainty() -> None:
    rng = np.random.default_rng(4)
    old, new = rng.uniform(size=30), rng.uniform(size=30)

    once = bootstrap_change(old, new).interval(0.05)
    alone = bootstrap_change(np.tile(old, 4), np.tile(new, 4)).interval(0.05)
    clustered = bootstrap_change(
        np.tile(old, 4), np.tile(new, 4), clusters=list(range(30)) * 4
    ).interval(0.05)

    assert clustered.lower == pytest.approx(once.lower)
    assert alone.lower > clustered.lower + 0.03


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_five_identical_cases_are_inconclusive(score: float) -> None:
    judgement = judge(bootstrap_change([score] * 5, [score] * 5), Margin(0.05))

    assert judgement.verdict == "inconclusive"
    assert judgement.needs_n is not None


def test_one_case_alone_proves_nothing() -> None:
    assert bootstrap_change([1.0], [0.0]).interval(0.05).upper > 0.9


def test_a_skewed_mean_is_covered_as_promised() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(300):
        gains = 0.2 * rng.gamma(0.5, 1.0, size=80)
        interval = bootstrap_change(np.zeros(80), gains, draws=1000, seed=seed).interval(0.05)
        covered += interval.lower <= 0.1 <= interval.upper

    assert Rate(covered, 300).upper >= 0.94


@pytest.mark.parametrize(
    ("old", "new"), [([], []), ([1.0], [1.0, 0.0]), ([1.0, np.nan], [1.0, 1.0])]
)
def test_what_cannot_be_paired_is_refused(old: list[float], new: list[float]) -> None:
    with pytest.raises(MeasureError):
        bootstrap_change(old, new)
