"""What ``headway eval`` and ``headway suite`` do, from parsed arguments to an exit code.

Exit codes: 0 passed or improved, 1 regressed overall or in a slice, 2 something could not be
done, 3 inconclusive, 130 stopped with Ctrl-C. A run that is made again gives 1 where it comes out
otherwise.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from headway.settings import load_sources
from headway_evals.caching import clear
from headway_evals.comparisons import check_suites
from headway_evals.desks import Desk, find_cache_dir, find_runs_dir, make_console
from headway_evals.early_stops import is_stopped
from headway_evals.errors import RunError
from headway_evals.history import past_changes
from headway_evals.manifests import read_manifest
from headway_evals.margins import with_margin
from headway_evals.outcomes import EXIT_PASSED, EXIT_REGRESSED
from headway_evals.pairings import question_of
from headway_evals.prompts import has_fields, is_chat
from headway_evals.running import Runner, Task
from headway_evals.runs import Run, RunRecord, find_run, is_finished, list_runs, load_run
from headway_evals.stopping import Stopping, check_stoppable
from headway_evals.suite_files import load_suite
from headway_evals.suites import Gate, Suite
from headway_evals.unfinished_runs import list_unfinished
from headway_evals.wordings import one_line, percent
from headway_measures.power import USUAL_VARIANCE, expected_variance, minimum_detectable_effect
from headway_measures.scores import counted


def run_suite(arguments: argparse.Namespace) -> int:
    """Run a model on a suite; against a baseline, judge it."""
    desk = Desk.of(arguments)
    desk.check_places()
    task = Task(load_suite(Path(arguments.suite)), arguments.suite, arguments.limit)
    suite = task.suite
    gates = with_margin(suite.gates, arguments.margin, suite.scale, suite.average)
    is_stopping = arguments.stop_early
    if is_stopping:
        check_stoppable(suite, gates, arguments)
    # Models are found before any is run: a typing error should not cost an hour.
    runner = Runner(desk, task)
    candidate = runner.stoppable(arguments.model)
    if arguments.baseline is None:
        return desk.tell(candidate(None), task.suite.gate, task.path, suite=suite)
    if ":" in arguments.baseline:
        baseline = runner.baseline(arguments.baseline)()
    else:
        baseline = load_run(arguments.baseline, desk.runs_dir)
        check_suites(baseline, suite.name)
    stopping = Stopping(baseline, gates) if is_stopping else None
    return desk.judge(baseline, candidate(stopping), gates, task.path, suite=suite)


def rerun(arguments: argparse.Namespace) -> int:
    """Go on with a run that was broken off, or make a finished one again and compare the two.

    What is not among the arguments is as the run had it.
    """
    desk = Desk.of(arguments)
    desk.check_places()
    folder = find_run(arguments.run, desk.runs_dir)
    manifest = read_manifest(folder)
    suite = load_suite(manifest.place / manifest.suite)
    if suite.version != manifest.suite_version:
        raise RunError(
            f"{folder} was made with version {manifest.suite_version} of {manifest.suite}, which "
            f"is {suite.version} by now: the suite's revision was {manifest.commit or 'not known'}"
        )
    earlier = load_run(str(folder), desk.runs_dir) if is_finished(folder) else None
    if earlier is not None and is_stopped(earlier.run):
        earlier = None  # there is more to ask, and what was asked is kept
    said = {name for name, value in vars(arguments).items() if value is not None}
    options = dataclasses.replace(
        desk.options,
        **{name: value for name, value in manifest.options.items() if name not in said},
        folder=manifest.place.absolute(),
    )
    # Answers that are only looked up would be the same for certain.
    desk = dataclasses.replace(desk, options=options, is_refreshed=earlier is not None)
    task = Task(suite, manifest.suite, manifest.limit)
    record = Runner(desk, task).candidate(manifest.spec)()
    desk.tell(record, suite.gate)
    if earlier is None:
        return EXIT_PASSED
    told, is_same = _reproduction(earlier, record)
    desk.report.print(Text(told))
    return EXIT_PASSED if is_same else EXIT_REGRESSED


def clear_cache(arguments: argparse.Namespace) -> int:
    """Delete the kept answers."""
    folder = find_cache_dir(load_sources())
    try:
        freed = clear(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be cleared: {error.strerror}") from error
    make_console().print(Text(f"{freed:,} bytes of kept answers deleted from {folder}"))
    return EXIT_PASSED


def compare_runs(arguments: argparse.Namespace) -> int:
    """Judge one run against another, by the gates of the candidate's suite."""
    desk = Desk.of(arguments)
    desk.files.check()
    baseline = load_run(arguments.baseline, desk.runs_dir)
    candidate = load_run(arguments.candidate, desk.runs_dir)
    gates = gates_of(candidate)
    summary = candidate.run.scores.get(gates[0].scorer)
    scale = 1.0 if summary is None else summary.scale
    average = "arithmetic" if summary is None else summary.average
    gates = with_margin(gates, arguments.margin, scale, average)
    return desk.judge(baseline, candidate, gates)


