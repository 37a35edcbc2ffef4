"""``headway eval sweep``: many candidates on one suite, against one baseline, in one process.

What separate runs would each pay is paid once: imports, the suite, the base's weights and the
baseline's run. Adapters take turns on the base (``models.bases``), whose touched weights are
copied back from what they were, so that each candidate answers as it would alone. Keys and values
of a prompt's beginning are kept for one call only and continuous batching makes its blocks anew
for each, so that none outlives the adapter that it was made with.

A candidate without a run is a line in the table, and the others go on.
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from headway.errors import HeadwayError
from headway_evals.comparisons import check_suites
from headway_evals.desks import Desk
from headway_evals.executions import new_run_id
from headway_evals.judges.pairwise import pairwise_scorers
from headway_evals.manifests import OPTIONS
from headway_evals.margins import with_margin
from headway_evals.running import Runner, Task
from headway_evals.runs import RunRecord, load_run
from headway_evals.stopping import Stopping, check_stoppable
from headway_evals.suite_files import load_suite
from headway_evals.suites import ALL_SCORERS, Gate, named
from headway_evals.sweep_candidates import baseline_of, candidates_of
from headway_evals.sweep_judging import SweepJudges
from headway_evals.sweep_reports import write_sweep_report
from headway_evals.sweep_verdicts import (
    Contender,
    count_flips,
    exit_code_of,
    judge_contenders,
)
from headway_evals.sweeps import (
    SWEEP,
    SWEEP_ID,
    Entry,
    Sweep,
    claim_sweep,
    find_unfinished,
    question_of_sweep,
    write_sweep,
)
from headway_measures.scores import counted

MakeRun = Callable[[RunRecord], RunRecord]
"""Makes a candidate's run, given the baseline's."""


def run_sweep(arguments: argparse.Namespace) -> int:
    """Run all candidates on a suite, judge each against the baseline, and say who is best."""
    desk = Desk.of(arguments)
    desk.check_places()
    task = Task(load_suite(Path(arguments.suite)), arguments.suite, arguments.limit)
    suite = task.suite
    gates = named(with_margin(suite.gates, arguments.margin, suite.scale, suite.average))
    specs = candidates_of(arguments)
    reference = baseline_of(arguments)
    if arguments.stop_early:
        given = argparse.Namespace(**{**vars(arguments), "baseline": reference})
        check_stoppable(suite, gates, given)
    started = _begin(desk, task, gates, specs, reference)
    with _claimed(desk, started) as sweep:
        judges = SweepJudges.of(desk.judges, suite, sweep.spent)
        runner = Runner(desk, task, judges.bench, {SWEEP_ID: sweep.sweep_id})
        return _Sweeping(desk, runner, judges, gates, sweep).run(reference)


def _begin(
    desk: Desk, task: Task, gates: Sequence[Gate], specs: Sequence[str], baseline: str
) -> list[Sweep]:
    """Return the sweeps of this question that were broken off, and behind them a new one."""
    suite = task.suite
    question = question_of_sweep(
        {
            "suite_version": suite.version,
            "limit": task.limit,
            "candidates": specs,
            "baseline": baseline,
            "stop_early": desk.arguments.stop_early,
            "gates": msgspec.to_builtins(tuple(gates)),
            "options": {name: getattr(desk.options, name) for name in OPTIONS},
        }
    )
    now = datetime.now(UTC)
    new = Sweep(
        sweep_id=new_run_id(suite.name, "sweep", now),
        suite=suite.name,
        suite_version=suite.version,
        question=question,
        started_at=_rfc3339(now),
        baseline=baseline,
        entries=tuple(Entry(candidate=spec) for spec in specs),
    )
    # Whoever wants all answers anew wants no earlier run either.
    earlier = [] if desk.is_refreshed else find_unfinished(desk.runs_dir, question)
    return [*earlier, new]


@contextmanager
def _claimed(desk: Desk, sweeps: Sequence[Sweep]) -> Iterator[Sweep]:
    """Yield the first of the sweeps that no other process is at."""
    for sweep in sweeps:
        lock = claim_sweep(desk.runs_dir, sweep.sweep_id)
        if lock is None:
            continue
        with lock:
            done = sum(each.run_id is not None for each in sweep.entries)
            if sweep is not sweeps[-1]:
                told = f"{done} of {counted(len(sweep.entries), 'candidate')} done"
                desk.status.print(Text(f"going on with {sweep.sweep_id}: {told}"))
            yield sweep
            return


@dataclass(slots=True)
class _Sweeping:
    """One sweep under way."""

    desk: Desk
    runner: Runner
    judges: SweepJudges
    gates: Sequence[Gate]
    sweep: Sweep
    _contenders: list[Contender] = field(default_factory=list)

    def run(self, reference: str) -> int:
        """Run what is not done yet, then judge, report and publish."""
        make_baseline = self._baseline(reference)
        # All are found before any is run: a typing error is told now and not in an hour.
        waiting = [self._find(position) for position in range(len(self.sweep.entries))]
        self._keep()
        try:
            baseline = make_baseline()
            del make_baseline  # its model, where no candidate shares its weights
            self.judges.check_labels(baseline)
            for position, make_run in enumerate(waiting):
                waiting[position] = None
                if make_run is not None:
                    self._run(position, make_run, baseline)
        finally:
            self._keep()  # also what judges cost until somebody stopped it
        return self._finish(baseline)

    def _baseline(self, reference: str) -> Callable[[], RunRecord]:
        if ":" in reference:
            return self.runner.baseline(reference)
        record = load_run(reference, self.desk.runs_dir)
        check_suites(record, self.runner.task.suite.name)
        return lambda: record

    def _find(self, position: int) -> MakeRun | None:
        entry = self.sweep.entries[position]
        try:
            if self.desk.arguments.stop_early:
                return self._stopping(entry.candidate)
            run = self.runner.candidate(entry.candidate, earlier=entry.run_id)
            return lambda baseline: run()
        except HeadwayError as error:
            self._mark(Entry(candidate=entry.candidate, error=str(error)), position)
            return None

    def _stopping(self, spec: str) -> MakeRun:
        """Return what runs a candidate until its verdict is certain, also among so many."""
        run = self.runner.stoppable(spec)
        count = len(self.sweep.entries)
        # As strict as Holm at its strictest, for the others are not known yet.
        gates = [dataclasses.replace(gate, alpha=gate.alpha / count) for gate in self.gates]
        return lambda baseline: run(Stopping(baseline, gates))

    def _run(self, position: int, make_run: MakeRun, baseline: RunRecord) -> None:
        spec = self.sweep.entries[position].candidate
        try:
            record = make_run(baseline)
            contender = self.judges.contend(position, spec, baseline, record, self.gates)
        except HeadwayError as error:
            self._mark(Entry(candidate=spec, error=str(error)), position)
        else:
            self._contenders.append(contender)
            self._mark(Entry(candidate=spec, run_id=record.run.run_id), position)
        self._keep()

    def _mark(self, entry: Entry, position: int) -> None:
        entries = list(self.sweep.entries)
        entries[position] = entry
        self.sweep = msgspec.structs.replace(self.sweep, entries=tuple(entries))
        if entry.error is not None:
            self.desk.say(f"{entry.candidate}: {entry.error}")

    def _keep(self) -> Path:
        self.sweep = msgspec.structs.replace(self.sweep, spent=self.judges.spent)
        return write_sweep(self.desk.runs_dir, self.sweep)

    def _finish(self, baseline: RunRecord) -> int:
        rows = judge_contenders(self._contenders, self.gates)
        records = [baseline, *(each.record for each in self._contenders)]
        exit_code = exit_code_of(rows, self.sweep.entries)
        self.sweep = msgspec.structs.replace(
            self.sweep,
            ended_at=_rfc3339(datetime.now(UTC)),
            baseline_run_id=baseline.run.run_id,
            rows=rows,
            flips=count_flips(records, self._flipping),
            exit_code=exit_code,
        )
        path = self._keep()
        write_sweep_report(self.desk.report, self.sweep, self._contenders, baseline.run.model)
        self.desk.report.print(Text(f"\nall of it in {path}", style="dim"), soft_wrap=True)
        self._publish(baseline)
        return exit_code

    @property
    def _flipping(self) -> str:
        """Return whose flips are counted: a judge of pairs says nothing of one run alone."""
        scorer = self.gates[0].scorer
        is_paired = any(scorer in pairwise_scorers(each.record) for each in self._contenders)
        return ALL_SCORERS if is_paired else scorer

    def _publish(self, baseline: RunRecord) -> None:
        published = [
            dataclasses.replace(each.record, run=with_row(each.record, self.sweep, place))
            for place, each in enumerate(self._contenders)
        ]
        comparisons = [each.comparison for each in self._contenders]
        self.desk.publish([baseline, *published], *comparisons)


def with_row(record: RunRecord, sweep: Sweep, place: int) -> Any:
    """Return a candidate's run as the collector gets it: with its row, flips and who failed.

    Args:
        record: the candidate's run.
        sweep: at its end.
        place: of its row.
    """
    flips, own = {}, place + 1  # the baseline comes first there
    if sweep.flips is not None:
        counts = sweep.flips.counts
        flips = {
            run_id: {"to_fail": counts[other][own], "to_pass": counts[own][other]}
            for other, run_id in enumerate(sweep.flips.run_ids)
            if other != own and counts[other][own] is not None
        }
    row = {
        SWEEP_ID: sweep.sweep_id,
        "size": len(sweep.entries),
        **msgspec.to_builtins(sweep.rows[place]),
        "flips": flips,
        "failed": sweep.failed,
    }
    settings = {**record.run.settings, SWEEP_ID: sweep.sweep_id, SWEEP: row}
    return msgspec.structs.replace(record.run, settings=settings)


def _rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
