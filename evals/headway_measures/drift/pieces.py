"""What a permutation test of vectors exchanges: units, whole, as the means of their calls.

A statistic of means is then one product of matrices for all permutations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from headway_measures.clusters import Floats
from headway_measures.drift.units import Ints, Units

MIN_UNITS = 50
"""With fewer a side, vectors of texts differ too much for any other difference to show."""

_PAIRED = 0.8  # of the units of both windows in both of them

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a permutation exchanges: all calls of one unit in one window, as their mean.

    A unit counts once, however many calls it has. One that both windows have is compared with
    itself: its two pieces change places or do not. All others change places with each other.

    Args:
        of_call: the piece of each call, those of the reference first, (calls,).
        is_ref: the window of each piece, (pieces,).
        pairs: the first of two pieces of one unit; the other follows it.
    """

    of_call: Ints
    is_ref: NDArray[np.bool_]
    pairs: Ints

    @property
    def ref_count(self) -> int:
        """Return the units of the reference."""
        return int(self.is_ref.sum())

    @property
    def cur_count(self) -> int:
        """Return the units of the current window."""
        return self.is_ref.size - self.ref_count

    @property
    def is_enough(self) -> bool:
        """Return whether both windows have enough units for a test of texts."""
        return min(self.ref_count, self.cur_count) >= MIN_UNITS

    @property
    def is_paired(self) -> bool:
        """Return whether nearly all units are compared with themselves."""
        return self.pairs.size >= _PAIRED * max(self.ref_count, self.cur_count, 1)

    def means(self, values: Floats | Singles) -> Singles:
        """Return the mean of each piece, of values of its calls (calls, any)."""
        order = np.argsort(self.of_call, kind="stable")
        if values.shape[0] == self.is_ref.size:
            return values[order].astype(np.float32)
        counts = np.bincount(self.of_call)
        starts = np.cumsum(counts) - counts
        sums = np.add.reduceat(values[order], starts, axis=0)
        return (sums / counts[:, None]).astype(np.float32)

    def contrasts(self, draws: int, rng: Generator) -> Singles:
        """Return what a piece counts in "reference less current", first as it is, then exchanged.

        Returns:
            (1 + draws, pieces): 1/units in the reference, -1/units in the current window.
        """
        is_ref = np.tile(self.is_ref, (1 + draws, 1))
        alone = np.ones(self.is_ref.size, np.bool_)
        alone[self.pairs] = alone[self.pairs + 1] = False
        is_ref[1:, alone] = _draw_subsets(int(self.is_ref[alone].sum()), alone.sum(), draws, rng)
        is_kept = rng.random((draws, self.pairs.size)) < 0.5
        is_ref[1:, self.pairs], is_ref[1:, self.pairs + 1] = is_kept, ~is_kept
        return np.where(is_ref, 1 / self.ref_count, -1 / self.cur_count).astype(np.float32)


def pieces_of(units: Units) -> Pieces:
    """Return the pieces of two windows."""
    both = np.concatenate([units.ref, units.cur])
    _, unit_of_call = np.unique(both, return_inverse=True)
    is_current = np.arange(both.size) >= units.ref.size
    keys, of_call = np.unique(2 * unit_of_call + is_current, return_inverse=True)
    pairs = np.flatnonzero(keys[:-1] // 2 == keys[1:] // 2)
    return Pieces(of_call.astype(np.int64), keys % 2 == 0, pairs.astype(np.int64))


def permutation_p(statistics: Floats | Singles) -> float:
    """Return the share of statistics that reach the first, which is the observed one.

    It counts itself, so that the p-value is exact (Phipson and Smyth 2010, SAGMB 9). The last
    digits of a float depend on the order of a sum and do not count.
    """
    observed = float(statistics[0])
    return float((statistics >= observed - 1e-4 * abs(observed) - 1e-9).mean())


def _draw_subsets(taken: int, count: int, draws: int, rng: Generator) -> NDArray[np.bool_]:
    """Return whether each of ``count`` things is taken, so many in each draw; (draws, count)."""
    if not 0 < taken < count:
        return np.full((draws, count), taken > 0)
    # Those with the smallest of random numbers, which is quicker than to shuffle every row.
    keys = rng.random((draws, count))
    return np.asarray(keys <= np.partition(keys, taken - 1, axis=1)[:, taken - 1 : taken])
