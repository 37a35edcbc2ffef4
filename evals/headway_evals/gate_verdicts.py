"""What each gate says of a candidate's run: its numbers, its verdict among the others, its slices.

A gate among several counts as regressed, or improved, only where its p-value after Holm over the
gates is below alpha. Its slices count by their q-value after Benjamini-Hochberg over them.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headway_evals.errors import ComparisonError
from headway_evals.label_corrections import Labels, correction_note
from headway_evals.margins import BY_RATIO, RelativeChange
from headway_evals.outcomes import GateOutcome, SliceOutcome
from headway_evals.pairings import Pair, Pairing, pair_runs
from headway_evals.runs import RunRecord
from headway_evals.suites import Gate
from headway_measures.multiplicity import benjamini_hochberg, holm
from headway_measures.paired import Change
from headway_measures.verdicts import Judgement, Margin, Verdict, decide, judge


@dataclass(frozen=True, slots=True)
class Measured:
    """Some pairs as a gate sees them, with its margin in the unit of their scores."""

    gate: Gate
    pairing: Pairing
    pairs: Sequence[Pair]
    change: Change
    margin: Margin

    def judge(self) -> Judgement:
        """Return what the change comes to by the gate's margin and alpha."""
        return judge(self.change, self.margin, self.gate.alpha)

    def numbers(self, judgement: Judgement, verdict: Verdict, note: str) -> dict[str, Any]:
        """Return what every outcome tells."""
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
class Judged:
    """One gate's verdict with what it rests on."""

    name: str
    measured: Measured
    judgement: Judgement
    adjusted: float
    verdict: Verdict
    note: str
    slices: tuple[SliceOutcome, ...]

    def numbers(self, note: str) -> dict[str, Any]:
        """Return what every outcome tells."""
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


def _measure(pairing: Pairing, pairs: Sequence[Pair], gate: Gate) -> Measured:
    """Measure the change, so that the gate's margin can be held against it."""
    change = pairing.measure(pairs, margin=0.0 if gate.is_relative else gate.margin.value)
    if pairing.average == "geometric":
        if not gate.is_relative:
            raise ComparisonError(f"gate {gate.name!r} has a margin of its own unit, {BY_RATIO}")
        # A part of the baseline's mean is a bound of the ratio, and the gain is made of that.
        margin = Margin(gate.margin.value * change.baseline, gate.margin.is_hard)
        return Measured(gate, pairing, pairs, change, margin)
    if not gate.is_relative:
        return Measured(gate, pairing, pairs, change, gate.margin)
    if pairing.scale is not None:
        raise ComparisonError(
            f"gate {gate.name!r} has a margin of {gate.margin.value * 100:g}%, which only scores "
            "without bounds can have"
        )
    share = math.copysign(gate.margin.value, change.baseline)
    margin = Margin(gate.margin.value * abs(change.baseline), gate.margin.is_hard)
    factor = 1 - share if pairing.direction == "up" else 1 + share
    worsened = pairing.measure(pairs, factor=factor)
    return Measured(gate, pairing, pairs, RelativeChange(change, worsened, margin), margin)


def judge_gates(
    baseline: RunRecord,
    candidate: RunRecord,
    gates: Sequence[Gate],
    without: Collection[str],
    labels: Labels | None = None,
) -> list[Judged]:
    """Return each gate's verdict, in the order given.

    Raises:
        ComparisonError: the runs have no case in common, or none with a gate's scorer.
        RunError: a label is none that the judge could give.
    """
    measured = [measure_gate(baseline, candidate, gate, without, labels) for gate in gates]
    adjusted = holm([each.change.p_value for each in measured])
    return [
        _judge_gate(each, p_value, len(gates))
        for each, p_value in zip(measured, adjusted, strict=True)
    ]


def measure_gate(
    baseline: RunRecord,
    candidate: RunRecord,
    gate: Gate,
    without: Collection[str],
    labels: Labels | None = None,
) -> Measured:
    """Return a gate's numbers, corrected by people's labels where there are enough.

    Raises:
        ComparisonError: as by ``judge_gates``.
        RunError: a label is none that the judge could give.
    """
    pairing = pair_runs(baseline, candidate, gate.scorer, gate.estimate, without)
    measured = _measure(pairing, pairing.pairs, gate)
    return measured if labels is None else _corrected(baseline, candidate, measured, labels)


def _corrected(
    baseline: RunRecord, candidate: RunRecord, measured: Measured, labels: Labels
) -> Measured:
    """Return a gate's numbers as people's labels correct them, where a judge's are to be."""
    gate, pairing = measured.gate, measured.pairing
    change, note = labels.correct(baseline, candidate, pairing, gate.scorer)
    if change is not None:
        note = correction_note(change, measured.change, gate.alpha)
    if not note:
        return measured
    told = replace(pairing, notes=(*pairing.notes, note))
    return replace(measured, pairing=told, change=change or measured.change)


def _judge_gate(measured: Measured, adjusted: float, count: int) -> Judged:
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
    return Judged(gate.name, measured, judgement, adjusted, verdict, note, slices)


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


def _judge_slice(tag: str, measured: Measured, q_value: float | None) -> SliceOutcome:
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
