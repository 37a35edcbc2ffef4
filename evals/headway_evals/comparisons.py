"""A candidate's run against a baseline's: a verdict by each gate, one a slice, and what flipped.

All gates must pass. So that several of them do not find a regression by chance more often than
one would, a gate among several counts as regressed, or improved, only where its p-value after
Holm over the gates is below alpha; that all pass by chance is no likelier than that one does, and
passing needs no correction. A gate's slices count by their q-value after Benjamini-Hochberg over
them: among twenty slices one looks bad by chance alone. A case that must pass fails the gate
alone, where it passes for the baseline and not for the candidate.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from headway_evals.errors import ComparisonError
from headway_evals.judges.notes import judge_warnings
from headway_evals.label_corrections import Labels, correction_note
from headway_evals.margins import BY_RATIO, RelativeChange
from headway_evals.noise_floors import noise_floor, noise_warning
from headway_evals.outcomes import EXIT_CODES, Comparison, GateOutcome, Overall, SliceOutcome
from headway_evals.pairings import Pair, Pairing, pair_runs
from headway_evals.quarantines import Ward
from headway_evals.runs import MUST_PASS, RunRecord
from headway_evals.suites import ALL_SCORERS, Gate, named
from headway_measures.multiplicity import benjamini_hochberg, holm
from headway_measures.paired import Change
from headway_measures.verdicts import Judgement, Margin, Verdict, decide, judge

# What all gates come to is what the worst of them says.
_WORST_FIRST: tuple[Verdict, ...] = ("regressed", "inconclusive", "passed", "improved")
_MOST_NAMED = 5


def compare(
    baseline: RunRecord,
    candidate: RunRecord,
    gates: Gate | Sequence[Gate],
    *,
    labels: Labels | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Comparison:
    """Judge a candidate's run against a baseline's by one gate or several, the first leading.

    Args:
        baseline: the trusted model's run.
        candidate: the judged model's run.
        gates: what the verdict is by.
        labels: what people say of answers, which corrects what a judge says.
        now: the time.

    Raises:
        ComparisonError: the runs are of two suites, have no case in common, or none with a gate's
            scorer.
        RunError: a label is none that the judge could give.
    """
    check_suites(baseline, candidate.run.suite)
    gates = named((gates,) if isinstance(gates, Gate) else gates)
    if not gates:
        raise ComparisonError("there is no gate to judge by")
    ward = Ward.of(candidate, now().astimezone(UTC).date())
    judged = _judge_gates(baseline, candidate, gates, ward.inside, labels)
    first = judged[0]
    pairing = first.measured.pairing
    must_pass = _broken(baseline, candidate, ward.inside)
    quarantined = _quarantine_note(baseline, candidate, ward)
    notes = [first.note, *pairing.notes, _judges(baseline, candidate), quarantined]
    notes.append(_named_cases(must_pass))
    floor = noise_floor((baseline, candidate))
    warnings = (noise_warning(each.name, each.outcome(is_first=True), floor) for each in judged)
    overall = Overall(
        **first.numbers("; ".join(filter(None, notes))),
        gates=tuple(each.outcome(is_first=each is first) for each in judged)
        if len(judged) > 1
        else (),
        must_pass=must_pass,
        warnings=(
            *filter(None, warnings),
            *ward.warnings(),
            *judge_warnings((baseline, candidate)),
        ),
    )
    verdicts = {each.verdict for each in judged}
    slices = [slice_ for each in judged for slice_ in each.slices]
    if must_pass or any(each.verdict == "regressed" for each in slices):
        verdicts.add("regressed")
    verdict = next(each for each in _WORST_FIRST if each in verdicts)
    # A gate that only passes beside one that improved takes nothing from it.
    if verdict == "passed" and overall.verdict == "improved":
        verdict = "improved"
    return Comparison(
        comparison_id=_comparison_id(baseline, candidate, gates),
        suite=candidate.run.suite,
        suite_version=candidate.run.suite_version,
        baseline_run_id=baseline.run.run_id,
        candidate_run_id=candidate.run.run_id,
        baseline_model=baseline.run.model,
        candidate_model=candidate.run.model,
        created_at=now().astimezone(UTC).isoformat().replace("+00:00", "Z"),
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        margin=first.measured.margin.value,
        alpha=first.measured.gate.alpha,
        overall=overall,
        slices=first.slices,
        flips=tuple(pair.flip() for pair in pairing.pairs if pair.is_flip),
    )


def change_by(baseline: RunRecord, candidate: RunRecord, gate: Gate) -> Change:
    """Return the change that a gate judges.

    Raises:
        ComparisonError: as by ``compare``.
    """
    ward = Ward.of(candidate, datetime.now(UTC).date())
    pairing = pair_runs(baseline, candidate, gate.scorer, gate.estimate, ward.inside)
    return _measure(pairing, pairing.pairs, gate).change


def check_suites(baseline: RunRecord, suite: str) -> None:
    """Check that a run can be the baseline of a suite, whose name it must bear.

    Cases of two suites may bear one id, and the gates of one say nothing of the other.

    Raises:
        ComparisonError: it is of another suite.
    """
    if baseline.run.suite != suite:
        raise ComparisonError(
            f"{baseline.run.run_id} is a run of the suite {baseline.run.suite!r} and not of "
            f"{suite!r}: only runs of one suite are compared"
        )


@dataclass(frozen=True, slots=True)
class _Measured:
    """Some pairs as a gate sees them, with its margin in the unit of their scores."""

    gate: Gate
    pairing: Pairing
    pairs: Sequence[Pair]
    change: Change
    margin: Margin

    def judge(self) -> Judgement:
        return judge(self.change, self.margin, self.gate.alpha)

    def numbers(self, judgement: Judgement, verdict: Verdict, note: str) -> dict[str, Any]:
        effect, change = judgement.minimum_detectable_effect, self.change
        return {
            "verdict": verdict,
            "n": change.n,
            "baseline": change.baseline,
            "candidate": change.candidate,
            "difference": judgement.interval.estimate,
            "lower": judgement.interval.lower,
            "upper": judgement.interval.upper,
            "flips_to_fail": sum(pair.is_flip and pair.before.passed for pair in self.pairs),
            "flips_to_pass": sum(pair.is_flip and pair.after.passed for pair in self.pairs),
            "needs_n": judgement.needs_n,
            "note": note,
            "missing_n": judgement.missing_n,
            "minimum_detectable_effect": effect if math.isfinite(effect) else None,
            "direction": self.pairing.direction,
            "scale": self.pairing.scale,
            "margin": self.margin.value,
            "margin_share": self.gate.margin.value if self.gate.is_relative else None,
        }


@dataclass(frozen=True, slots=True)
class _Judged:
    """One gate's verdict with what it rests on."""

    name: str
    measured: _Measured
    judgement: Judgement
    adjusted: float
    verdict: Verdict
    note: str
    slices: tuple[SliceOutcome, ...]

    def numbers(self, note: str) -> dict[str, Any]:
        return self.measured.numbers(self.judgement, self.verdict, note)

    def outcome(self, *, is_first: bool) -> GateOutcome:
        """Return what the gate says; the slices of the first stand in the comparison."""
        notes = [self.note, *self.measured.pairing.notes]
        return GateOutcome(
            **self.numbers("; ".join(filter(None, notes))),
            gate=self.name,
            scorer=self.measured.gate.scorer,
            p_value=self.measured.change.p_value,
            q_value=self.adjusted,
            slices=() if is_first else self.slices,
        )


