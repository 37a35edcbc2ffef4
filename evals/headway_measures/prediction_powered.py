"""A mean of human judgements from few of them and many of a judge's: prediction-powered inference.

A judge's mean over all answers is precise and biased by unknown much; people's mean over those that
they labelled is right and wide. With y a person's score and f the judge's, of n labelled answers
and M further ones that only the judge saw,

    θ = mean_n(y - λ·f) + λ·mean_M(f)

is right whatever the judge's faults (Angelopoulos et al. 2023, Science 382, 669-674), and no wider
than the labels alone with λ = cov(y, f) / ((1 + n/M)·var(f)) (PPI++, arXiv 2311.01453). What it
takes is that the labelled answers are drawn from all by chance, and not picked.

Both are made for large n. With fewer labels:

- Where both say yes or no, the best λ is post-stratification: the rates at which people agree with
  the judge's yes and with its no, weighed by how often it says so. A good judge is contradicted
  by a handful of labels only, so each rate has Jeffreys' interval, and these are combined by the
  squares of their ends (MOVER: Zou and Donner 2008, Statistics in Medicine 27, 1693-1702).
- Else λ costs a degree of freedom (n - 2), the two parts have Student's t with those that
  Welch and Satterthwaite give them, and the interval is made as Wilson's is, of a share of the
  scale, so that it does not reach over its ends. Where fewer than five labels contradict the
  judge, it is widened by what so few cannot show, as in ``intervals``.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from headway_measures.clusters import (
    FEW_CHANGES,
    Floats,
    cluster_numbers,
    effective_changes,
    effective_clusters,
)
from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval, reach_of, unseen_share

FEWEST_LABELS = 20
"""With fewer labels nothing is corrected."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often people say yes where a judge says one thing: ``yes`` of ``n`` labels.

    ``share`` is how often the judge says that, over all answers.
    """

    yes: float
    n: float
    share: float


@dataclass(frozen=True, slots=True)
class Corrected:
    """A mean corrected by labels.

    Args:
        estimate: the mean.
        error: its standard error.
        freedom: the degrees of freedom of the error.
        weight: λ, how far the judge is believed; 0 leaves the labels alone.
        label_count: n.
        count: n + M.
        lowest: the least that a score can be.
        highest: the most that a score can be.
        contradicted: how many labels contradict the judge, where those are too few to show how
            many more may; None where they are not.
        rates: of the judge's no and yes, where both judge and people say nothing else.
    """

    estimate: float
    error: float
    freedom: float
    weight: float
    label_count: int
    count: int
    lowest: float
    highest: float
    contradicted: float | None = None
    rates: tuple[Rate, ...] = ()

    def interval(self, alpha: float = 0.05, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval at confidence 1 - alpha.

        Args:
            alpha: the chance to miss the true mean, both sides together.
            growth: answer as if there were so many times as many answers and labels.
            power: above one half, widen until a repetition has this chance to agree.
        """
        found = self._of_rates(alpha) if self.rates else self._of_scores(alpha)
        reach = reach_of(alpha, self.freedom + 1)
        scale = reach_of(alpha, self.freedom + 1, power) / reach / math.sqrt(growth)
        lower = self.estimate - (self.estimate - found.lower) * scale
        upper = self.estimate + (found.upper - self.estimate) * scale
        return Interval(self.estimate, max(lower, self.lowest), min(upper, self.highest))

    def p_value(self) -> float:
        """Return the two-sided p-value of a mean of 0."""
        if not self.error or math.isinf(self.error):
            return 1.0
        return float(2 * stats.t.sf(abs(self.estimate) / self.error, max(self.freedom, 1)))

    def _of_rates(self, alpha: float) -> Interval:
        no, yes = (_jeffreys(rate, alpha) for rate in self.rates)
        share = self.rates[1].share
        spread = (yes.estimate - no.estimate) ** 2 * share * (1 - share) / self.count
        known = stats.norm.isf(alpha / 2) ** 2 * spread
        below = [(1 - share) * (no.estimate - no.lower), share * (yes.estimate - yes.lower)]
        above = [(1 - share) * (no.upper - no.estimate), share * (yes.upper - yes.estimate)]
        return Interval(
            self.estimate,
            self.estimate - math.sqrt(below[0] ** 2 + below[1] ** 2 + known),
            self.estimate + math.sqrt(above[0] ** 2 + above[1] ** 2 + known),
        )

    def _of_scores(self, alpha: float) -> Interval:
        reach, width = reach_of(alpha, self.freedom + 1), self.highest - self.lowest
        missing = 0.0
        if self.contradicted is not None:
            missing = unseen_share(self.contradicted, self.label_count, alpha) * width
        share = (self.estimate - self.lowest) / width
        if math.isinf(self.error) or not 0 < share < 1 or not self.error:
            below = above = max(reach * self.error, missing)
            return Interval(self.estimate, self.estimate - below, self.estimate + above)
        # So many draws of yes or no would have this error.
        n, square = share * (1 - share) * (width / self.error) ** 2, reach**2
        centre = (share + square / (2 * n)) / (1 + square / n)
        spread = math.sqrt(share * (1 - share) / n + square / (4 * n * n))
        spread *= reach / (1 + square / n)
        below = max((share - centre + spread) * width, missing)
        above = max((centre + spread - share) * width, missing)
        return Interval(self.estimate, self.estimate - below, self.estimate + above)


