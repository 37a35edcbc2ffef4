"""The change between two runs on the same cases, and how far it can be trusted.

Both models answer the same cases, so the difference is taken case by case: what the cases have
in common cancels, and a change shows with far fewer cases than two separate rates would need.

``measure_change`` picks the kind of change: ``BinaryChange`` where every score is 0 or 1 (a case
passes or fails), ``RatioChange`` where ratios count, ``ScoreChange`` for any other score. In all,
zero variance never shortens the interval: five identical answers are five cases, not certainty.
"""

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

from headway_measures.binary_changes import binary_change
from headway_measures.clusters import Floats
from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval
from headway_measures.ratio_changes import ratio_change
from headway_measures.score_changes import score_change
from headway_measures.scores import Average, Direction


class Change(Protocol):
    """What a verdict needs to know of a paired comparison."""

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

    @property
    def variance(self) -> float:
        """Return the variance of one pair's gain; over n it is that of the mean gain."""

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return the smallest true gain or drop that so many such cases find with this power."""

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval of the gain at confidence 1 - alpha.

        The gain is candidate minus baseline, or the reverse where less is better.

        Args:
            alpha: the chance to miss the true gain, both sides together.
            growth: answer as if there were so many times as many cases, all like these.
            power: above one half, widen the bounds until a repetition has this chance to land
                on the same side of them.
        """


def measure_change(
    baseline: Sequence[float | None],
    candidate: Sequence[float | None],
    clusters: Sequence[Hashable] | None = None,
    *,
    direction: Direction = "up",
    scale: float | None = 1.0,
    average: Average = "arithmetic",
) -> Change:
    """Pair two models' scores of the same cases, in the same order.

    Args:
        baseline: the trusted model's score of each case; None, where it has none, is the worst:
            an end of the scale, or without a scale the worst that either model has.
        candidate: the judged model's score of each case, likewise.
        clusters: for each case what it shares with others (one document, one conversation);
            cases of one cluster count as one piece of evidence as far as they move together.
        direction: which way scores get better.
        scale: the largest difference of two scores, which then lie from 0 to it; None where
            nothing bounds them.
        average: geometric where ratios count, of scores that are all above 0.

    Raises:
        MeasureError: nothing to pair, lengths that differ, scores that are not finite or too
            small, or no score at all where nothing bounds them.
    """
    if not baseline or len(baseline) != len(candidate):
        raise MeasureError(
            f"cannot pair {len(baseline)} baseline scores with {len(candidate)} of a candidate"
        )
    worst = _worst([*baseline, *candidate], direction, scale)
    old, new = _filled(baseline, worst), _filled(candidate, worst)
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise MeasureError("scores to be paired must be finite numbers; mark such cases instead")
    if clusters is not None and len(set(clusters)) == old.size:
        clusters = None
    if average == "geometric":
        return ratio_change(old, new, clusters, direction=direction)
    is_pass_or_fail = np.isin(old, (0.0, 1.0)).all() and np.isin(new, (0.0, 1.0)).all()
    if is_pass_or_fail and direction == "up" and scale == 1.0:
        return binary_change(old, new, clusters)
    return score_change(old, new, clusters, direction=direction, scale=scale)


def _worst(scores: Sequence[float | None], direction: Direction, scale: float | None) -> float:
    if scale is not None:
        return 0.0 if direction == "up" else scale
    known = [score for score in scores if score is not None]
    if not known:
        raise MeasureError("neither model has a single score to be paired")
    return min(known) if direction == "up" else max(known)


def _filled(scores: Sequence[float | None], worst: float) -> Floats:
    return np.array([worst if score is None else score for score in scores], dtype=np.float64)
