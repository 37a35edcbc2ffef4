"""What can be compared between two windows: descriptors, the calls' own numbers, scores, tags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from headway_measures.descriptors.catalog import METRICS
from headway_measures.descriptors.metrics import Kind, Metric, Side
from headway_measures.descriptors.own import OWN, own_metric
from headway_measures.drift.columns import MISSING, missing_metric
from headway_measures.drift.segments import usual_fields
from headway_measures.drift.windows import Options, WindowsError

SCORE = "score:"
"""What the columns of scores begin with."""

TAG = "tag:"
"""What the metrics of tag families begin with; their column is the family's value."""

CALL_METRICS = (
    Metric(
        "duration_ms", "number", "call", "ms", "latency", "calls got slower", "calls got faster"
    ),
    Metric(
        "ttft_ms",
        "number",
        "call",
        "ms",
        "time to the first token",
        "the first token comes later",
        "the first token comes earlier",
    ),
    Metric(
        "input_tokens",
        "number",
        "call",
        "tokens",
        "input tokens",
        "calls take more input tokens",
        "calls take fewer input tokens",
    ),
    Metric(
        "output_tokens",
        "number",
        "call",
        "tokens",
        "output tokens",
        "calls give more output tokens",
        "calls give fewer output tokens",
    ),
    Metric(
        "cost_usd",
        "number",
        "call",
        "USD",
        "cost",
        "calls got more expensive",
        "calls got cheaper",
    ),
    Metric(
        "status",
        "category",
        "call",
        "",
        "status of calls",
        "calls end in another status than before",
        "calls end in another status than before",
    ),
    Metric(
        "finish_reason",
        "category",
        "call",
        "",
        "finish reasons",
        "answers end for other reasons than before",
        "answers end for other reasons than before",
    ),
)


def _of_texts(name: str, kind: Kind, side: Side, label: str, changes: str) -> Metric:
    return Metric(name, kind, side, "", label, changes, changes)


TEXT_METRICS = (
    _of_texts(
        "prompt_text", "text", "prompt", "wording of prompts", "prompts are worded otherwise"
    ),
    _of_texts(
        "prompt_embedding",
        "embedding",
        "prompt",
        "vectors of prompts",
        "prompts lie elsewhere as vectors",
    ),
    _of_texts(
        "prompt_clusters",
        "cluster",
        "prompt",
        "groups of prompts",
        "the mix of prompts that are alike changed",
    ),
    _of_texts(
        "answer_text", "text", "answer", "wording of answers", "answers are worded otherwise"
    ),
    _of_texts(
        "answer_embedding",
        "embedding",
        "answer",
        "vectors of answers",
        "answers lie elsewhere as vectors",
    ),
    _of_texts(
        "answer_clusters",
        "cluster",
        "answer",
        "groups of answers",
        "the mix of answers that are alike changed",
    ),
)
"""What is compared where texts themselves were drawn."""

# What it says of calls that they have no value of a metric: label, where it rises and falls.
_LACKING = {
    "fence_language": (
        "answers without fenced code of a language",
        "fewer answers name a language of their code",
        "more answers name a language of their code",
    ),
    "truncation": (
        "answers that are not cut off",
        "fewer answers are cut off",
        "more answers are cut off",
    ),
    "finish_reason": (
        "calls without a finish reason",
        "fewer calls have a finish reason",
        "more calls have a finish reason",
    ),
}
# Every answer has a length, whatever is in it, and every prompt.
_ALWAYS = {"prompt_chars": "a prompt", "answer_chars": "an answer"}
_KNOWN = METRICS | {metric.name: metric for metric in (*CALL_METRICS, *TEXT_METRICS)}
_PREFIXES = (SCORE, TAG, OWN)
_NAMED = "score:NAME, tag:FAMILY and own:NAME"


def lacking_metric(metric: Metric) -> Metric:
    """Return the rate of calls that have no value of a metric, as people say it."""
    lacking = missing_metric(metric)
    noun = _ALWAYS.get(metric.name)
    label, rises, falls = _LACKING.get(metric.name) or (
        f"calls without {noun or metric.label}",
        f"more calls come without {noun or metric.label}",
        f"fewer calls come without {noun or metric.label}",
    )
    return replace(lacking, label=label, rises=rises, falls=falls)


