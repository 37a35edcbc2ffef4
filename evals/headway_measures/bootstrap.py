"""The change of a measure that is no mean over cases: corpus BLEU, perplexity per token, ratios.

Such a measure is a function of sums. For BLEU a case brings its counts of matching n-grams, for
perplexity its log-likelihood and its tokens; the corpus has the sums of them. A resample draws
cases, or whole clusters, with replacement: the same ones for both models.

    def perplexity(sums): return np.exp(-sums[..., 0] / sums[..., 1])

    change = bootstrap_change(old, new, perplexity, direction="down")
    judge(change, margin)
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from headway_measures.clusters import (
    Floats,
    cluster_numbers,
    cluster_sizes,
    effective_clusters,
)
from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval, half_width, unseen_share
from headway_measures.scores import Direction

Measure = Callable[[Floats], Floats]
"""From sums over cases, in the last axis, to the measure; any number of axes before it."""

# Resamples are counted in blocks, so that a large suite needs no more than some tens of MB.
_BLOCK_CELLS = 1_000_000


def mean_of_sums(sums: Floats) -> Floats:
    """Return the plain mean, where a case brings its score and a 1."""
    means: Floats = sums[..., 0] / sums[..., 1]
    return means


@dataclass(frozen=True, slots=True)
class BootstrapChange:
    """A measure under both models, with what resampling says of their difference.

    Args:
        n: the number of pairs.
        baseline: the baseline's measure.
        candidate: the candidate's measure.
        p_value: the share of random exchanges of the two models' answers that differ as much.
        gain: how much better the candidate is.
        gains: that of each resample, in rising order.
        bias: the normal quantile of the resamples' share below the gain.
        acceleration: how the gain's error changes with the gain, from leaving clusters out.
        change_count: how many independent pieces do not change as the commonest ones do.
        groups: how many pieces there are.
        scale: the most by which the measure could change.
    """

    n: int
    baseline: float
    candidate: float
    p_value: float
    gain: float
    gains: Floats = field(repr=False, compare=False)
    bias: float
    acceleration: float
    change_count: float
    groups: float
    scale: float

    @property
    def variance(self) -> float:
        """Return the variance of a pair's gain, such that over n it is that of the whole."""
        return float(self.gains.var()) * self.n

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return how far a gain must lie from 0 to be seen, as the resamples spread."""
        return half_width(self.interval(alpha, power=power))

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the BCa interval (Efron 1987, JASA 82), as wide as few changes demand."""
        extra = float(stats.norm.ppf(power))
        ends = (stats.norm.ppf(alpha / 2) - extra, stats.norm.isf(alpha / 2) + extra)
        found = np.quantile(self.gains, [self._level(float(end)) for end in ends]) - self.gain
        share = unseen_share(self.change_count * growth, self.groups * growth, alpha)
        below = max(-float(found[0]) / math.sqrt(growth), share * (self.scale + self.gain), 0.0)
        above = max(float(found[1]) / math.sqrt(growth), share * (self.scale - self.gain), 0.0)
        return Interval(self.gain, self.gain - below, self.gain + above)

    def _level(self, quantile: float) -> float:
        shifted = self.bias + quantile
        room = 1 - self.acceleration * shifted
        if room <= 0:  # past where the correction is defined: the end of what was drawn
            return float(quantile > 0)
        return float(stats.norm.cdf(self.bias + shifted / room))