def show_runs(arguments: argparse.Namespace) -> int:
    """List the runs of this machine, the latest first, and those without an end after them."""
    runs_dir = find_runs_dir(arguments, load_sources())
    console = make_console()
    runs, unfinished = list_runs(runs_dir), list_unfinished(runs_dir)
    if not runs and not unfinished:
        console.print(
            Text(f"No runs in {runs_dir}; `headway eval run SUITE --model SPEC` makes one.")
        )
        return EXIT_PASSED
    if runs:
        console.print(_table(runs))
    for each in unfinished:
        # By its id a run is found among those of the settings, elsewhere by its folder.
        name = each.folder.name if arguments.out is None else str(each.folder)
        console.print(Text(one_line(each.told(name), 1000)), soft_wrap=True)
    return EXIT_PASSED


def check_suite(arguments: argparse.Namespace) -> int:
    """Check a suite, and say what it holds and what it can tell."""
    suite = load_suite(Path(arguments.suite))
    tags = Counter(tag for case in suite.cases for tag in case.tags)
    scorers = dict.fromkeys(name for case in suite.cases for name in case.scorers)
    runs_dir = find_runs_dir(arguments, load_sources())
    lines = [
        f"{arguments.suite} is good: suite {one_line(suite.name)}, version {suite.version}",
        f"{counted(len(suite.cases), 'case')}, {counted(len(tags), 'tag')}, scored by "
        f"{', '.join(map(one_line, scorers))}",
        *_power(suite, runs_dir),
    ]
    small = sorted(tag for tag, count in tags.items() if count < suite.gate.min_n)
    if small:
        lines.append(
            f"Without a verdict of their own, for fewer than {suite.gate.min_n} cases: "
            f"{', '.join(map(one_line, small))}"
        )
    lines += _same_questions(suite)
    make_console().print(Text("\n".join(lines)))
    return EXIT_PASSED


def _same_questions(suite: Suite) -> list[str]:
    """Return a line where all cases ask the same, which nobody means."""
    cases = [case for case in suite.cases if not case.sample]
    is_fixed = not has_fields(suite.framing.template)
    # Messages take the place of a prompt, or follow it.
    if is_fixed and not all(is_chat(case.input) for case in cases):
        return [
            "But the prompt has no place for a case's input, so that all ask the same: write "
            "{input}, or a field of the input, where it belongs in it"
        ]
    if len(cases) > 1 and len({suite.prompt(case) for case in cases}) == 1:
        return [f"But all {len(cases)} cases ask the same: their inputs do not differ"]
    return []


def gates_of(record: RunRecord) -> tuple[Gate, ...]:
    """Return the gates that a run was made under, the leading one first.

    Raises:
        RunError: the run does not hold one.
    """
    settings = record.run.settings
    try:
        gates = msgspec.convert(settings.get("gates", []), tuple[Gate, ...])
        return gates or (msgspec.convert(settings.get("gate"), Gate),)
    except msgspec.ValidationError as error:
        raise RunError(f"{record.folder} holds no usable gate: {error}") from error


def _table(runs: Sequence[Run]) -> Table:
    table = Table("run", "suite", "model", "started", box=None, header_style="bold")
    table.add_column("cases", justify="right")
    table.add_column("passed", justify="right")
    for run in runs:
        words = (run.run_id, f"{run.suite} {run.suite_version}", run.model, run.started_at[:19])
        cells = [Text(one_line(word)) for word in words]
        table.add_row(*cells, str(run.case_count), percent(run.pass_rate))
    return table


def _power(suite: Suite, runs_dir: Path) -> list[str]:
    """Return what the suite can tell, by its own history where it has one.

    Scores that are no shares have no usual spread, so that nothing is said of them.
    """
    gate = suite.gate
    if suite.scale != 1.0:
        return []
    questions = {case.case_id: question_of(case) for case in suite.cases}
    history = past_changes(runs_dir, suite.name, questions, gate.scorer)
    variance = expected_variance(history)
    found = minimum_detectable_effect(len(suite.cases), variance, alpha=gate.alpha)
    basis = f"Between models that differ on {percent(USUAL_VARIANCE, 0)} of the cases"
    if history:
        count = f"{counted(len(history), 'earlier pair')} of runs"
        basis = f"Between models that differ as those of {count} did,"
    return [
        f"{basis} it finds a change of {found * 100:.1f} points four times in five; the gate's "
        f"margin is {gate.margin.value * 100:.1f} points."
    ]


def _reproduction(earlier: RunRecord, again: RunRecord) -> tuple[str, bool]:
    """Return in a sentence whether a run came out as before, and whether it did."""
    outputs = {result.case_id: result.output for result in earlier.results}
    others = [each for each in again.results if outputs.get(each.case_id) != each.output]
    if not others:
        return f"All {len(again.results)} outputs are those of {earlier.run.run_id}.", True
    is_other = earlier.run.model_digest != again.run.model_digest
    reason = " The model is another than it was." if is_other else ""
    return (
        f"{len(others)} of {len(again.results)} outputs are not those of {earlier.run.run_id}, "
        f"{one_line(others[0].case_id)} for one.{reason}"
    ), False
