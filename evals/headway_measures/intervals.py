"""Intervals around one number: a rate, or a mean of scores.

Never Wald: with a few hundred cases and rates near 0 or 1 its coverage collapses (Bowyer,
Aitchison, Ivanova, "Position: don't use the CLT in LLM evals with fewer than a few hundred
datapoints", arXiv 2503.01747). And never the bare t interval of scores: rare large drops make it
too short where it matters, and equal scores make it a point.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from headway_measures.clusters import (
    FEW_CHANGES,
    Floats,
    design_effect,
    effective_changes,
    effective_clusters,
    mean_skewness,
    standard_error,
)

# Scores of more values than this are as good as continuous.
_MOST_STEPS = 64
_STEP_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the bounds it lies between. The estimate of nothing is NaN."""

    estimate: float
    lower: float
    upper: float


def wilson(passed: float, n: float, alpha: float = 0.05) -> Interval:
    """Return Wilson's score interval of a rate (Wilson 1927, JASA 22).

    (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n). Counts that clusters have scaled need
    not be whole.
    """
    _check_counts(passed, n)
    return _wilson(passed, n, reach_of(alpha))


def pass_rate_interval(
    passed: Sequence[bool], clusters: Sequence[Hashable] | None = None, alpha: float = 0.05
) -> Interval:
    """Return Wilson's interval of a rate, of the counts over their design effect.

    Cases of one cluster count as one piece of evidence as far as they pass and fail together.
    """
    flags = np.asarray(passed, dtype=np.float64)
    if clusters is None or len(set(clusters)) == flags.size:
        return wilson(int(flags.sum()), flags.size, alpha)
    weight = 1 / design_effect(flags, clusters)
    reach = reach_of(alpha, effective_clusters(flags.size, clusters))
    found = _wilson(float(flags.sum()) * weight, flags.size * weight, reach)
    return Interval(float(flags.mean()), found.lower, found.upper)


def clopper_pearson(passed: float, n: float, alpha: float = 0.05) -> Interval:
    """Return the exact interval of a rate, never short of its coverage (Biometrika 26, 1934).

    Beta(α/2; x, n-x+1) to Beta(1-α/2; x+1, n-x). Counts that clusters have scaled need not be
    whole.
    """
    _check_counts(passed, n)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    lower = 0.0 if passed == 0 else stats.beta.ppf(alpha / 2, passed, n - passed + 1)
    upper = 1.0 if passed == n else stats.beta.ppf(1 - alpha / 2, passed + 1, n - passed)
    return Interval(passed / n, float(lower), float(upper))


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of scores, or of differences of scores, with what is known of its error.

    Args:
        value: the mean.
        error: its standard error, clustered where there are clusters.
        skewness: of the mean, not of the scores.
        groups: how many independent pieces there are; need not be whole.
        change_count: how many of them are not equal to the commonest one.
        lowest: the least that a piece can be.
        highest: the most that a piece can be.
        is_bounded: whether these ends are sure, and not only the furthest that was seen.
        spacing: how far the next mean is that could have been seen; 0 where any could.
    """

    value: float
    error: float
    skewness: float
    groups: float
    change_count: float
    lowest: float = -math.inf
    highest: float = math.inf
    is_bounded: bool = True
    spacing: float = 0.0

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the t interval, widened for skewness and for what so few pieces cannot show.

        Three bounds a side, the furthest counts: Student's; Hall's, which takes the skewness into
        account (1992, JRSS B 54, 221-228), so that rare large drops are not taken for none; and,
        where almost all pieces are equal, the largest share of them that may yet be at the end of
        what is possible (Clopper-Pearson). Means that come in steps are moved half a step away
        from the bound, as with any lattice that a smooth distribution stands for (Feller 1945,
        Annals of Mathematical Statistics 16).

        Args:
            alpha: the chance to miss the true mean, both sides together.
            growth: answer as if there were so many times as many pieces, all like these.
            power: above one half, widen until a repetition has this chance to agree.
        """
        groups, error = self.groups * growth, self.error / math.sqrt(growth)
        unseen = unseen_share(self.change_count * growth, groups, alpha)
        below = above = 0.0
        if math.isfinite(error):
            reach = reach_of(alpha, groups, power)
            skewness = self.skewness / math.sqrt(growth)
            half_step = self.spacing / growth / 2
            below = half_step + error * max(reach, _hall(reach, skewness))
            above = half_step + error * max(reach, -_hall(-reach, skewness))
        # Without ends there is nothing to go by but the spread that was seen, if any was.
        if unseen and (math.isfinite(self.lowest) or not 0 < error < math.inf):
            below = max(below, unseen * (self.value - self.lowest))
            above = max(above, unseen * (self.highest - self.value))
        lower, upper = self.value - below, self.value + above
        if self.is_bounded:
            lower, upper = max(lower, self.lowest), min(upper, self.highest)
        return Interval(self.value, lower, upper)

    def p_value(self) -> float:
        """Return the two-sided p-value of a mean of 0, in agreement with the interval."""
        if math.isinf(self.error) or not self.error:
            return 1.0
        seen = math.copysign(max(abs(self.value) - self.spacing / 2, 0.0), self.value)
        student = seen / self.error
        skewed = student + self.skewness * student**2 / 3 + self.skewness**2 * student**3 / 27
        skewed += self.skewness / 6
        agreed = min(abs(student), abs(skewed)) if student * skewed > 0 else 0.0
        return float(2 * stats.t.sf(agreed, max(self.groups - 1, 1)))

    @property
    def is_spread_seen(self) -> bool:
        """Return whether enough pieces differ for a standard error to mean something."""
        return self.change_count >= FEW_CHANGES


