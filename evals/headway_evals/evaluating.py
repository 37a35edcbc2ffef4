"""What ``headway eval`` and ``headway suite`` do, from parsed arguments to an exit code.

Exit codes: 0 passed or improved, 1 regressed overall or in a slice, 2 something could not be
done, 3 inconclusive.
"""

import argparse
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headway.apis import ApiClient
from headway.errors import ApiError
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway.settings import Sources, load_sources
from headway_evals.comparisons import EXIT_PASSED, Comparison, compare
from headway_evals.errors import RunError
from headway_evals.executions import execute, new_run_id
from headway_evals.models.requests import Model
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.progress import progress
from headway_evals.publishing import publish_comparison, publish_run
from headway_evals.reports import one_line, percent, write_comparison, write_run
from headway_evals.runs import DEFAULT_FOLDER, RunRecord, list_runs, load_run
from headway_evals.suite_files import load_suite
from headway_evals.suites import Gate, Suite
from headway_measures.power import minimum_detectable_effect

# What a suite can tell is said for models that differ on this share of its cases.
_USUAL_FLIPS = 0.1


def run_suite(arguments: argparse.Namespace) -> int:
    """Run a model on a suite; against a baseline, judge it."""
    desk = _Desk.of(arguments)
    suite = load_suite(Path(arguments.suite))
    # Models are found before any is run: a typing error should not cost an hour.
    candidate = desk.model(arguments.model, suite)
    if arguments.baseline is None:
        record = candidate()
        write_run(desk.report, record, suite.gate.alpha)
        desk.publish([record])
        return EXIT_PASSED
    if ":" in arguments.baseline:
        baseline = desk.model(arguments.baseline, suite)()
    else:
        baseline = load_run(arguments.baseline, desk.runs_dir)
    return desk.judge(baseline, candidate(), suite.gate)


def compare_runs(arguments: argparse.Namespace) -> int:
    """Judge one run against another, by the gate of the candidate's suite."""
    desk = _Desk.of(arguments)
    baseline = load_run(arguments.baseline, desk.runs_dir)
    candidate = load_run(arguments.candidate, desk.runs_dir)
    return desk.judge(baseline, candidate, gate_of(candidate))


def show_runs(arguments: argparse.Namespace) -> int:
    """List the runs of this machine, the latest first."""
    runs_dir = _runs_dir(arguments, load_sources())
    console = _console()
    runs = list_runs(runs_dir)
    if not runs:
        console.print(
            Text(f"No runs in {runs_dir}; `headway eval run SUITE --model SPEC` makes one.")
        )
        return EXIT_PASSED
    table = Table("run", "suite", "model", "started", box=None, header_style="bold")
    table.add_column("cases", justify="right")
    table.add_column("passed", justify="right")
    for run in runs:
        words = (run.run_id, f"{run.suite} {run.suite_version}", run.model, run.started_at[:19])
        cells = [Text(one_line(word)) for word in words]
        table.add_row(*cells, str(run.case_count), percent(run.pass_rate))
    console.print(table)
    return EXIT_PASSED


def check_suite(arguments: argparse.Namespace) -> int:
    """Check a suite, and say what it holds and what it can tell."""
    suite = load_suite(Path(arguments.suite))
    tags = Counter(tag for case in suite.cases for tag in case.tags)
    scorers = dict.fromkeys(name for case in suite.cases for name in case.scorers)
    found = minimum_detectable_effect(len(suite.cases), _USUAL_FLIPS, alpha=suite.gate.alpha)
    lines = [
        f"{arguments.suite} is good: suite {one_line(suite.name)}, version {suite.version}",
        f"{len(suite.cases)} cases, {len(tags)} tags, scored by "
        f"{', '.join(map(one_line, scorers))}",
        f"Between models that differ on {percent(_USUAL_FLIPS, 0)} of the cases it finds a change "
        f"of {found * 100:.1f} points four times in five; the gate's margin is "
        f"{suite.gate.margin.value * 100:.1f} points.",
    ]
    small = sorted(tag for tag, count in tags.items() if count < suite.gate.min_n)
    if small:
        lines.append(
            f"Without a verdict of their own, for fewer than {suite.gate.min_n} cases: "
            f"{', '.join(map(one_line, small))}"
        )
    if len(suite.cases) > 1 and len({suite.prompt(case) for case in suite.cases}) == 1:
        lines.append(
            f"But all {len(suite.cases)} cases ask the same: write {{input}}, or a field of the "
            "input, where it belongs in the prompt"
        )
    _console().print(Text("\n".join(lines)))
    return EXIT_PASSED


