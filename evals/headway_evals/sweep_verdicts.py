"""Many candidates against one baseline: what each verdict is worth among the others.

Of eight adapters that are all as good as the baseline one looks better, or worse, one time in
three by chance. So a candidate counts as improved, or as regressed by its gates, only where its
p-value after Holm over the candidates is below alpha. Its own p-value is that of its gate, or the
smallest of its gates' after Holm over them. That it passes is said of it alone and needs no
correction, as a case that must pass needs none, and its slices are judged among themselves
(Benjamini-Hochberg), as in any comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from headway_evals.comparisons import change_by, compare
from headway_evals.errors import ComparisonError
from headway_evals.label_corrections import Labels
from headway_evals.outcomes import (
    EXIT_INCONCLUSIVE,
    EXIT_PASSED,
    EXIT_REGRESSED,
    Comparison,
)
from headway_evals.pairings import pair_runs
from headway_evals.runs import Result, RunRecord
from headway_evals.suites import Gate, named
from headway_evals.sweeps import Entry, Flips, Judging, Row
from headway_measures.multiplicity import holm
from headway_measures.verdicts import Verdict

EXIT_FAILED = 2


@dataclass(frozen=True, slots=True)
class Contender:
    """A candidate that has run, with its comparison, which is of it alone.

    Args:
        position: its place among the candidates, from 0.
        spec: what names it.
        baseline: the sweep's baseline, with its scores by judges that compare it with this one.
        record: its run.
        comparison: against the baseline.
        labels: people's, by which the comparison is corrected.
        judging: what judges took; None where there are none.
        notes: what is to be told of them.
    """

    position: int
    spec: str
    baseline: RunRecord
    record: RunRecord
    comparison: Comparison
    labels: Labels | None = None
    judging: Judging | None = None
    notes: tuple[str, ...] = ()

    def p_value(self, gates: Sequence[Gate]) -> float:
        """Return the smallest p-value of its gates after Holm over them."""
        return min(
            holm(
                [
                    change_by(self.baseline, self.record, gate, labels=self.labels).p_value
                    for gate in gates
                ]
            )
        )


def judge_contenders(contenders: Sequence[Contender], gates: Sequence[Gate]) -> tuple[Row, ...]:
    """Return the rows of the table, in the order given."""
    gates = named(gates)
    p_values = [each.p_value(gates) for each in contenders]
    return tuple(
        _row(each, gates, p_value, adjusted, len(contenders))
        for each, p_value, adjusted in zip(contenders, p_values, holm(p_values), strict=True)
    )


def count_flips(records: Sequence[RunRecord], scorer: str) -> Flips:
    """Return how many cases flip between any two runs."""
    size = len(records)
    counts: list[list[int | None]] = [
        [0 if i == j else None for j in range(size)] for i in range(size)
    ]
    for i, old in enumerate(records):
        for j in range(i + 1, size):
            try:
                pairs = pair_runs(old, records[j], scorer).pairs
            except ComparisonError:  # no case in common, or one was stopped early
                continue
            flips = [pair for pair in pairs if pair.is_flip]
            lost = sum(pair.before.passed for pair in flips)
            counts[i][j], counts[j][i] = lost, len(flips) - lost
    return Flips(tuple(each.run.run_id for each in records), tuple(map(tuple, counts)))


def exit_code_of(rows: Sequence[Row], entries: Sequence[Entry]) -> int:
    """Return the command's exit code: is there a candidate to take?

    0 where one passed or improved; else 2 where one could not be judged; else 1 where all
    regressed; else 3, for more cases might find one.
    """
    if any(row.verdict in ("passed", "improved") for row in rows):
        return EXIT_PASSED
    if len(rows) < len(entries):
        return EXIT_FAILED
    regressed = all(row.verdict == "regressed" for row in rows)
    return EXIT_REGRESSED if regressed else EXIT_INCONCLUSIVE


def _row(
    contender: Contender,
    gates: Sequence[Gate],
    p_value: float,
    adjusted: float,
    count: int,
) -> Row:
    comparison, record = contender.comparison, contender.record
    overall, run = comparison.overall, record.run
    verdict, note = comparison.verdict, overall.note
    if count > 1 and not _is_proven(contender, gates, adjusted, count):
        weak = f"{verdict} if it stood alone, not proven among so many candidates"
        note = "; ".join(filter(None, (weak, note)))
        verdict = "inconclusive" if verdict == "regressed" else "passed"
    return Row(
        position=contender.position,
        candidate=contender.spec,
        run_id=run.run_id,
        baseline_run_id=comparison.baseline_run_id,
        comparison_id=comparison.comparison_id,
        model=run.model,
        n=overall.n,
        mean=overall.candidate,
        baseline_mean=overall.baseline,
        difference=overall.difference,
        lower=overall.lower,
        upper=overall.upper,
        scale=overall.scale,
        direction=overall.direction,
        margin=overall.margin,
        p_value=p_value,
        p_adjusted=adjusted,
        verdict=verdict,
        note=note,
        took_s=_seconds(run.started_at, run.ended_at),
        cost_usd=_cost(record.results),
        input_tokens=sum(each.input_tokens or 0 for each in record.results),
        output_tokens=sum(each.output_tokens or 0 for each in record.results),
        kept_count=run.settings.get("kept_count", 0),
        judging=contender.judging,
    )


def _is_proven(
    contender: Contender,
    gates: Sequence[Gate],
    adjusted: float,
    count: int,
) -> bool:
    """Return whether a verdict holds among so many candidates."""
    comparison = contender.comparison
    alpha = gates[0].alpha
    verdict: Verdict = comparison.verdict
    if verdict in ("passed", "inconclusive"):
        return True
    if verdict == "improved":
        return adjusted < alpha
    by_gates = [comparison.overall, *comparison.overall.gates]
    others = {*comparison.regressions} - {f"gate {each.gate}" for each in comparison.overall.gates}
    if others or not any(each.verdict == "regressed" for each in by_gates):
        return True  # a slice, or a case that must pass
    if any(gate.margin.is_hard for gate in gates):
        # The p-value is that of any drop; of one beyond the margin, a narrower alpha speaks.
        narrow = [replace(gate, alpha=gate.alpha / count, slices="none") for gate in gates]
        again = compare(contender.baseline, contender.record, narrow, labels=contender.labels)
        return again.verdict == "regressed"
    return adjusted < alpha


def _seconds(started_at: str, ended_at: str) -> float:
    start, end = (datetime.fromisoformat(each) for each in (started_at, ended_at))
    return round((end - start).total_seconds(), 3)


def _cost(results: Sequence[Result]) -> float | None:
    """Return what the answers cost by the suite's scorer ``cost``, None where it has none."""
    scores = (each.scores.get("cost") for each in results)
    known = [score.value for score in scores if score is not None and score.error is None]
    return sum(known) if known else None
