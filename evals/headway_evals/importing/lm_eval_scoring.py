"""lm-eval's metrics and filters as scorers.

A metric is named as there: ``exact_match``, and where a task has filters ``exact_match,strict``.
What is a number over all answers at once, such as F1 of classes, is no scorer's and is reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway_evals.importing.lm_eval_files import FunctionReference, TaskFile
from headway_evals.importing.reports import ImportReport
from headway_measures.errors import ScorerError
from headway_measures.extraction import read_steps
from headway_measures.scores import shown

USUAL_METRICS: Mapping[str, tuple[str, ...]] = {
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
}
"""The metrics of each kind of request where a task names none."""

_CHOICES = {
    "acc": "none",
    "acc_norm": "chars",
    "acc_bytes": "bytes",
    "acc_mutual_info": "unconditional",
}
_ROLLING = {"word_perplexity": "word", "byte_perplexity": "byte", "bits_per_byte": "byte"}
_LESS_IS_BETTER = frozenset(["perplexity", *_ROLLING])
_CORPUS = frozenset(["f1", "mcc", "ter", "gleu", "brier_score", "likelihood"])
_PLAIN_STEPS = {"lowercase": "lowercase", "uppercase": "uppercase", "remove_whitespace": "strip"}
_PASSED_OVER = ("metric", "aggregation", "higher_is_better", "hf_evaluate")

Scorer = dict[str, Any]
"""A scorer as a suite has it: its kind, and its options."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A filter of a task: its name, "" for none, and the steps before scoring.

    ``needs_choices`` says that a step is about the choices of each document.
    """

    name: str
    steps: tuple[Any, ...] = ()
    needs_choices: bool = False

    def scorer_name(self, metric: str) -> str:
        """Return what lm-eval calls a metric after this filter."""
        return f"{metric},{self.name}" if self.name else metric


def read_scorers(
    task: TaskFile, kind: str, led_by: str, pipelines: Sequence[Pipeline], report: ImportReport
) -> list[Scorer]:
    """Return the scorers of a task.

    Args:
        task: the task.
        kind: its ``output_type``.
        led_by: what its choices begin with that is no part of their length.
        pipelines: its filters, one that does nothing where there are none.
        report: where metrics go that are not scored here.
    """
    listed = task.values.get("metric_list")
    entries = listed if isinstance(listed, list) else [{"metric": m} for m in USUAL_METRICS[kind]]
    scorers: list[Scorer] = []
    for entry in entries:
        metric = entry.get("metric") if isinstance(entry, Mapping) else entry
        options = dict(entry) if isinstance(entry, Mapping) else {}
        told = _refusal(metric, kind, options)
        if told:
            name = metric.name if isinstance(metric, FunctionReference) else metric
            report.omit(f"metric {name}", told, task.path.name, task.line_of("metric_list"))
            continue
        _check_aggregation(task, str(metric), options, report)
        if kind == "generate_until":
            scorers += [_of_text(task, str(metric), options, each, report) for each in pipelines]
        else:
            scorers.append(_of_likelihood(task, str(metric), kind, led_by, report))
    return scorers


def read_gate(scorers: Sequence[Scorer]) -> dict[str, Any]:
    """Return the gate: the first scorer, on its own scale."""
    ((kind, options),) = scorers[0].items()
    name = (options or {}).get("name", kind)
    return {"scorer": name, **({"margin": "5%"} if kind == "perplexity" else {})}


def read_pipelines(task: TaskFile, report: ImportReport) -> list[Pipeline]:
    """Return a task's filters; those that are not done here are reported and left out."""
    listed = task.values.get("filter_list")
    if not isinstance(listed, list):
        return [Pipeline("")]
    found = [each for entry in listed if (each := _pipeline(task, entry, report)) is not None]
    if not found:
        report.note(
            f"{task.name}: none of its filters is done here, answers are scored as they are"
        )
    return found or [Pipeline("")]


def steps_of(pipeline: Pipeline, choices: Sequence[str]) -> list[Any]:
    """Return a filter's steps for a document with these choices."""
    return [
        {**step, "choices": list(choices)} if isinstance(step, dict) and "letter" in step else step
        for step in pipeline.steps
    ]


def _refusal(metric: Any, kind: str, options: Mapping[str, Any]) -> str:
    """Return why a metric is not scored here; "" where it is."""
    if isinstance(metric, FunctionReference):
        return "its Python has arguments of its own: write it as a python: scorer"
    if options.get("hf_evaluate") and metric != "exact_match":
        return "it is loaded from a hub; the scorers f1, rouge, bleu and chrf are near to some"
    if kind == "multiple_choice" and metric in _CHOICES:
        return ""
    if kind == "loglikelihood" and metric in ("acc", "perplexity"):
        return ""
    if kind == "loglikelihood_rolling" and metric in _ROLLING:
        return ""
    if kind == "generate_until" and metric in ("exact_match", "bleu", "chrf"):
        return ""
    if metric in _CORPUS:
        return "it is one number over all answers, of which no single one has a part"
    return f"there is no scorer for it with output_type {kind}"


