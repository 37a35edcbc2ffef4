"""One suite test in one pytest run: all its answers, each case's standing, the gate's answer.

The answers are there before the first case reports. So the verdict that they lead to is known by
then, and the cases can agree with the gate: where it lets a flip pass, the case is an expected
failure; where it does not, the case is the evidence and fails.
"""

import hashlib
import io
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console

from headway_evals.averages import Report, pass_rate
from headway_evals.comparisons import compare
from headway_evals.errors import ComparisonError, EvalError
from headway_evals.executions import execute
from headway_evals.outcomes import Comparison
from headway_evals.pytest_folders import Finished, SharedFolder
from headway_evals.pytest_marks import Contestant, Plan
from headway_evals.reports import write_report
from headway_evals.runs import Result, RunRecord
from headway_evals.suites import ALL_SCORERS, Case, Gate
from headway_evals.wordings import bounds, change, one_line, percent
from headway_measures.scorers import worst_value
from headway_measures.scores import ScoreValue, counted

_REPORT_WIDTH = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """What a case that fails by its scorers comes to; ``is_excused`` is an expected failure."""

    is_excused: bool
    reason: str


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What a gate's item says: its outcome, a line for the summary, and all there is to read."""

    outcome: Literal["passed", "failed", "skipped"]
    line: str
    report: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What the models said to the cases that were asked."""

    candidate: RunRecord
    baseline: RunRecord | None
    after: Mapping[str, Result]
    before: Mapping[str, Result]


class SuiteSession:
    """One suite test.

    Args:
        nodeid: of the test function.
        plan: what its marker asks for.
        folder: shared with the other processes of this pytest run.
        announce: shows a line to whoever waits.
    """

    def __init__(
        self, nodeid: str, plan: Plan, folder: SharedFolder, announce: Callable[[str], None]
    ) -> None:
        self.has_gate = False
        self._plan = plan
        self._folder = folder
        self._announce = announce
        self._key = _digest(nodeid)
        self._chosen: Mapping[str, str] = {}
        self._missing: Collection[str] = ()

    def choose(self, chosen: Mapping[str, str], *, has_gate: bool) -> None:
        """Note what is selected: the case's id by the item's node id, and the gate's item."""
        self._chosen, self.has_gate = chosen, has_gate

    @property
    def is_whole(self) -> bool:
        """Return whether the gate can give a verdict: on all cases, or where it stands alone."""
        return len(self._cases) == len(self._plan.cases)

    def prompts(self) -> dict[str, str]:
        """Return what is going to be asked, a line by the key of the run."""
        asked = f"headway: {counted(len(self._cases), 'prompt')} to"
        return {
            self._run_key(each): f"{asked} {each.name}"
            for each in (self._plan.candidate, self._plan.baseline)
            if isinstance(each, Contestant)
        }

    @cached_property
    def answers(self) -> Answers:
        """Return the answers to all selected cases; the first of all processes to ask makes them.

        Raises:
            EvalError: a model cannot answer.
        """
        candidate = self._run(self._plan.candidate)
        given = self._plan.baseline
        baseline = self._run(given) if isinstance(given, Contestant) else given
        return Answers(candidate, baseline, _by_case(candidate), _by_case(baseline))

    def standing(self, result: Result) -> Standing:
        """Say what a failing case comes to."""
        before = self.answers.before.get(result.case_id)
        if before is not None and not before.passed and not before.is_missing:
            return Standing(True, "the baseline fails it too")
        if self._forecast is None:
            told = "" if before is None else ", passes on the baseline"
            return Standing(False, f"{_fault(result)}{told}")
        if before is None or before.is_missing:
            return Standing(True, "the baseline has no answer to it, so the gate leaves it out")
        return _flip_standing(result, self._forecast)

    def describe(self, result: Result, reason: str) -> str:
        """Return what a person needs to see of a failing case."""
        before = self.answers.before.get(result.case_id)
        shown = {"input": result.input, "expected": result.expected, "output": result.output}
        if before is not None:
            shown["baseline"] = before.output
        for name, score in result.scores.items():
            if score.passed is False:
                shown[name] = score.error or f"{score.value:g} {score.detail}"
        return "\n".join(
            [reason, "", *(f"  {name:<10}{one_line(value)}" for name, value in shown.items())]
        )

    def note(self, finished: Finished) -> None:
        """Tell the gate, in whatever process it runs, that a case's item has run."""
        self._folder.note(self._key, finished)

    def wait(self) -> None:
        """Wait until the selected cases have run, in whatever process."""
        if self.is_whole:
            self._missing = self._folder.wait(self._key, self._chosen)

    def judge(self) -> GateAnswer:
        """Return the gate's answer; ``wait`` comes before it."""
        if not self.is_whole:
            line = f"{len(self._cases)} of {counted(len(self._plan.cases), 'case')}, no verdict"
            return GateAnswer("skipped", line, line)
        if self._missing:
            return self._no_verdict(self._why_missing())
        finished = self._folder.finished(self._key).values()
        if finished and all(each.is_skipped for each in finished):
            line = "all cases were skipped, no verdict"
            return GateAnswer("skipped", line, line)
        try:
            answers = self.answers
            failed = {each.case_id for each in finished if each.is_failed}
            cases = {case.case_id: case for case in self._plan.cases if case.case_id in failed}
            candidate = _with_failed(answers.candidate, cases, self._plan.gate.scorer)
            if answers.baseline is None:
                return _rate(candidate, self._plan.gate.alpha)
            comparison = compare(answers.baseline, candidate, self._gates)
        except EvalError as error:
            return self._no_verdict(str(error))
        return self._verdict(comparison, answers.baseline, candidate)

    @property
    def _gates(self) -> Sequence[Gate]:
        """The plan's gate is the suite's first, with the marker's margin."""
        return [self._plan.gate, *self._plan.suite.gates[1:]]

    @property
    def _cases(self) -> Sequence[Case]:
        if not self._chosen and self.has_gate:
            return self._plan.cases
        chosen = set(self._chosen.values())
        return [case for case in self._plan.cases if case.case_id in chosen]

    @cached_property
    def _forecast(self) -> Comparison | None:
        """The verdict by the answers alone, before any test body had its say."""
        if self.answers.baseline is None or not self.is_whole:
            return None
        try:
            return compare(self.answers.baseline, self.answers.candidate, self._gates)
        except ComparisonError:
            return None

    def _run(self, contestant: Contestant) -> RunRecord:
        def work(folder: Path) -> RunRecord:
            self._announce(f"{self.prompts()[folder.name]} …")
            model, keeping = contestant.make(), self._plan.keeping
            with keeping.cache(model, self._announce) if keeping else nullcontext() as cache:
                record = execute(self._plan.suite, model, folder, cases=self._cases, cache=cache)
            if kept := record.run.settings["kept_count"]:
                count = len(record.results)
                self._announce(f"headway: {kept} of {count} were answered earlier")
            return record

        return self._folder.run_once(self._run_key(contestant), work)

    def _run_key(self, contestant: Contestant) -> str:
        suite = self._plan.suite
        ids = [case.case_id for case in self._cases]
        return _digest([suite.name, suite.version, contestant.key, ids])

    def _no_verdict(self, reason: str) -> GateAnswer:
        text = f"no verdict: {reason}"
        return GateAnswer("failed", one_line(text), text)

    def _why_missing(self) -> str:
        count = (
            f"{len(self._missing)} of {counted(len(self._chosen), 'case')} did not run to the end"
        )
        crashed = self._folder.crashed()
        return f"{count}: {', '.join(crashed)} crashed" if crashed else count

    def _verdict(
        self, comparison: Comparison, baseline: RunRecord, candidate: RunRecord
    ) -> GateAnswer:
        report = io.StringIO()
        console = Console(file=report, width=_REPORT_WIDTH, color_system=None)
        write_report(console, Report((baseline, candidate), comparison, comparison.alpha))
        line = _summary_line(comparison)
        if not self._chosen:
            line += " (the test itself was not run: the gate was selected alone)"
        if comparison.verdict in ("passed", "improved"):
            return GateAnswer("passed", line, report.getvalue().strip())
        if comparison.verdict == "inconclusive" and self._plan.inconclusive == "pass":
            return GateAnswer("skipped", line, line)
        return GateAnswer("failed", line, report.getvalue().strip())


