"""Where ``headway eval`` works: a command's arguments and settings, made into runs and verdicts."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.text import Text

from headway.apis import ApiClient
from headway.errors import ApiError
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway.settings import Sources, load_sources, parse_bytes
from headway_evals.averages import Report
from headway_evals.caching import DEFAULT_CACHE_FOLDER, DEFAULT_LIMIT_BYTES, AnswerCache
from headway_evals.comparisons import check_suites, compare
from headway_evals.early_stops import NOT_ASKED, early_stop_of
from headway_evals.errors import RunError
from headway_evals.executions import execute, new_run_id
from headway_evals.history import history_sentence
from headway_evals.judge_desks import BenchDesk, judges_in
from headway_evals.judges.agreements import agreement_lines
from headway_evals.label_corrections import Labels
from headway_evals.manifests import OPTIONS, Manifest, commit_of
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import Model
from headway_evals.models.specs import ModelOptions, idle_flags, make_model
from headway_evals.outcomes import EXIT_PASSED, Comparison
from headway_evals.progress import progress
from headway_evals.publishing import publish_comparison, publish_run
from headway_evals.report_files import ReportFiles
from headway_evals.reports import write_report
from headway_evals.runs import (
    CACHE_KEY,
    DEFAULT_FOLDER,
    Result,
    RunRecord,
    find_equal,
    is_finished,
    load_run,
)
from headway_evals.stopping import Stopping
from headway_evals.suites import Case, Gate, Suite
from headway_evals.summaries import environment
from headway_measures.scores import counted

# The address and the project also come from settings.
_FLAGS = frozenset(OPTIONS) - {"url", "project"}


@dataclass(frozen=True, slots=True)
class Task:
    """What models are run on: a suite, the file it stands in, and how many of its cases."""

    suite: Suite
    path: str
    limit: int | None = None

    @property
    def cases(self) -> tuple[Case, ...]:
        """Return the cases to run."""
        return self.suite.cases[: self.limit]


@dataclass(frozen=True, slots=True)
class Desk:
    """What every action works with.

    Args:
        arguments: the command's.
        runs_dir: the folder of the runs.
        cache_dir: the folder of the kept answers.
        cache_bytes: the most that they may take.
        options: what a model's spec does not say.
        is_cached: whether answers are kept.
        is_refreshed: whether earlier ones are passed over.
        files: where reports go besides.
        report: where results go.
        status: where it is said how far things are.
        notes: what was warned of on the way, to be said again below the results.
        labels: what every run remembers besides.
    """

    arguments: argparse.Namespace
    runs_dir: Path
    cache_dir: Path
    cache_bytes: int
    options: ModelOptions
    is_cached: bool
    is_refreshed: bool
    files: ReportFiles
    report: Console
    status: Console
    notes: list[str] = field(default_factory=list)
    labels: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """Return the desk for a command's arguments, those that it has."""
        sources = load_sources()
        given = vars(arguments)
        is_cached = given.get("cache", True)
        cache_dir = find_cache_dir(sources)
        options = ModelOptions(
            **{name: given[name] for name in _FLAGS if name in given},
            digests_dir=cache_dir if is_cached else None,
            url=sources.get("url", arguments.url, DEFAULT_URL),
            api_key=sources.get("api_key", None, "") or None,
            project=sources.get("project", arguments.project, "") or None,
        )
        return cls(
            arguments,
            find_runs_dir(arguments, sources),
            cache_dir,
            sources.get("evals.cache_bytes", None, DEFAULT_LIMIT_BYTES, parse_bytes),
            options,
            is_cached=is_cached,
            is_refreshed=given.get("refresh", False),
            files=ReportFiles.of(arguments),
            report=make_console(),
            status=make_console(stderr=True),
        )

    def check_places(self) -> None:
        """Find out whether runs and reports can be written, before a model is asked.

        Raises:
            RunError: they cannot be.
        """
        if self.runs_dir.exists() and not self.runs_dir.is_dir():
            raise RunError(f"{self.runs_dir} is a file: --out wants the folder of the runs")
        self.files.check()

    def candidate(
        self, spec: str, task: Task, *, earlier: str | None = None
    ) -> Callable[[], RunRecord]:
        """Find a model, and return what runs it.

        Args:
            spec: what names it.
            task: what it is run on.
            earlier: the id of a run that stands for it, if the model is still the same.
        """
        model = self._make_model(spec)
        return lambda: self._find_earlier(task, model, earlier) or self._execute(task, model, spec)

    def stoppable(self, spec: str, task: Task) -> Callable[[Stopping | None], RunRecord]:
        """Find a model, and return what runs it to its end, or until the verdict is certain."""
        model = self._make_model(spec)
        self.judges.bench(judges_in(task.suite), task.suite.judging)
        return lambda stopping: self._execute(task, model, spec, stopping)

    def baseline(self, spec: str, task: Task) -> Callable[[], RunRecord]:
        """Find a model, and return what runs it, or finds the equal run that was made earlier."""
        model = self._make_model(spec)
        return lambda: self._find_equal(task, model) or self._execute(task, model, spec)

    def judge(
        self,
        baseline: RunRecord,
        candidate: RunRecord,
        gates: Sequence[Gate],
        suite_path: str | None = None,
        *,
        suite: Suite | None = None,
    ) -> int:
        """Compare, report and publish; a suite gives its labels and what judges may cost."""
        check_suites(baseline, candidate.run.suite)
        paired = self.judges.pair(baseline, candidate, suite)
        baseline, candidate = paired.baseline, paired.candidate
        labels = self.judges.labels((baseline, candidate), suite)
        comparison = compare(baseline, candidate, gates, labels=labels)
        outlook = history_sentence(self.runs_dir, (baseline, candidate), gates[0])
        report = Report((baseline, candidate), comparison, gates[0].alpha, outlook)
        self.notes.extend(tally.told(name) for name, tally in paired.tallies.items())
        self._note_agreement(labels, (baseline, candidate))
        self._tell(report, suite_path)
        return comparison.exit_code

    def tell(
        self,
        record: RunRecord,
        gate: Gate,
        suite_path: str | None = None,
        *,
        suite: Suite | None = None,
    ) -> int:
        """Report a run that is compared with no other, and publish it."""
        self._note_agreement(self.judges.labels((record,), suite), (record,))
        self._tell(Report((record,), alpha=gate.alpha), suite_path)
        return EXIT_PASSED

    def _note_agreement(self, labels: Labels | None, records: Sequence[RunRecord]) -> None:
        if labels is None:
            return
        for record in records:
            others = [each for each in records if each is not record]
            self.notes.extend(agreement_lines(record, labels.labels, None, others))

    def _tell(self, report: Report, suite_path: str | None) -> None:
        write_report(self.report, report)
        for text in self.notes:
            self._say(text)
        self.files.write(report, self.report.file, suite_path=suite_path)
        self.publish(report.records, *filter(None, [report.comparison]))

    def publish(self, records: Sequence[RunRecord], *comparisons: Comparison) -> None:
        """Send to the collector; that none answers is a fault only where sending was asked for."""
        wanted: bool | None = self.arguments.publish
        if wanted is False:
            return
        api = ApiClient(self.options.url, api_key=self.options.api_key)
        project = self.options.project or DEFAULT_PROJECT
        try:
            for record in records:
                publish_run(api, record, project)
            for comparison in comparisons:
                publish_comparison(api, comparison, project)
        except ApiError as error:
            if wanted:
                raise
            self._say(f"not published: {error}")

    @property
    def judges(self) -> BenchDesk:
        """Return what finds judges and labels."""
        return BenchDesk(self.options, self.keep, vars(self.arguments).get("labels"), self._say)

    def _make_model(self, spec: str) -> Model:
        model = make_model(spec, self.options)
        idle = idle_flags(spec, self.options)
        if idle is not None:
            self._say(idle)
        return model

    def _execute(
        self, task: Task, model: Model, spec: str, stopping: Stopping | None = None
    ) -> RunRecord:
        suite = task.suite
        folder = self.runs_dir / new_run_id(suite.name, model.name, datetime.now(UTC))
        title = f"{model.name} on {suite.name}"
        bench = self.judges.bench(judges_in(suite), suite.judging)
        with (
            self.keep(model) as cache,
            self._farewell(title, len(task.cases), cache) as count,
            progress(title, len(task.cases), self.status) as tally,
        ):

            def on_result(result: Result, *, is_kept: bool) -> None:
                count(result)
                tally.advance(result.output_tokens or result.input_tokens or 0, is_kept=is_kept)

            record = execute(
                suite,
                model,
                folder,
                cases=task.cases,
                cache=cache,
                manifest=self._manifest(task, spec, model.settings, stopping),
                on_result=on_result,
                on_fault=self._warn,
                settings={"spec": spec, "limit": task.limit, **self.labels},
                stopping=stopping,
                bench=bench,
            )
        stop = early_stop_of(record.run)
        if stop is not None and stop.is_stopped:
            asked = sum(each.error != NOT_ASKED for each in record.results)
            told = f"the verdict is certain after {asked:,} of {counted(stop.total, 'case')}"
            self.status.print(Text(f"{title}: {told}, the others are not asked"))
        if is_finished(record.folder):
            self.status.print(Text(f"run {record.run.run_id} in {record.folder}"))
        return record

    def _find_equal(self, task: Task, model: Model) -> RunRecord | None:
        key = cache_key_of(model) if self.is_cached and not self.is_refreshed else None
        if key is None:
            return None
        case_ids = [case.case_id for case in task.cases]
        record = find_equal(self.runs_dir, task.suite.version, key, case_ids)
        if record is not None and self.judges.is_judged_alike(record, task.suite):
            told = f"run {record.run.run_id} of {record.run.started_at[:19]} has all its answers"
            self.status.print(Text(f"{model.name} on {task.suite.name}: {told}"))
            return record
        return None

    def _find_earlier(self, task: Task, model: Model, run_id: str | None) -> RunRecord | None:
        """Return a run that was made earlier, if it is of these cases and this model."""
        if run_id is None:
            return None
        try:
            record = load_run(run_id, self.runs_dir)
        except RunError:  # it was deleted
            return None
        settings, key = record.run.settings, cache_key_of(model)
        told = (record.run.suite_version, settings.get("limit"), settings.get(CACHE_KEY))
        return record if key is not None and told == (task.suite.version, task.limit, key) else None

    def tell_fault(self, text: str) -> None:
        """Say at once what does not keep the rest from going on."""
        self._say(text)

    @contextmanager
    def _farewell(
        self, title: str, total: int, cache: AnswerCache | None
    ) -> Iterator[Callable[[Result], None]]:
        """Tell whoever stops a run what is left of it; what it yields hears of each result."""
        done = kept = 0

        def count(result: Result) -> None:
            nonlocal done, kept
            done += 1
            kept += result.error is None

        try:
            yield count
        except KeyboardInterrupt:
            told = f"{done:,} of {counted(total, 'case')} were done, and no answers are kept"
            if cache is not None and cache.is_on:
                again = "asks for all of them anew" if self.is_refreshed else "goes on"
                told = f"{kept:,} of {counted(total, 'answer')} are kept, the same command {again}"
            self._say(f"{title}: stopped: {told}")
            raise

    @contextmanager
    def keep(self, model: Model) -> Iterator[AnswerCache | None]:
        """Lend a model's kept answers; None where they cannot be kept."""
        key = cache_key_of(model) if self.is_cached else None
        if key is None:
            yield None
            return
        with AnswerCache(
            self.cache_dir,
            key,
            limit_bytes=self.cache_bytes,
            is_refreshed=self.is_refreshed,
            on_fault=self._warn,
            on_wait=self._say,
        ) as cache:
            yield cache

    def _manifest(
        self, task: Task, spec: str, model: Mapping[str, Any], stopping: Stopping | None
    ) -> Manifest:
        folder = self.options.folder
        # What the model found for itself, where it was left to, is to be found again.
        found = {name: model.get(name) for name in ("device", "dtype", "batch_tokens")}
        given = {name: getattr(self.options, name) for name in OPTIONS}
        return Manifest(
            suite=task.path,
            suite_version=task.suite.version,
            spec=spec,
            limit=task.limit,
            **{**given, **found},
            working_folder=str(folder),
            commit=commit_of((folder / task.path).parent),
            environment=environment(),
            case_count=len(task.cases),
            order_seed=None if stopping is None else stopping.seed,
        )

    def _warn(self, text: str) -> None:
        self.notes.append(text)
        self._say(text)

    def _say(self, text: str) -> None:
        self.status.print(Text(text, style="yellow"))


def find_runs_dir(arguments: argparse.Namespace, sources: Sources) -> Path:
    """Return the folder of the runs."""
    return Path(sources.get("evals.runs_dir", arguments.out, DEFAULT_FOLDER))


def find_cache_dir(sources: Sources) -> Path:
    """Return the folder of the kept answers."""
    return Path(sources.get("evals.cache_dir", None, DEFAULT_CACHE_FOLDER))


def make_console(stderr: bool = False) -> Console:
    """Return a console that bears a reader who leaves."""
    console = _PatientConsole(stderr=stderr, highlight=False)
    if not console.is_terminal:
        # Into a file or a pipe, tables and sentences are not broken at 80 columns.
        console.width = 200
    return console


class _PatientConsole(Console):
    """A console whose reader may leave: the exit code is the verdict's all the same."""

    def on_broken_pipe(self) -> None:
        """Go on in silence, where rich would exit with the code of a regression."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
