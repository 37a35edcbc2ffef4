"""Whether the meaning of texts moved, as far as vectors show it: a kernel two-sample test.

The maximum mean discrepancy is 0 only where two distributions are the same, so that it sees a mean
that moved as well as one group that became two. Random features make it linear in the calls
(Rahimi and Recht 2007, NeurIPS), several bandwidths make its scale no matter of luck (Schrab et
al. 2023, MMDAgg, JMLR 24), and its p-value is a permutation's and so exact.
"""

import math
import zlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.pieces import MIN_UNITS, Pieces, Singles, permutation_p, pieces_of
from headway_measures.drift.results import Effect, Evidence
from headway_measures.drift.units import Units
from headway_measures.drift.windows import Options

FLOOR = 0.01
"""Of the discrepancy's share of the likeness inside the windows."""

_BANDWIDTHS = (0.25, 0.5, 1.0, 2.0)  # of the median distance
_EFFECT_BANDWIDTH = 0.5
_WAVES = 256  # each a cosine and a sine: 512 features
_SOME = 1_000  # vectors, whose distances are half a million
_SAME = 1e-9  # of the largest squared distance, which is what rounding leaves of none


def compare_embeddings(
    ref: Floats, cur: Floats, units: Units, metric: Metric, options: Options
) -> Evidence:
    """Return whether vectors of two windows are drawn from one distribution.

    The statistic of a bandwidth is the squared distance of the windows' mean random features.
    Each is standardised over the permutations, and the largest over the bandwidths is compared
    with the largest of each permutation. The effect is the squared discrepancy as a share of the
    mean kernel inside the windows, always of half the median distance: wider kernels may see a
    change first, but take all texts for alike, and so any change for small.

    Args:
        ref: unit vectors, one a call, (calls, any).
        cur: the same of the current window.
        units: of the calls.
        metric: what the vectors stand for.
        options: seed and permutations count.

    Raises:
        ValueError: where vectors are not finite, or of different widths.
    """
    pieces = pieces_of(units)
    evidence = unmeasured(metric, "mmd", units, pieces)
    if not pieces.is_enough:
        return evidence
    both = pooled(ref, cur)
    if (both == both[0]).all():
        return replace(evidence, state="identical", needs_n=None)
    rng = rng_of(metric, options)
    contrasts = pieces.contrasts(options.permutations, rng)
    scale = _median_distance(both, rng)
    features = _random_features(both, scale, rng)
    squares = np.stack([_squares(contrasts, pieces.means(each)) for each in features])
    spread = squares.std(1, keepdims=True)
    standard = (squares - squares.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1)
    return replace(
        evidence,
        state="no_drift",
        p_value=permutation_p(standard.max(0)),
        effects=(Effect("mmd", _share(both, pieces, scale, rng), None, None, FLOOR),),
        before=f"average likeness {_likeness(both[: len(ref)]):.2f}",
        after=f"average likeness {_likeness(both[len(ref) :]):.2f}",
        needs_n=None,
    )


def unmeasured(metric: Metric, method: str, units: Units, pieces: Pieces) -> Evidence:
    """Return the evidence of windows that are too small, to be filled where they are not."""
    is_counted_once = units.is_repeated and not pieces.is_paired
    return Evidence(
        metric=metric.name,
        kind=metric.kind,
        side=metric.side,
        method=method,
        state="not_enough_data",
        n_ref=units.ref.size,
        n_cur=units.cur.size,
        units_ref=pieces.ref_count,
        units_cur=pieces.cur_count,
        is_paired=pieces.is_paired,
        needs_n=MIN_UNITS,
        note="the p-value counts the calls of one unit as one" if is_counted_once else "",
    )


def pooled(ref: Floats, cur: Floats) -> Floats:
    """Return the vectors of both windows, those of the reference first.

    Raises:
        ValueError: where they cannot be compared.
    """
    if ref.shape[1] != cur.shape[1]:
        raise ValueError(
            f"vectors of {ref.shape[1]} and {cur.shape[1]} dimensions cannot be compared: "
            "make both windows' with one representation"
        )
    both = np.concatenate([ref, cur])
    if not np.isfinite(both).all():
        count = int((~np.isfinite(both)).any(1).sum())
        raise ValueError(f"{count} of {len(both)} vectors are not finite: leave their calls out")
    return both


def rng_of(metric: Metric, options: Options) -> Generator:
    """Return the generator of all that a test of this metric draws."""
    return np.random.default_rng([options.seed, zlib.crc32(metric.name.encode())])


def _median_distance(both: Floats, rng: Generator) -> float:
    """Return the median distance of vectors that differ, of a draw from both windows."""
    some = both[rng.permutation(len(both))[:_SOME]]
    squares = _squared_distances(some, some)
    apart = squares[squares > _SAME * squares.max()]
    return math.sqrt(np.median(apart)) if apart.size else 1.0


def _squared_distances(ones: Floats, others: Floats) -> Floats:
    """Return the squared distance of each two rows, by a product of matrices, which is quick."""
    lengths = np.square(ones).sum(1)[:, None] + np.square(others).sum(1)
    return np.asarray(np.maximum(lengths - 2 * ones @ others.T, 0.0))


def _random_features(both: Floats, scale: float, rng: Generator) -> Iterable[Singles]:
    """Yield for each bandwidth features of length 1 whose product is a Gaussian kernel."""
    waves = rng.normal(size=(both.shape[1], _WAVES))
    angles = (both @ waves / scale).astype(np.float32)
    for bandwidth in _BANDWIDTHS:
        angle = angles / np.float32(bandwidth)
        waved = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
        yield (waved / math.sqrt(_WAVES)).astype(np.float32)


def _squares(contrasts: Singles, features: Singles) -> Floats:
    moves = (contrasts @ features).astype(np.float64)
    # Where all pieces equal their pairs nothing but the noise of single floats would be left.
    return np.asarray(np.square(moves).sum(1).round(10))


def _share(both: Floats, pieces: Pieces, scale: float, rng: Generator) -> float:
    """Return the squared discrepancy as a share of the mean kernel inside the windows, 0 to 2.

    Of exact kernels, since of narrow ones random features give a rough idea only; of one call a
    unit, of as many units as that is quick for; without bias, as no unit is compared with itself
    (Gretton et al. 2012, JMLR 13).
    """
    _, calls = np.unique(pieces.of_call, return_index=True)
    unit = np.arange(calls.size)
    unit[pieces.pairs + 1] = unit[pieces.pairs]
    ref, cur = (
        rng.permutation(np.flatnonzero(side))[:_SOME] for side in (pieces.is_ref, ~pieces.is_ref)
    )
    apart = [
        (
            _squared_distances(both[calls[one]], both[calls[other]]),
            unit[one][:, None] != unit[other],
        )
        for one, other in ((ref, ref), (cur, cur), (ref, cur))
    ]
    width = 2 * (_EFFECT_BANDWIDTH * scale) ** 2
    in_ref, in_cur, across = (np.exp(-far[other] / width).mean() for far, other in apart)
    between, inside = in_ref + in_cur - 2 * across, (in_ref + in_cur) / 2
    return float(between / max(inside, between / 2)) if between > 0 else 0.0


def _mean_product(rows: Floats) -> float:
    """Return the mean product of two different rows."""
    total = rows.sum(0)
    return float(total @ total - np.square(rows).sum()) / (len(rows) * (len(rows) - 1))


def _likeness(vectors: Floats) -> float:
    """Return the mean cosine of two calls, of vectors of length 1; without a "-0.00"."""
    return max(0.0, _mean_product(vectors))
