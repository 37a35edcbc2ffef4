"""The change of scores of any size: which way is better, and how far they can go."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from headway_measures.binary_changes import sign_test
from headway_measures.clusters import Floats, cluster_sums
from headway_measures.intervals import Interval, Mean, half_width, mean_of
from headway_measures.power import minimum_detectable_effect
from headway_measures.scores import Direction


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """Cases with scores of any size under both models.

    Args:
        n: the number of pairs.
        baseline: the baseline's mean score.
        candidate: the candidate's mean score.
        p_value: of the mean gain, or of signs where its spread is not seen.
        gain: how much better the candidate is.
    """

    n: int
    baseline: float
    candidate: float
    p_value: float
    gain: Mean

    @property
    def variance(self) -> float:
        """Return the variance of a pair's gain, such that over n it is that of the mean's."""
        return self.gain.error**2 * self.n

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return the effect of Miller's formula, or of the bound where the spread is not seen."""
        if self.gain.is_spread_seen:
            return minimum_detectable_effect(self.n, self.variance, alpha=alpha, power=power)
        return half_width(self.interval(alpha, power=power))

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval of the mean gain."""
        return self.gain.interval(alpha, growth=growth, power=power)


def score_change(
    old: Floats,
    new: Floats,
    clusters: Sequence[Hashable] | None,
    *,
    direction: Direction,
    scale: float | None,
) -> ScoreChange:
    """Take the gain case by case; without a scale the largest score seen stands for it."""
    gains = new - old if direction == "up" else old - new
    end = (float(np.abs([old, new, gains]).max()) or math.inf) if scale is None else scale
    gain = mean_of(
        gains,
        clusters,
        lowest=-end,
        highest=end,
        is_bounded=scale is not None,
        is_stepped=True,
    )
    p_value = gain.p_value() if gain.is_spread_seen else sign_test(cluster_sums(gains, clusters))
    return ScoreChange(
        n=old.size,
        baseline=float(old.mean()),
        candidate=float(new.mean()),
        p_value=p_value,
        gain=gain,
    )
