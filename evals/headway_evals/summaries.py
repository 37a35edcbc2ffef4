"""A run in numbers: who answered what, how many cases passed, and the mean of each scorer."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean, geometric_mean
from typing import Any

import msgspec

from headway._version import __version__
from headway_evals.models.requests import Model
from headway_evals.quarantines import QUARANTINE
from headway_evals.repeated_cases import REPEATS
from headway_evals.runs import MUST_PASS, Result, Run, ScoreSummary
from headway_evals.suites import Suite
from headway_measures.scores import Scorer, ScoreValue, average_of


def summarise(
    suite: Suite,
    model: Model,
    results: Sequence[Result],
    *,
    run_id: str,
    started_at: datetime,
    ended_at: datetime,
    settings: dict[str, Any],
) -> Run:
    """Return the run of these results."""
    counted = [result for result in results if not result.is_missing]
    passed_count = sum(result.passed for result in counted)
    must_pass = [case.case_id for case in suite.cases if case.must_pass]
    repeats = 1 + max(case.sample for case in suite.cases)
    quarantined = {
        case.case_id: _as_json(case.quarantine) for case in suite.cases if case.quarantine
    }
    return Run(
        run_id=run_id,
        suite=suite.name,
        suite_version=suite.version,
        model=model.name,
        model_digest=model.digest,
        started_at=_rfc3339(started_at),
        ended_at=_rfc3339(ended_at),
        case_count=len(counted),
        passed_count=passed_count,
        pass_rate=passed_count / len(counted),
        scores=_summaries(suite, counted),
        settings={
            "generation": _as_json(suite.generation),
            "ask": suite.ask,
            "gate": _as_json(suite.gate),
            "gates": _as_json(suite.gates),
            "model": _as_json(model.settings),
            "suite_case_count": len(suite.cases),
            **({MUST_PASS: must_pass} if must_pass else {}),
            **({REPEATS: repeats} if repeats > 1 else {}),
            **({QUARANTINE: quarantined} if quarantined else {}),
            "missing_count": len(results) - len(counted),
            **_as_json(settings),
        },
        environment=environment(),
    )


def environment() -> dict[str, str]:
    """Return what runs are made with."""
    return {
        "headway": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _as_json(value: Any) -> Any:
    """Return a value as it will be read back, so that a run is equal to itself from disk."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _summaries(suite: Suite, results: Sequence[Result]) -> dict[str, ScoreSummary]:
    scores: dict[str, list[ScoreValue]] = {}
    for result in results:
        for name, score in result.scores.items():
            scores.setdefault(name, []).append(score)
    scorers = {name: each for case in suite.cases for name, each in case.scorers.items()}
    return {name: _summary(scorers[name], each) for name, each in scores.items()}


def _summary(scorer: Scorer, scores: Sequence[ScoreValue]) -> ScoreSummary:
    failed_count = sum(score.error is not None for score in scores)
    # Without a bound nothing can stand for a score that could not be given.
    values = [each.value for each in scores if scorer.scale is not None or each.error is None]
    average = average_of(scorer)
    mean_of = geometric_mean if average == "geometric" else fmean
    mean = mean_of(values) if values else None
    return ScoreSummary(mean, len(values), scorer.direction, scorer.scale, failed_count, average)


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
