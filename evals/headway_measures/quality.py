"""How good answers are: the mean of a score with its band, and the difference of two cohorts.

Answers of one session are judged alike, so a session and not a score is a piece of evidence: bands
and p-values are clustered. Where both cohorts were asked the same, they are compared prompt by
prompt, which shows a change with far fewer answers.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse, stats
from scipy.sparse import csgraph

from headway_measures.clusters import Floats, design_effect, effective_clusters
from headway_measures.intervals import Interval, mean_of, reach_of, wilson
from headway_measures.paired import measure_change
from headway_measures.power import cases_needed

# Of the scores of either cohort, as many must be of prompts that the other was asked, too; and
# some few prompts asked over and over would say little pair by pair.
_LEAST_SHARED = 0.8
_FEWEST_PAIRS = 10

# Below it doubles end, and with them the normal's quantiles.
_LEAST_LOG_LEVEL = -300.0
_LEAST_LEVEL = 10**_LEAST_LOG_LEVEL
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Level:
    """The mean of some scores.

    Args:
        n: how many there are.
        units: of how many sessions.
        mean: None of nothing.
        lower: the band's end; None where nothing bounds the mean, as with one session.
        upper: the other one.
    """

    n: int
    units: int
    mean: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Cohort:
    """The scores of some answers.

    Args:
        values: one an answer, 0 or 1 where the score is a rate.
        clusters: the session of each answer.
        prompts: what names each answer's prompt; None where it is not known.
    """

    values: Sequence[float]
    clusters: Sequence[Hashable]
    prompts: Sequence[Hashable | None]


@dataclass(frozen=True, slots=True)
class CohortChange:
    """How far the current cohort lies above the reference.

    Args:
        is_paired: whether prompts were compared with themselves.
        pairs: how many prompts; 0 where not paired.
        reference: the mean of all its scores.
        current: the same of the other cohort.
        difference: current minus reference, over the pairs where paired; None without scores.
        lower: the interval's end; None where nothing bounds it.
        upper: the other one.
        p_value: two-sided, of no difference.
        needs_n: the scores a side, or the pairs, that would show a difference as small as this
            four times in five; None where it shows already, or where there is none to show.
    """

    is_paired: bool
    pairs: int
    reference: Level
    current: Level
    difference: float | None
    lower: float | None
    upper: float | None
    p_value: float | None
    needs_n: int | None


class _Estimate(Protocol):
    """A mean whose interval can be asked for at any confidence."""

    def interval(self, alpha: float) -> Interval: ...


@dataclass(frozen=True, slots=True)
class _Rate:
    """A rate of so many scores, that count for as many alone: fewer by their design effect."""

    passed: float
    n: float
    groups: float | None

    def interval(self, alpha: float) -> Interval:
        level = 2 * float(stats.norm.sf(reach_of(alpha, self.groups)))
        return wilson(self.passed, self.n, max(level, _LEAST_LEVEL))


def is_rate(values: Sequence[float]) -> bool:
    """Return whether scores say yes or no, so that their mean is a share."""
    return bool(len(values)) and bool(np.isin(values, (0.0, 1.0)).all())


def measure_level(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    are_rates: bool,
    alpha: float = 0.05,
) -> Level:
    """Return the mean of scores with its band, clustered by session.

    Args:
        values: one an answer; 0 or 1 where they are rates.
        clusters: the session of each.
        are_rates: whether the mean is a share; Wilson's interval then, else Student's and Hall's.
        alpha: the chance that the true mean lies outside the band.
    """
    if not len(values):
        return Level(0, 0, None, None, None)
    return _level(
        np.asarray(values, np.float64), clusters, _estimate(values, clusters, are_rates), alpha
    )


def compare_cohorts(
    reference: Cohort, current: Cohort, *, are_rates: bool, alpha: float = 0.05
) -> CohortChange:
    """Return the difference of two cohorts, pair by pair where they were asked the same.

    Unpaired, the interval comes from both cohorts' own (Zou and Donner 2008, Statistics in
    Medicine 27, 1693-1702; of rates it is Newcombe's) and the p-value is the level at which it
    touches 0, so that the two never disagree.
    """
    sides = [
        measure_level(each.values, each.clusters, are_rates=are_rates, alpha=alpha)
        for each in (reference, current)
    ]
    if not (sides[0].n and sides[1].n):
        return CohortChange(False, 0, sides[0], sides[1], None, None, None, None, None)
    pairs = _pair(reference, current)
    if pairs is not None:
        return _compare_pairs(pairs, sides, are_rates, alpha)
    before = _estimate(reference.values, reference.clusters, are_rates)
    after = _estimate(current.values, current.clusters, are_rates)
    found = _difference(before, after, alpha)
    variance = _variance(reference, are_rates) + _variance(current, are_rates)
    return CohortChange(
        is_paired=False,
        pairs=0,
        reference=sides[0],
        current=sides[1],
        difference=found.estimate,
        lower=_finite(found.lower),
        upper=_finite(found.upper),
        p_value=_p_value(before, after),
        needs_n=_needs(found, variance, alpha),
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """What both cohorts make of the same prompts; prompts that share sessions are one cluster."""

    before: list[float]
    after: list[float]
    clusters: list[int]


def _compare_pairs(
    pairs: _Pairs, sides: Sequence[Level], are_rates: bool, alpha: float
) -> CohortChange:
    change = measure_change(
        pairs.before, pairs.after, pairs.clusters, scale=1.0 if are_rates else None
    )
    found = change.interval(alpha)
    return CohortChange(
        is_paired=True,
        pairs=change.n,
        reference=sides[0],
        current=sides[1],
        difference=found.estimate,
        lower=_finite(found.lower),
        upper=_finite(found.upper),
        p_value=change.p_value,
        needs_n=_needs(found, change.variance, alpha),
    )


def _pair(reference: Cohort, current: Cohort) -> _Pairs | None:
    """Return the pairs, or None where too few answers of either cohort have a counterpart."""
    rows = [_rows_by_prompt(each) for each in (reference, current)]
    shared = [prompt for prompt in rows[0] if prompt in rows[1]]
    for cohort, found in zip((reference, current), rows, strict=True):
        if sum(len(found[prompt]) for prompt in shared) < _LEAST_SHARED * len(cohort.values):
            return None
    if len(shared) < _FEWEST_PAIRS:
        return None
    means = [
        [float(np.mean([cohort.values[row] for row in found[prompt]])) for prompt in shared]
        for cohort, found in zip((reference, current), rows, strict=True)
    ]
    links = [
        (place, cohort.clusters[row])
        for cohort, found in zip((reference, current), rows, strict=True)
        for place, prompt in enumerate(shared)
        for row in found[prompt]
    ]
    return _Pairs(means[0], means[1], _join(len(shared), links))


def _rows_by_prompt(cohort: Cohort) -> dict[Hashable, list[int]]:
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, prompt in enumerate(cohort.prompts):
        if prompt is not None:
            rows[prompt].append(row)
    return rows


def _join(count: int, links: Sequence[tuple[int, Hashable]]) -> list[int]:
    """Return a number for each pair, the same for those that a chain of sessions joins."""
    numbers: dict[Hashable, int] = {}
    ends = [numbers.setdefault(cluster, count + len(numbers)) for _, cluster in links]
    starts = [place for place, _ in links]
    size = count + len(numbers)
    graph = sparse.coo_matrix((np.ones(len(links)), (starts, ends)), shape=(size, size))
    _, labels = csgraph.connected_components(graph, directed=False)
    return [int(each) for each in labels[:count]]


def _estimate(values: Sequence[float], clusters: Sequence[Hashable], are_rates: bool) -> _Estimate:
    array = np.asarray(values, np.float64)
    if not are_rates:
        return mean_of(array, clusters)
    if len(set(clusters)) == array.size:
        return _Rate(float(array.sum()), array.size, None)
    weight = 1 / design_effect(array, clusters)
    groups = effective_clusters(array.size, clusters)
    return _Rate(float(array.sum()) * weight, array.size * weight, groups)


def _level(
    values: Floats, clusters: Sequence[Hashable], estimate: _Estimate, alpha: float
) -> Level:
    band = estimate.interval(alpha)
    return Level(
        n=values.size,
        units=len(set(clusters)),
        mean=float(values.mean()),
        lower=_finite(band.lower),
        upper=_finite(band.upper),
    )


def _difference(before: _Estimate, after: _Estimate, alpha: float) -> Interval:
    old, new = before.interval(alpha), after.interval(alpha)
    difference = new.estimate - old.estimate
    below = math.hypot(new.estimate - new.lower, old.upper - old.estimate)
    above = math.hypot(new.upper - new.estimate, old.estimate - old.lower)
    return Interval(difference, difference - below, difference + above)


def _p_value(before: _Estimate, after: _Estimate) -> float:
    """Return the level at which the interval of the difference touches 0, by halving."""
    low, high = _LEAST_LOG_LEVEL, 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = _difference(before, after, 10**middle)
        if found.lower <= 0 <= found.upper:
            low = middle
        else:
            high = middle
    return float(10**high)


def _variance(cohort: Cohort, are_rates: bool) -> float:
    """Return the variance of a score, such that over n it is that of the mean."""
    values = np.asarray(cohort.values, np.float64)
    if not are_rates:
        return mean_of(values, cohort.clusters).error ** 2 * values.size
    rate = float(values.mean())
    return rate * (1 - rate) * design_effect(values, cohort.clusters)


def _needs(found: Interval, variance: float, alpha: float) -> int | None:
    is_shown = not found.lower <= 0 <= found.upper
    if is_shown or not found.estimate or not 0 < variance < math.inf:
        return None
    return cases_needed(abs(found.estimate), variance, alpha=alpha)


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None
