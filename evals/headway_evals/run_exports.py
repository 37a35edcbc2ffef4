"""A stored run for other tools: promptfoo's results as JSON, or JUnit XML.

The JSON has the shape of promptfoo's ``--output results.json``, version 3: ``results.results`` is
a list with an entry a case, ``results.prompts`` its one prompt with its totals, ``results.stats``
the counts. A score is a share: where less is better or nothing bounds a scorer, 1 for a pass.
https://www.promptfoo.dev/docs/configuration/outputs/
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headway._version import __version__
from headway.settings import load_sources
from headway_evals.averages import Report
from headway_evals.desks import find_runs_dir
from headway_evals.errors import RunError
from headway_evals.judges.scoring import JUDGES
from headway_evals.junit_reports import junit
from headway_evals.prompts import as_text
from headway_evals.runs import Result, RunRecord, ScoreSummary, Weighing, load_run
from headway_measures.scores import ScoreValue

_ALPHA = 0.05
_NO_FAILURE, _FAILED_ASSERTION, _ERROR = 0, 1, 2
_PROMPTFOO_VERSION = 3


def export_run(arguments: argparse.Namespace) -> int:
    """Write a run in another tool's format, to a file or to the terminal.

    Raises:
        RunError: there is no such run, or the file cannot be written.
    """
    record = load_run(arguments.run, find_runs_dir(arguments, load_sources()))
    content = FORMATS[arguments.format](record)
    if arguments.to is None:
        sys.stdout.write(content.decode())
        return 0
    path = Path(arguments.to)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise RunError(f"the run cannot be written to {path}: {error.strerror}") from error
    return 0


def as_junit(record: RunRecord) -> bytes:
    """Return a run as JUnit XML; without a baseline its failures are skipped, with the reason."""
    return junit(Report((record,), None, _ALPHA))


def as_promptfoo(record: RunRecord) -> bytes:
    """Return a run as promptfoo's results."""
    run = record.run
    entries = [_entry(record, index, result) for index, result in enumerate(record.results)]
    parts = [part for entry in entries for part in entry["gradingResult"]["componentResults"]]
    reasons = [entry["failureReason"] for entry in entries]
    counts = {
        "successes": reasons.count(_NO_FAILURE),
        "failures": reasons.count(_FAILED_ASSERTION),
        "errors": reasons.count(_ERROR),
    }
    tokens = _tokens(
        sum(each.input_tokens or 0 for each in record.results),
        sum(each.output_tokens or 0 for each in record.results),
    )
    passed = sum(part["pass"] for part in parts)
    metrics = {
        "score": sum(entry["score"] for entry in entries),
        "testPassCount": counts["successes"],
        "testFailCount": counts["failures"],
        "testErrorCount": counts["errors"],
        "assertPassCount": passed,
        "assertFailCount": len(parts) - passed,
        "totalLatencyMs": sum(each.latency_ms or 0 for each in record.results),
        "tokenUsage": {**tokens, "assertions": _judges_tokens(record)},
        **_named_totals(entries),
        "cost": sum(entry["cost"] for entry in entries),
    }
    prompt = {**_prompt(record), "provider": run.model, "metrics": metrics}
    document = {
        "evalId": run.run_id,
        "results": {
            "version": _PROMPTFOO_VERSION,
            "timestamp": run.started_at,
            "prompts": [prompt],
            "results": entries,
            "stats": {**counts, "tokenUsage": tokens},
        },
        "config": {"description": run.suite, "providers": [run.model], "tags": {}},
        "shareableUrl": None,
        "metadata": {
            "exportedBy": f"headway {__version__}",
            "evaluationCreatedAt": run.started_at,
            "suiteVersion": run.suite_version,
            "modelDigest": run.model_digest,
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode(errors="replace") + b"\n"


FORMATS: Mapping[str, Callable[[RunRecord], bytes]] = {
    "promptfoo": as_promptfoo,
    "junit": as_junit,
}


def _entry(record: RunRecord, index: int, result: Result) -> dict[str, Any]:
    weighing = result.weighing or Weighing(score=0.0)
    metrics = set(weighing.metrics.values())
    scores = {name: each for name, each in result.scores.items() if name not in metrics}
    summaries = record.run.scores
    shares = {name: _share(summaries.get(name), each) for name, each in scores.items()}
    if result.weighing is not None:
        score = weighing.score
    else:
        score = sum(shares.values()) / len(shares) if shares else 0.0
    parts = [
        {
            "pass": each.passed is not False,
            "score": shares[name],
            "reason": each.error or each.detail or "Assertion passed",
            "assertion": _assertion(record, name, each, weighing),
        }
        for name, each in scores.items()
    ]
    named = {name: result.scores[name].value for name in metrics if name in result.scores}
    variables = result.input if isinstance(result.input, Mapping) else {"input": result.input}
    reason = _NO_FAILURE if result.passed else _FAILED_ASSERTION
    if result.output is None or result.is_missing:  # not answered, or not judged
        reason = _ERROR
    tokens = _tokens(result.input_tokens or 0, result.output_tokens or 0)
    entry: dict[str, Any] = {
        "id": f"{record.run.run_id}/{result.case_id}",
        "testIdx": index,
        "promptIdx": 0,
        "promptId": record.run.suite_version,
        "provider": {"id": record.run.model, "label": record.run.model},
        "prompt": _prompt(record, result),
        "vars": variables,
        "response": {"output": result.output, "tokenUsage": tokens},
        "success": result.passed,
        "score": score,
        "latencyMs": result.latency_ms or 0,
        "cost": _cost(result),
        "namedScores": named,
        "failureReason": reason,
        "gradingResult": {
            "pass": result.passed,
            "score": score,
            "reason": _reason(result, parts),
            "namedScores": named,
            "tokensUsed": _tokens(0, 0),
            "componentResults": parts,
        },
        "testCase": {
            "description": result.case_id,
            "vars": variables,
            "assert": [part["assertion"] for part in parts],
            "metadata": {"tags": list(result.tags), "expected": result.expected},
        },
        "metadata": {"traceId": result.trace_id, "spanId": result.span_id},
    }
    if weighing.threshold is not None:
        entry["testCase"]["threshold"] = weighing.threshold
    if result.error is not None:
        entry["error"] = entry["response"]["error"] = result.error
    return entry


def _assertion(
    record: RunRecord, name: str, score: ScoreValue, weighing: Weighing
) -> dict[str, Any]:
    assertion: dict[str, Any] = {"type": name}
    judged = record.run.settings.get(JUDGES, {}).get("scorers", {}).get(name)
    if judged is not None:
        # Cases may be asked by rubrics of their own: the run keeps one of a name.
        assertion["provider"] = judged.get("judge")
    if name in weighing.weights:
        assertion["weight"] = weighing.weights[name]
    if name in weighing.metrics:
        assertion["metric"] = weighing.metrics[name]
    if score.passed is None:
        assertion["metricOnly"] = True
    return assertion


def _share(summary: ScoreSummary | None, score: ScoreValue) -> float:
    if summary is None or (summary.scale == 1.0 and summary.direction == "up"):
        return score.value
    return 0.0 if score.passed is False else 1.0


def _reason(result: Result, parts: list[dict[str, Any]]) -> str:
    if result.output is None:
        return result.error or "no answer"
    if result.passed:
        return "All assertions passed"
    return next((part["reason"] for part in parts if not part["pass"]), "below the threshold")


def _cost(result: Result) -> float:
    """Return what an answer cost, where the suite measures it: by its scorer ``cost``."""
    score = result.scores.get("cost")
    return score.value if score is not None and score.error is None else 0.0


def _prompt(record: RunRecord, result: Result | None = None) -> dict[str, Any]:
    # A run keeps what its cases put in, and not the prompt around it, which is the suite's.
    raw = "{{input}}" if result is None else as_text(result.input)
    return {"raw": raw, "label": record.run.suite, "id": record.run.suite_version}


def _named_totals(entries: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    for entry in entries:
        for name, value in entry["namedScores"].items():
            sums[name] = sums.get(name, 0.0) + value
            counts[name] = counts.get(name, 0) + 1
    return {"namedScores": sums, "namedScoresCount": counts}


def _judges_tokens(record: RunRecord) -> dict[str, int]:
    """Return what judges read and wrote; no answer is told its own share."""
    models = record.run.settings.get(JUDGES, {}).get("models", {}).values()
    return _tokens(
        sum(each.get("input_tokens") or 0 for each in models),
        sum(each.get("output_tokens") or 0 for each in models),
    )


def _tokens(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt": prompt, "completion": completion, "total": prompt + completion}