def corrected_mean(
    labels: Sequence[float],
    judged: Sequence[float],
    others: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    other_clusters: Sequence[Hashable] | None = None,
    lowest: float = 0.0,
    highest: float = 1.0,
) -> Corrected:
    """Return people's mean over all answers, of which they labelled some.

    A difference of two models is the same with differences for scores, from -1 to 1.

    Args:
        labels: (n,) what people say of the answers that they saw.
        judged: (n,) what the judge says of the same.
        others: (M,) what the judge says of the answers that nobody labelled.
        clusters: (n,) what labelled answers share with others.
        other_clusters: (M,) what the others share, by the same names.
        lowest: the least that a score can be.
        highest: the most that a score can be.

    Raises:
        MeasureError: there are fewer than 20 labels, lengths differ, or a score is outside.
    """
    y, f, rest = (np.asarray(each, dtype=np.float64) for each in (labels, judged, others))
    if y.size != f.size:
        raise MeasureError(f"cannot pair {y.size} labels with {f.size} of the judge's scores")
    if y.size < FEWEST_LABELS:
        raise MeasureError(
            f"{y.size} labels are too few to correct a judge by: give at least {FEWEST_LABELS}"
        )
    every = np.concatenate([y, f, rest])
    if not (np.isfinite(every).all() and lowest <= every.min() and every.max() <= highest):
        raise MeasureError(
            f"scores from {every.min():g} to {every.max():g} do not lie from {lowest:g} to "
            f"{highest:g}"
        )
    names = _names(y.size, rest.size, clusters, other_clusters)
    is_binary = bool(np.isin(every, (0.0, 1.0)).all()) and (lowest, highest) == (0.0, 1.0)
    if is_binary and names is None and 0 < f.sum() < f.size:
        return _of_yes_and_no(y, f, rest)
    return _tuned(y, f, rest, names, lowest, highest)


def _of_yes_and_no(y: Floats, f: Floats, rest: Floats) -> Corrected:
    count = y.size + rest.size
    share = float(f.sum() + rest.sum()) / count
    rates = (
        Rate(float(y[f == 0].sum()), float((f == 0).sum()), 1 - share),
        Rate(float(y[f == 1].sum()), float((f == 1).sum()), share),
    )
    no, yes = (rate.yes / rate.n for rate in rates)
    variance = (yes - no) ** 2 * share * (1 - share) / count
    variance += sum(
        rate.share**2 * rate.yes / rate.n * (1 - rate.yes / rate.n) / rate.n for rate in rates
    )
    return Corrected(
        estimate=share * yes + (1 - share) * no,
        error=math.sqrt(variance),
        freedom=y.size - 2,
        weight=(yes - no) * rest.size / count,
        label_count=y.size,
        count=count,
        lowest=0.0,
        highest=1.0,
        rates=rates,
    )