def _measure(pairing: Pairing, pairs: Sequence[Pair], gate: Gate) -> _Measured:
    """Measure the change, so that the gate's margin can be held against it."""
    change = pairing.measure(pairs, margin=0.0 if gate.is_relative else gate.margin.value)
    if pairing.average == "geometric":
        if not gate.is_relative:
            raise ComparisonError(f"gate {gate.name!r} has a margin of its own unit, {BY_RATIO}")
        # A part of the baseline's mean is a bound of the ratio, and the gain is made of that.
        margin = Margin(gate.margin.value * change.baseline, gate.margin.is_hard)
        return _Measured(gate, pairing, pairs, change, margin)
    if not gate.is_relative:
        return _Measured(gate, pairing, pairs, change, gate.margin)
    if pairing.scale is not None:
        raise ComparisonError(
            f"gate {gate.name!r} has a margin of {gate.margin.value * 100:g}%, which only scores "
            "without bounds can have"
        )
    share = math.copysign(gate.margin.value, change.baseline)
    margin = Margin(gate.margin.value * abs(change.baseline), gate.margin.is_hard)
    factor = 1 - share if pairing.direction == "up" else 1 + share
    worsened = pairing.measure(pairs, factor=factor)
    return _Measured(gate, pairing, pairs, RelativeChange(change, worsened, margin), margin)


def _judge_gates(
    baseline: RunRecord,
    candidate: RunRecord,
    gates: Sequence[Gate],
    without: Collection[str],
    labels: Labels | None = None,
) -> list[_Judged]:
    pairings = [
        pair_runs(baseline, candidate, gate.scorer, gate.estimate, without) for gate in gates
    ]
    measured = [
        _measure(pairing, pairing.pairs, gate)
        for pairing, gate in zip(pairings, gates, strict=True)
    ]
    if labels is not None:
        measured = [_corrected(baseline, candidate, each, labels) for each in measured]
    adjusted = holm([each.change.p_value for each in measured])
    return [
        _judge_gate(each, p_value, len(gates))
        for each, p_value in zip(measured, adjusted, strict=True)
    ]


def _corrected(
    baseline: RunRecord, candidate: RunRecord, measured: _Measured, labels: Labels
) -> _Measured:
    """Return a gate's numbers as people's labels correct them, where a judge's are to be."""
    gate, pairing = measured.gate, measured.pairing
    change, note = labels.correct(baseline, candidate, pairing, gate.scorer)
    if change is not None:
        note = correction_note(change, measured.change, gate.alpha)
    if not note:
        return measured
    told = replace(pairing, notes=(*pairing.notes, note))
    return replace(measured, pairing=told, change=change or measured.change)