def find_metrics(ref: pl.DataFrame, cur: pl.DataFrame, options: Options) -> tuple[Metric, ...]:
    """Return what the columns of both windows can be compared by, as the options ask.

    Scores come first, then descriptors, the user's own after ours, then what calls say of
    themselves, then tag families.

    Args:
        ref: the rows before.
        cur: the rows after; a column that one of them lacks counts as null there.
        options: ``metrics`` leaves out all others.
    """
    names = dict.fromkeys([*ref.columns, *cur.columns])
    scores = [
        _score(name, [rows[name] for rows in (ref, cur) if name in rows.columns])
        for name in sorted(names)
        if name.startswith(SCORE)
    ]
    described = [metric for name, metric in METRICS.items() if name in names]
    own = [
        own_metric(name, [rows[name] for rows in (ref, cur) if name in rows.columns])
        for name in sorted(names)
        if name.startswith(OWN)
    ]
    called = [metric for metric in CALL_METRICS if metric.name in names]
    families = [field[:-2] for field in usual_fields(ref, cur, options) if field.endswith(":*")]
    found = [*scores, *described, *own, *called, *map(_family, families)]
    return choose_metrics(found, options)


def choose_metrics(metrics: Sequence[Metric], options: Options) -> tuple[Metric, ...]:
    """Return those that the options ask for: all, where they name none."""
    asked = options.metrics
    if asked is None:
        return tuple(metrics)
    names = _asked(options)
    return tuple(each for each in metrics if each.name in names)


def find_absent(found: Sequence[Metric], options: Options) -> tuple[Metric, ...]:
    """Return what the options ask for that is a metric, and that no call of the windows has.

    Args:
        found: what can be compared.
        options: ``metrics`` names what is asked for.

    Raises:
        WindowsError: none of what is asked for is a metric.
    """
    asked, unknown = _asked(options), find_unknown(found, options)
    if unknown and len(unknown) == len(asked):
        raise WindowsError(_no_such(unknown[0], {*_KNOWN, *(each.name for each in found)}))
    names = {*unknown, *(each.name for each in found)}
    return tuple(_KNOWN.get(name) or _unseen(name) for name in asked if name not in names)


def find_unknown(found: Sequence[Metric], options: Options) -> tuple[str, ...]:
    """Return what the options ask for that can be no metric, in short."""
    names = {*_KNOWN, *(each.name for each in found)}
    return tuple(
        name[:80]
        for name in _asked(options)
        if name not in names and (name in _PREFIXES or not name.startswith(_PREFIXES))
    )


def check_names(names: Sequence[str]) -> None:
    """Refuse names that can be no metric, whatever calls there are.

    Raises:
        WindowsError: with what there is.
    """
    for unknown in find_unknown((), Options(metrics=tuple(names))):
        raise WindowsError(_no_such(unknown, _KNOWN))


def labels_of(metrics: Sequence[Metric]) -> Mapping[str, Metric]:
    """Return metrics by name."""
    return {metric.name: metric for metric in metrics}


def _asked(options: Options) -> dict[str, None]:
    """Return the names of what is asked for; that it is missing is asked with a metric."""
    return dict.fromkeys(name.removesuffix(MISSING) for name in options.metrics or ())


def _no_such(name: str, known: Iterable[str]) -> str:
    told = f"metrics={name!r}: there is no such metric"
    return f"{told}; there are {', '.join(sorted(known))}, and {_NAMED} of what calls have"


def _score(name: str, columns: Sequence[pl.Series]) -> Metric:
    """Return the metric of a score: a rate of flags, a number, or a word.

    Args:
        name: of the score's columns.
        columns: of the windows that have it.
    """
    values = [column for each in columns if len(column := each.drop_nulls())]
    is_number = all(each.dtype.is_numeric() or each.dtype == pl.Boolean for each in values)
    is_flag = is_number and all(each.cast(pl.Float64).is_in([0.0, 1.0]).all() for each in values)
    kind: Kind = "rate" if is_flag else "number" if is_number else "category"
    label = name.removeprefix(SCORE)
    if kind == "category":
        changes = f"{label} is given otherwise than before"
        return Metric(name, kind, "score", "", label, changes, changes)
    return Metric(name, kind, "score", "", label, f"{label} rose", f"{label} fell")


def _unseen(name: str) -> Metric:
    """Return the metric of a score, a tag family or an own descriptor that no call has."""
    if name.startswith(SCORE):
        return _score(name, [])
    if name.startswith(TAG):
        return _family(name.removeprefix(TAG))
    return own_metric(name, [])


def _family(family: str) -> Metric:
    changes = f"calls are tagged {family} otherwise than before"
    return Metric(f"{TAG}{family}", "category", "call", "", f"tags {family}", changes, changes)