def _flip_standing(result: Result, comparison: Comparison) -> Standing:
    worse = [each.slice for each in comparison.slices if each.verdict == "regressed"]
    mine = [tag for tag in worse if tag in result.tags]
    fault = f"{_fault(result)}, passes on the baseline"
    if comparison.overall.verdict == "regressed":
        return Standing(False, f"{fault}; the suite regressed")
    if mine:
        return Standing(False, f"{fault}; {', '.join(mine)} regressed")
    gates = [each.gate for each in comparison.overall.gates if each.verdict == "regressed"]
    if gates:
        return Standing(False, f"{fault}; by gate {', '.join(gates)} the suite regressed")
    if result.case_id in comparison.overall.must_pass:
        return Standing(False, f"{fault}; it must pass")
    if comparison.verdict == "regressed":
        worse = comparison.regressions
        return Standing(True, f"flipped, but only {', '.join(worse)} regressed")
    if comparison.verdict == "inconclusive":
        return Standing(True, "flipped, but the verdict is inconclusive")
    return Standing(True, "flipped, but the gate passed: within the margin")


def _fault(result: Result) -> str:
    if result.output is None:
        return f"no answer ({one_line(result.error or 'for no reason given')})"
    names = [name for name, score in result.scores.items() if score.passed is False]
    if result.weighing is not None and result.weighing.threshold is not None:
        return f"score {result.weighing.score:.4g} is under {result.weighing.threshold:g}"
    return f"{', '.join(names)} {'fails' if len(names) == 1 else 'fail'}"