def gate_of(record: RunRecord) -> Gate:
    """Return the gate that a run was made under.

    Raises:
        RunError: the run does not hold one.
    """
    try:
        return msgspec.convert(record.run.settings.get("gate"), Gate)
    except msgspec.ValidationError as error:
        raise RunError(f"{record.folder} holds no usable gate: {error}") from error


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every action works with, from arguments and settings."""

    arguments: argparse.Namespace
    runs_dir: Path
    options: ModelOptions
    report: Console
    status: Console

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        sources = load_sources()
        options = ModelOptions(
            device=getattr(arguments, "device", None),
            dtype=getattr(arguments, "dtype", None),
            batch_tokens=getattr(arguments, "batch_tokens", None),
            url=sources.get("url", arguments.url, DEFAULT_URL),
            api_key=sources.get("api_key", None, "") or None,
            project=sources.get("project", arguments.project, "") or None,
        )
        return cls(
            arguments,
            _runs_dir(arguments, sources),
            options,
            report=_console(),
            status=_console(stderr=True),
        )

    def model(self, spec: str, suite: Suite) -> Callable[[], RunRecord]:
        """Find a model, and return what runs it."""
        model = make_model(spec, self.options)
        return lambda: self.execute(suite, model, spec)

    def execute(self, suite: Suite, model: Model, spec: str) -> RunRecord:
        """Run a model on the suite, with a bar."""
        cases = suite.cases[: self.arguments.limit]
        folder = self.runs_dir / new_run_id(suite.name, model.name, datetime.now(UTC))
        with progress(f"{model.name} on {suite.name}", len(cases), self.status) as advance:
            record = execute(
                suite,
                model,
                folder,
                cases=cases,
                on_result=lambda result: advance(),
                settings={"spec": spec, "limit": self.arguments.limit},
            )
        self.status.print(Text(f"run {record.run.run_id} in {record.folder}"))
        return record

    def judge(self, baseline: RunRecord, candidate: RunRecord, gate: Gate) -> int:
        """Compare, report and publish."""
        if self.arguments.margin is not None:
            margin = dataclasses.replace(gate.margin, value=self.arguments.margin)
            gate = dataclasses.replace(gate, margin=margin)
        comparison = compare(baseline, candidate, gate)
        write_comparison(self.report, comparison, baseline, candidate)
        self.publish([baseline, candidate], comparison)
        return comparison.exit_code

    def publish(self, records: Sequence[RunRecord], comparison: Comparison | None = None) -> None:
        """Send to the collector; that none answers is a fault only where sending was asked for."""
        wanted: bool | None = self.arguments.publish
        if wanted is False:
            return
        api = ApiClient(self.options.url, api_key=self.options.api_key)
        project = self.options.project or DEFAULT_PROJECT
        try:
            for record in records:
                publish_run(api, record, project)
            if comparison is not None:
                publish_comparison(api, comparison, project)
        except ApiError as error:
            if wanted:
                raise
            self.status.print(Text(f"not published: {error}", style="yellow"))


def _runs_dir(arguments: argparse.Namespace, sources: Sources) -> Path:
    return Path(sources.get("evals.runs_dir", arguments.out, DEFAULT_FOLDER))


def _console(stderr: bool = False) -> Console:
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
