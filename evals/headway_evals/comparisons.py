"""A candidate's run against a baseline's: a verdict by each gate, one a slice, and what flipped.

All gates must pass. So that several of them do not find a regression by chance more often than
one would, a gate among several counts as regressed, or improved, only where its p-value after
Holm over the gates is below alpha; that all pass by chance is no likelier than that one does, and
passing needs no correction. Slices, which are the first gate's, count by their q-value after
Benjamini-Hochberg: among twenty slices one looks bad by chance alone. A case that must pass
fails the gate alone, where it passes for the baseline and not for the candidate.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from headway_evals.errors import ComparisonError
from headway_evals.outcomes import EXIT_CODES, Comparison, GateOutcome, Overall, SliceOutcome
from headway_evals.pairings import Pair, Pairing, pair_runs
from headway_evals.runs import MUST_PASS, RunRecord
from headway_evals.suites import ALL_SCORERS, Gate
from headway_measures.multiplicity import benjamini_hochberg, holm
from headway_measures.paired import Change
from headway_measures.verdicts import Judgement, Verdict, decide, judge

# What all gates come to is what the worst of them says.
_WORST_FIRST: tuple[Verdict, ...] = ("regressed", "inconclusive", "passed", "improved")
_MOST_NAMED = 5


def compare(
    baseline: RunRecord,
    candidate: RunRecord,
    gates: Gate | Sequence[Gate],
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Comparison:
    """Judge a candidate's run against a baseline's by one gate or several, the first leading.

    Raises:
        ComparisonError: the runs have no case in common, or none with a gate's scorer.
    """
    gates = (gates,) if isinstance(gates, Gate) else tuple(gates)
    if not gates:
        raise ComparisonError("there is no gate to judge by")
    judged = _judge_gates(baseline, candidate, gates)
    first = judged[0]
    pairs = first.pairing.pairs
    slices = _judge_slices(first.pairing, first.gate) if first.gate.slices == "tags" else ()
    must_pass = _broken(baseline, candidate)
    notes = [first.note, *first.pairing.notes, _named_cases(must_pass)]
    overall = Overall(
        **first.numbers("; ".join(filter(None, notes))),
        gates=tuple(each.outcome() for each in judged) if len(judged) > 1 else (),
        must_pass=must_pass,
    )
    verdicts = {each.verdict for each in judged}
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
        margin=first.gate.margin.value,
        alpha=first.gate.alpha,
        overall=overall,
        slices=slices,
        flips=tuple(pair.flip() for pair in pairs if pair.is_flip),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """One gate's verdict with what it rests on."""

    gate: Gate
    name: str
    pairing: Pairing
    change: Change
    judgement: Judgement
    adjusted: float
    verdict: Verdict
    note: str

    def numbers(self, note: str) -> dict[str, Any]:
        pairs = self.pairing.pairs
        return _numbers(self.pairing, pairs, self.change, self.judgement, self.verdict, note)

    def outcome(self) -> GateOutcome:
        return GateOutcome(
            **self.numbers("; ".join(filter(None, [self.note, *self.pairing.notes]))),
            gate=self.name,
            scorer=self.gate.scorer,
            margin=self.gate.margin.value,
            p_value=self.change.p_value,
            q_value=self.adjusted,
        )


def _judge_gates(baseline: RunRecord, candidate: RunRecord, gates: Sequence[Gate]) -> list[_Judged]:
    pairings = [pair_runs(baseline, candidate, gate.scorer) for gate in gates]
    changes = [pairing.measure(pairing.pairs) for pairing in pairings]
    adjusted = holm([change.p_value for change in changes])
    return [
        _judge_gate(gate, index, pairing, change, p_value, len(gates))
        for index, (gate, pairing, change, p_value) in enumerate(
            zip(gates, pairings, changes, adjusted, strict=True), start=1
        )
    ]