def _tuned(
    y: Floats,
    f: Floats,
    rest: Floats,
    names: list[Hashable] | None,
    lowest: float,
    highest: float,
) -> Corrected:
    n, others = y.size, rest.size
    weight = 0.0
    spread = float(np.concatenate([f, rest]).var(ddof=1))
    if others > 1 and spread > 0:
        covariance = float(np.cov(y, f)[0, 1])
        weight = min(max(covariance / ((1 + n / others) * spread), 0.0), 1.0)
    left = y - weight * f
    known = weight * rest
    estimate = float(left.mean()) + (float(known.mean()) if others else 0.0)
    if names is None:
        own = float(((left - left.mean()) ** 2).sum()) / (n - 2) / n
        its = float(known.var(ddof=1)) / others if others > 1 else 0.0
        variance = own + its
        freedom = n - 2.0
        if variance > 0:
            freedom = variance**2 / (own**2 / (n - 2) + its**2 / max(others - 1, 1))
    else:
        variance, freedom = _clustered(left, known, names)
    contradicted = effective_changes(y - f)
    is_seen = weight == 0 or contradicted >= FEW_CHANGES
    return Corrected(
        estimate=min(max(estimate, lowest), highest),
        error=math.sqrt(variance),
        freedom=freedom,
        weight=weight,
        label_count=n,
        count=n + others,
        lowest=lowest,
        highest=highest,
        contradicted=None if is_seen else contradicted,
    )


def _clustered(left: Floats, known: Floats, names: list[Hashable]) -> tuple[float, float]:
    """Return the variance of the sum of both means and its freedom, by what clusters bring to it.

    A cluster may hold labelled answers and others, whose errors are then not independent.
    """
    brought = (left - left.mean()) / left.size
    if known.size:
        brought = np.concatenate([brought, (known - known.mean()) / known.size])
    sums = np.bincount(cluster_numbers(names), weights=brought)
    labelled = names[: left.size]
    if len(set(labelled)) < 2:
        return math.inf, 1.0
    variance = sums.size / (sums.size - 1) * float((sums**2).sum())
    groups = effective_clusters(left.size, labelled)
    return variance * left.size / (left.size - 1), max(groups - 2, 1.0)


def _names(
    n: int,
    others: int,
    clusters: Sequence[Hashable] | None,
    other_clusters: Sequence[Hashable] | None,
) -> list[Hashable] | None:
    """Return each answer's cluster, None where each stands for itself."""
    if clusters is None and other_clusters is None:
        return None
    own = list(clusters) if clusters is not None else [("label", place) for place in range(n)]
    rest = (
        list(other_clusters)
        if other_clusters is not None
        else [("other", place) for place in range(others)]
    )
    if (len(own), len(rest)) != (n, others):
        raise MeasureError(
            f"{len(own)} and {len(rest)} clusters are not those of {n} labelled answers and "
            f"{others} others"
        )
    return None if len({*own, *rest}) == n + others else [*own, *rest]


def _jeffreys(rate: Rate, alpha: float) -> Interval:
    """Return Jeffreys' interval of a rate (Brown et al. 2001, Statistical Science 16, 101-133)."""
    yes, no = rate.yes, rate.n - rate.yes
    lower = float(stats.beta.ppf(alpha / 2, yes + 0.5, no + 0.5)) if yes else 0.0
    upper = float(stats.beta.ppf(1 - alpha / 2, yes + 0.5, no + 0.5)) if no else 1.0
    return Interval(yes / rate.n, lower, upper)
