"""Where ``headway eval`` works: a command's arguments and settings, its verdicts and reports."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.text import Text

from headway.apis import ApiClient
from headway.errors import ApiError
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway.settings import Sources, load_sources, parse_bytes
from headway_evals.averages import Report
from headway_evals.caching import DEFAULT_CACHE_FOLDER, DEFAULT_LIMIT_BYTES, AnswerCache
from headway_evals.comparisons import check_suites, compare
from headway_evals.errors import RunError
from headway_evals.history import history_sentence
from headway_evals.judge_desks import BenchDesk
from headway_evals.judges.agreements import agreement_lines
from headway_evals.label_corrections import Labels
from headway_evals.manifests import OPTIONS
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import Model
from headway_evals.models.specs import ModelOptions
from headway_evals.outcomes import EXIT_PASSED, Comparison
from headway_evals.publishing import publish_comparison, publish_run
from headway_evals.report_files import ReportFiles
from headway_evals.reports import write_report
from headway_evals.runs import DEFAULT_FOLDER, RunRecord
from headway_evals.suites import Gate, Suite

# The address and the project also come from settings.
_FLAGS = frozenset(OPTIONS) - {"url", "project"}


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
        self.notes.extend(paired.told)
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
            self.say(text)
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
            self.say(f"not published: {error}")

    @property
    def judges(self) -> BenchDesk:
        """Return what finds judges and labels."""
        return BenchDesk(self.options, self.keep, vars(self.arguments).get("labels"), self.say)

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
            on_fault=self.warn,
            on_wait=self.say,
        ) as cache:
            yield cache

    def warn(self, text: str) -> None:
        """Tell what does not keep the rest from going on, at once and below the results."""
        self.notes.append(text)
        self.say(text)

    def say(self, text: str) -> None:
        """Tell at once what does not keep the rest from going on."""
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
