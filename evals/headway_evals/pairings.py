"""The cases of two runs, paired by their id, as one scorer sees them under both models.

Cases that changed between two versions of the suite, and those that one of the models has no
logged answer for, are left out, and it is said how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from headway_evals.errors import ComparisonError
from headway_evals.outcomes import Flip
from headway_evals.runs import Result, RunRecord
from headway_evals.suites import ALL_SCORERS, Case
from headway_measures.errors import MeasureError
from headway_measures.paired import Change, measure_change
from headway_measures.scores import Average, Direction, counted


@dataclass(frozen=True, slots=True)
class Side:
    """What a gate sees of a result; no value where the model or the scorer gave none."""

    value: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """One case under both models."""

    old: Result
    new: Result
    before: Side
    after: Side

    @property
    def is_flip(self) -> bool:
        """Return whether it passes under one of them only."""
        return self.before.passed != self.after.passed

    def flip(self) -> Flip:
        """Return what a person needs to see of it."""
        return Flip(
            case_id=self.new.case_id,
            direction="to_fail" if self.before.passed else "to_pass",
            tags=self.new.tags,
            input=self.new.input,
            expected=self.new.expected,
            baseline_output=self.old.output,
            candidate_output=self.new.output,
        )


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs, what is to be said about cases left out, and how the scores are to be read."""

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    direction: Direction
    scale: float | None
    average: Average = "arithmetic"

    def measure(self, pairs: Sequence[Pair], *, factor: float = 1.0) -> Change:
        """Return the change over some of the pairs.

        Args:
            pairs: those pairs.
            factor: what each of the baseline's scores is multiplied by, where none bounds them.

        Raises:
            ComparisonError: there is not one score, and no worst one to stand for it.
        """
        has_clusters = any(pair.new.cluster is not None for pair in pairs)
        old = [pair.before.value for pair in pairs]
        new = [pair.after.value for pair in pairs]
        try:
            return measure_change(
                old if factor == 1.0 else self._multiplied(old, new, factor),
                new,
                # A case without a cluster stands for itself.
                [pair.new.cluster or (pair.new.case_id,) for pair in pairs]
                if has_clusters
                else None,
                direction=self.direction,
                scale=self.scale,
                average=self.average,
            )
        except MeasureError as error:
            raise ComparisonError(f"the runs cannot be compared: {error}") from error

    def _multiplied(
        self, old: Sequence[float | None], new: Sequence[float | None], factor: float
    ) -> list[float]:
        known = [value for value in (*old, *new) if value is not None]
        # What stands for a missing score is worsened as the others are.
        worst = (min if self.direction == "up" else max)(known, default=0.0)
        return [factor * (worst if value is None else value) for value in old]


def pair_runs(baseline: RunRecord, candidate: RunRecord, scorer: str) -> Pairing:
    """Pair the cases of two runs.

    Raises:
        ComparisonError: the runs have no case in common, or none with the scorer.
    """
    old_by_id = {result.case_id: result for result in baseline.results}
    news = sorted(candidate.results, key=lambda result: result.case_id)
    common = [(old_by_id[new.case_id], new) for new in news if new.case_id in old_by_id]
    same = [(old, new) for old, new in common if question_of(old) == question_of(new)]
    answered = [(old, new) for old, new in same if not (old.is_missing or new.is_missing)]
    pairs = tuple(
        Pair(old, new, before, after)
        for old, new in answered
        if (before := _side(old, scorer)) and (after := _side(new, scorer))
    )
    if not pairs:
        raise ComparisonError(
            f"{baseline.run.run_id} and {candidate.run.run_id} cannot be compared by "
            f"{scorer!r}: of {len(baseline.results)} and {len(candidate.results)} cases, "
            f"{len(common)} have the same id, {len(same)} of those the same input and expected "
            f"value, {len(answered)} of those an answer from both, and none that score"
        )
    notes = _notes(baseline, candidate, len(same), len(answered), len(pairs))
    summary = None if scorer == ALL_SCORERS else candidate.run.scores.get(scorer)
    if summary is None:
        return Pairing(pairs, tuple(notes), "up", 1.0)
    if summary.average == "geometric":
        notes.append("the means are geometric")
    return Pairing(pairs, tuple(notes), summary.direction, summary.scale, summary.average)


def _notes(
    baseline: RunRecord, candidate: RunRecord, same: int, answered: int, scored: int
) -> list[str]:
    notes = []
    old, new = baseline.run, candidate.run
    if old.suite_version != new.suite_version:
        notes.append(
            f"the suite changed from {old.suite_version} to {new.suite_version}: compared on the "
            f"{counted(same, 'case')} that both have alike"
        )
    elif same < max(len(baseline.results), len(candidate.results)):
        notes.append(
            f"{counted(same, 'case')} in both runs, of {len(baseline.results)} and "
            f"{len(candidate.results)}"
        )
    if answered < same:
        notes.append(f"left out: {counted(same - answered, 'case')} without a logged answer")
    if scored < answered:
        notes.append(f"left out: {counted(answered - scored, 'case')} without the gate's scorer")
    return notes


def question_of(case: Case | Result) -> bytes:
    """Return what makes two cases of one id the same: what is asked, and what is expected."""
    return msgspec.json.encode((case.input, case.expected), order="sorted")


def _side(result: Result, scorer: str) -> Side | None:
    """Return a result as the gate's scorer has it, None where the case is not scored by it."""
    if scorer == ALL_SCORERS:
        return Side(float(result.passed), result.passed)
    if result.output is None:
        return Side(None, False)
    score = result.scores.get(scorer)
    if score is None:
        return None
    # A scorer that could not say gave a value that stands for none.
    return Side(None if score.error else score.value, score.passed is not False)