def bootstrap_change(
    baseline: ArrayLike,
    candidate: ArrayLike,
    measure: Measure = mean_of_sums,
    clusters: Sequence[Hashable] | None = None,
    *,
    direction: Direction = "up",
    scale: float | None = 1.0,
    draws: int = 10_000,
    seed: int = 7,
) -> BootstrapChange:
    """Resample the change of a measure between two models.

    Args:
        baseline: for each case what it brings to the sums under the trusted model; a row, or one
            number that stands for itself and a 1.
        candidate: the same under the judged model, in the same order.
        measure: from the sums to the measure.
        clusters: for each case what it shares with others.
        direction: which way the measure gets better.
        scale: the most by which the measure could change; None takes it for its larger value.
        draws: how many resamples, and how many exchanges.
        seed: of both.

    Raises:
        MeasureError: nothing to pair, shapes that differ, or a measure that is not finite.
    """
    old, new = _rows(baseline), _rows(candidate)
    if not old.size or old.shape != new.shape:
        raise MeasureError(f"cannot pair {old.shape} baseline sums with {new.shape}")
    sign = 1.0 if direction == "up" else -1.0

    def gains(old_sums: Floats, new_sums: Floats) -> Floats:
        return sign * (measure(new_sums) - measure(old_sums))

    rng = np.random.default_rng(seed)
    before, after = _clustered(old, clusters), _clustered(new, clusters)
    totals = before.sum(0), after.sum(0)
    gain = float(gains(*totals))
    drawn = [gains(counts @ before, counts @ after) for counts in _resamples(rng, before, draws)]
    resampled = np.sort(np.concatenate(drawn))
    if not (math.isfinite(gain) and np.isfinite(resampled).all()):
        raise MeasureError("the measure is not finite on every resample of these cases")
    left_out = gains(totals[0] - before, totals[1] - after) if len(before) > 1 else np.zeros(1)
    groups = effective_clusters(len(old), clusters)
    share = _changed_share(after - before, cluster_sizes(len(old), clusters))
    values = [float(measure(each)) for each in totals]
    return BootstrapChange(
        n=len(old),
        baseline=values[0],
        candidate=values[1],
        p_value=_exchange_p_value(gains, before, after, gain, rng, draws),
        gain=gain,
        gains=resampled,
        bias=_bias(resampled, gain),
        acceleration=_acceleration(left_out),
        change_count=groups * share,
        groups=groups,
        scale=max(*map(abs, values)) if scale is None else scale,
    )


def _rows(values: ArrayLike) -> Floats:
    rows = np.asarray(values, dtype=np.float64)
    return np.column_stack([rows, np.ones_like(rows)]) if rows.ndim == 1 else rows


def _clustered(rows: Floats, clusters: Sequence[Hashable] | None) -> Floats:
    if clusters is None:
        return rows
    numbers = cluster_numbers(clusters)
    sums = np.zeros((int(numbers.max()) + 1, rows.shape[1]))
    np.add.at(sums, numbers, rows)
    return sums


def _resamples(rng: np.random.Generator, rows: Floats, draws: int) -> Iterator[Floats]:
    """Yield blocks of resamples, each how often it draws every row."""
    count = len(rows)
    for size in _blocks(draws, count):
        picks = rng.integers(0, count, size=(size, count)) + count * np.arange(size)[:, None]
        counted = np.bincount(picks.ravel(), minlength=size * count)
        yield counted.reshape(size, count).astype(np.float64)


def _exchange_p_value(
    gains: Callable[[Floats, Floats], Floats],
    before: Floats,
    after: Floats,
    gain: float,
    rng: np.random.Generator,
    draws: int,
) -> float:
    """Return the p-value of exchanging the models' answers at random: (1 + #{...}) / (B + 1)."""
    middle, half = (before + after).sum(0) / 2, (after - before) / 2
    as_far = 0
    for size in _blocks(draws, len(before)):
        moved = rng.choice((-1.0, 1.0), size=(size, len(before))) @ half
        # Sums differ in their last bits with the order of adding: as far is as far.
        as_far += int((abs(gains(middle - moved, middle + moved)) >= abs(gain) - 1e-12).sum())
    return (1 + as_far) / (draws + 1)


def _blocks(draws: int, count: int) -> Iterator[int]:
    most = max(_BLOCK_CELLS // count, 1)
    while draws > 0:
        yield min(draws, most)
        draws -= most


def _bias(resampled: Floats, gain: float) -> float:
    """Return the normal quantile of the share below the gain, ties by half."""
    share = float(((resampled < gain) + 0.5 * (resampled == gain)).mean())
    least = 0.5 / resampled.size
    return float(stats.norm.ppf(min(max(share, least), 1 - least)))


def _acceleration(left_out: Floats) -> float:
    """Return the skewness of the gains with each cluster left out, over six."""
    off = left_out.mean() - left_out
    off = off[np.isfinite(off)]
    spread = float((off**2).sum())
    return float((off**3).sum()) / (6 * spread**1.5) if spread else 0.0


def _changed_share(changes: Floats, sizes: Floats) -> float:
    """Return the share of cases in clusters that do not change as the commonest ones do."""
    _, kinds = np.unique((changes / sizes[:, None]).round(12), axis=0, return_inverse=True)
    return 1 - float(np.bincount(kinds.ravel(), weights=sizes).max() / sizes.sum())
