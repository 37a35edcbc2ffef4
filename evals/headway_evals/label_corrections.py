"""A gate's numbers corrected by people's labels: prediction-powered, as a ``Change``.

What is corrected is the judge's scorer that people labelled, and ``all`` where no other scorer
decides. Both runs need labels: a difference is taken over the cases that people labelled under
both models, and over the judge's differences of the others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headway_evals.judges.labels import HumanLabel, Labelled, judge_scorers, labelled
from headway_evals.pairings import Pair, Pairing
from headway_evals.runs import RunRecord
from headway_evals.suites import ALL_SCORERS
from headway_measures.intervals import Interval
from headway_measures.paired import Change
from headway_measures.power import minimum_detectable_effect
from headway_measures.prediction_powered import FEWEST_LABELS, Corrected, corrected_mean
from headway_measures.scores import ScoreValue, counted


@dataclass(frozen=True, slots=True)
class CorrectedChange:
    """The change between two models as people see it, by few labels and a judge.

    Args:
        n: the pairs.
        old: the baseline's mean.
        new: the candidate's.
        gain: of their difference.
    """

    n: int
    old: Corrected
    new: Corrected
    gain: Corrected

    @property
    def baseline(self) -> float:
        """Return the baseline's mean."""
        return self.old.estimate

    @property
    def candidate(self) -> float:
        """Return the candidate's mean: the baseline's and the gain, so that they agree."""
        return self.old.estimate + self.gain.estimate

    @property
    def p_value(self) -> float:
        """Return that of no gain."""
        return self.gain.p_value()

    @property
    def variance(self) -> float:
        """Return the variance such that over n it is that of the mean gain."""
        return self.gain.error**2 * self.n

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return the effect of Miller's formula by the corrected error."""
        if math.isinf(self.gain.error):
            return math.inf
        return minimum_detectable_effect(self.n, self.variance, alpha=alpha, power=power)

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval of the gain; more cases are taken to have as many more labels."""
        return self.gain.interval(alpha, growth=growth, power=power)


@dataclass(frozen=True, slots=True)
class Labels:
    """People's labels of two runs, for comparisons of these."""

    labels: Sequence[HumanLabel]

    def correct(
        self, baseline: RunRecord, candidate: RunRecord, pairing: Pairing, scorer: str
    ) -> tuple[CorrectedChange | None, str]:
        """Return the corrected change of a gate's pairs, or why there is none; "" is no matter.

        Raises:
            RunError: a label is none that the judge could give.
        """
        name = _judged_by(candidate, scorer)
        if name is None:
            return None, ""
        if pairing.stop is not None:
            return None, "labels do not correct a run that was looked at as it went"
        old = labelled(baseline, self.labels, name, [candidate])
        new = labelled(candidate, self.labels, name, [baseline])
        known = [
            pair
            for pair in pairing.pairs
            if pair.new.case_id in old.human and pair.new.case_id in new.human
        ]
        if len(known) < FEWEST_LABELS:
            cases = counted(len(known), "case")
            unclear = old.unclear + new.unclear
            more = f", {unclear:,} labels do not say whose answer they mean" if unclear else ""
            told = f"people labelled {cases} under both models, of at least {FEWEST_LABELS}{more}"
            return None, f"by the judge alone: {told}"
        return _change(pairing.pairs, known, old, new, scorer), ""


def correction_note(change: CorrectedChange, alone: Change, alpha: float) -> str:
    """Return what was corrected, beside what the judge alone says."""
    told = alone.interval(alpha)
    ends = f"{told.lower * 100:+.1f} to {told.upper * 100:+.1f}".replace("-", "−")
    gain = f"{told.estimate * 100:+.1f} points".replace("-", "−")
    return (
        f"corrected by people's labels of {counted(change.gain.label_count, 'case')}, "
        f"prediction-powered with the judge at {change.gain.weight:.2f}; the judge alone says "
        f"{gain} ({ends}); slices are the judge's"
    )


def _judged_by(record: RunRecord, scorer: str) -> str | None:
    """Return the judge's scorer that a gate rests on."""
    judges = judge_scorers(record)
    if scorer in judges:
        return scorer
    if scorer == ALL_SCORERS and len(judges) == 1 and set(record.run.scores) == set(judges):
        return next(iter(judges))
    return None


def _change(
    pairs: Sequence[Pair], known: Sequence[Pair], old: Labelled, new: Labelled, scorer: str
) -> CorrectedChange:
    ids = {pair.new.case_id for pair in known}
    rest = [pair for pair in pairs if pair.new.case_id not in ids]
    human_old = [_value(old.human[pair.new.case_id], scorer) for pair in known]
    human_new = [_value(new.human[pair.new.case_id], scorer) for pair in known]
    has_clusters = any(pair.new.cluster is not None for pair in pairs)

    def clusters(some: Sequence[Pair]) -> list[str | tuple[str]] | None:
        if not has_clusters:
            return None
        return [pair.new.cluster or (pair.new.case_id,) for pair in some]

    def corrected(human: list[float], side: str, lowest: float) -> Corrected:
        return corrected_mean(
            human,
            [_judged(pair, side) for pair in known],
            [_judged(pair, side) for pair in rest],
            clusters=clusters(known),
            other_clusters=clusters(rest),
            lowest=lowest,
        )

    gains = [after - before for before, after in zip(human_old, human_new, strict=True)]
    return CorrectedChange(
        len(pairs),
        corrected(human_old, "before", 0.0),
        corrected(human_new, "after", 0.0),
        corrected(gains, "gain", -1.0),
    )


def _judged(pair: Pair, side: str) -> float:
    before, after = pair.before.value or 0.0, pair.after.value or 0.0
    return {"before": before, "after": after, "gain": after - before}[side]


def _value(score: ScoreValue, scorer: str) -> float:
    return float(score.passed is not False) if scorer == ALL_SCORERS else score.value