def _check_aggregation(
    task: TaskFile, metric: str, options: Mapping[str, Any], report: ImportReport
) -> None:
    aggregation, line = options.get("aggregation"), task.line_of("metric_list")
    usual = {"mean", metric, "weighted_perplexity", None}
    if isinstance(aggregation, FunctionReference) or aggregation not in usual:
        name = getattr(aggregation, "name", aggregation)
        told = "ours is the mean over the cases"
        report.omit(f"aggregation {name}", told, task.path.name, line)
    is_up = options.get("higher_is_better")
    if is_up is not None and is_up == (metric in _LESS_IS_BETTER):
        told = f"{metric} here gets better the other way"
        report.omit("higher_is_better", told, task.path.name, line)


def _of_likelihood(
    task: TaskFile, metric: str, kind: str, led_by: str, report: ImportReport
) -> Scorer:
    if kind == "multiple_choice":
        options: dict[str, Any] = {"name": metric, "normalise": _CHOICES[metric]}
        return {"choice": {**options, "led_by": led_by} if led_by else options}
    if metric == "acc":
        return {"greedy_match": {"name": metric}}
    if kind == "loglikelihood":
        return {"perplexity": {"name": metric, "per": "text"}}
    report.note(
        f"{task.name}: {metric} is the geometric mean over texts here; lm-eval weighs texts by "
        "their length"
    )
    if metric == "bits_per_byte":
        report.note(f"{task.name}: bits_per_byte is shown as what it is the logarithm of, base 2")
    return {"perplexity": {"name": metric, "per": _ROLLING[metric]}}


def _of_text(
    task: TaskFile,
    metric: str,
    options: Mapping[str, Any],
    pipeline: Pipeline,
    report: ImportReport,
) -> Scorer:
    made: dict[str, Any] = {"name": pipeline.scorer_name(metric)}
    known: dict[str, str] = {}
    if metric == "exact_match":
        known = {"regexes_to_ignore": "ignore"}
        known |= {f"ignore_{each}": f"ignore_{each}" for each in ("case", "punctuation", "numbers")}
    else:
        report.note(
            f"{task.name}: {metric} is the mean of sentences here, from 0 to 1; lm-eval's is one "
            "number over all answers, from 0 to 100"
        )
    for key, value in options.items():
        if key in known:
            made |= {known[key]: value} if value not in (None, False, []) else {}
        elif key not in _PASSED_OVER:
            told = "the scorer has no such option"
            line = task.line_of("metric_list")
            report.omit(f"option {key} of {metric}", told, task.path.name, line)
    if pipeline.steps:
        made["extract"] = list(pipeline.steps)
    return {metric: made if len(made) > 1 or made["name"] != metric else None}


def _pipeline(task: TaskFile, entry: Any, report: ImportReport) -> Pipeline | None:
    given = entry if isinstance(entry, Mapping) else {}
    functions = given.get("filter")
    name, line = str(given.get("name", "")), task.line_of("filter_list")
    steps: list[Any] = []
    for function in functions if isinstance(functions, list) else []:
        kind = function.get("function") if isinstance(function, Mapping) else function
        step, told = _step(kind, function)
        if told:
            # What follows a filter that is missing would be of another text.
            report.omit(
                f"filter {kind}", f"{told}; its filter {name!r} is left out", task.path.name, line
            )
            return None
        steps += [] if step is None else [step]
    try:
        read_steps([each if "letter" not in each else {**each, "choices": ["A"]} for each in steps])
    except ScorerError as error:
        if steps:
            report.omit(f"filter {name}", str(error), task.path.name, line)
            return None
    return Pipeline(name, tuple(steps), any(isinstance(s, dict) and "letter" in s for s in steps))


def _step(kind: Any, function: Any) -> tuple[Any, str]:
    """Return a filter's step, None where nothing is to be done, and why it cannot be; "" if not."""
    options = dict(function) if isinstance(function, Mapping) else {}
    options.pop("function", None)
    if kind == "take_first":
        return None, ""
    if kind in _PLAIN_STEPS:
        return _PLAIN_STEPS[kind], ""
    if kind in ("majority_vote", "take_first_k"):
        return None, "a scorer here sees one answer, and not all of a case's repeats"
    if kind == "map":
        mapping = options.get("mapping_dict") or {}
        texts = {str(key): str(value) for key, value in mapping.items()}
        default = options.get("default_value")
        return {"map": texts, **({} if default is None else {"default": str(default)})}, ""
    if kind in ("regex", "multi_choice_regex"):
        step: dict[str, Any] = {
            "regex" if kind == "regex" else "letter": options.pop(
                "regex_pattern", r"#### (\-?[0-9\.\,]+)"
            )
        }
        named = {"group_select": "pick", "fallback": "fallback"}
        if kind != "regex":
            named |= {"regexes_to_ignore": "ignore"}
            named |= {key: key for key in ("ignore_case", "ignore_punctuation")}
        if unknown := [key for key in options if key not in named]:
            return None, f"it has the option {shown(unknown[0])}"
        step |= {named[key]: value for key, value in options.items() if value is not None}
        return step, ""
    return None, "it is not known here"
