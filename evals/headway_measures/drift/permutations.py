"""P-values by drawing: how often chance alone makes a difference as large as the one seen.

Where the two windows are alike, which call lies in which is chance, so a statistic of shuffled
labels has the distribution that the one seen comes from, whatever the values look like.
"""

import zlib
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.drift.units import Ints

# Stopping at the tenth draw as large leaves a p-value within a third of what endless draws give.
_HITS = 10
_FIRST_BATCH = 50
_LARGEST_BATCH = 1_000
# Statistics that differ by less are equal: sums in another order end in other digits.
_SAME = 1e-9


def chance(seed: int, name: str) -> Generator:
    """Return the source of a metric's draws, which no other metric's draws move."""
    return np.random.default_rng([seed % 2**64, zlib.crc32(name.encode())])


def most_draws(permutations: int) -> int:
    """Return how often a column is drawn at most: ten times as often as a whole text.

    A p-value cannot be under one over the draws, and a lone column has to pass the correction
    for all others.
    """
    return 10 * (permutations + 1) - 1


def drawn_p_value(observed: float, draw: Callable[[int], Floats], most: int) -> float:
    """Return the p-value of a statistic that is large where windows differ.

    Drawing stops with the tenth draw as large as the observed one, L draws in all: p = 10/L; or
    after ``most`` draws: p = (1 + as large)/(1 + most). Both are valid at every level (Besag and
    Clifford 1991, Biometrika 78, 301-304).

    Args:
        observed: the statistic of the data.
        draw: makes so many statistics of shuffled labels.
        most: how many are made at most.
    """
    least = observed - _SAME * max(1.0, abs(observed))
    hits = made = 0
    batch = _FIRST_BATCH
    while made < most:
        count = min(batch, most - made)
        places = np.flatnonzero(draw(count) >= least)
        if hits + places.size >= _HITS:
            return _HITS / (made + int(places[_HITS - hits - 1]) + 1)
        hits += places.size
        made += count
        batch = min(2 * batch, _LARGEST_BATCH)
    return (1 + hits) / (1 + most)


def draw_tables(sizes: tuple[int, int], totals: Ints, count: int, rng: Generator) -> Ints:
    """Return how often each level falls to either window, labels shuffled.

    Args:
        sizes: the calls of both windows.
        totals: of each level, both windows together.
        count: how many tables.
        rng: the source.

    Returns:
        (count, 2, levels).
    """
    tables = stats.random_table(list(sizes), totals).rvs(size=count, random_state=rng)
    return np.asarray(tables, np.int64)


def draw_signs(count: int, size: int, rng: Generator) -> Floats:
    """Return signs of differences, as likely up as down: (count, size)."""
    return np.asarray(rng.integers(0, 2, (count, size), dtype=np.int8), np.float64) * 2 - 1
