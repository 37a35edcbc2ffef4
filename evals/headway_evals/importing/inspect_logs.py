"""Logs of Inspect, as JSON, as results to be compared.

An ``.eval`` file is turned into one by ``inspect log dump FILE``. A grade is read as Inspect's own
means read it: C is 1, P a half, I and N are 0.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.imported_runs import ImportedCase, ImportedResults, Measure
from headway_evals.importing.lm_eval_samples import SampleOptions
from headway_evals.importing.reports import ImportReport
from headway_evals.suite_rows import read_text
from headway_measures.scores import shown

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_PLAIN_KEYS = frozenset(
    (
        *("id", "epoch", "input", "choices", "target", "messages", "output", "scores", "metadata"),
        *("error", "total_time", "working_time", "model_usage", "uuid", "store", "events"),
        *("attachments", "started_at", "completed_at", "timelines", "role_usage", "invalidation"),
    )
)


def read_log(path: Path, options: SampleOptions, report: ImportReport) -> ImportedResults:
    """Read a log.

    Raises:
        ImportingError: it is none, or holds no samples.
    """
    try:
        log = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ImportingError(f"{path} is not JSON: {error}") from error
    about = log.get("eval") if isinstance(log, Mapping) else None
    samples = log.get("samples") if isinstance(log, Mapping) else None
    if not isinstance(about, Mapping) or not isinstance(samples, list) or not samples:
        raise ImportingError(f"{path} is no log of Inspect with samples: it has eval and samples")
    if log.get("status") not in (None, "success"):
        report.note(f"{path.name}: its status is {log['status']}, so that samples may be missing")
    has_epochs = any(each.get("epoch", 1) != 1 for each in samples if isinstance(each, Mapping))
    measures: dict[str, Measure] = {}
    cases: dict[str, ImportedCase] = {}
    for place, sample in enumerate(samples, start=1):
        where = f"{path.name} sample {place}"
        if not isinstance(sample, Mapping) or "id" not in sample:
            report.omit("sample without an id", "cases are compared by it", where)
            continue
        case = _case(sample, options, has_epochs=has_epochs)
        if case.case_id in cases:
            report.omit("sample that stands twice", "the first of them counts", where)
            continue
        for key, value in sample.items():
            if key not in _PLAIN_KEYS and value not in (None, {}, [], ""):
                report.omit(f"sample's {key}", "a result has no such thing", where)
        for name, value in _values(sample.get("scores")):
            number = _number(value)
            if number is None:
                report.omit(f"score {name}", f"{shown(value)} is no number", where)
                continue
            case.values[name] = number
            measures[name] = Measure("up", 1.0 if _is_share(number, measures.get(name)) else None)
        cases[case.case_id] = case
    if not measures:
        raise ImportingError(f"{path} has no score that is a number")
    facts = {"file": path.name, "task_version": about.get("task_version")}
    return ImportedResults(
        "inspect",
        str(about.get("task") or path.stem),
        options.model or str(about.get("model") or "unknown"),
        _time(about.get("created"), path),
        list(cases.values()),
        measures,
        facts,
    )


def _case(sample: Mapping[str, Any], options: SampleOptions, *, has_epochs: bool) -> ImportedCase:
    epoch, name = sample.get("epoch", 1), str(sample["id"])
    output = sample.get("output")
    given = output if isinstance(output, Mapping) else {}
    error = sample.get("error")
    told = error.get("message") if isinstance(error, Mapping) else None
    metadata = sample.get("metadata")
    fields = metadata if isinstance(metadata, Mapping) else {}
    seconds = sample.get("total_time")
    usage = sample.get("model_usage")
    spent = list(usage.values()) if isinstance(usage, Mapping) else []
    return ImportedCase(
        case_id=name if epoch == 1 else f"{name}#{epoch}",
        document=f"{name}#{epoch}",
        input=sample.get("input"),
        output=None if told else str(given.get("completion") or _completion(given)),
        expected=sample.get("target"),
        tags=tuple(f"{key}:{fields[key]}" for key in options.tags if fields.get(key) is not None),
        # The answers to one question are one piece of evidence as far as they agree.
        cluster=name if has_epochs else None,
        error=told,
        latency_ms=seconds * 1000 if isinstance(seconds, int | float) else None,
        input_tokens=_sum(spent, "input_tokens"),
        output_tokens=_sum(spent, "output_tokens"),
    )


def _completion(output: Mapping[str, Any]) -> str:
    """Return the text of an output's first choice, whose content is a text or a list of parts."""
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    message = first.get("message") if isinstance(first, Mapping) else {}
    content = message.get("content") if isinstance(message, Mapping) else ""
    if isinstance(content, list):
        return "".join(str(each.get("text", "")) for each in content if isinstance(each, Mapping))
    return content if isinstance(content, str) else ""


def _values(scores: Any) -> list[tuple[str, Any]]:
    """Return a sample's scores by name; of a value that is a mapping each of its own."""
    found: list[tuple[str, Any]] = []
    for name, score in scores.items() if isinstance(scores, Mapping) else ():
        value = score.get("value") if isinstance(score, Mapping) else score
        if isinstance(value, Mapping):
            found += [(f"{name}.{key}", each) for key, each in value.items()]
        else:
            found.append((name, value))
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    if value in _GRADES:
        return _GRADES[value]
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    try:
        return float(value)
    except ValueError:
        return None


def _is_share(number: float, earlier: Measure | None) -> bool:
    return 0 <= number <= 1 and (earlier is None or earlier.scale == 1.0)


def _sum(usage: Sequence[Any], key: str) -> int | None:
    counts = [each.get(key) for each in usage if isinstance(each, Mapping)]
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if known else None


def _time(text: Any, path: Path) -> datetime:
    try:
        made_at = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return made_at if made_at.tzinfo else made_at.replace(tzinfo=UTC)
