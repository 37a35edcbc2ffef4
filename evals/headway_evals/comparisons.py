"""A candidate's run against a baseline's: a verdict by each gate, one a slice, and what flipped.

All gates must pass. So that several of them do not find a regression by chance more often than
one would, a gate among several counts as regressed, or improved, only where its p-value after
Holm over the gates is below alpha; that all pass by chance is no likelier than that one does, and
passing needs no correction. A gate's slices count by their q-value after Benjamini-Hochberg over
them: among twenty slices one looks bad by chance alone. A case that must pass fails the gate
alone, where it passes for the baseline and not for the candidate.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import msgspec

from headway_evals.errors import ComparisonError
from headway_evals.gate_verdicts import judge_gates, measure_gate
from headway_evals.judges.notes import judge_warnings
from headway_evals.label_corrections import Labels
from headway_evals.noise_floors import noise_floor, noise_warning
from headway_evals.outcomes import EXIT_CODES, Comparison, Overall
from headway_evals.pairings import pair_runs
from headway_evals.quarantines import Ward
from headway_evals.runs import MUST_PASS, RunRecord
from headway_evals.suites import ALL_SCORERS, Gate, named
from headway_measures.paired import Change
from headway_measures.verdicts import Verdict

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
    judged = judge_gates(baseline, candidate, gates, ward.inside, labels)
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


def change_by(
    baseline: RunRecord, candidate: RunRecord, gate: Gate, *, labels: Labels | None = None
) -> Change:
    """Return the change that a gate judges, corrected as by ``compare``.

    Raises:
        ComparisonError: as by ``compare``.
        RunError: a label is none that the judge could give.
    """
    ward = Ward.of(candidate, datetime.now(UTC).date())
    return measure_gate(baseline, candidate, gate, ward.inside, labels).change


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