def mean_of(
    values: Floats,
    clusters: Sequence[Hashable] | None = None,
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
    is_bounded: bool = True,
    is_stepped: bool = False,
) -> Mean:
    """Return the mean of at least one value with its errors; see ``Mean``.

    Args:
        values: (pieces,).
        clusters: of each, where pieces are not independent.
        lowest: the least that a piece can be.
        highest: the most that a piece can be.
        is_bounded: whether these ends are sure.
        is_stepped: whether values may come in steps, which are then looked for.
    """
    return Mean(
        value=float(values.mean()),
        error=standard_error(values, clusters),
        skewness=mean_skewness(values, clusters),
        groups=effective_clusters(values.size, clusters),
        change_count=effective_changes(values, clusters),
        lowest=lowest,
        highest=highest,
        is_bounded=is_bounded,
        spacing=_step(values) / values.size if is_stepped else 0.0,
    )


def mean_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    *,
    scale: float | None = None,
) -> Interval:
    """Return the interval of a mean, with errors clustered where clusters are given.

    One value, or one cluster, says nothing about spread: without a scale the interval is then
    unbounded. With one, values lie from 0 to it, and so do the bounds.
    """
    lowest, highest = (-math.inf, math.inf) if scale is None else (0.0, float(scale))
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return Interval(math.nan, lowest, highest)
    return mean_of(array, clusters, lowest=lowest, highest=highest).interval(alpha)


def geometric_mean_interval(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, alpha: float = 0.05
) -> Interval:
    """Return the interval of a geometric mean of values above 0, made on their logarithms.

    One value, or one cluster, says nothing about spread: the interval is then all above 0.
    """
    logs = mean_interval(np.log(values).tolist(), clusters, alpha)
    with np.errstate(over="ignore"):
        estimate, lower, upper = np.exp([logs.estimate, logs.lower, logs.upper]).tolist()
    return Interval(estimate, lower, upper)


def reach_of(alpha: float, groups: float | None = None, power: float = 0.5) -> float:
    """Return how many standard errors a bound lies away.

    Args:
        alpha: the chance to be beyond it, both sides together.
        groups: the independent pieces that the error is estimated from; None where it is known.
        power: above one half, so far that a repetition has this chance to land inside.
    """
    if groups is None:
        quantile = stats.norm.isf(alpha / 2)
    else:
        quantile = stats.t.isf(alpha / 2, max(groups - 1, 1))
    return float(quantile + stats.norm.ppf(power))


def half_width(interval: Interval) -> float:
    """Return how far the bounds lie from their middle."""
    return (interval.upper - interval.lower) / 2


def unseen_share(changed: float, groups: float, alpha: float) -> float:
    """Return how many more pieces may differ than a sample shows that has few which do.

    Clopper-Pearson's bound of the share that differs, less that share; 0 where enough differ for
    a standard error to mean something.
    """
    if changed >= FEW_CHANGES:
        return 0.0
    share = clopper_pearson(min(changed, groups), groups, alpha)
    return share.upper - share.estimate


def _step(values: Floats) -> float:
    """Return the distance that all distances of values are whole multiples of; 0 where none is."""
    distinct = np.unique(values.round(_STEP_DIGITS))
    if not 1 < distinct.size <= _MOST_STEPS:
        return 0.0
    gaps = np.diff(distinct)
    multiples = gaps / gaps.min()
    return float(gaps.min()) if np.allclose(multiples, multiples.round(), atol=1e-3) else 0.0


def _wilson(passed: float, n: float, reach: float) -> Interval:
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    rate, square = passed / n, reach * reach
    centre = rate + square / (2 * n)
    spread = reach * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    shrink = 1 + square / n
    lower = 0.0 if passed == 0 else (centre - spread) / shrink
    upper = 1.0 if passed == n else (centre + spread) / shrink
    return Interval(rate, lower, upper)


def _hall(quantile: float, skewness: float) -> float:
    """Return where Hall's transformed t statistic has this quantile."""
    if abs(skewness) < 1e-9:
        return quantile
    return float(3 / skewness * (np.cbrt(1 + skewness * (quantile - skewness / 6)) - 1))


def _check_counts(passed: float, n: float) -> None:
    if not 0 <= passed <= n:
        raise ValueError(f"{passed} passed of {n} is not a count: 0 <= passed <= n must hold")
