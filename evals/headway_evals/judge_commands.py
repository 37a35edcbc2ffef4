"""``headway eval judge`` and ``headway eval agreement``: what they do and print."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.text import Text

from headway_evals.case_results import questions_of, score_case
from headway_evals.desks import Desk
from headway_evals.errors import RunError
from headway_evals.evaluating import gates_of
from headway_evals.executions import new_run_id, settings_of
from headway_evals.judges.agreements import agreement_lines
from headway_evals.judges.budgets import Budget
from headway_evals.judges.scorers import Rubric, make_judge
from headway_evals.judges.scoring import JUDGES, Bench
from headway_evals.models.requests import Completion
from headway_evals.outcomes import EXIT_PASSED
from headway_evals.runs import Result, RunRecord, RunWriter, ScoreSummary, load_run
from headway_evals.suites import Case
from headway_measures.errors import ScorerError

_JUDGED_FROM = "judged_from"


def judge_run(arguments: argparse.Namespace) -> int:
    """Judge a run by a rubric, as a new run with the same answers.

    Raises:
        RunError: the run cannot be read, or has a score of that name.
    """
    desk = Desk.of(arguments)
    desk.check_places()
    record = load_run(arguments.run, desk.runs_dir)
    name = arguments.name
    if name in record.run.scores:
        raise RunError(f"{record.run.run_id} has a score {name!r} already: give another --name")
    options = {"judge": arguments.judge, "rubric": arguments.rubric, "scale": arguments.scale}
    try:
        rubric = make_judge("rubric", {**options, "chat": arguments.chat})
    except ScorerError as error:
        raise RunError(str(error)) from error
    budget = Budget(arguments.max_calls, arguments.max_cost_usd)
    bench = desk.judges.bench([arguments.judge], budget)
    if not isinstance(rubric, Rubric) or bench is None:
        raise RunError(f"{arguments.judge} cannot judge")
    judged = judged_record(record, name, rubric, bench, now=lambda: datetime.now(UTC))
    folder = desk.runs_dir / judged.run.run_id
    writer = RunWriter(folder)
    for result in judged.results:
        writer.add(result)
    writer.finish(judged.run)
    desk.status.print(Text(f"run {judged.run.run_id} in {folder}"))
    return desk.tell(RunRecord(judged.run, judged.results, folder), gates_of(record)[0])


def show_agreement(arguments: argparse.Namespace) -> int:
    """Tell how far a run's judge and people agree.

    Raises:
        RunError: nobody named labels, or no judge scored the run.
    """
    desk = Desk.of(arguments)
    record = load_run(arguments.run, desk.runs_dir)
    if arguments.labels is None:
        raise RunError("there are no labels to agree with: give --labels FILE or collector:SCORE")
    labels = desk.judges.labels((record,))
    lines = agreement_lines(record, labels.labels if labels else [], arguments.scorer)
    for line in lines:
        desk.report.print(Text(line))
    return EXIT_PASSED


def judged_record(
    record: RunRecord, name: str, rubric: Rubric, bench: Bench, *, now: Callable[[], datetime]
) -> RunRecord:
    """Return a run with a judge's scores beside its own, under an id of its own."""
    started_at = now()
    asked = [_Asked.of(each, name, rubric) for each in record.results if not each.is_missing]
    bench.hear(q for each in asked for q in questions_of(each.case, each.completion))
    scored = {each.case.case_id: score_case(each.case, each.completion, bench) for each in asked}
    results = tuple(_joined(each, scored.get(each.case_id)) for each in record.results)
    counted = [each for each in results if not each.is_missing]
    if not counted:
        raise RunError(f"not one answer was judged; {results[0].error}")
    passed = sum(each.passed for each in counted)
    values = [each.scores[name] for each in counted if name in each.scores]
    failed = sum(each.error is not None for each in values)
    mean = sum(each.value for each in values) / len(values) if values else None
    settings: dict[str, Any] = {
        **record.run.settings,
        JUDGES: msgspec.to_builtins(_settings(record, bench, name, rubric)),
        "missing_count": len(results) - len(counted),
        _JUDGED_FROM: record.run.run_id,
    }
    run = msgspec.structs.replace(
        record.run,
        run_id=new_run_id(record.run.suite, record.run.model, started_at),
        started_at=started_at.isoformat().replace("+00:00", "Z"),
        ended_at=now().isoformat().replace("+00:00", "Z"),
        case_count=len(counted),
        passed_count=passed,
        pass_rate=passed / len(counted),
        scores={**record.run.scores, name: ScoreSummary(mean, len(values), failed_count=failed)},
        settings=settings,
    )
    return RunRecord(run, results, record.folder)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A result as a case for the judge."""

    case: Case
    completion: Completion

    @classmethod
    def of(cls, result: Result, name: str, rubric: Rubric) -> "_Asked":
        case = Case(result.case_id, result.input, result.expected, scorers={name: rubric})
        return cls(case, Completion(result.output, error=result.error))


def _joined(result: Result, judged: Result | None) -> Result:
    if judged is None:
        return result
    return msgspec.structs.replace(
        result,
        scores={**result.scores, **judged.scores},
        passed=result.passed and judged.passed,
        error=judged.error,
    )


def _settings(record: RunRecord, bench: Bench, name: str, rubric: Rubric) -> dict[str, Any]:
    earlier, own = record.run.settings.get(JUDGES, {}), settings_of(bench, {name: rubric})
    return {
        **own,
        "models": {**earlier.get("models", {}), **own["models"]},
        "scorers": {**earlier.get("scorers", {}), **own["scorers"]},
    }
