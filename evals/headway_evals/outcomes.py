"""A comparison as a value, in the shape that ``docs/architecture.md`` calls a comparison.

Differences are gains: candidate minus baseline, or the reverse where less is better.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from headway_measures.scores import Direction
from headway_measures.verdicts import Verdict

EXIT_PASSED = 0
EXIT_REGRESSED = 1
EXIT_INCONCLUSIVE = 3

EXIT_CODES: dict[Verdict, int] = {
    "improved": EXIT_PASSED,
    "passed": EXIT_PASSED,
    "regressed": EXIT_REGRESSED,
    "inconclusive": EXIT_INCONCLUSIVE,
}

FlipDirection = Literal["to_fail", "to_pass"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its numbers.

    Args:
        needs_n: how many cases in all would tell.
        missing_n: how many of them are still to be found.
        minimum_detectable_effect: the smallest true change that so many cases find four times in
            five; None where they find none.
        direction: which way the scores get better.
        scale: their greatest distance, 1 for shares; None where nothing bounds them.
        margin: the drop that still passes, in the unit of the scores.
        margin_share: what part of the baseline's mean that is, where it was given as such.
    """

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
    missing_n: int | None = None
    minimum_detectable_effect: float | None = None
    direction: Direction = "up"
    scale: float | None = 1.0
    margin: float
    margin_share: float | None = None


class SliceOutcome(Outcome, frozen=True, kw_only=True):
    """The verdict on the cases of one tag; without p and q where they are too few."""

    slice: str
    p_value: float | None
    q_value: float | None


class GateOutcome(Outcome, frozen=True, kw_only=True):
    """What one of several gates says; ``q_value`` is Holm's over all of them.

    ``slices`` are those of a gate after the first, whose own are the comparison's.
    """

    gate: str
    scorer: str
    p_value: float
    q_value: float
    slices: tuple[SliceOutcome, ...] = ()


class Overall(Outcome, frozen=True, kw_only=True):
    """What the first gate says of all cases.

    Args:
        gates: where there are several, what each says, the first too.
        must_pass: those of the cases that must pass which the candidate alone fails.
        warnings: what a verdict should not be trusted with.
    """

    gates: tuple[GateOutcome, ...] = ()
    must_pass: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A case that passes under one model and fails under the other."""

    case_id: str
    direction: FlipDirection
    tags: tuple[str, ...]
    input: Any
    expected: Any
    baseline_output: str | None
    candidate_output: str | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The gates' answer.

    ``verdict`` is the worst of all gates', or regressed where a slice did, or where a case that
    must pass fails for the candidate only.
    """

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
    overall: Overall
    slices: tuple[SliceOutcome, ...]
    flips: tuple[Flip, ...]

    @property
    def slices_by_gate(self) -> list[tuple[str, tuple[SliceOutcome, ...]]]:
        """Return a title with slices for each gate that has any, the first gate's first."""
        others = [(f"Slices by gate {each.gate}", each.slices) for each in self.overall.gates]
        return [(title, slices) for title, slices in [("Slices", self.slices), *others] if slices]

    @property
    def regressions(self) -> list[str]:
        """Return all that regressed besides the first gate, as a person would name it."""
        gates = [
            f"gate {each.gate}" for each in self.overall.gates[1:] if each.verdict == "regressed"
        ]
        slices = [each.slice for each in self.slices if each.verdict == "regressed"]
        slices += [
            f"{each.slice} by gate {gate.gate}"
            for gate in self.overall.gates
            for each in gate.slices
            if each.verdict == "regressed"
        ]
        return [*slices, *gates, *(f"case {each}" for each in self.overall.must_pass)]


def judged_slices(slices: Sequence[SliceOutcome]) -> list[SliceOutcome]:
    """Return the slices that have cases enough, the worst first."""
    judged = [each for each in slices if each.q_value is not None]
    return sorted(judged, key=lambda each: (each.verdict != "regressed", each.difference))


def parted_slices(
    slices: Sequence[SliceOutcome],
) -> tuple[list[SliceOutcome], list[SliceOutcome]]:
    """Return those of cases enough to be looked at, then those that passed with nothing to say."""
    judged = judged_slices(slices)
    passed = [each for each in judged if each.verdict == "passed" and not each.note]
    return [each for each in judged if each not in passed], passed
