"""A candidate's run against a baseline's: one verdict overall, one a slice, and what flipped.

Cases are paired by their id. Those that changed between two versions of the suite, and those
that one of the models has no logged answer for, are left out, and the overall note says so.

A slice counts as regressed, or improved, only where its q-value after Benjamini-Hochberg over
the slices is below alpha: among twenty slices one looks bad by chance alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from headway_evals.errors import ComparisonError
from headway_evals.runs import Result, RunRecord
from headway_evals.suites import ALL_SCORERS, Gate
from headway_measures.multiplicity import benjamini_hochberg
from headway_measures.paired import Change, measure_change
from headway_measures.verdicts import Judgement, Verdict, judge

EXIT_PASSED = 0
EXIT_REGRESSED = 1
EXIT_INCONCLUSIVE = 3

Direction = Literal["to_fail", "to_pass"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its numbers; ``needs_n`` is how many cases in all would tell."""

    verdict: Verdict
    n: int
    baseline: float
    candidate: float
    difference: float
    lower: float
    upper: float
    flips_to_fail: int
    flips_to_pass: int
    needs_n: int | None
    note: str


class SliceOutcome(Outcome, frozen=True, kw_only=True):
    """The verdict on the cases of one tag; without p and q where they are too few."""

    slice: str
    p_value: float | None
    q_value: float | None


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A case that passes under one model and fails under the other."""

    case_id: str
    direction: Direction
    tags: tuple[str, ...]
    input: Any
    expected: Any
    baseline_output: str | None
    candidate_output: str | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A gate's answer. ``verdict`` is the overall one, or regressed where a slice regressed."""

    comparison_id: str
    suite: str
    suite_version: str
    baseline_run_id: str
    candidate_run_id: str
    baseline_model: str
    candidate_model: str
    created_at: str
    verdict: Verdict
    exit_code: int
    margin: float
    alpha: float
    overall: Outcome
    slices: tuple[SliceOutcome, ...]
    flips: tuple[Flip, ...]


