"""Whether a number is distributed otherwise in two windows: lengths, latencies, scores."""

import warnings
from threading import Lock

import numpy as np
from numpy.random import Generator
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.drift.permutations import draw_tables, drawn_p_value
from headway_measures.drift.results import Effect
from headway_measures.drift.samples import Outcome, Sample
from headway_measures.drift.sizes import order_detectable, order_needs
from headway_measures.drift.wordings import centres
from headway_measures.intervals import clopper_pearson, reach_of

NUMBER_FLOOR = 0.1
"""Of Cliff's delta, and of a Wasserstein distance in standard deviations."""

# The exact distribution of the KS distance is counted up to so many pairs of calls.
_EXACT_PAIRS = 1_000_000
# With fewer distinct values than this share, the KS p-value is too large ...
_FEW_DISTINCT = 0.9
# ... but as small a one needs no shuffles to be believed.
_SURE = 1e-3
# Shuffles look at the distance after so many steps of the values at most.
_STEPS = 512
_SILENT = Lock()


def compare_numbers(
    ref: Sample, cur: Sample, unit: str, *, alpha: float, level: float, rng: Generator, most: int
) -> Outcome:
    """Compare the distributions of a number that has at least three distinct values."""
    delta = cliffs_delta(ref, cur, alpha)
    distance = Effect(
        "wasserstein_sd", wasserstein(ref.values, cur.values), None, None, NUMBER_FLOOR
    )
    method, p_value = ks_p_value(ref.counted, cur.counted, rng, most)
    before, after = centres(ref.values, cur.values, unit)
    return Outcome(
        method=method,
        state="no_drift",
        p_value=p_value,
        # Either is enough to matter: a scale can change where the order does not.
        effects=tuple(sorted((delta, distance), key=lambda effect: -abs(effect.value))),
        before=before,
        after=after,
        needs_n=order_needs(NUMBER_FLOOR, level),
        detectable=order_detectable(ref.units, cur.units, level),
    )


def ks_p_value(ref: Floats, cur: Floats, rng: Generator, most: int) -> tuple[str, float]:
    """Return by which means, and the p-value of the largest distance of both distributions.

    Kolmogorov and Smirnov's is exact up to 1,000 v 1,000. Ties make it too large, so that then
    labels are shuffled, with the same statistic.
    """
    p_value = _exact_ks(ref, cur) if ref.size * cur.size <= _EXACT_PAIRS else _limit_ks(ref, cur)
    levels, places = np.unique(np.concatenate([ref, cur]), return_inverse=True)
    if p_value <= _SURE or levels.size >= _FEW_DISTINCT * places.size:
        return "ks", p_value
    return "ks_permutation", _shuffled_ks(places, ref.size, rng, most)


def _exact_ks(ref: Floats, cur: Floats) -> float:
    # Which warnings are shown is one setting of all threads.
    with _SILENT, warnings.catch_warnings():
        # It says so where counting overflows, and goes by the limit instead.
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(stats.ks_2samp(ref, cur, method="exact").pvalue)


def _limit_ks(ref: Floats, cur: Floats) -> float:
    return float(stats.ks_2samp(ref, cur, method="asymp").pvalue)


def cliffs_delta(ref: Sample, cur: Sample, alpha: float) -> Effect:
    """Return P(current > reference) - P(current < reference), and how sure it is.

    The error comes from placements: var = s²(F_cur(ref))/n + s²(F_ref(cur))/m (Brunner and
    Munzel 2000, Biometrical Journal 42, 17-25). Where no two values of both windows are out of
    order there is none to see; then what so few cannot exclude.
    """
    value = 2 * float(_placements(ref.values, cur.values).mean()) - 1
    counted_ref, counted_cur = ref.counted, cur.counted
    of_cur, of_ref = _placements(counted_ref, counted_cur), _placements(counted_cur, counted_ref)
    variance = float(of_cur.var(ddof=1)) / of_cur.size + float(of_ref.var(ddof=1)) / of_ref.size
    reach = 2 * reach_of(alpha) * variance**0.5
    if not variance:
        few = min(ref.units, cur.units)
        reach = 2 * clopper_pearson(0, few, alpha).upper
    return Effect(
        "cliffs_delta", value, max(-1.0, value - reach), min(1.0, value + reach), NUMBER_FLOOR
    )


def wasserstein(ref: Floats, cur: Floats) -> float:
    """Return the Wasserstein-1 distance in standard deviations of both windows together.

    Values are cut at the 1st and 99th percentile of both together: one call of an hour would
    else be most of a latency's spread.
    """
    lowest, highest = clip_bounds(ref, cur)
    # In parts of the range, and by halves, so that no unit is too large or small to be squared.
    before, after = (
        (np.clip(each, lowest, highest) / 2 - lowest / 2) / (highest / 2 - lowest / 2)
        for each in (ref, cur)
    )
    spread = float(np.concatenate([before, after]).std())
    return float(stats.wasserstein_distance(before, after)) / spread


def clip_bounds(ref: Floats, cur: Floats) -> tuple[float, float]:
    """Return the 1st and 99th percentile of both windows; equal where nearly all values are."""
    lowest, highest = np.quantile(np.concatenate([ref, cur]), [0.01, 0.99], method="nearest")
    return float(lowest), float(highest)


def _placements(among: Floats, values: Floats) -> Floats:
    """Return for each value the share of the others below it, ties counted half."""
    ordered = np.sort(among)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    placed: Floats = (below + up_to) / (2 * among.size)
    return placed


def _shuffled_ks(places: np.ndarray, n_ref: int, rng: Generator, most: int) -> float:
    """Shuffle labels over the counts of distinct values, or of steps of them where many."""
    totals = np.bincount(places)
    steps = np.arange(totals.size)
    if totals.size > _STEPS:
        steps = (np.cumsum(totals) - totals) * _STEPS // totals.sum()
        _, steps = np.unique(steps, return_inverse=True)
    stepped = steps[places]
    totals = np.bincount(stepped)
    n_cur = places.size - n_ref

    def distances(tables: np.ndarray) -> Floats:
        shares = tables / np.array([n_ref, n_cur])[:, None]
        found: Floats = np.abs(np.cumsum(shares[..., 0, :] - shares[..., 1, :], -1)).max(-1)
        return found

    observed = np.stack(
        [np.bincount(each, minlength=totals.size) for each in (stepped[:n_ref], stepped[n_ref:])]
    )

    def draw(count: int) -> Floats:
        return distances(draw_tables((n_ref, n_cur), totals, count, rng))

    return drawn_p_value(float(distances(observed)), draw, most)
