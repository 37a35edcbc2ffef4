"""The judges of a sweep: found once, one budget for all runs, no question asked twice.

Each candidate is judged against the sweep's baseline: by its scores, by the judges that compare
two answers, and with people's labels where there are some.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from headway_evals.comparisons import compare
from headway_evals.errors import ComparisonError
from headway_evals.judge_desks import COLLECTOR, BenchDesk, judges_in
from headway_evals.judges.agreements import agreement_lines
from headway_evals.judges.labels import judge_scorers, labelled, read_labels
from headway_evals.judges.notes import judge_lines
from headway_evals.judges.pairwise import Paired
from headway_evals.judges.scoring import JUDGES, Bench
from headway_evals.label_corrections import Labels
from headway_evals.runs import RunRecord
from headway_evals.suites import Gate, Suite
from headway_evals.sweep_verdicts import Contender
from headway_evals.sweeps import Judging, Spent


@dataclass(slots=True)
class SweepJudges:
    """The judges of all runs of a sweep.

    Args:
        desk: finds judges and labels.
        suite: the suite.
        bench: the judges with what they may cost; None where the suite has none.
    """

    desk: BenchDesk
    suite: Suite
    bench: Bench | None
    _has_labels: bool = False

    @classmethod
    def of(cls, desk: BenchDesk, suite: Suite, spent: Spent | None) -> Self:
        """Find the judges, and read labels that are in a file, before any model is asked.

        Args:
            desk: finds judges and labels.
            suite: the suite.
            spent: what judges cost in this sweep before it was broken off.

        Raises:
            ModelError: a judge is not there.
            SuiteError: the file of labels has faults.
        """
        named = desk.labels_named(suite)
        if named is not None and not named.startswith(COLLECTOR):
            read_labels(Path(named))
        bench = desk.bench(judges_in(suite), suite.judging)
        if bench is not None and spent is not None:
            bench.purse.calls = spent.calls
            bench.purse.cost_usd = spent.cost_usd or 0.0
            bench.purse.dearest_usd = spent.dearest_usd
        return cls(desk, suite, bench)

    @property
    def spent(self) -> Spent | None:
        """Return what judges cost so far; None where there are none."""
        if self.bench is None:
            return None
        purse = self.bench.purse
        cost = None if purse.dearest_usd is None else purse.cost_usd
        return Spent(calls=purse.calls, cost_usd=cost, dearest_usd=purse.dearest_usd)

    def check_labels(self, baseline: RunRecord) -> None:
        """Find out whether people's labels are of any use, before candidates are run.

        Raises:
            RunError: a label of the baseline's answers is none that the judge could give.
        """
        named, judges = self.desk.labels_named(self.suite), judge_scorers(baseline)
        if named is None:
            return
        self._has_labels = bool(judges)
        if judges and named.startswith(COLLECTOR):
            return  # they are asked for with each candidate's
        labels = self.desk.labels((baseline,), self.suite)
        for name in judges if labels is not None else ():
            labelled(baseline, labels.labels if labels else (), name)

    def contend(
        self,
        position: int,
        spec: str,
        baseline: RunRecord,
        record: RunRecord,
        gates: Sequence[Gate],
    ) -> Contender:
        """Judge a candidate's run against the baseline's.

        Args:
            position: its place among the candidates, from 0.
            spec: what names it.
            baseline: the sweep's baseline.
            record: the candidate's run.
            gates: what the verdict is by.

        Raises:
            ComparisonError: the runs cannot be compared.
            ModelError: a judge cannot answer.
            RunError: a label is none that a judge could give.
        """
        if self.bench is None:
            comparison = compare(baseline, record, gates)
            return Contender(position, spec, baseline, record, comparison)
        paired = self.desk.pair(baseline, record, self.suite, self.bench.for_run())
        labels = self.desk.labels((baseline, record), self.suite) if self._has_labels else None
        try:
            comparison = compare(paired.baseline, paired.candidate, gates, labels=labels)
        except ComparisonError as error:
            if not (paired.unjudged_count and self.bench.purse.reason):
                raise
            raise ComparisonError(f"{error}; not judged: {self.bench.purse.reason}") from error
        return Contender(
            position,
            spec,
            paired.baseline,
            paired.candidate,
            comparison,
            labels,
            _judging(paired),
            (*judge_lines(record), *paired.told, *_agreement(paired, labels)),
        )


def _judging(paired: Paired) -> Judging:
    """Return what judging a candidate took: its answers, and its pairs with the baseline's."""
    run = paired.candidate.run.settings.get(JUDGES, {}).get("models", {})
    tallies = [*run.values(), *map(asdict, paired.asked.values())]

    def total(name: str) -> int:
        return sum(each.get(name) or 0 for each in tallies)

    costs = [each["cost_usd"] for each in tallies if each.get("cost_usd") is not None]
    return Judging(
        calls=total("calls"),
        kept_count=total("kept"),
        nonsense_count=total("nonsense"),
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        cost_usd=sum(costs) if costs else None,
        unjudged_count=paired.unjudged_count,
    )


def _agreement(paired: Paired, labels: Labels | None) -> list[str]:
    if labels is None:
        return []
    return agreement_lines(paired.candidate, labels.labels, None, [paired.baseline])