def _with_failed(record: RunRecord, cases: Mapping[str, Case], scorer: str) -> RunRecord:
    """Return a run in which cases fail whose own assertions did, whatever their scores."""
    results = tuple(
        _failed(result, cases[result.case_id], scorer) if result.case_id in cases else result
        for result in record.results
    )
    passed = sum(result.passed for result in results if not result.is_missing)
    run = msgspec.structs.replace(
        record.run, passed_count=passed, pass_rate=passed / record.run.case_count
    )
    return RunRecord(run, results, record.folder)


def _failed(result: Result, case: Case, scorer: str) -> Result:
    scores = dict(result.scores)
    if scorer != ALL_SCORERS and scorer in scores:
        worst = worst_value(case.scorers[scorer])
        scores[scorer] = ScoreValue(worst, False, "the test's own assertions failed")
    return msgspec.structs.replace(result, passed=False, scores=scores)


def _rate(record: RunRecord, alpha: float) -> GateAnswer:
    run = record.run
    interval = pass_rate(record.results, alpha)
    line = (
        f"{percent(run.pass_rate)} of {counted(run.case_count, 'case')} pass, "
        f"{percent(1 - alpha, 0)} interval {percent(interval.lower)} to {percent(interval.upper)}; "
        "a baseline= gives a verdict"
    )
    return GateAnswer("skipped", line, line)


def _summary_line(comparison: Comparison) -> str:
    overall = comparison.overall
    worse = comparison.regressions
    where = f" in {', '.join(worse)}" if worse else ""
    needs = f", about {overall.needs_n:,} cases would tell" if overall.needs_n else ""
    return (
        f"{comparison.verdict}{where}: {change(overall)} ({bounds(overall)}) on "
        f"{counted(overall.n, 'case')}, {overall.flips_to_fail} flipped to fail and "
        f"{overall.flips_to_pass} to pass{needs}"
    )


def _by_case(record: RunRecord | None) -> dict[str, Result]:
    return {} if record is None else {result.case_id: result for result in record.results}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
