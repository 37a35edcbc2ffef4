"""The change between two runs on the same cases, and how far it can be trusted.

Both models answer the same cases, so the difference is taken case by case: what the cases have
in common cancels, and a change shows with far fewer cases than two separate rates would need.

``measure_change`` picks the kind of change: ``BinaryChange`` where every score is 0 or 1 (a case
passes or fails), ``ScoreChange`` for any other score. Both give an interval that zero variance
never shortens: five identical answers are five cases, not certainty.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import optimize, stats

from headway_measures.intervals import (
    Floats,
    Interval,
    clopper_pearson,
    cluster_sums,
    normal_quantile,
    standard_error,
    t_quantile,
)

# With fewer cases than this off the commonest change, the sample does not show the spread.
_FEW_CHANGES = 5


class Change(Protocol):
    """What a verdict needs to know about a paired comparison.

    ``p_value`` is two-sided, against "no change".
    """

    @property
    def n(self) -> int:
        """Return the number of pairs."""

    @property
    def baseline(self) -> float:
        """Return the baseline's mean score."""

    @property
    def candidate(self) -> float:
        """Return the candidate's mean score."""

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of no change."""

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval of candidate minus baseline at confidence 1 - alpha.

        Args:
            alpha: the probability of missing the true difference, both tails together.
            growth: answer as if there were this many times as many cases, all like these.
            power: above one half, widen the interval so far that a repetition would still
                have this chance to reach the same verdict.
        """


@dataclass(frozen=True, slots=True)
class BinaryChange:
    """Cases that pass or fail under both models.

    Args:
        n: the number of pairs.
        both_pass: pairs that pass under both.
        to_fail: pairs that pass under the baseline and fail under the candidate.
        to_pass: the other way round.
        clusters: the number of clusters, where some hold more than one case.
        design_effect: how many times larger clustering makes the variance.
        p_value: two-sided, against "no change".
    """

    n: int
    both_pass: int
    to_fail: int
    to_pass: int
    p_value: float
    clusters: int | None = None
    design_effect: float = 1.0

    @property
    def baseline(self) -> float:
        """Return the baseline's pass rate."""
        return (self.both_pass + self.to_fail) / self.n

    @property
    def candidate(self) -> float:
        """Return the candidate's pass rate."""
        return (self.both_pass + self.to_pass) / self.n

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return Tango's interval; clustered counts are first divided by the design effect.

        Dividing by the design effect: Rao and Scott 1992, Biometrics 48.
        """
        critical = _critical(alpha, power, _grown(self.clusters, growth))
        scale = growth / self.design_effect
        return tango(self.n * scale, self.to_fail * scale, self.to_pass * scale, critical)


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """Cases with scores of any size under both models.

    Args:
        n: the number of pairs.
        baseline: the baseline's mean score.
        candidate: the candidate's mean score.
        standard_error: of the mean difference, clustered where clusters were given.
        groups: the number of independent groups: clusters, or pairs without them.
        floor: the least half-width, from "no change seen in n"; 0 where the spread was seen.
        p_value: two-sided, against "no change".
    """

    n: int
    baseline: float
    candidate: float
    standard_error: float
    groups: int
    has_seen_spread: bool
    scale: float
    p_value: float

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the paired t interval, no shorter than the bound from no change seen in n."""
        difference = self.candidate - self.baseline
        groups = _grown(self.groups, growth)
        if groups is None or groups < 2:
            return Interval(difference, -self.scale, self.scale)
        reach = _critical(alpha, power, groups) * self.standard_error / math.sqrt(growth)
        if not self.has_seen_spread:
            reach = max(reach, self.scale * clopper_pearson(0, groups, alpha).upper)
        return Interval(
            difference,
            max(difference - reach, -self.scale),
            min(difference + reach, self.scale),
        )
