"""The cases of two runs, paired by their id, as one scorer sees them under both models.

Cases that changed between two versions of the suite, and those that one of the models has no
logged answer for, are left out, and it is said how many.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from headway_evals.early_stops import (
    NOT_ASKED,
    EarlyStop,
    looked_at,
    looks_between,
    unit_of,
)
from headway_evals.errors import ComparisonError
from headway_evals.judges.notes import is_unjudged
from headway_evals.outcomes import Flip
from headway_evals.repeated_cases import MEAN, Estimate, by_case, read_estimate
from headway_evals.runs import Result, RunRecord, ScoreSummary
from headway_evals.suites import ALL_SCORERS, Case
from headway_measures.errors import MeasureError
from headway_measures.paired import Change, measure_change
from headway_measures.scores import Average, Direction, counted
from headway_measures.sequential import sequential_change


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
    """The pairs, what is to be said about cases left out, and how the scores are to be read.

    Args:
        pairs: those that count, in the order in which they were looked at.
        notes: about cases left out.
        direction: which way the scores get better.
        scale: their greatest distance.
        average: which mean of them is compared.
        stop: how the candidate was looked at as it went; None where it was not.
        asked: all pairs, of a run that was looked at also those whose turn had not come.
        largest: how many of them one unit can have.
    """

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    direction: Direction
    scale: float | None
    average: Average = "arithmetic"
    stop: EarlyStop | None = None
    asked: tuple[Pair, ...] = field(default=(), repr=False)
    largest: int = 1

    def measure(self, pairs: Sequence[Pair], *, factor: float = 1.0, margin: float = 0.0) -> Change:
        """Return the change over some of the pairs.

        Args:
            pairs: those pairs.
            factor: what each of the baseline's scores is multiplied by, where none bounds them.
            margin: what bounds that hold at all times will be held against.

        Raises:
            ComparisonError: there is not one score, and no worst one to stand for it.
        """
        has_clusters = any(pair.new.cluster is not None for pair in pairs)
        # A case without a cluster stands for itself.
        clusters = [unit_of(pair.new) for pair in pairs] if has_clusters else None
        old = [pair.before.value for pair in pairs]
        new = [pair.after.value for pair in pairs]
        try:
            if self.stop is not None:
                return sequential_change(
                    old,
                    new,
                    clusters,
                    direction=self.direction,
                    scale=self.scale,
                    margin=margin,
                    largest=self.largest,
                )
            return measure_change(
                old if factor == 1.0 else self._multiplied(old, new, factor),
                new,
                clusters,
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


def pair_runs(
    baseline: RunRecord,
    candidate: RunRecord,
    scorer: str,
    estimate: str = MEAN,
    without: Collection[str] = (),
) -> Pairing:
    """Pair the cases of two runs.

    Args:
        baseline: the trusted model's run.
        candidate: the judged model's run.
        scorer: whose values are compared.
        estimate: what several answers to one case come to; see ``repeated_cases``.
        without: the ids of cases that are left out.

    Raises:
        ComparisonError: the runs have no case in common, or none with the scorer; or one of them
            was stopped for the sake of another comparison.
    """
    stop = looks_between(baseline, candidate)
    old_by_id = {result.case_id: result for result in baseline.results}
    kept = (result for result in candidate.results if result.case_id not in without)
    news = sorted(kept, key=lambda result: result.case_id)
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
    notes = _notes(baseline, candidate, len(same), len(answered), len(pairs), stop)
    found = read_estimate(estimate)
    if found is not None:
        pairs, few = _pairs_of_cases(pairs, found)
        if not pairs:
            raise ComparisonError(
                f"{baseline.run.run_id} and {candidate.run.run_id} cannot be compared by {found}: "
                f"no case has {found.k} answers from both: give the suite repeats: {found.k}"
            )
        notes.append(f"by {found}, each case once")
        if few:
            notes.append(f"left out: {counted(few, 'case')} with fewer than {found.k} answers")
    summary = None if scorer == ALL_SCORERS else candidate.run.scores.get(scorer)
    if summary is None or found is not None:
        summary = ScoreSummary(None, 0)
    if summary.average == "geometric":
        notes.append("the means are geometric")
    return Pairing(
        pairs if stop is None else _in_turn(pairs, candidate, stop),
        tuple(notes),
        summary.direction,
        summary.scale,
        summary.average,
        stop,
        pairs,
        _largest(candidate, found),
    )


def _pairs_of_cases(pairs: Sequence[Pair], estimate: Estimate) -> tuple[tuple[Pair, ...], int]:
    """Return a pair for each case with answers enough, and how many have too few."""
    cases, few = [], 0
    known = {pair.new.case_id: pair for pair in pairs}
    for case_id, answers in by_case([pair.new for pair in pairs]).items():
        of_case = [known[answer.case_id] for answer in answers]
        if len(of_case) < estimate.k:
            few += 1
            continue
        before, after = (
            Side(estimate.value(passes), estimate.passed(passes))
            for passes in (
                [pair.before.passed for pair in of_case],
                [pair.after.passed for pair in of_case],
            )
        )
        # The answers that show it best: each model's first that came out as the case did.
        old = next((p.old for p in of_case if p.before.passed == before.passed), of_case[0].old)
        new = next((p.new for p in of_case if p.after.passed == after.passed), of_case[0].new)
        old, new = (msgspec.structs.replace(each, case_id=case_id) for each in (old, new))
        cases.append(Pair(old, new, before, after))
    return tuple(cases), few


def _in_turn(pairs: Sequence[Pair], candidate: RunRecord, stop: EarlyStop) -> tuple[Pair, ...]:
    """Return those pairs whose turn has come, in their order."""
    by_id = {pair.new.case_id: pair for pair in pairs}
    turns = (by_id.get(result.case_id) for result in looked_at(candidate.results, stop))
    return tuple(pair for pair in turns if pair is not None)


def _largest(candidate: RunRecord, estimate: Estimate | None) -> int:
    """Return the most cases of one unit, asked or not; by an estimate their answers are one."""
    results = candidate.results
    if estimate is not None:
        results = tuple(answers[0] for answers in by_case(results).values())
    return max(Counter(map(unit_of, results)).values())


def _notes(
    baseline: RunRecord,
    candidate: RunRecord,
    same: int,
    answered: int,
    scored: int,
    stop: EarlyStop | None,
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
    unasked = 0
    if stop is not None:
        notes.append(stop.note)
        unasked = sum(each.error == NOT_ASKED for each in candidate.results)
    if answered + unasked < same:
        missing = counted(same - answered - unasked, "case")
        sides = (*baseline.results, *candidate.results)
        lacking = "a judgement" if any(is_unjudged(e.error) for e in sides) else "a logged answer"
        notes.append(f"left out: {missing} without {lacking}")
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
