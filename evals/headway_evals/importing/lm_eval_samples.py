"""lm-eval's result samples, ``samples_<task>_<time>.jsonl``, as results to be compared.

A row is one document under one filter: ``doc_id, doc, target, arguments, resps, filtered_resps,
filter, metrics, doc_hash, prompt_hash, target_hash`` and a value for each metric. A case is named
after the document's place and digest, so that runs of different ``--limit`` pair, and two documents
that only share a place do not. The model's name stands in ``results_<time>.json`` beside.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.imported_runs import ImportedCase, ImportedResults, Measure
from headway_evals.importing.reports import ImportReport
from headway_evals.importing.table_files import Row, read_table
from headway_measures.overlap_scorers import Bleu, Chrf
from headway_measures.scores import Answered, Scorer, shown

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)")
_LEADING = ("acc", "acc_norm", "exact_match")
_SURPRISES = ("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte")
_SENTENCES: Mapping[str, Scorer] = {"bleu": Bleu(), "chrf": Chrf()}
_MOST_SURPRISED = 700.0
"""Nats: e to more is more than a double holds."""
_HASH_LENGTH = 12


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """What the command line says to the readers of results.

    Args:
        model: the model's name; None takes the file's word.
        filter: the one of lm-eval's filters to take; None takes all.
        tags: the columns of documents that become tags, and so slices.
    """

    model: str | None = None
    filter: str | None = None
    tags: tuple[str, ...] = ()


def read_samples(path: Path, options: SampleOptions, report: ImportReport) -> ImportedResults:
    """Read a file of samples.

    Raises:
        ImportingError: it is no such file, or holds no result.
    """
    reader = _Reader(path, options, report)
    for row in read_table(path, report, kind="jsonl").rows:
        reader.add(row)
    return reader.results()


@dataclass(slots=True)
class _Reader:
    """Gathers the cases of one file."""

    path: Path
    options: SampleOptions
    report: ImportReport
    cases: dict[str, ImportedCase] = field(default_factory=dict)
    filters: dict[str, None] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    found: list[tuple[Row, str, str]] = field(default_factory=list)

    def add(self, row: Row) -> None:
        values = row.values
        if "doc_id" not in values or not isinstance(values.get("doc"), dict | str):
            told = "a row has doc_id, doc and metrics"
            self.report.omit("line that is no sample", told, self.path.name, row.line)
            return
        name = str(values.get("filter", "none"))
        self.filters[name] = None
        if self.options.filter not in (None, name):
            return
        case = self._case(values)
        if (case.case_id, name) in self.seen:
            told = "the first of them counts"
            self.report.omit("sample that stands twice", told, self.path.name, row.line)
            return
        self.seen.add((case.case_id, name))
        self.cases.setdefault(case.case_id, case)
        self.found.append((row, case.case_id, name))

    def results(self) -> ImportedResults:
        if not self.found:
            known = ", ".join(self.filters)
            hint = f"; its filters are {known}" if known else ""
            raise ImportingError(f"{self.path} holds no lm-eval samples{hint}")
        beside = _results_beside(self.path)
        name = _NAME.fullmatch(self.path.stem)
        task = name["task"] if name else self.path.stem.removeprefix("samples_")
        model = self.options.model or _model_of(beside) or self.path.parent.name
        if not model:
            raise ImportingError(f"nothing tells whose answers {self.path} holds: give --model")
        directions = _of_task(beside, "higher_is_better", task)
        measures = self._measures(directions if isinstance(directions, Mapping) else {})
        if not measures:
            raise ImportingError(f"{self.path} has no metric that is understood here")
        facts = {"file": self.path.name, "filters": list(self.filters)}
        if (version := _of_task(beside, "versions", task)) is not None:
            facts["task_version"] = version
        if (shots := _of_task(beside, "n-shot", task)) is not None:
            facts["num_fewshot"] = shots
        made_at = _time_of(name["time"]) if name else _modified(self.path)
        cases = list(self.cases.values())
        return ImportedResults("lm-eval", task, model, made_at, cases, measures, facts)

    def _measures(self, directions: Mapping[str, Any]) -> dict[str, Measure]:
        """Give each case its values; return how they are to be read, the leading metric first."""
        taken = list(dict.fromkeys(filter_name for _, _, filter_name in self.found))
        measures: dict[str, Measure] = {}
        refused: dict[str, int] = {}
        for row, case_id, filter_name in self.found:
            for metric in _metrics_of(row.values):
                name = f"{metric},{filter_name}" if len(taken) > 1 else metric
                value = _value_of(metric, row.values.get(metric))
                if value is None:
                    refused.setdefault(metric, row.line)
                    told = f"{shown(row.values.get(metric))} is no value of one answer"
                    if refused[metric] == row.line:
                        self.report.omit(f"metric {metric}", told, self.path.name, row.line)
                    continue
                self.cases[case_id].values[name] = value
                measures.setdefault(name, _measure_of(metric, directions))
        for name, measure in list(measures.items()):
            values = [case.values[name] for case in self.cases.values() if name in case.values]
            if measure.scale == 1.0 and not all(0 <= value <= 1 for value in values):
                measures[name] = Measure(measure.direction, None)
        order = [name for lead in _LEADING for name in measures if name.partition(",")[0] == lead]
        return {name: measures[name] for name in dict.fromkeys([*order, *measures])}

    def _case(self, values: Mapping[str, Any]) -> ImportedCase:
        document = values["doc"]
        digest = str(values.get("doc_hash") or _digest(document))
        fields = document if isinstance(document, dict) else {}
        tags = [f"{key}:{fields[key]}" for key in self.options.tags if fields.get(key) is not None]
        return ImportedCase(
            case_id=f"{values['doc_id']}-{digest[:_HASH_LENGTH]}",
            document=str(values["doc_id"]),
            input=document,
            output=_output_of(values),
            expected=values.get("target"),
            prompt=str(values.get("prompt_hash") or _digest(_argument(values, 0, 0)))[
                :_HASH_LENGTH
            ],
            tags=tuple(tags),
        )


def _metrics_of(values: Mapping[str, Any]) -> list[str]:
    listed = values.get("metrics")
    if isinstance(listed, list):
        return [str(each) for each in listed]
    known = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", *_SURPRISES)
    return [metric for metric in known if metric in values]


def _measure_of(metric: str, directions: Mapping[str, Any]) -> Measure:
    if metric in _SURPRISES:
        return Measure("down", None, "geometric")
    return Measure("down" if directions.get(metric) is False else "up")


def _value_of(metric: str, value: Any) -> float | None:
    """Return a metric's value of one document, None where it has none of its own."""
    if isinstance(value, bool | int | float):
        if metric in _SURPRISES:
            return math.exp(min(max(-float(value), 0.0), _MOST_SURPRISED))
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, list) or len(value) != 2:
        return None
    if metric in _SURPRISES and all(isinstance(each, int | float) for each in value):
        surprise = -value[0] / value[1] if value[1] else _MOST_SURPRISED
        return math.exp(min(max(surprise, 0.0), _MOST_SURPRISED))
    scorer = _SENTENCES.get(metric)
    if scorer is not None and all(isinstance(each, str) for each in value):
        return scorer.score(Answered(output=value[1], expected=value[0])).value
    return None


