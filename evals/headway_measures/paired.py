"""The change between two runs on the same cases, and how far it can be trusted.

Both models answer the same cases, so the difference is taken case by case: what the cases have
in common cancels, and a change shows with far fewer cases than two separate rates would need.

``measure_change`` picks the kind of change: ``BinaryChange`` where every score is 0 or 1 (a case
passes or fails), ``ScoreChange`` for any other score. In both, zero variance never shortens the
interval: five identical answers are five cases, not certainty.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import optimize, stats

from headway_measures.errors import MeasureError
from headway_measures.intervals import (
    Floats,
    Interval,
    clopper_pearson,
    cluster_sums,
    normal_quantile,
    standard_error,
    t_quantile,
)

# With fewer differences than this off the commonest one, a sample does not show its spread.
_FEW_CHANGES = 5
# The score where no variance is left: far past any reach, yet finite for the root finder.
_ENDLESS = 1e9


class Change(Protocol):
    """What a verdict needs to know of a paired comparison."""

    @property
    def n(self) -> int:
        """Return the number of pairs."""

    @property
    def baseline(self) -> float:
        """Return the baseline's mean score."""

    @property
    def candidate(self) -> float:
        """Return the candidate's mean score."""

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of no change."""

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval of candidate minus baseline at confidence 1 - alpha.

        Args:
            alpha: the chance to miss the true difference, both sides together.
            growth: answer as if there were so many times as many cases, all like these.
            power: above one half, widen the bounds until a repetition has this chance to land
                on the same side of them.
        """


@dataclass(frozen=True, slots=True)
class BinaryChange:
    """Cases that pass or fail under both models.

    Args:
        n: the number of pairs.
        both_pass: pairs that pass under both models.
        to_fail: pairs that pass under the baseline alone.
        to_pass: pairs that pass under the candidate alone.
        p_value: McNemar's, over clusters where there are any.
        clusters: the number of clusters, where one holds more than one case.
        design_effect: how many times larger the clustering makes the variance.
    """

    n: int
    both_pass: int
    to_fail: int
    to_pass: int
    p_value: float
    clusters: int | None = None
    design_effect: float = 1.0

    @property
    def baseline(self) -> float:
        """Return the baseline's pass rate."""
        return (self.both_pass + self.to_fail) / self.n

    @property
    def candidate(self) -> float:
        """Return the candidate's pass rate."""
        return (self.both_pass + self.to_pass) / self.n

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return Tango's interval of the counts, divided by their design effect.

        For the division: Rao and Scott 1992, Biometrics 48.
        """
        groups = None if self.clusters is None else round(self.clusters * growth)
        weight = growth / self.design_effect
        reach = _reach(alpha, power, groups)
        return _tango(self.n * weight, self.to_fail * weight, self.to_pass * weight, reach)


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """Cases with scores of any size under both models.

    Args:
        n: the number of pairs.
        baseline: the baseline's mean score.
        candidate: the candidate's mean score.
        p_value: of the paired t test, or of signs where the spread is not seen.
        standard_error: of the mean difference, clustered where clusters were given.
        groups: how many independent pieces there are: clusters, or else pairs.
        is_spread_seen: whether enough of them differ for a standard error to mean something.
        scale: the largest difference that one case can show.
    """

    n: int
    baseline: float
    candidate: float
    p_value: float
    standard_error: float
    groups: int
    is_spread_seen: bool
    scale: float = 1.0

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the paired t interval, never shorter than the bound from no change seen in n.

        That bound is the largest share of cases that may change unseen (Clopper-Pearson), each
        by the whole scale.
        """
        difference = self.candidate - self.baseline
        groups = round(self.groups * growth)
        if groups < 2:
            return Interval(difference, -self.scale, self.scale)
        reach = _reach(alpha, power, groups) * self.standard_error / math.sqrt(growth)
        if not self.is_spread_seen:
            reach = max(reach, self.scale * clopper_pearson(0, groups, alpha).upper)
        return Interval(
            difference, max(difference - reach, -self.scale), min(difference + reach, self.scale)
        )


def measure_change(
    baseline: Sequence[float],
    candidate: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    scale: float = 1.0,
) -> Change:
    """Pair two models' scores of the same cases, in the same order.

    Args:
        baseline: the trusted model's score of each case.
        candidate: the judged model's score of each case.
        clusters: for each case what it shares with others (one document, one conversation);
            cases of one cluster count as one piece of evidence as far as they move together.
        scale: the largest difference that one case can show.

    Raises:
        MeasureError: nothing to pair, lengths that differ, or scores that are not finite.
    """
    old, new = np.asarray(baseline, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    if old.size == 0 or old.size != new.size:
        raise MeasureError(f"cannot pair {old.size} baseline scores with {new.size} of a candidate")
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise MeasureError("scores to be paired must be finite numbers; mark such cases instead")
    if clusters is not None and len(set(clusters)) == old.size:
        clusters = None
    if np.isin(old, (0.0, 1.0)).all() and np.isin(new, (0.0, 1.0)).all():
        return _binary_change(old, new, clusters)
    return _score_change(old, new, clusters, scale)


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
    return _tango(n, to_fail, to_pass, normal_quantile(alpha))


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


def _binary_change(old: Floats, new: Floats, clusters: Sequence[Hashable] | None) -> BinaryChange:
    both_pass, to_fail, to_pass = (
        int(cell.sum()) for cell in (old * new, old * (1 - new), (1 - old) * new)
    )
    if clusters is None:
        return BinaryChange(old.size, both_pass, to_fail, to_pass, mcnemar(to_fail, to_pass))
    sums = cluster_sums(new - old, clusters)
    return BinaryChange(
        old.size,
        both_pass,
        to_fail,
        to_pass,
        _sign_test(sums),
        clusters=sums.size,
        design_effect=_design_effect(new - old, clusters, sums.size),
    )


def _score_change(
    old: Floats, new: Floats, clusters: Sequence[Hashable] | None, scale: float
) -> ScoreChange:
    differences = new - old
    pieces = cluster_sums(differences, clusters) / cluster_sums(np.ones_like(old), clusters)
    _, counts = np.unique(pieces.round(12), return_counts=True)
    is_spread_seen = bool(pieces.size - counts.max() >= _FEW_CHANGES)
    error = standard_error(differences, clusters) if pieces.size > 1 else 0.0
    if is_spread_seen:
        p_value = float(2 * stats.t.sf(abs(differences.mean()) / error, pieces.size - 1))
    else:
        p_value = _sign_test(pieces)
    return ScoreChange(
        n=old.size,
        baseline=float(old.mean()),
        candidate=float(new.mean()),
        p_value=p_value,
        standard_error=error,
        groups=pieces.size,
        is_spread_seen=is_spread_seen,
        scale=scale,
    )


def _design_effect(differences: Floats, clusters: Sequence[Hashable], count: int) -> float:
    """Return clustered variance over plain variance, at least 1.

    Without a flip, or with one cluster, nothing shows how far cases move together: then they
    count as moving all together, one piece of evidence a cluster.
    """
    if count < 2 or not differences.var():
        return differences.size / count
    ratio = standard_error(differences, clusters) / standard_error(differences)
    return max(1.0, ratio**2)


def _sign_test(changes: Floats) -> float:
    return mcnemar(int((changes < 0).sum()), int((changes > 0).sum()))


def _reach(alpha: float, power: float, groups: int | None) -> float:
    quantile = normal_quantile(alpha) if groups is None else t_quantile(alpha, max(groups - 1, 1))
    return quantile + float(stats.norm.ppf(power))


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
