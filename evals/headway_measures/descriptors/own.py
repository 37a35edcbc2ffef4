"""What the user's own functions said of calls, as columns and as metrics.

A function may say numbers, truth values or words. What it said most often in a window counts, and
the rest is null, so that a slip at one call does not make words of all numbers.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from headway_measures.descriptors.metrics import Kind, Metric

OWN = "own:"
"""What the columns and metrics of own functions begin with."""

_TYPES: dict[type, type[pl.DataType]] = {
    bool: pl.Boolean,
    float: pl.Float64,
    str: pl.String,
}


def read_own(said: pl.Series) -> list[pl.Series]:
    """Return a column for each function, by name, of what it said of each call.

    Args:
        said: of each call a JSON object by the functions' names, or null.
    """
    objects = [json.loads(each) if each else {} for each in said]
    names = sorted({name for each in objects for name in each})
    return [_column(name, [each.get(name) for each in objects]) for name in names]


def own_metric(name: str, columns: Sequence[pl.Series]) -> Metric:
    """Return the metric of a function: a number, a rate of truth values, or a word.

    Args:
        name: of its columns.
        columns: of the windows that have it; where they differ, the one with more values decides,
            and the first where both have as many. Without any it is taken for a number.
    """
    kinds = [_kind(column) for column in columns]
    sizes = [len(column) - column.null_count() for column in columns]
    kind = kinds[sizes.index(max(sizes))] if sizes else "number"
    label = name.removeprefix(OWN)
    if kind == "category":
        changes = f"{label} is another than before"
        return Metric(name, kind, "answer", "", label, changes, changes)
    if kind == "rate":
        words = (f"{label} is true more often", f"{label} is true less often")
        return Metric(name, kind, "answer", "", label, *words)
    return Metric(name, kind, "answer", "", label, f"{label} rose", f"{label} fell")


def _column(name: str, values: list[Any]) -> pl.Series:
    typed = [float(each) if type(each) is int else each for each in values]
    counts = Counter(type(each) for each in typed if type(each) in _TYPES)
    # Of as many the one that came first, which is what `most_common` keeps.
    commonest = counts.most_common(1)[0][0] if counts else float
    kept = [each if type(each) is commonest else None for each in typed]
    return pl.Series(f"{OWN}{name}", kept, _TYPES[commonest])


def _kind(column: pl.Series) -> Kind:
    if column.dtype == pl.Boolean:
        return "rate"
    return "number" if column.dtype.is_numeric() else "category"
