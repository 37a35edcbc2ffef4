"""Intervals around one number: a rate, or a mean of scores.

Never Wald: with a few hundred cases and rates near 0 or 1 its coverage collapses (Bowyer,
Aitchison, Ivanova, "Position: don't use the CLT in LLM evals with fewer than a few hundred
datapoints", arXiv 2503.01747).
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the bounds it lies between. The estimate of nothing is NaN."""

    estimate: float
    lower: float
    upper: float


def wilson(passed: int, n: int, alpha: float = 0.05) -> Interval:
    """Return Wilson's score interval of a rate (Wilson 1927, JASA 22).

    (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    """
    _check_counts(passed, n)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    z = normal_quantile(alpha)
    rate = passed / n
    centre = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    shrink = 1 + z * z / n
    lower = 0.0 if passed == 0 else (centre - spread) / shrink
    upper = 1.0 if passed == n else (centre + spread) / shrink
    return Interval(rate, lower, upper)


def clopper_pearson(passed: int, n: int, alpha: float = 0.05) -> Interval:
    """Return the exact interval of a rate, never short of its coverage (Biometrika 26, 1934).

    Beta(α/2; x, n-x+1) to Beta(1-α/2; x+1, n-x)
    """
    _check_counts(passed, n)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    lower = 0.0 if passed == 0 else stats.beta.ppf(alpha / 2, passed, n - passed + 1)
    upper = 1.0 if passed == n else stats.beta.ppf(1 - alpha / 2, passed + 1, n - passed)
    return Interval(passed / n, float(lower), float(upper))


def mean_interval(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, alpha: float = 0.05
) -> Interval:
    """Return the t interval of a mean, with errors clustered where clusters are given.

    One value, or one cluster, says nothing about spread: the interval is then unbounded.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return Interval(math.nan, -math.inf, math.inf)
    mean = float(array.mean())
    groups = array.size if clusters is None else len(set(clusters))
    if groups < 2:
        return Interval(mean, -math.inf, math.inf)
    reach = t_quantile(alpha, groups - 1) * standard_error(array, clusters)
    return Interval(mean, mean - reach, mean + reach)


def standard_error(values: Floats, clusters: Sequence[Hashable] | None = None) -> float:
    """Return the standard error of a mean (Miller 2024, arXiv 2411.00640, appendix A).

    Clustered: sqrt( C/(C-1) · Σ_c (Σ_{i∈c} (s_i - s̄))² ) / n; each value its own cluster gives
    the common sqrt( Σ(s_i - s̄)² / (n(n-1)) ).
    """
    sums = cluster_sums(values - values.mean(), clusters)
    count = sums.size
    return float(math.sqrt(count / (count - 1) * float((sums**2).sum())) / values.size)


def cluster_sums(values: Floats, clusters: Sequence[Hashable] | None) -> Floats:
    """Return the sum of the values in each cluster; without clusters, the values."""
    if clusters is None:
        return values
    order: dict[Hashable, int] = {}
    index = [order.setdefault(cluster, len(order)) for cluster in clusters]
    return np.bincount(index, weights=values).astype(np.float64)


def normal_quantile(alpha: float) -> float:
    """Return z such that a standard normal is beyond ±z with probability alpha."""
    return float(stats.norm.isf(alpha / 2))


def t_quantile(alpha: float, degrees: int) -> float:
    """Return t such that Student's t of ``degrees`` is beyond ±t with probability alpha."""
    return float(stats.t.isf(alpha / 2, degrees))


def _check_counts(passed: int, n: int) -> None:
    if not 0 <= passed <= n:
        raise ValueError(f"{passed} passed of {n} is not a count: 0 <= passed <= n must hold")
