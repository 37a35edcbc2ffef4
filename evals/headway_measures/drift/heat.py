"""Evidence by metric and stretch of time: where in a project's life to look for a drift.

Every bucket of calls is compared with one fixed baseline. A rolling one would swallow a shift that
comes slowly, and tell one that comes at once twice. Which cells differ is decided over all of them
together, with the floors of a card, so that a map of a thousand cells without a drift stays empty.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.columns import compare_column
from headway_measures.drift.decisions import decide
from headway_measures.drift.metrics_found import TAG, find_metrics
from headway_measures.drift.results import Evidence, State
from headway_measures.drift.samples import Ranks, rank_names
from headway_measures.drift.segments import field_values
from headway_measures.drift.units import Ints, Units
from headway_measures.drift.windows import Options

MOST_ROWS = 5_000
"""Of a bucket; of more calls, those of the smallest digests are looked at."""

MOST_BUCKETS = 200

_COLUMNS = frozenset({"number", "category", "rate"})
_UNIT_COLUMNS = {"session": "session_id", "trace": "trace_id", "user": "user_id"}
# Midnight of the first Monday after the epoch: weeks begin on Mondays, days at midnight UTC.
_ORIGIN_NS = 4 * 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric in one bucket against the baseline.

    Args:
        metric: its name.
        start_ns: where the bucket begins, in nanoseconds since 1970.
        n: calls of the bucket with a value that were looked at.
        baseline_n: the same of the baseline.
        state: what all cells together say of this one.
        q_value: adjusted for all cells; None where nothing was tested.
        effect: how large the difference is; None where it has no size.
        effect_name: what the effect is, as in ``Effect``; empty where there is none.
        before: the baseline in words.
        after: the bucket in words.
    """

    metric: str
    start_ns: int
    n: int
    baseline_n: int
    state: State
    q_value: float | None
    effect: float | None
    effect_name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A cell for each metric in each bucket with calls outside of the baseline.

    Args:
        bucket_ns: the length of a bucket.
        baseline: its first moment, and the first that no longer counts.
        buckets: where each begins, from the first call to the last, those without calls too.
        metrics: in the order in which a reader looks.
        cells: by bucket, then in the order of the metrics.
    """

    bucket_ns: int
    baseline: tuple[int, int]
    buckets: tuple[int, ...]
    metrics: tuple[Metric, ...]
    cells: tuple[Cell, ...]


def heat_map(
    rows: pl.DataFrame,
    bucket_ns: int,
    baseline: tuple[int, int] | None,
    options: Options,
) -> HeatMap:
    """Return the evidence of every column of calls, bucket by bucket.

    Args:
        rows: as those of a ``Window``.
        bucket_ns: the length of a bucket; days begin at midnight UTC, weeks on Mondays.
        baseline: what each bucket is compared with, from its first moment to the first that no
            longer counts; None for the first third of the buckets.
        options: seed, alpha, unit and metrics.

    Raises:
        ValueError: the bucket is no length of time, or the calls last for too many of them.
    """
    buckets = _buckets(rows["start_ns"], bucket_ns)
    if not buckets:
        return HeatMap(bucket_ns, baseline or (0, 0), (), (), ())
    start, end = baseline or (buckets[0], buckets[0] + max(1, len(buckets) // 3) * bucket_ns)
    starts = np.asarray(rows["start_ns"].to_numpy(), np.int64)
    ranks = rank_names(rows["span_id"].to_list(), options.seed)
    in_baseline = (starts >= start) & (starts < end)
    places = _places(starts, ranks, in_baseline, bucket_ns, np.asarray(buckets, np.int64))
    reference = _thinned_baseline(starts, ranks, in_baseline, bucket_ns)
    metrics = _metrics(rows, in_baseline, options)
    columns = {metric.name: _column(rows, metric) for metric in metrics}
    units = _units(rows, options.unit)
    level = options.alpha / max(1, len(places) * len(metrics))
    found: list[tuple[int, Evidence]] = []
    for bucket, chosen in places.items():
        sides = Units(units[reference], units[chosen])
        for metric in metrics:
            column = columns[metric.name]
            values = column[reference], column[chosen]
            of_calls = ranks[reference], ranks[chosen]
            evidence = _compare(values, metric, options, sides, of_calls, level)
            found.append((bucket, evidence))
    decided = decide([evidence for _, evidence in found], options.alpha)
    cells = tuple(_cell(bucket, each) for (bucket, _), each in zip(found, decided, strict=True))
    return HeatMap(bucket_ns, (start, end), buckets, metrics, cells)


def _compare(
    values: tuple[pl.Series, pl.Series],
    metric: Metric,
    options: Options,
    units: Units,
    ranks: Ranks,
    level: float,
) -> Evidence:
    try:
        names: tuple[list[str], list[str]] = [], []  # the ranks are made of them already
        found = compare_column(*values, metric, options, units, names, ranks=ranks, level=level)
        return found[0]
    except Exception as error:  # a column of strange values costs itself only
        sizes = values[0].len(), values[1].len()
        return Evidence(
            metric.name, metric.kind, metric.side, "none", "failed", *sizes, *sizes, note=str(error)
        )


def _buckets(starts: pl.Series, bucket_ns: int) -> tuple[int, ...]:
    if bucket_ns <= 0:
        raise ValueError(f"a bucket lasts longer than {bucket_ns} ns: choose an hour or a day")
    if starts.is_empty():
        return ()
    first, last = (
        _floor(np.asarray([moment], np.int64), bucket_ns)[0]
        for moment in (starts.min(), starts.max())
    )
    count = int((last - first) // bucket_ns) + 1
    if count > MOST_BUCKETS:
        raise ValueError(
            f"the calls last for {count:,} buckets, and a map holds {MOST_BUCKETS}: "
            "choose longer buckets or a shorter time"
        )
    return tuple(int(first) + place * bucket_ns for place in range(count))


def _floor(starts: Ints, bucket_ns: int) -> Ints:
    floored: Ints = (starts - _ORIGIN_NS) // bucket_ns * bucket_ns + _ORIGIN_NS
    return floored


def _places(
    starts: Ints, ranks: Ints, in_baseline: NDArray[np.bool_], bucket_ns: int, buckets: Ints
) -> dict[int, Ints]:
    """Return the rows looked at of each bucket that has calls outside of the baseline."""
    floored = _floor(starts, bucket_ns)
    chosen = {
        int(bucket): _drawn(np.flatnonzero((floored == bucket) & ~in_baseline), ranks)
        for bucket in buckets
    }
    return {bucket: rows for bucket, rows in chosen.items() if rows.size}


def _thinned_baseline(
    starts: Ints, ranks: Ints, in_baseline: NDArray[np.bool_], bucket_ns: int
) -> Ints:
    """Return the rows looked at of the baseline, as many of each bucket as of any other."""
    rows = np.flatnonzero(in_baseline)
    floored = _floor(starts[rows], bucket_ns)
    drawn = [_drawn(rows[floored == bucket], ranks) for bucket in np.unique(floored)]
    return np.concatenate(drawn) if drawn else rows


def _drawn(rows: NDArray[np.intp], ranks: Ints) -> Ints:
    if rows.size > MOST_ROWS:
        rows = np.sort(rows[np.argsort(ranks[rows])[:MOST_ROWS]])
    return rows.astype(np.int64)


def _metrics(
    rows: pl.DataFrame, in_baseline: NDArray[np.bool_], options: Options
) -> tuple[Metric, ...]:
    chosen = pl.Series(in_baseline)
    found = find_metrics(rows.filter(chosen), rows.filter(~chosen), options)
    return tuple(each for each in found if each.kind in _COLUMNS)


def _column(rows: pl.DataFrame, metric: Metric) -> pl.Series:
    """Return each call's value of a metric, a family of tags among them."""
    if metric.name.startswith(TAG):
        return field_values(rows, f"{metric.name.removeprefix(TAG)}:*")
    return rows[metric.name]


def _units(rows: pl.DataFrame, unit: str) -> Ints:
    """Return each call's unit as a number; a call that has none is one of its own."""
    column = _UNIT_COLUMNS.get(unit, "span_id")
    column = column if column in rows.columns else "span_id"
    named = pl.concat_str(pl.lit("of "), pl.col(column).cast(pl.String))
    alone = pl.concat_str(pl.lit("alone "), pl.col("span_id"))
    names = rows.select(pl.coalesce(named, alone).alias("unit"))["unit"]
    return np.asarray(names.rank("dense").cast(pl.Int64).to_numpy(), np.int64)


def _cell(bucket: int, evidence: Evidence) -> Cell:
    effect = evidence.effects[0] if evidence.effects else None
    return Cell(
        metric=evidence.metric,
        start_ns=bucket,
        n=evidence.n_cur,
        baseline_n=evidence.n_ref,
        state=evidence.state,
        q_value=evidence.q_value,
        effect=effect.value if effect else None,
        effect_name=effect.name if effect else "",
        before=evidence.before,
        after=evidence.after,
    )
