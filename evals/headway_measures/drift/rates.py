"""Whether a rate differs between two windows: refusals, errors, valid JSON, a missing value."""

import math
from functools import lru_cache

import numpy as np
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.drift.results import Effect
from headway_measures.drift.samples import Outcome, Sample
from headway_measures.drift.sizes import rate_detectable, rate_needs
from headway_measures.drift.wordings import share
from headway_measures.intervals import Interval, wilson

RATE_FLOOR = 0.02
"""A rate that moves by less does not matter."""
_ANGLE_FLOOR = 0.1

# Up to so many tables, 546 v 546, the pooled z is not trusted but counted out: of equal windows it
# calls 5.7 % different at 50 v 50, and still 5.4 % at 250 v 250.
_TABLES = 300_000
# With fewer expected of any outcome, z is not normal.
_LEAST_EXPECTED = 10


def compare_rates(
    ref: Sample, cur: Sample, *, alpha: float, level: float, what: str = ""
) -> Outcome:
    """Compare how often something holds.

    Args:
        ref: 1 where it holds, else 0.
        cur: the same of the current window.
        alpha: of the interval.
        level: of the test that the sizes speak of.
        what: is counted, where the metric's name does not say it.
    """
    before, after = float(ref.values.mean()), float(cur.values.mean())
    floor = rate_floor(before, after)
    bounds = newcombe(_hits(ref), ref.units, _hits(cur), cur.units, alpha)
    # The drawn calls say how wide it is, all calls where it lies.
    shift = after - before - bounds.estimate
    effect = Effect(
        "risk_difference",
        after - before,
        max(-1.0, bounds.lower + shift),
        min(1.0, bounds.upper + shift),
        floor,
    )
    method, p_value = rate_p_value(_hits(ref), ref.units, _hits(cur), cur.units)
    moved = before + math.copysign(floor, after - before)
    if not 0 <= moved <= 1:
        moved = before - math.copysign(floor, after - before)
    return Outcome(
        method=method,
        state="no_drift",
        p_value=p_value,
        effects=(effect,),
        before=f"{what} {share(before)}".strip(),
        after=f"{what} {share(after)}".strip(),
        needs_n=rate_needs(before, moved, level),
        detectable=rate_detectable(before, ref.units, cur.units, level),
    )


def rate_p_value(hits_ref: int, n_ref: int, hits_cur: int, n_cur: int) -> tuple[str, float]:
    """Return by which test, and its two-sided p-value of equal rates.

    Small windows are counted out, large ones go by the pooled z, and those where hardly any call
    has one of the outcomes by Fisher's exact test.
    """
    if (n_ref + 1) * (n_cur + 1) <= _TABLES:
        return "storer_kim", storer_kim(hits_ref, n_ref, hits_cur, n_cur)
    hits, n = hits_ref + hits_cur, n_ref + n_cur
    if min(hits, n - hits) * min(n_ref, n_cur) / n >= _LEAST_EXPECTED:
        z = (hits_cur / n_cur - hits_ref / n_ref) / math.sqrt(
            hits / n * (1 - hits / n) * (1 / n_ref + 1 / n_cur)
        )
        return "two_proportions", float(2 * stats.norm.sf(abs(z)))
    table = [[hits_ref, n_ref - hits_ref], [hits_cur, n_cur - hits_cur]]
    return "fisher", float(stats.fisher_exact(table).pvalue)


@lru_cache(maxsize=4096)
def storer_kim(hits_ref: int, n_ref: int, hits_cur: int, n_cur: int) -> float:
    """Return the chance of a pooled |z| as large, were both rates the pooled one.

    Counted over all pairs of outcomes (Storer and Kim 1990, JASA 85, 146-155): far less
    conservative than Fisher's test, and hardly ever over its level.
    """
    pooled = (hits_ref + hits_cur) / (n_ref + n_cur)
    if pooled in (0.0, 1.0):
        return 1.0
    distances = _pooled_z(n_ref, n_cur)
    as_large = (distances >= distances[hits_ref, hits_cur] - 1e-9).astype(np.float64)
    chance_ref = stats.binom.pmf(np.arange(n_ref + 1), n_ref, pooled)
    chance_cur = stats.binom.pmf(np.arange(n_cur + 1), n_cur, pooled)
    return min(1.0, float(chance_ref @ as_large @ chance_cur))


def newcombe(hits_ref: int, n_ref: int, hits_cur: int, n_cur: int, alpha: float) -> Interval:
    """Return the interval of current minus reference, from Wilson's of both.

    Newcombe 1998, Statistics in Medicine 17, 873-890, method 10.
    """
    ref, cur = wilson(hits_ref, n_ref, alpha), wilson(hits_cur, n_cur, alpha)
    difference = cur.estimate - ref.estimate
    below = math.hypot(cur.estimate - cur.lower, ref.upper - ref.estimate)
    above = math.hypot(cur.upper - cur.estimate, ref.estimate - ref.lower)
    return Interval(difference, difference - below, difference + above)


def rate_floor(before: float, after: float) -> float:
    """Return the least difference that matters: two points, and a tenth of Cohen's h.

    h = 2·asin√p₂ - 2·asin√p₁ (Cohen 1988), so that a rate near a half has to move by five points.
    """
    angle = 2 * math.asin(math.sqrt(min(1.0, before)))
    moved = min(math.pi, max(0.0, angle + math.copysign(_ANGLE_FLOOR, after - before)))
    return max(RATE_FLOOR, abs(math.sin(moved / 2) ** 2 - before))


@lru_cache(maxsize=8)
def _pooled_z(n_ref: int, n_cur: int) -> Floats:
    ref, cur = np.arange(n_ref + 1)[:, None], np.arange(n_cur + 1)[None, :]
    pooled = (ref + cur) / (n_ref + n_cur)
    variance = pooled * (1 - pooled) * (1 / n_ref + 1 / n_cur)
    apart = np.abs(cur / n_cur - ref / n_ref)
    distances: Floats = np.zeros_like(apart)
    np.divide(apart, np.sqrt(variance), out=distances, where=variance > 0)
    return distances


def _hits(sample: Sample) -> int:
    return int(sample.counted.sum())