def _judge_gate(
    gate: Gate, index: int, pairing: Pairing, change: Change, adjusted: float, count: int
) -> _Judged:
    judgement = judge(change, gate.margin, gate.alpha)
    verdict, note = judgement.verdict, judgement.note
    if count > 1 and verdict in ("regressed", "improved"):
        is_proven = adjusted < gate.alpha
        if gate.margin.is_hard and verdict == "regressed":
            # The p-value is that of any drop; of one beyond the margin, the interval speaks.
            narrow = change.interval(gate.alpha / count)
            is_proven = decide(narrow, gate.margin) == "regressed"
        if not is_proven:
            verdict, note = _weakened(verdict, "gates")
    # A gate that has no name goes by its scorer; where that is another's too, by its place.
    name = gate.name or (gate.scorer if gate.scorer != ALL_SCORERS else f"{index}")
    return _Judged(gate, name, pairing, change, judgement, adjusted, verdict, note)


def _judge_slices(pairing: Pairing, gate: Gate) -> tuple[SliceOutcome, ...]:
    """Judge the cases of each tag; a tag that every case bears is no slice."""
    by_tag: dict[str, list[Pair]] = {}
    for pair in pairing.pairs:
        for tag in dict.fromkeys(pair.new.tags):
            by_tag.setdefault(tag, []).append(pair)
    slices = {
        tag: inside
        for tag, inside in sorted(by_tag.items())
        if len(inside) < len(pairing.pairs) and (pairing.scale is not None or _is_scored(inside))
    }
    changes = {tag: pairing.measure(inside) for tag, inside in slices.items()}
    judged = [tag for tag, change in changes.items() if change.n >= gate.min_n]
    q_values = dict(
        zip(judged, benjamini_hochberg([changes[tag].p_value for tag in judged]), strict=True)
    )
    return tuple(
        _judge_slice(tag, pairing, inside, changes[tag], q_values.get(tag), gate)
        for tag, inside in slices.items()
    )


def _is_scored(pairs: Sequence[Pair]) -> bool:
    return any(side.value is not None for pair in pairs for side in (pair.before, pair.after))


def _judge_slice(
    tag: str,
    pairing: Pairing,
    pairs: Sequence[Pair],
    change: Change,
    q_value: float | None,
    gate: Gate,
) -> SliceOutcome:
    judgement = judge(change, gate.margin, gate.alpha)
    verdict, note = judgement.verdict, judgement.note
    if q_value is None:
        verdict, note = "inconclusive", f"too few: {change.n} of at least {gate.min_n} cases"
    elif verdict in ("regressed", "improved") and q_value >= gate.alpha:
        verdict, note = _weakened(verdict, "slices")
    return SliceOutcome(
        **_numbers(pairing, pairs, change, judgement, verdict, note),
        slice=tag,
        p_value=None if q_value is None else change.p_value,
        q_value=q_value,
    )


def _weakened(verdict: Verdict, among: str) -> tuple[Verdict, str]:
    """Return what is left of a verdict that so many others take the proof from."""
    note = f"{verdict} if it stood alone, not proven among so many {among}"
    return ("inconclusive" if verdict == "regressed" else "passed"), note


def _broken(baseline: RunRecord, candidate: RunRecord) -> tuple[str, ...]:
    """Return the cases that must pass which the baseline passes and the candidate does not."""
    named = candidate.run.settings.get(MUST_PASS, [])
    if not named:
        return ()
    pairs = pair_runs(baseline, candidate, ALL_SCORERS).pairs
    return tuple(
        pair.new.case_id
        for pair in pairs
        if pair.new.case_id in named and pair.is_flip and pair.before.passed
    )


def _named_cases(case_ids: Sequence[str]) -> str:
    if not case_ids:
        return ""
    more = len(case_ids) - _MOST_NAMED
    named = ", ".join(case_ids[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"must pass and fails now: {named}"


def _numbers(
    pairing: Pairing,
    pairs: Sequence[Pair],
    change: Change,
    judgement: Judgement,
    verdict: Verdict,
    note: str,
) -> dict[str, Any]:
    effect = judgement.minimum_detectable_effect
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
        "missing_n": judgement.missing_n,
        "minimum_detectable_effect": effect if math.isfinite(effect) else None,
        "direction": pairing.direction,
        "scale": pairing.scale,
    }


def _comparison_id(baseline: RunRecord, candidate: RunRecord, gates: Sequence[Gate]) -> str:
    """Return the same id for the same question, so that publishing again doubles nothing."""
    question = [baseline.run.run_id, candidate.run.run_id, msgspec.to_builtins(tuple(gates))]
    return f"cmp-{hashlib.sha256(msgspec.json.encode(question)).hexdigest()[:16]}"
