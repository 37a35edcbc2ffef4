"""Several answers to each case: the chance that one of k is right, and that all k are.

``pass_at_k`` is for a person who may try again, ``pass_hat_k`` for a service that must hold
every time. Both are estimated without bias from more answers than k.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from math import comb

import numpy as np

from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval, mean_interval


def pass_at_k(n: int, passed: int, k: int) -> float:
    """Return the chance that at least one of k answers passes: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021, arXiv 2107.03374.
    """
    _check(n, passed, k)
    return 1 - comb(n - passed, k) / comb(n, k)


def pass_hat_k(n: int, passed: int, k: int) -> float:
    """Return the chance that all of k answers pass: C(c, k) / C(n, k).

    pass^k of τ-bench (Yao et al. 2024, arXiv 2406.12045).
    """
    _check(n, passed, k)
    return comb(passed, k) / comb(n, k)


def repeats_interval(
    estimate: Callable[[int, int, int], float],
    cases: Sequence[Sequence[bool]],
    k: int,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
) -> Interval:
    """Return the mean of an estimate over cases, and the interval for further cases like these.

    Args:
        estimate: ``pass_at_k`` or ``pass_hat_k``.
        cases: for each case whether each of its answers passes.
        k: of how many answers.
        clusters: for each case what it shares with others.
        alpha: the chance to miss the true mean.

    Raises:
        MeasureError: a case has fewer than k answers.
    """
    values = [estimate(len(answers), sum(answers), k) for answers in cases]
    return mean_interval(values, clusters, alpha, scale=1.0)


def intraclass_correlation(cases: Sequence[Sequence[bool]]) -> float:
    """Return how alike the answers to one case are: 0 as those to any, 1 where they never differ.

    The analysis of variance's ICC(1): (MSB - MSW) / (MSB + (k - 1)·MSW), with the mean squares
    between and within cases and k the answers a case, the adjusted mean where cases have unequal
    numbers (Donner 1986, International Statistical Review 54, 67-82). Cut off at 0; 1 where all
    answers are equal, since such answers show nothing of a case's own spread.
    """
    sizes = np.array([len(answers) for answers in cases], dtype=np.float64)
    total, count = float(sizes.sum()), len(cases)
    if count < 2 or total <= count:
        return math.nan
    means = np.array([sum(answers) / len(answers) for answers in cases])
    grand = float((sizes * means).sum() / total)
    between = float((sizes * (means - grand) ** 2).sum()) / (count - 1)
    within = float((sizes * means * (1 - means)).sum()) / (total - count)
    usual = (total - float((sizes**2).sum()) / total) / (count - 1)
    spread = between + (usual - 1) * within
    return max((between - within) / spread, 0.0) if spread else 1.0


def _check(n: int, passed: int, k: int) -> None:
    if not 0 <= passed <= n:
        raise MeasureError(f"{passed} passed of {n} answers cannot be")
    if not 1 <= k <= n:
        raise MeasureError(f"k is {k} with {n} answers: ask for at least k answers of each case")
