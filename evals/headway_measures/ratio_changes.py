"""The change of scores whose ratios mean something, such as perplexities.

Pairs are compared on the logarithm, where one text that no model finds likely weighs no more than
any other. What comes out is told in the unit of the scores again: means are geometric, and a gain
is the baseline's mean times what the ratio says, so that a margin of a tenth of that mean asks
whether the ratio is beyond 1.1.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from headway_measures.clusters import Floats
from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval
from headway_measures.score_changes import ScoreChange, score_change
from headway_measures.scores import Direction


@dataclass(frozen=True, slots=True)
class RatioChange:
    """Cases with scores above 0 under both models.

    Args:
        logs: the change of their logarithms.
        direction: which way scores get better.
    """

    logs: ScoreChange
    direction: Direction

    @property
    def n(self) -> int:
        """Return the number of pairs."""
        return self.logs.n

    @property
    def baseline(self) -> float:
        """Return the baseline's geometric mean."""
        return math.exp(self.logs.baseline)

    @property
    def candidate(self) -> float:
        """Return the candidate's geometric mean."""
        return math.exp(self.logs.candidate)

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of a ratio of 1."""
        return self.logs.p_value

    @property
    def variance(self) -> float:
        """Return the variance of the logarithm of one pair's ratio."""
        return self.logs.variance

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return the smallest true rise of the baseline's mean that so many such cases find."""
        return self.baseline * _growth(self.logs.detectable_effect(alpha, power))

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval of the gain: that of the ratio, less 1, times the baseline's mean."""
        found = self.logs.interval(alpha, growth=growth, power=power)
        ends = (found.estimate, found.lower, found.upper)
        sign = 1.0 if self.direction == "up" else -1.0
        estimate, lower, upper = (self.baseline * sign * _growth(sign * end) for end in ends)
        return Interval(estimate, lower, upper)


def ratio_change(
    old: Floats,
    new: Floats,
    clusters: Sequence[Hashable] | None,
    *,
    direction: Direction,
) -> RatioChange:
    """Take the ratio case by case.

    Raises:
        MeasureError: a score is not above 0.
    """
    if old.min() <= 0 or new.min() <= 0:
        raise MeasureError("scores whose ratios are compared must be above 0")
    logs = score_change(np.log(old), np.log(new), clusters, direction=direction, scale=None)
    return RatioChange(logs, direction)


def _growth(log: float) -> float:
    """Return by what part something grows whose logarithm grows so much."""
    with np.errstate(over="ignore"):
        return float(np.expm1(log))
