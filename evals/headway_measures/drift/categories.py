"""Whether the mix of categories differs between two windows.

A test of homogeneity: both windows are samples. The goodness of fit that takes the reference for
the truth calls up to 94 % of equal windows different (reference/statistics.md, 2.3).
"""

import numpy as np
from numpy.random import Generator
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.drift.permutations import draw_tables, drawn_p_value
from headway_measures.drift.rates import compare_rates
from headway_measures.drift.results import Effect
from headway_measures.drift.samples import Outcome, Sample
from headway_measures.drift.sizes import mix_detectable, mix_needs
from headway_measures.drift.units import Ints
from headway_measures.drift.wordings import level_name, shares

MIX_FLOOR = 0.05
"""A mix of which less than a twentieth moved did not change to speak of."""

# A level counts for itself where the smaller window is expected to hold so many of it.
_LEAST_EXPECTED = 5
_MOST_LEVELS = 49
_OTHER = "other"


def compare_categories(
    ref: Sample,
    cur: Sample,
    levels: list[str],
    *,
    alpha: float,
    level: float,
    rng: Generator,
    most: int,
) -> Outcome:
    """Compare how calls fall to categories.

    Args:
        ref: the place of each call's category in ``levels``.
        cur: the same of the current window.
        levels: the names of all.
        alpha: of intervals.
        level: of the test that the sizes speak of.
        rng: draws where a level is too rare for the χ² distribution.
        most: draws at most.
    """
    ref, cur, levels = pool_rare(ref, cur, levels)
    if len(levels) < 2:
        note = "every value is too rare to be counted by itself"
        return Outcome("homogeneity", "not_enough_data", note=note)
    if len(levels) == 2:
        told = _told(ref, cur, levels)
        return compare_rates(
            ref.with_values((ref.values == told).astype(np.float64)),
            cur.with_values((cur.values == told).astype(np.float64)),
            alpha=alpha,
            level=level,
            what=level_name(levels[told]),
        )
    before, after = _shares(ref.values, len(levels)), _shares(cur.values, len(levels))
    distance = float(np.abs(after - before).sum() / 2)
    table = np.stack([np.bincount(each.counted, minlength=len(levels)) for each in (ref, cur)])
    method, p_value = homogeneity(table, rng, most)
    words = shares(levels, before, after)
    return Outcome(
        method=method,
        state="no_drift",
        p_value=p_value,
        effects=(Effect("tvd", distance, None, None, MIX_FLOOR),),
        before=words[0],
        after=words[1],
        needs_n=mix_needs(MIX_FLOOR, len(levels), level),
        detectable=mix_detectable(ref.units, cur.units, len(levels), level),
    )


def homogeneity(table: Ints, rng: Generator, most: int) -> tuple[str, float]:
    """Return by which means, and the p-value of both rows having one mix.

    Pearson's χ² = Σ (O - E)²/E, by its distribution where every E is at least 5 (Cochran 1954,
    Biometrics 10), else by shuffled labels.

    Args:
        table: (2, levels) counts.
        rng: the source of the shuffles.
        most: shuffles at most.
    """
    table = table[:, table.sum(0) > 0]
    if table.shape[1] < 2:
        return "homogeneity", 1.0
    sizes, totals = table.sum(1), table.sum(0)
    expected = sizes[:, None] * totals / sizes.sum()
    observed = float(((table - expected) ** 2 / expected).sum())
    if expected.min() >= _LEAST_EXPECTED:
        return "homogeneity", float(stats.chi2.sf(observed, totals.size - 1))

    def draw(count: int) -> Floats:
        tables = draw_tables((int(sizes[0]), int(sizes[1])), totals, count, rng)
        drawn: Floats = ((tables - expected) ** 2 / expected).sum((1, 2))
        return drawn

    return "homogeneity_permutation", drawn_p_value(observed, draw, most)


def pool_rare(ref: Sample, cur: Sample, levels: list[str]) -> tuple[Sample, Sample, list[str]]:
    """Return the calls with rare categories as one, "other".

    What is rare is read from both windows together, so that pooling cannot favour a difference.
    """
    totals = np.bincount(
        np.concatenate([ref.counted, cur.counted]).astype(np.int64), minlength=len(levels)
    )
    least = _LEAST_EXPECTED * (ref.units + cur.units) / min(ref.units, cur.units)
    ordered = np.argsort(-totals, kind="stable")[:_MOST_LEVELS]
    kept = np.sort(ordered[totals[ordered] >= least])
    if kept.size == len(levels):
        return ref, cur, levels
    places = np.full(len(levels), kept.size, np.int64)
    places[kept] = np.arange(kept.size)
    names = [levels[place] for place in kept.tolist()]
    return (
        ref.with_values(places[ref.values]),
        cur.with_values(places[cur.values]),
        [*names, _OTHER],
    )


def _told(ref: Sample, cur: Sample, levels: list[str]) -> int:
    """Return the level of two to speak of: the rarer, unless it is the many that have no name."""
    if levels[1] == _OTHER:
        return 0
    second = int(ref.values.sum() + cur.values.sum())
    return 1 if 2 * second <= ref.size + cur.size else 0


def _shares(values: Ints, count: int) -> Floats:
    return np.bincount(values, minlength=count) / values.size
