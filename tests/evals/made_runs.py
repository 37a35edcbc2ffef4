"""Runs as they would be read from disk, made on the spot."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headway_evals.comparisons import compare
from headway_evals.outcomes import Comparison
from headway_evals.runs import Result, Run, RunRecord, ScoreSummary
from headway_evals.suites import Gate
from headway_measures.scores import ScoreValue

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PASS, FAIL = ScoreValue(1.0, True), ScoreValue(0.0, False, "wrong")


def result(case_id: str, passed: bool, tags: Sequence[str] = (), **fields: Any) -> Result:
    """Return a result that one scorer, ``exact``, judged."""
    plain: dict[str, Any] = {
        "input": f"in {case_id}",
        "output": "right" if passed else "wrong",
        "expected": "right",
        "scores": {"exact": PASS if passed else FAIL},
        "error": None,
        "latency_ms": None,
        "input_tokens": None,
        "output_tokens": None,
        "span_id": None,
        "trace_id": None,
    }
    return Result(case_id=case_id, passed=passed, tags=tuple(tags), **{**plain, **fields})


def results(passes: Sequence[bool], tags: Sequence[str] = (), **fields: Any) -> list[Result]:
    """Return a result a case, by the case's number."""
    return [result(f"c{i:03}", passed, tags, **fields) for i, passed in enumerate(passes)]


def record(
    name: str,
    results: Sequence[Result],
    version: str = "v1",
    *,
    scores: dict[str, ScoreSummary] | None = None,
    settings: dict[str, Any] | None = None,
) -> RunRecord:
    """Return the run of a model of that name.

    Args:
        name: the model's.
        results: what it came to.
        version: the suite's.
        scores: how the scorers are to be read; as shares where that is not said.
        settings: what else the run remembers.
    """
    counted = [each for each in results if not each.is_missing]
    passed = sum(each.passed for each in counted)
    names = dict.fromkeys(name for each in results for name in each.scores)
    run = Run(
        run_id=f"run-{name}",
        suite="s",
        suite_version=version,
        model=name,
        model_digest="d",
        started_at="2026-11-22T10:00:00Z",
        ended_at="2026-11-22T10:01:00Z",
        case_count=len(counted),
        passed_count=passed,
        pass_rate=passed / len(counted),
        scores={name: ScoreSummary(0.0, 0) for name in names} | (scores or {}),
        settings=settings or {},
        environment={},
    )
    return RunRecord(run, tuple(results), Path("nowhere"))


def judged(
    old: Sequence[Result],
    new: Sequence[Result],
    gate: Gate | Sequence[Gate] = Gate(),  # noqa: B008
) -> Comparison:
    """Return the comparison of two models' results."""
    return compare(record("base", old), record("new", new), gate, now=lambda: NOW)
