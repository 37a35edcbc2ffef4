"""One column of two windows: whether it differs, by how much, or how many calls that would need.

The kind chooses the test: numbers by Kolmogorov and Smirnov, categories by homogeneity, rates by
two proportions. Each is calibrated by itself (tests/measures/test_drift_calibration.py); which of
many differ is decided over all of them, not here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Kind, Metric
from headway_measures.drift.categories import compare_categories
from headway_measures.drift.numbers import clip_bounds, compare_numbers
from headway_measures.drift.permutations import chance, most_draws
from headway_measures.drift.rates import compare_rates
from headway_measures.drift.results import Evidence, State
from headway_measures.drift.samples import (
    Outcome,
    Ranks,
    Sample,
    are_present,
    draw_samples,
    rank_names,
    read_column,
)
from headway_measures.drift.units import Units
from headway_measures.drift.windows import Options
from headway_measures.drift.wordings import figure, level_name

LEAST_UNITS = 30
"""With fewer units a side a column says nothing."""

MISSING = ":missing"
"""What the rate of calls without a value of a metric is named by, behind the metric's name."""

_DRAWN = "p counts one call a unit"

Comparison = Callable[[Sample, Sample], Outcome]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Both windows' values of every call, as numbers, and which of them are there."""

    ref: Floats
    cur: Floats
    ref_there: NDArray[np.bool_]
    cur_there: NDArray[np.bool_]
    levels: tuple[str, ...] = ()


def compare_column(
    ref: pl.Series,
    cur: pl.Series,
    metric: Metric,
    options: Options,
    units: Units,
    names: tuple[list[str], list[str]],
    *,
    ranks: Ranks | None = None,
    level: float | None = None,
) -> tuple[Evidence, ...]:
    """Compare a column between two windows, and whether it is missing as often.

    Args:
        ref: its value for each call.
        cur: the same of the current window.
        metric: what it is, of kind ``number``, ``category`` or ``rate``.
        options: seed, alpha and draws.
        units: of each call.
        names: of each call, such as span ids, by which one call of a unit is drawn.
        ranks: ``rank_names`` of both, where many columns of the same calls are compared.
        level: of the test that sizes speak of, alpha over the tests that are run; else alpha.

    Returns:
        The evidence of its values, and a second one, of the metric that ``missing_metric``
        names, where some calls have none.
    """
    columns = _read(ref, cur, metric.kind)
    if not units.is_repeated:
        ranks = None
    elif ranks is None:
        ranks = rank_names(names[0], options.seed), rank_names(names[1], options.seed)
    if not (columns.ref_there.any() or columns.cur_there.any()):
        nothing = Sample(np.empty(0), np.empty(0, np.int64))
        is_empty = not (ref.len() and cur.len())
        state: State = "not_enough_data" if is_empty else "identical"
        outcome = Outcome("none", state, note="no call has a value")
        return (_evidence(nothing, nothing, metric, outcome),)
    samples = draw_samples(
        (columns.ref, columns.ref_there), (columns.cur, columns.cur_there), units, ranks
    )
    outcome = _compare(*samples, columns.levels, metric, options, level or options.alpha)
    found = [_evidence(*samples, metric, _noted(outcome, ranks))]
    if not (columns.ref_there.all() and columns.cur_there.all()):
        missing = _missing(columns, metric, options, units, ranks, level or options.alpha)
        found.append(missing)
    return tuple(found)


def missing_metric(metric: Metric) -> Metric:
    """Return the rate of calls that have no value of a metric."""
    return Metric(
        name=f"{metric.name}{MISSING}",
        kind="rate",
        side=metric.side,
        unit="",
        label=f"calls without {metric.label}",
        rises=f"more calls have no value of {metric.label}",
        falls=f"fewer calls have no value of {metric.label}",
    )


def _read(ref: pl.Series, cur: pl.Series, kind: Kind) -> _Columns:
    ref, cur = read_column(ref, kind), read_column(cur, kind)
    there = are_present(ref), are_present(cur)
    if kind != "category":
        return _Columns(_floats(ref), _floats(cur), *there)
    levels = pl.concat([ref.rename("level"), cur.rename("level")]).drop_nulls().unique().sort()
    codes = pl.Enum(levels)
    return _Columns(
        _floats(ref.cast(codes).to_physical()),
        _floats(cur.cast(codes).to_physical()),
        *there,
        levels=tuple(levels.to_list()),
    )