def compare(
    baseline: RunRecord,
    candidate: RunRecord,
    gate: Gate,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Comparison:
    """Judge a candidate's run against a baseline's.

    Raises:
        ComparisonError: the runs have no case in common, or none with the gate's scorer.
    """
    pairing = _pair(baseline, candidate, gate.scorer)
    change = _measure(pairing.pairs)
    judgement = judge(change, gate.margin, gate.alpha)
    notes = "; ".join(filter(None, [judgement.note, *pairing.notes]))
    slices = _judge_slices(pairing.pairs, gate) if gate.slices == "tags" else ()
    overall = Outcome(**_numbers(pairing.pairs, change, judgement, judgement.verdict, notes))
    has_bad_slice = any(each.verdict == "regressed" for each in slices)
    verdict: Verdict = "regressed" if has_bad_slice else overall.verdict
    return Comparison(
        comparison_id=_comparison_id(baseline, candidate, gate),
        suite=candidate.run.suite,
        suite_version=candidate.run.suite_version,
        baseline_run_id=baseline.run.run_id,
        candidate_run_id=candidate.run.run_id,
        baseline_model=baseline.run.model,
        candidate_model=candidate.run.model,
        created_at=now().astimezone(UTC).isoformat().replace("+00:00", "Z"),
        verdict=verdict,
        exit_code=_EXIT_CODES[verdict],
        margin=gate.margin.value,
        alpha=gate.alpha,
        overall=overall,
        slices=slices,
        flips=tuple(pair.flip() for pair in pairing.pairs if pair.is_flip),
    )


_EXIT_CODES: dict[Verdict, int] = {
    "improved": EXIT_PASSED,
    "passed": EXIT_PASSED,
    "regressed": EXIT_REGRESSED,
    "inconclusive": EXIT_INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class _Side:
    """What a gate sees of a result."""

    value: float
    passed: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    """One case under both models."""

    old: Result
    new: Result
    before: _Side
    after: _Side

    @property
    def is_flip(self) -> bool:
        return self.before.passed != self.after.passed

    def flip(self) -> Flip:
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
class _Pairing:
    """The pairs, and what is to be said about cases left out."""

    pairs: list[_Pair]
    notes: list[str]


def _pair(baseline: RunRecord, candidate: RunRecord, scorer: str) -> _Pairing:
    old_by_id = {result.case_id: result for result in baseline.results}
    news = sorted(candidate.results, key=lambda result: result.case_id)
    common = [(old_by_id[new.case_id], new) for new in news if new.case_id in old_by_id]
    same = [(old, new) for old, new in common if _question(old) == _question(new)]
    answered = [(old, new) for old, new in same if not (old.is_missing or new.is_missing)]
    pairs = [
        _Pair(old, new, before, after)
        for old, new in answered
        if (before := _side(old, scorer)) and (after := _side(new, scorer))
    ]
    if not pairs:
        raise ComparisonError(
            f"{baseline.run.run_id} and {candidate.run.run_id} cannot be compared by "
            f"{scorer!r}: of {len(baseline.results)} and {len(candidate.results)} cases, "
            f"{len(common)} have the same id, {len(same)} of those the same input and expected "
            f"value, {len(answered)} of those an answer from both, and none that score"
        )
    return _Pairing(pairs, _notes(baseline, candidate, len(same), len(answered), len(pairs)))


def _notes(
    baseline: RunRecord, candidate: RunRecord, same: int, answered: int, scored: int
) -> list[str]:
    notes = []
    old, new = baseline.run, candidate.run
    if old.suite_version != new.suite_version:
        notes.append(
            f"the suite changed from {old.suite_version} to {new.suite_version}: compared on the "
            f"{same} cases that are the same in both"
        )
    elif same < max(len(baseline.results), len(candidate.results)):
        notes.append(
            f"{same} cases are in both runs, of {len(baseline.results)} and "
            f"{len(candidate.results)}"
        )
    if answered < same:
        notes.append(f"{same - answered} cases without a logged answer are left out")
    if scored < answered:
        notes.append(f"{answered - scored} cases without the gate's scorer are left out")
    return notes


def _question(result: Result) -> bytes:
    return msgspec.json.encode((result.input, result.expected), order="sorted")


def _side(result: Result, scorer: str) -> _Side | None:
    """Return a result as the gate's scorer has it, None where the case is not scored by it."""
    if scorer == ALL_SCORERS:
        return _Side(float(result.passed), result.passed)
    if result.output is None:
        return _Side(0.0, False)
    score = result.scores.get(scorer)
    return None if score is None else _Side(score.value, score.passed is not False)


def _measure(pairs: Sequence[_Pair]) -> Change:
    has_clusters = any(pair.new.cluster is not None for pair in pairs)
    return measure_change(
        [pair.before.value for pair in pairs],
        [pair.after.value for pair in pairs],
        # A case without a cluster stands for itself.
        [pair.new.cluster or (pair.new.case_id,) for pair in pairs] if has_clusters else None,
    )


def _judge_slices(pairs: Sequence[_Pair], gate: Gate) -> tuple[SliceOutcome, ...]:
    """Judge the cases of each tag; a tag that every case bears is no slice."""
    by_tag: dict[str, list[_Pair]] = {}
    for pair in pairs:
        for tag in dict.fromkeys(pair.new.tags):
            by_tag.setdefault(tag, []).append(pair)
    slices = {tag: inside for tag, inside in sorted(by_tag.items()) if len(inside) < len(pairs)}
    changes = {tag: _measure(inside) for tag, inside in slices.items()}
    judged = [tag for tag, change in changes.items() if change.n >= gate.min_n]
    q_values = dict(
        zip(judged, benjamini_hochberg([changes[tag].p_value for tag in judged]), strict=True)
    )
    return tuple(
        _judge_slice(tag, inside, changes[tag], q_values.get(tag), gate)
        for tag, inside in slices.items()
    )


def _judge_slice(
    tag: str, pairs: Sequence[_Pair], change: Change, q_value: float | None, gate: Gate
) -> SliceOutcome:
    judgement = judge(change, gate.margin, gate.alpha)
    verdict, note = judgement.verdict, judgement.note
    if q_value is None:
        verdict, note = "inconclusive", f"too few: {change.n} of at least {gate.min_n} cases"
    elif verdict in ("regressed", "improved") and q_value >= gate.alpha:
        note = f"{verdict} if it stood alone, not proven among so many slices"
        verdict = "inconclusive" if verdict == "regressed" else "passed"
    return SliceOutcome(
        **_numbers(pairs, change, judgement, verdict, note),
        slice=tag,
        p_value=None if q_value is None else change.p_value,
        q_value=q_value,
    )


def _numbers(
    pairs: Sequence[_Pair], change: Change, judgement: Judgement, verdict: Verdict, note: str
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "n": change.n,
        "baseline": change.baseline,
        "candidate": change.candidate,
        "difference": judgement.interval.estimate,
        "lower": judgement.interval.lower,
        "upper": judgement.interval.upper,
        "flips_to_fail": sum(pair.is_flip and pair.before.passed for pair in pairs),
        "flips_to_pass": sum(pair.is_flip and pair.after.passed for pair in pairs),
        "needs_n": judgement.needs_n,
        "note": note,
    }


def _comparison_id(baseline: RunRecord, candidate: RunRecord, gate: Gate) -> str:
    """Return the same id for the same question, so that publishing again doubles nothing."""
    question = [baseline.run.run_id, candidate.run.run_id, msgspec.to_builtins(gate)]
    return f"cmp-{hashlib.sha256(msgspec.json.encode(question)).hexdigest()[:16]}"
