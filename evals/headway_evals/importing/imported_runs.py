"""Results that another tool computed, as runs of ours, which our gate compares.

An imported run says so in its settings. Its scores are those of the other tool; the digest of its
model is not known, and nothing can make it again.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any

import msgspec

from headway._version import __version__
from headway_evals.errors import ImportingError, RunError
from headway_evals.executions import new_run_id
from headway_evals.runs import Result, Run, RunRecord, RunWriter, ScoreSummary, list_runs
from headway_evals.suites import Gate
from headway_measures.scores import Average, Direction, ScoreValue, counted
from headway_measures.verdicts import Margin

UNKNOWN_DIGEST = "unknown"
IMPORTED = "imported"
"""The setting that says where a run came from."""
PROMPTS_FILE = "prompts.json"
"""A digest of each case's prompt, by its id, beside an imported run."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How a metric's values are to be read.

    Args:
        direction: which way they get better.
        scale: their greatest distance; None where there is no bound.
        average: which mean of them says something.
    """

    direction: Direction = "up"
    scale: float | None = 1.0
    average: Average = "arithmetic"


@dataclass(slots=True)
class ImportedCase:
    """One case: what was asked, what was answered, and what the other tool made of it.

    ``document`` is what tells one question from another, such as its place in the data;
    ``prompt`` a digest of what the model read, "" where that is not known.
    """

    case_id: str
    document: str
    input: Any
    output: str | None
    expected: Any = None
    prompt: str = ""
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    error: str | None = None
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportedResults:
    """A file's results.

    Args:
        tool: what made them.
        suite: the name of what was run, such as a task.
        model: the model's name.
        made_at: when.
        cases: one for each question.
        measures: by the names of the metrics, the leading one first.
        facts: what else is known, for the run's settings.
    """

    tool: str
    suite: str
    model: str
    made_at: datetime
    cases: Sequence[ImportedCase]
    measures: Mapping[str, Measure]
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_run(found: ImportedResults, runs_dir: Path, token: str | None = None) -> RunRecord:
    """Write results as a run, and return it.

    Args:
        found: the results.
        runs_dir: the folder of the runs.
        token: what tells runs of one second apart; None draws one.

    Raises:
        ImportingError: there are no results with a score.
        RunError: the run cannot be written.
    """
    binary = _binary(found)
    results = tuple(_result(case, found.measures, binary) for case in found.cases)
    if not any(result.scores for result in results):
        raise ImportingError(f"{found.suite}: there is not one result with a score")
    run_id = new_run_id(found.suite, found.model, found.made_at, token)
    time = found.made_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    gate = _gate(found.measures)
    passed_count = sum(result.passed for result in results)
    run = Run(
        run_id=run_id,
        suite=found.suite,
        suite_version=_version(found),
        model=found.model,
        model_digest=UNKNOWN_DIGEST,
        started_at=time,
        ended_at=time,
        case_count=len(results),
        passed_count=passed_count,
        pass_rate=passed_count / len(results),
        scores={
            name: summary
            for name, each in found.measures.items()
            if (summary := _summary(name, each, results)) is not None
        },
        settings={
            "gate": msgspec.to_builtins(gate),
            "gates": [msgspec.to_builtins(gate)],
            "suite_case_count": len(results),
            "missing_count": 0,
            IMPORTED: {"from": found.tool, **found.facts},
        },
        environment={"headway": __version__, "imported_from": found.tool},
    )
    folder = runs_dir / run_id
    with closing(RunWriter(folder)) as writer:
        for result in results:
            writer.add(result)
        prompts = {case.case_id: [case.document, case.prompt] for case in found.cases}
        try:
            (folder / PROMPTS_FILE).write_text(json.dumps(prompts), encoding="utf-8")
        except OSError as error:
            raise RunError(f"{folder} cannot be written: {error.strerror}") from error
        writer.finish(run)
    return RunRecord(run, results, folder)


def differences(found: ImportedResults, runs_dir: Path, own: str) -> list[str]:
    """Return in sentences how these questions differ from those of the last such run.

    Args:
        found: the results.
        runs_dir: the folder of the runs.
        own: the id of their own run, which is not compared.
    """
    for run in list_runs(runs_dir):
        if run.run_id == own or run.suite != found.suite or IMPORTED not in run.settings:
            continue
        prompts: dict[str, list[str]] = {}
        with suppress(OSError, ValueError):
            prompts = json.loads((runs_dir / run.run_id / PROMPTS_FILE).read_bytes())
        if prompts:
            return _differences(found, prompts, run.run_id)
    return []


def _differences(
    found: ImportedResults, prompts: Mapping[str, Sequence[str]], run_id: str
) -> list[str]:
    others = {document: case_id for case_id, (document, _) in prompts.items()}
    changed = [c for c in found.cases if others.get(c.document, c.case_id) != c.case_id]
    told = []
    if changed:
        told.append(
            f"{counted(len(changed), 'question')} of {found.suite} are not those of {run_id}, "
            f"{changed[0].case_id} for one: they are not compared with each other"
        )
    same = [case for case in found.cases if case.prompt and case.case_id in prompts]
    asked = [case for case in same if prompts[case.case_id][1] not in ("", case.prompt)]
    if asked:
        told.append(
            f"{counted(len(asked), 'prompt')} of {len(same)} are not those of {run_id}, that of "
            f"{asked[0].case_id} for one: the same questions were asked in other words"
        )
    missing = len(prompts) - len(same)
    if not changed and (missing or len(same) < len(found.cases)):
        told.append(f"{counted(len(same), 'question')} of {found.suite} are in {run_id}, too")
    return told


def _binary(found: ImportedResults) -> set[str]:
    """Return the metrics whose values are all 0 or 1: a case passes them, or it does not."""
    return {
        name
        for name, each in found.measures.items()
        if each.scale == 1.0
        and all(case.values.get(name, 0.0) in (0.0, 1.0) for case in found.cases)
    }


def _result(case: ImportedCase, measures: Mapping[str, Measure], binary: set[str]) -> Result:
    scores = {
        name: ScoreValue(
            value, (value == 1.0) == (measures[name].direction == "up") if name in binary else None
        )
        for name, value in case.values.items()
        if name in measures and math.isfinite(value)
    }
    is_answered = case.output is not None
    return Result(
        case_id=case.case_id,
        input=case.input,
        output=case.output,
        expected=case.expected,
        tags=case.tags,
        passed=is_answered
        and bool(scores)
        and all(each.passed is not False for each in scores.values()),
        scores=scores if is_answered else {},
        error=case.error,
        latency_ms=case.latency_ms,
        input_tokens=case.input_tokens,
        output_tokens=case.output_tokens,
        span_id=None,
        trace_id=None,
        cluster=case.cluster,
    )


def _summary(name: str, measure: Measure, results: Sequence[Result]) -> ScoreSummary | None:
    values = [result.scores[name].value for result in results if name in result.scores]
    if not values:
        return None
    mean_of = geometric_mean if measure.average == "geometric" else fmean
    return ScoreSummary(
        mean_of(values), len(values), measure.direction, measure.scale, 0, measure.average
    )


def _gate(measures: Mapping[str, Measure]) -> Gate:
    name, first = next(iter(measures.items()))
    if first.scale == 1.0:
        return Gate(scorer=name, name=name)
    # Without a bound there is no usual margin, but as a part of the mean.
    return Gate(scorer=name, name=name, margin=Margin(0.05), is_relative=True)


def _version(found: ImportedResults) -> str:
    """Return a digest of what was run and scored; whether its questions are the same, cases say."""
    version = found.facts.get("task_version")
    content = json.dumps([found.tool, found.suite, version, sorted(found.measures)], default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:12]