def _floats(column: pl.Series) -> Floats:
    """Return numbers, NaN where there is none."""
    return np.asarray(column.cast(pl.Float64).fill_null(np.nan).to_numpy(), np.float64)


def _compare(
    ref: Sample,
    cur: Sample,
    levels: tuple[str, ...],
    metric: Metric,
    options: Options,
    level: float,
) -> Outcome:
    """Choose the test by the kind, and by how many distinct values both windows have together.

    What is read from both windows together cannot favour a difference.
    """
    distinct = np.unique(np.concatenate([ref.values, cur.values]))
    if distinct.size == 1 and ref.units and cur.units:
        words = _constant(float(distinct[0]), levels, metric)
        return Outcome("none", "identical", before=words, after=words, note="every value is equal")
    if min(ref.units, cur.units) < 2:
        return Outcome("none", "not_enough_data")
    rng, most = chance(options.seed, metric.name), most_draws(options.permutations)

    def by_rate(ref: Sample, cur: Sample, what: str = "") -> Outcome:
        high = float(distinct[-1])
        return compare_rates(
            ref.with_values((ref.values == high).astype(np.float64)),
            cur.with_values((cur.values == high).astype(np.float64)),
            alpha=options.alpha,
            level=level,
            what=what,
        )

    def by_category(names: list[str]) -> Outcome:
        places = [np.searchsorted(distinct, each.values) for each in (ref, cur)]
        return compare_categories(
            ref.with_values(places[0]),
            cur.with_values(places[1]),
            names,
            alpha=options.alpha,
            level=level,
            rng=rng,
            most=most,
        )

    if metric.kind == "category":
        return by_category([levels[int(place)] for place in distinct.tolist()])
    if distinct.size == 2:
        is_flag = distinct.tolist() == [0.0, 1.0]
        return by_rate(ref, cur, "" if is_flag else _constant(float(distinct[1]), (), metric))
    lowest, highest = clip_bounds(ref.values, cur.values)
    if lowest == highest:
        return by_category([figure(value) for value in distinct.tolist()])
    return compare_numbers(
        ref, cur, metric.unit, alpha=options.alpha, level=level, rng=rng, most=most
    )


def _missing(
    columns: _Columns,
    metric: Metric,
    options: Options,
    units: Units,
    ranks: Ranks | None,
    level: float,
) -> Evidence:
    every = np.ones(columns.ref.size, np.bool_), np.ones(columns.cur.size, np.bool_)
    samples = draw_samples(
        ((~columns.ref_there).astype(np.float64), every[0]),
        ((~columns.cur_there).astype(np.float64), every[1]),
        units,
        ranks,
    )
    rate = missing_metric(metric)
    return _evidence(*samples, rate, _noted(_compare(*samples, (), rate, options, level), ranks))


def _constant(value: float, levels: tuple[str, ...], metric: Metric) -> str:
    if levels:
        return level_name(levels[int(value)])
    if metric.kind == "rate" and value in (0.0, 1.0):
        return "always" if value else "never"
    return f"{figure(value)} {metric.unit}".strip()


def _noted(outcome: Outcome, ranks: Ranks | None) -> Outcome:
    if ranks is None or outcome.state == "identical":
        return outcome
    return replace(outcome, note=f"{outcome.note}; {_DRAWN}" if outcome.note else _DRAWN)


def _evidence(ref: Sample, cur: Sample, metric: Metric, outcome: Outcome) -> Evidence:
    """Return what was found; with too few units it keeps its words, but not its p-value."""
    is_enough = min(ref.units, cur.units) >= LEAST_UNITS
    state = outcome.state
    if state == "no_drift" and not is_enough:
        state = "not_enough_data"
    needs_n = outcome.needs_n
    if state in ("no_drift", "not_enough_data"):
        needs_n = max(LEAST_UNITS, needs_n or 0)
    return Evidence(
        metric=metric.name,
        kind=metric.kind,
        side=metric.side,
        method=outcome.method,
        state=state,
        n_ref=ref.size,
        n_cur=cur.size,
        units_ref=ref.units,
        units_cur=cur.units,
        p_value=outcome.p_value if is_enough else None,
        effects=outcome.effects,
        before=outcome.before,
        after=outcome.after,
        needs_n=needs_n,
        detectable=outcome.detectable,
        note=outcome.note,
    )
