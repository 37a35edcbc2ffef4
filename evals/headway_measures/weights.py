"""Scorers with a say of more or less: turned round, weighed, taken together.

A case's score is the mean of its scorers' values by weight. A value from 0 to 1 of which more is
better counts as it is; any other counts 1 where it passes and 0 where it does not. A weight of 0
leaves a scorer out of that mean, and its fault fails nothing.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from headway_measures.errors import ScorerError
from headway_measures.scores import Answered, Direction, Scorer, ScoreValue, average_of, shown

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Weighed:
    """A scorer as a suite has it.

    Args:
        scorer: the scorer.
        is_negated: whether what it passes fails, and the reverse; its value v becomes 1 - v.
        weight: its part in a case's score; at 0 it only informs.
        metric: the name under which its values are taken together with others'.
        expected: what it compares with in place of the case's expected value; None is that.
    """

    scorer: Scorer
    is_negated: bool = False
    weight: float = 1.0
    metric: str = ""
    expected: Any = None

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ScorerError(f"weight is {self.weight}, which must be 0 or more")
        fault = self.scorer.fault_of(self.expected) if self.expected is not None else None
        if fault:
            raise ScorerError(f"expected {fault}")

    @property
    def needs_expected(self) -> bool:
        """Return whether the case must say what it expects."""
        return self.expected is None and self.scorer.needs_expected

    @property
    def direction(self) -> Direction:
        """Return the scorer's; turned round, more is better."""
        return "up" if self.is_negated else self.scorer.direction

    @property
    def scale(self) -> float | None:
        """Return the scorer's; turned round, its values are shares."""
        return 1.0 if self.is_negated else self.scorer.scale

    @property
    def average(self) -> Any:
        """Return the scorer's mean; turned round, the arithmetic one."""
        return "arithmetic" if self.is_negated else average_of(self.scorer)

    def fault_of(self, expected: Any) -> str | None:
        """Return why the scorer cannot compare with a case's expected value."""
        return None if self.expected is not None else self.scorer.fault_of(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Judge an answer, and turn the judgement round where that is wanted."""
        if self.expected is not None:
            answered = dataclasses.replace(answered, expected=self.expected)
        score = self.scorer.score(answered)
        if self.is_negated:
            score = self._turned(score)
        return score if self.weight else dataclasses.replace(score, passed=None)

    def _turned(self, score: ScoreValue) -> ScoreValue:
        if score.error is not None:  # nobody knows, so that the reverse is not known either
            return ScoreValue(0.0, False, score.detail, score.error)
        value = 1 - share_of(self.scorer, score)
        if score.passed is None:
            return ScoreValue(value, None, score.detail)
        detail = f"passes, and should not: value {score.value:.4g}" if score.passed else ""
        return ScoreValue(value, not score.passed, detail)


@dataclass(frozen=True, slots=True)
class Group:
    """Several scorers that count as one, whose value is their mean by weight.

    Args:
        scorers: by name.
        threshold: the mean at which the group passes; None: each of them has to.
    """

    scorers: Mapping[str, Scorer]
    threshold: float | None = None
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        if not self.scorers:
            raise ScorerError("group has no scorers")
        if any(weight_and_metric(each)[1] for each in self.scorers.values()):
            raise ScorerError("a scorer of a group has a metric: give it to the group")
        check_threshold(self.threshold, self.scorers)

    @property
    def needs_expected(self) -> bool:
        """Return whether any of them does."""
        return any(each.needs_expected for each in self.scorers.values())

    def fault_of(self, expected: Any) -> str | None:
        """Return the first fault that one of them finds."""
        faults = (each.fault_of(expected) for each in self.scorers.values() if each.needs_expected)
        return next(filter(None, faults), None)

    def score(self, answered: Answered) -> ScoreValue:
        """Judge by each; one that raises is the group's fault."""
        scores = {name: each.score(answered) for name, each in self.scorers.items()}
        mean = weighted_mean(self.scorers, scores)
        failed = [name for name, each in scores.items() if each.passed is False]
        told = "; ".join(f"{name}: {scores[name].error or scores[name].detail}" for name in failed)
        if self.threshold is None:
            return ScoreValue(mean, not failed, told)
        if reaches(mean, self.threshold):
            return ScoreValue(mean, True)
        return ScoreValue(mean, False, f"{mean:.4g} is less than {self.threshold:g}; {told}")


@dataclass(frozen=True, slots=True)
class Metric:
    """The mean by weight of the scorers of one metric; it measures and fails nothing.

    Args:
        names: of the scorers.
    """

    names: tuple[str, ...]
    needs_expected: ClassVar[bool] = False
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def fault_of(self, expected: Any) -> str | None:
        """Return None: nothing is compared."""

    def score(self, answered: Answered) -> ScoreValue:
        """Raise: a metric is made of scores, see ``taken_together``."""
        raise TypeError("a metric is made of other scorers' scores")

    def over(self, scorers: Mapping[str, Scorer], scores: Mapping[str, ScoreValue]) -> ScoreValue:
        """Return the mean of its scorers' values; where all only inform, the plain mean."""
        own = {name: scorers[name] for name in self.names if name in scores}
        if not any(weight_and_metric(each)[0] for each in own.values()):
            shares = [share_of(each, scores[name]) for name, each in own.items()]
            return ScoreValue(sum(shares) / len(shares), None)
        return ScoreValue(weighted_mean(own, scores), None)


def with_metrics(scorers: Mapping[str, Scorer]) -> dict[str, Scorer]:
    """Return a case's scorers and its metrics.

    Raises:
        ScorerError: a metric is called as a scorer is.
    """
    names: dict[str, list[str]] = {}
    for name, scorer in scorers.items():
        if metric := weight_and_metric(scorer)[1]:
            names.setdefault(metric, []).append(name)
    for metric in names:
        if metric in scorers:
            raise ScorerError(f"metric {metric!r} is called as a scorer is; give one another name")
    return {**scorers, **{name: Metric(tuple(each)) for name, each in names.items()}}


def taken_together(
    scorers: Mapping[str, Scorer], scores: Mapping[str, ScoreValue]
) -> dict[str, ScoreValue]:
    """Return the scores with those of the metrics, which are made of them."""
    metrics = {name: each for name, each in scorers.items() if isinstance(each, Metric)}
    return {**scores, **{name: each.over(scorers, scores) for name, each in metrics.items()}}


def weighted_mean(scorers: Mapping[str, Scorer], scores: Mapping[str, ScoreValue]) -> float:
    """Return Σ weight·value / Σ weight over the scorers; 0 where nothing weighs."""
    total = whole = 0.0
    for name, scorer in scorers.items():
        if isinstance(scorer, Metric):
            continue
        weight, _ = weight_and_metric(scorer)
        whole += weight
        total += weight * share_of(scorer, scores[name]) if weight else 0.0
    return total / whole if whole else 0.0


def share_of(scorer: Scorer, score: ScoreValue) -> float:
    """Return a score as a share: its value, or where less is better or nothing bounds it a yes."""
    if scorer.scale == 1.0 and scorer.direction == "up":
        return score.value
    return 0.0 if score.passed is False else 1.0


def reaches(mean: float, threshold: float) -> bool:
    """Return whether a mean reaches a threshold, but for rounding: 0.1 + 0.2 reaches 0.3."""
    return mean >= threshold - _ROUNDING


def weight_and_metric(scorer: Scorer) -> tuple[float, str]:
    """Return a scorer's weight and the metric that it is part of, "" for none."""
    if isinstance(scorer, Weighed):
        return scorer.weight, scorer.metric
    return (0.0 if isinstance(scorer, Metric) else 1.0), ""


def parts_of(scorer: Scorer) -> Iterable[Scorer]:
    """Yield the scorers that a scorer is made of, or itself."""
    if isinstance(scorer, Weighed):
        yield from parts_of(scorer.scorer)
    elif isinstance(scorer, Group):
        for each in scorer.scorers.values():
            yield from parts_of(each)
    else:
        yield scorer


def check_threshold(threshold: float | None, scorers: Mapping[str, Scorer]) -> None:
    """Check what a weighted mean has to reach.

    Raises:
        ScorerError: it is no share, or there is nothing that weighs.
    """
    if threshold is None:
        return
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise ScorerError(f"threshold is {shown(threshold)}, which is not a number")
    if not 0 <= threshold <= 1:
        raise ScorerError(f"threshold is {threshold}, which must be from 0 to 1")
    if not any(weight_and_metric(each)[0] for each in scorers.values()):
        raise ScorerError("threshold has no scorer with a weight to take the mean of")
