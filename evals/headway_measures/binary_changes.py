"""The change of cases that pass or fail: four cells, and what their flips say."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from scipy import optimize, stats

from headway_measures.clusters import Floats, cluster_sums, design_effect, effective_clusters
from headway_measures.intervals import Interval, reach_of
from headway_measures.power import minimum_detectable_effect

# The score where no variance is left: far past any reach, yet finite for the root finder.
_ENDLESS = 1e9


@dataclass(frozen=True, slots=True)
class BinaryChange:
    """Cases that pass or fail under both models.

    Args:
        n: the number of pairs.
        both_pass: pairs that pass under both models.
        to_fail: pairs that pass under the baseline alone.
        to_pass: pairs that pass under the candidate alone.
        p_value: McNemar's, over clusters where there are any.
        groups: how many clusters of one size would tell as much, where one holds several cases.
        design_effect: how many times larger the clustering makes the variance.
    """

    n: int
    both_pass: int
    to_fail: int
    to_pass: int
    p_value: float
    groups: float | None = None
    design_effect: float = 1.0

    @property
    def baseline(self) -> float:
        """Return the baseline's pass rate."""
        return (self.both_pass + self.to_fail) / self.n

    @property
    def candidate(self) -> float:
        """Return the candidate's pass rate."""
        return (self.both_pass + self.to_pass) / self.n

    @property
    def variance(self) -> float:
        """Return the share of cases that flip, times the design effect."""
        return (self.to_fail + self.to_pass) / self.n * self.design_effect

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return the effect of Miller's formula, for at least as many flips as the effect needs."""
        by_flips = minimum_detectable_effect(self.n, self.variance, alpha=alpha, power=power)
        # A gain of δ is made of flips: their share, and so the variance, is at least δ.
        alone = minimum_detectable_effect(self.n, self.design_effect, alpha=alpha, power=power)
        return min(max(by_flips, alone**2), 1.0)

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return Tango's interval of the counts, divided by their design effect."""
        groups = None if self.groups is None else self.groups * growth
        weight = growth / self.design_effect
        reach = reach_of(alpha, groups, power)
        return _tango(self.n * weight, self.to_fail * weight, self.to_pass * weight, reach)


def binary_change(old: Floats, new: Floats, clusters: Sequence[Hashable] | None) -> BinaryChange:
    """Count what passes (1) and fails (0) under both models."""
    both_pass, to_fail, to_pass = (
        int(cell.sum()) for cell in (old * new, old * (1 - new), (1 - old) * new)
    )
    if clusters is None:
        return BinaryChange(old.size, both_pass, to_fail, to_pass, mcnemar(to_fail, to_pass))
    return BinaryChange(
        old.size,
        both_pass,
        to_fail,
        to_pass,
        sign_test(cluster_sums(new - old, clusters)),
        groups=effective_clusters(old.size, clusters),
        design_effect=design_effect(new - old, clusters),
    )


def tango_interval(n: int, to_fail: int, to_pass: int, alpha: float = 0.05) -> Interval:
    """Return Tango's score interval of the difference of two paired rates.

    It inverts z(δ) = (c - b - nδ) / sqrt(n(2q + δ(1-δ))), b pairs to fail and c to pass, with q
    the likelihood's maximum under δ (Tango 1998, Statistics in Medicine 17, 891-908). Without a
    single flip it is still as wide as n allows: ±3.7 points at n = 100.
    """
    if min(n, to_fail, to_pass) < 0 or to_fail + to_pass > n:
        raise ValueError(f"{to_fail} and {to_pass} flips of {n} pairs cannot be")
    if n == 0:
        return Interval(math.nan, -1.0, 1.0)
    return _tango(n, to_fail, to_pass, reach_of(alpha))


def mcnemar(to_fail: int, to_pass: int) -> float:
    """Return McNemar's exact two-sided mid-p of "as many flips either way".

    2·P(Bin(b+c, ½) <= min(b, c)) - P(Bin(b+c, ½) = min(b, c)) (Fagerland, Lydersen, Laake 2013,
    BMC Medical Research Methodology 13:91).
    """
    flips, fewer = to_fail + to_pass, min(to_fail, to_pass)
    if flips == 0:
        return 1.0
    p_value = 2 * stats.binom.cdf(fewer, flips, 0.5) - stats.binom.pmf(fewer, flips, 0.5)
    return min(1.0, float(p_value))


def sign_test(changes: Floats) -> float:
    """Return the p-value of "as many changes up as down", whatever their size."""
    return mcnemar(int((changes < 0).sum()), int((changes > 0).sum()))


def _tango(n: float, to_fail: float, to_pass: float, reach: float) -> Interval:
    """Invert the score; counts need not be whole, since clusters and growth scale them."""
    estimate = (to_pass - to_fail) / n

    def score(delta: float) -> float:
        b = (2 * n - to_pass + to_fail) * delta - to_pass - to_fail
        c = -to_fail * delta * (1 - delta)
        q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        distance = to_pass - to_fail - n * delta
        if variance <= 0:
            return math.copysign(_ENDLESS, distance) if distance else 0.0
        return distance / math.sqrt(variance)

    # The score falls from above +reach to below -reach; at the estimate it is 0.
    lower = upper = estimate
    if estimate > -1:
        lower = optimize.brentq(lambda delta: score(delta) - reach, -1.0, estimate)
    if estimate < 1:
        upper = optimize.brentq(lambda delta: score(delta) + reach, estimate, 1.0)
    return Interval(estimate, float(lower), float(upper))
