"""For whom: the groups of calls in which a change is larger than elsewhere, or the other way.

A group is named by a column and a value, such as ``prompt_name`` and ``triage``, or by a family
of tags: of ``kind:refund`` the column is ``kind:*`` and the value ``refund``. It counts where it
changed in itself and differs from all other calls; otherwise "for whom" would repeat "everybody".
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.results import Evidence, Segment
from headway_measures.drift.units import Ints
from headway_measures.drift.windows import Options, Window
from headway_measures.multiplicity import benjamini_hochberg

Flags = NDArray[np.bool_]

Compare = Callable[[pl.DataFrame, pl.DataFrame], Evidence | None]
"""The test of a metric on the rows of both windows; None where it cannot be run."""

USUAL_FIELDS = (
    "request_model",
    "prompt_name",
    "prompt_version",
    "release",
    "environment",
    "prompt_language",
)

FEWEST_UNITS = 30
_MOST_VALUES = 20
_MOST_FAMILIES = 10
_MOST_LEVELS = 10
_MOSTLY_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class _Found:
    """A segment with its evidence, None where it does not even differ from the rest.

    Args:
        field: the column.
        value: of its calls.
        evidence: of the change in it.
        p_value: the larger of the change's and the difference's.
        calls: which of both windows are in it.
    """

    field: str
    value: str
    evidence: Evidence | None
    p_value: float
    calls: Flags


@dataclass(frozen=True, slots=True)
class _Cell:
    """The calls of one window in or outside a segment.

    Args:
        points: what the metric is of each, (calls, coordinates).
        units: the number of each one's unit, from 0.
    """

    points: Floats
    units: Ints

    @property
    def unit_count(self) -> int:
        return int(np.count_nonzero(np.bincount(self.units)))

    @property
    def mean(self) -> Floats:
        mean: Floats = self.points.mean(axis=0)
        return mean

    def covariance(self, pooled: Floats) -> Floats:
        """Return that of the mean, by units, with one more observation of the pooled spread.

        Without it, a cell in which nothing varies would be taken for certain.
        """
        count = self.points.shape[0]
        moves = (self.points - self.mean).T
        sums = np.stack([np.bincount(self.units, weights=move) for move in moves])
        groups = self.unit_count
        spread = sums @ sums.T * groups / (groups - 1)
        covariance: Floats = (spread + pooled) / ((count + 1) * count)
        return covariance


def usual_fields(ref: pl.DataFrame, cur: pl.DataFrame, options: Options) -> tuple[str, ...]:
    """Return the columns to look for whom a change holds, with the commonest tag families."""
    families = (
        pl.concat([_tags(ref), _tags(cur)])
        .explode()
        .drop_nulls()
        .str.extract(r"^([^:]+):", 1)
        .drop_nulls()
        .rename("family")
        .value_counts(name="count")
        .sort(["count", "family"], descending=[True, False])
        .head(_MOST_FAMILIES)["family"]
    )
    named = [field for field in (*USUAL_FIELDS, *options.segment_by) if field in ref.columns]
    asked = [field for field in options.segment_by if field.endswith(":*")]
    return tuple(dict.fromkeys([*named, *(f"{family}:*" for family in families), *asked]))


def field_values(rows: pl.DataFrame, field: str) -> pl.Series:
    """Return each call's value of a column, or of a tag family such as ``kind:*``, as text.

    A call with several tags of the family counts for the first by alphabet. Where the rows have
    a column of that name, it has been read before.
    """
    if field.endswith(":*") and field not in rows.columns:
        prefix = field[:-1]
        tags = pl.DataFrame({"call": np.arange(rows.height), "tag": _tags(rows)})
        first = (
            tags.explode("tag")
            .filter(pl.col("tag").str.starts_with(prefix))
            .group_by("call")
            .agg(pl.col("tag").min())
        )
        values = tags.select("call").join(first, "call", "left", maintain_order="left")["tag"]
        return values.str.strip_prefix(prefix).rename(field)
    if field not in rows.columns:
        return pl.Series(field, [None] * rows.height, pl.String)
    return rows[field].cast(pl.String)


def metric_numbers(rows: pl.DataFrame, metric: Metric) -> pl.Series | None:
    """Return each call's number of a metric, 0 or 1 of a rate; None for what is no number.

    What is missing or not finite is null.
    """
    if metric.name not in rows.columns or metric.kind not in ("number", "rate"):
        return None
    column = rows[metric.name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return None
    numbers = column.cast(pl.Float64)
    return pl.select(pl.when(numbers.is_finite()).then(numbers).alias(metric.name)).to_series()


def find_segments(
    ref: Window,
    cur: Window,
    metric: Metric,
    fields: Sequence[str],
    options: Options,
    compare: Compare,
) -> tuple[Segment, ...]:
    """Return the segments that changed and differ from the rest, the surest first.

    A segment's p-value is the larger of two, so that both must hold: that of the change in it,
    and that of its change against the change of all other calls (Wald's, on shares or mean ranks,
    by units). BH over all segments gives the q-value. Whole texts have no segments; for those
    give a number, such as how much each text looks like the current window.

    Args:
        ref: the window before.
        cur: the window after.
        metric: a number, rate, category or cluster that is a column of both.
        fields: columns and tag families; ``usual_fields`` gives the usual ones.
        options: its alpha, and what a unit is.
        compare: the test.
    """
    points = _coordinates(ref.rows, cur.rows, metric)
    if points is None:
        return ()
    units = _units(ref.rows, options.unit), _units(cur.rows, options.unit)
    found = []
    for field in fields:
        if field == metric.name:
            continue
        values = field_values(ref.rows, field), field_values(cur.rows, field)
        for value in _commonest(*values):
            inside = [(each == value).fill_null(value=False) for each in values]
            cells = [
                _cell(point, unit, is_in if is_inside else ~is_in)
                for is_inside in (True, False)
                for point, unit, is_in in zip(points, units, inside, strict=True)
            ]
            if any(cell.unit_count < FEWEST_UNITS for cell in cells):
                continue
            evidence, p_value = None, _difference_p_value(cells)
            if p_value <= options.alpha:  # else its q-value cannot be either
                evidence = compare(ref.rows.filter(inside[0]), cur.rows.filter(inside[1]))
                own_p_value = None if evidence is None else evidence.p_value
                p_value = 1.0 if own_p_value is None else max(p_value, own_p_value)
            calls = pl.concat(inside).to_numpy()
            found.append(_Found(field, value, evidence, p_value, calls))
    return tuple(_decided(found, options.alpha))


def _tags(rows: pl.DataFrame) -> pl.Series:
    if "tags" not in rows.columns:
        return pl.Series("tags", [None] * rows.height, pl.List(pl.String))
    return rows["tags"].cast(pl.List(pl.String))


def _units(rows: pl.DataFrame, unit: str) -> pl.Series:
    """Return a number for each call's unit; a call without one is its own."""
    own = pl.int_range(rows.height, dtype=pl.Int64)
    if unit == "row" or f"{unit}_id" not in rows.columns:
        return pl.select(own).to_series()
    named = -pl.col(f"{unit}_id").cast(pl.String).rank("dense").cast(pl.Int64)
    return rows.select(pl.coalesce(named, own).rank("dense").cast(pl.Int64) - 1).to_series()