def _output_of(values: Mapping[str, Any]) -> str | None:
    """Return the answer; of a choice the likeliest."""
    answers = values.get("resps")
    if not isinstance(answers, list) or not answers:
        return None
    firsts = [each[0] if isinstance(each, list) and each else each for each in answers]
    if isinstance(firsts[0], str):
        return firsts[0]
    weights = [_number(each[0]) if isinstance(each, list) and each else None for each in firsts]
    known = [weight for weight in weights if weight is not None]
    if len(known) < len(weights) or len(weights) < 2:
        target = values.get("target")
        return target if isinstance(target, str) else json.dumps(target)
    options = [str(_argument(values, place, 1)) for place in range(len(known))]
    half = len(options) // 2
    if half > 1 and options[:half] == options[half:]:
        # What follows are the same options without the prompt.
        known = known[:half]
    return options[max(range(len(known)), key=known.__getitem__)].strip()


def _argument(values: Mapping[str, Any], request: int, place: int) -> Any:
    """Return what was sent, in either form that lm-eval writes: by names, or in lists."""
    arguments = values.get("arguments")
    if isinstance(arguments, Mapping):
        arguments = arguments.get(f"gen_args_{request}")
        return arguments.get(f"arg_{place}", "") if isinstance(arguments, Mapping) else ""
    try:
        return arguments[request][place] if isinstance(arguments, Sequence) else ""
    except (IndexError, TypeError):
        return ""


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _results_beside(path: Path) -> Mapping[str, Any]:
    """Return lm-eval's results of the same time; empty where there are none."""
    name = _NAME.fullmatch(path.stem)
    beside = path.with_name(f"results_{name['time']}.json") if name else path
    try:
        found = json.loads(beside.read_bytes()) if name else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_task(results: Mapping[str, Any], key: str, task: str) -> Any:
    found = results.get(key)
    return found.get(task) if isinstance(found, Mapping) else None


def _model_of(results: Mapping[str, Any]) -> str | None:
    name = results.get("model_name") or results.get("model_source")
    return name if isinstance(name, str) else None


def _time_of(text: str) -> datetime:
    form = "%Y-%m-%dT%H-%M-%S.%f" if "." in text else "%Y-%m-%dT%H-%M-%S"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