def _judge_gate(measured: _Measured, adjusted: float, count: int) -> _Judged:
    gate, judgement = measured.gate, measured.judge()
    verdict, note = judgement.verdict, judgement.note
    if count > 1 and verdict in ("regressed", "improved"):
        is_proven = adjusted < gate.alpha
        if gate.margin.is_hard and verdict == "regressed":
            # The p-value is that of any drop; of one beyond the margin, the interval speaks.
            narrow = measured.change.interval(gate.alpha / count)
            is_proven = decide(narrow, measured.margin) == "regressed"
        if not is_proven:
            verdict, note = _weakened(verdict, "gates")
    slices = _judge_slices(measured.pairing, gate) if gate.slices == "tags" else ()
    return _Judged(gate.name, measured, judgement, adjusted, verdict, note, slices)


def _judge_slices(pairing: Pairing, gate: Gate) -> tuple[SliceOutcome, ...]:
    """Judge the cases of each tag; a tag that every case bears is no slice."""
    by_tag: dict[str, list[Pair]] = {}
    for pair in pairing.pairs:
        for tag in dict.fromkeys(pair.new.tags):
            by_tag.setdefault(tag, []).append(pair)
    slices = {
        tag: _measure(pairing, inside, gate)
        for tag, inside in sorted(by_tag.items())
        if len(inside) < len(pairing.pairs) and (pairing.scale is not None or _is_scored(inside))
    }
    judged = [tag for tag, measured in slices.items() if measured.change.n >= gate.min_n]
    q_values = dict(
        zip(
            judged,
            benjamini_hochberg([slices[tag].change.p_value for tag in judged]),
            strict=True,
        )
    )
    return tuple(_judge_slice(tag, measured, q_values.get(tag)) for tag, measured in slices.items())


def _is_scored(pairs: Sequence[Pair]) -> bool:
    return any(side.value is not None for pair in pairs for side in (pair.before, pair.after))


def _judge_slice(tag: str, measured: _Measured, q_value: float | None) -> SliceOutcome:
    gate, change, judgement = measured.gate, measured.change, measured.judge()
    verdict, note = judgement.verdict, judgement.note
    if q_value is None:
        verdict, note = "inconclusive", f"too few: {change.n} of at least {gate.min_n} cases"
    elif verdict in ("regressed", "improved") and q_value >= gate.alpha:
        verdict, note = _weakened(verdict, "slices")
    return SliceOutcome(
        **measured.numbers(judgement, verdict, note),
        slice=tag,
        p_value=None if q_value is None else change.p_value,
        q_value=q_value,
    )


def _weakened(verdict: Verdict, among: str) -> tuple[Verdict, str]:
    """Return what is left of a verdict that so many others take the proof from."""
    note = f"{verdict} if it stood alone, not proven among so many {among}"
    return ("inconclusive" if verdict == "regressed" else "passed"), note


def _broken(baseline: RunRecord, candidate: RunRecord, without: Collection[str]) -> tuple[str, ...]:
    """Return the cases that must pass which the baseline passes and the candidate does not."""
    named = candidate.run.settings.get(MUST_PASS, [])
    if not named:
        return ()
    # Also those that were asked before their turn: one of them decides alone.
    pairs = pair_runs(baseline, candidate, ALL_SCORERS).asked
    return tuple(
        pair.new.case_id
        for pair in pairs
        if pair.new.case_id in named
        and pair.new.case_id not in without
        and pair.is_flip
        and pair.before.passed
    )


def _quarantine_note(baseline: RunRecord, candidate: RunRecord, ward: Ward) -> str:
    """Return what became of the cases that are in no gate."""
    if not ward.inside:
        return ""
    pairs = pair_runs(baseline, candidate, ALL_SCORERS).asked
    inside = [pair for pair in pairs if pair.new.case_id in ward.inside]
    failing = sum(pair.is_flip and pair.before.passed for pair in inside)
    return ward.note([pair.new.case_id for pair in inside], failing)


def _judges(baseline: RunRecord, candidate: RunRecord) -> str:
    """Return whose gates judge, where the runs were made under different ones."""
    old, new = (record.run.settings.get("gates") for record in (baseline, candidate))
    if old is None or new is None or old == new:
        return ""
    return f"by the gates of {candidate.run.run_id}; {baseline.run.run_id} has others"


def _named_cases(case_ids: Sequence[str]) -> str:
    if not case_ids:
        return ""
    more = len(case_ids) - _MOST_NAMED
    named = ", ".join(case_ids[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"must pass and fails now: {named}"


def _comparison_id(baseline: RunRecord, candidate: RunRecord, gates: Sequence[Gate]) -> str:
    """Return the same id for the same question, so that publishing again doubles nothing."""
    question = [baseline.run.run_id, candidate.run.run_id, msgspec.to_builtins(tuple(gates))]
    return f"cmp-{hashlib.sha256(msgspec.json.encode(question)).hexdigest()[:16]}"