def _commonest(ref: pl.Series, cur: pl.Series) -> list[str]:
    """Return the values to look at, chosen without a look at which window they are in."""
    counts = pl.concat([ref, cur]).drop_nulls().rename("value").value_counts(name="count")
    commonest = counts.sort(["count", "value"], descending=[True, False]).head(_MOST_VALUES)
    names: list[str] = commonest["value"].to_list()
    return names


def _coordinates(
    ref: pl.DataFrame, cur: pl.DataFrame, metric: Metric
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Return the metric as columns whose means say how it lies: shares of levels, or mean ranks."""
    if metric.kind in ("text", "embedding") or metric.name not in ref.columns:
        return None
    before, after = metric_numbers(ref, metric), metric_numbers(cur, metric)
    if before is not None and after is not None:
        ranks = pl.concat([before, after]).rank("average")
        points = pl.DataFrame({"rank": ranks / (ref.height + cur.height)})
    else:
        levels = pl.concat([field_values(ref, metric.name), field_values(cur, metric.name)])
        points = pl.DataFrame(
            {level: levels == level for level in _commonest(levels, levels[:0])[:_MOST_LEVELS]}
        ).cast(pl.Float64)
    return points[: ref.height], points[ref.height :]


def _cell(points: pl.DataFrame, units: pl.Series, chosen: pl.Series) -> _Cell:
    known = chosen & points.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    return _Cell(points.filter(known).to_numpy().astype(np.float64), units.filter(known).to_numpy())


def _difference_p_value(cells: Sequence[_Cell]) -> float:
    """Return Wald's p-value that the change inside is that outside.

    It is 1 where the segment changed as the rest did, and less.
    """
    ref_in, cur_in, ref_out, cur_out = (cell.mean for cell in cells)
    inside, outside = cur_in - ref_in, cur_out - ref_out
    points = np.concatenate([cell.points for cell in cells])
    pooled = np.atleast_2d(np.cov(points, rowvar=False))
    covariance = sum((cell.covariance(pooled) for cell in cells), np.zeros_like(pooled))
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    is_echo = inside @ outside > 0 and inside @ inside <= outside @ outside
    if is_echo or rank == 0:
        return 1.0
    gap = inside - outside
    statistic = gap @ np.linalg.pinv(covariance, hermitian=True) @ gap
    return float(stats.chi2.sf(statistic, rank))


def _decided(found: Sequence[_Found], alpha: float) -> Iterable[Segment]:
    q_values = benjamini_hochberg([each.p_value for each in found])
    ranked = sorted(
        zip(q_values, found, strict=True),
        key=lambda pair: (pair[0], pair[1].p_value, pair[1].field, pair[1].value),
    )
    told: list[_Found] = []
    for q_value, each in ranked:
        if each.evidence is None or q_value > alpha:
            continue
        # The same calls by another name are told once, by the one that is surest.
        if any(_are_alike(each, other) for other in told):
            continue
        effect = each.evidence.effects[0] if each.evidence.effects else None
        if effect is None or abs(effect.value) >= effect.floor:
            decided = replace(each.evidence, state="drift", q_value=q_value)
            told.append(each)
            yield Segment(each.field, each.value, decided)


def _are_alike(first: _Found, second: _Found) -> bool:
    """Return whether two segments have most calls of either in common, or are called the same."""
    common = np.count_nonzero(first.calls & second.calls)
    either = np.count_nonzero(first.calls | second.calls)
    is_same_name = first.value == second.value and first.field != second.field
    return bool(common >= _MOSTLY_ALIKE * either or (is_same_name and common > 0))
