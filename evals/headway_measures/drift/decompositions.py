"""Mix: how much of a change is other calls, and how much the same calls answered otherwise.

Strata are the values of a column, such as the model, or of a tag family. A mean moves where
strata grow or shrink, where means inside strata move, and where strata come or go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.results import Mix
from headway_measures.drift.segments import field_values, metric_numbers
from headway_measures.drift.units import Ints, Units

CONFIDENCE = 0.95

_FEWEST_ROWS = 10
_MOSTLY = 2 / 3
_DRAWS = 199
# Units are dealt into groups that are drawn together, so that a draw costs no more for more calls.
_MOST_GROUPS = 500


@dataclass(frozen=True, slots=True)
class _Strata:
    """The calls of one window by stratum: how many there are, and the sum of their values.

    Args:
        counts: (strata,), or (draws, strata).
        sums: the same shape.
    """

    counts: Floats
    sums: Floats

    @property
    def shares(self) -> Floats:
        shares: Floats = self.counts / np.maximum(self.counts.sum(axis=-1, keepdims=True), 1)
        return shares

    @property
    def means(self) -> Floats:
        """Return the mean of each stratum, 0 where it is empty."""
        means: Floats = self.sums / np.maximum(self.counts, 1)
        return means


def decompose(
    ref: pl.DataFrame,
    cur: pl.DataFrame,
    metric: Metric,
    by: str,
    seed: int,
    units: Units | None = None,
) -> Mix | None:
    """Return what of the difference of two means is mix; None where a window has no number.

    With weights w, means m and the reference's mean M, over strata of both windows
    mix = Σ (w₁-w₀)·((m₀+m₁)/2 - M) and within = Σ (m₁-m₀)·(w₀+w₁)/2 (Kitagawa 1955, JASA 50), and
    of those in one alone new_or_gone = Σ w₁·(m₁-M) - Σ w₀·(m₀-M). They add up to the total; M
    cancels where no stratum comes or goes. The interval of within is that of 199 draws of units.

    Args:
        ref: the rows before.
        cur: the rows after.
        metric: a number or a rate that is a column of both.
        by: the column or tag family. Calls without a value are a stratum, and values with fewer
            than ten calls in a window that has them are one together.
        seed: of the draws.
        units: what each row belongs to; None where each stands alone.
    """
    numbers = metric_numbers(ref, metric), metric_numbers(cur, metric)
    if numbers[0] is None or numbers[1] is None:
        return None
    known = numbers[0].is_not_null(), numbers[1].is_not_null()
    if not (known[0].any() and known[1].any()):
        return None
    values = [number.drop_nulls().to_numpy() for number in numbers if number is not None]
    labels = [
        field_values(rows, by).filter(keep) for rows, keep in zip((ref, cur), known, strict=True)
    ]
    strata, count = _numbered(labels[0], labels[1])
    rng = np.random.default_rng([seed, crc32(f"{metric.name} by {by}".encode())])
    sides = [_whole(*side, count) for side in zip(strata, values, strict=True)]
    named_units = (
        [np.arange(each.size) for each in values]
        if units is None
        else [units.ref[known[0].to_numpy()], units.cur[known[1].to_numpy()]]
    )
    draws = [
        _drawn(stratum, value, unit, count, rng)
        for stratum, value, unit in zip(strata, values, named_units, strict=True)
    ]
    return _mix(by, sides, draws)


def is_mostly_mix(mix: Mix) -> bool:
    """Return whether other calls, and not other answers, make up the change.

    Strata that come or go are other calls too.
    """
    other_calls = mix.mix + mix.new_or_gone
    return abs(other_calls) > _MOSTLY * abs(mix.total) and mix.within_lower <= 0 <= mix.within_upper


def _mix(by: str, sides: Sequence[_Strata], draws: Sequence[_Strata]) -> Mix:
    before, after = sides
    mean = float(before.sums.sum() / before.counts.sum())
    total = float(after.sums.sum() / after.counts.sum()) - mean
    in_both = (before.counts > 0) & (after.counts > 0)
    middle = (before.means + after.means) / 2 - mean
    grown = (after.shares - before.shares) * middle
    come = after.shares * (after.means - mean) - before.shares * (before.means - mean)
    drawn = _within(draws[0], draws[1], in_both)
    ends = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    lower, upper = np.quantile(drawn, ends)
    return Mix(
        by=by,
        total=total,
        mix=float(grown[in_both].sum()),
        within=float(_within(before, after, in_both)),
        new_or_gone=float(come[~in_both].sum()),
        within_lower=float(lower),
        within_upper=float(upper),
    )


def _within(before: _Strata, after: _Strata, in_both: NDArray[np.bool_]) -> Floats:
    """Return what means inside strata make of the change, of each draw.

    A stratum that a draw leaves empty on one side says nothing of its change.
    """
    is_known = in_both & (before.counts > 0) & (after.counts > 0)
    changes = np.where(is_known, after.means - before.means, 0.0)
    within: Floats = (changes * (before.shares + after.shares) / 2).sum(axis=-1)
    return within


def _numbered(ref: pl.Series, cur: pl.Series) -> tuple[tuple[Ints, Ints], int]:
    """Return the number of each row's stratum, 0 for small ones, and how many there are."""
    rows = pl.concat(
        [
            pl.DataFrame({"value": ref, "is_cur": pl.repeat(False, ref.len(), eager=True)}),
            pl.DataFrame({"value": cur, "is_cur": pl.repeat(True, cur.len(), eager=True)}),
        ]
    )
    cur_rows = pl.col("is_cur").sum().over("value")
    ref_rows = (~pl.col("is_cur")).sum().over("value")
    is_small = cur_rows.is_between(1, _FEWEST_ROWS - 1) | ref_rows.is_between(1, _FEWEST_ROWS - 1)
    value = pl.concat_str(pl.lit("="), pl.col("value").fill_null("\0none"))
    numbers = rows.select(pl.when(is_small).then(pl.lit("")).otherwise(value).rank("dense"))
    flat = numbers.to_series().to_numpy().astype(np.int64) - 1
    return (flat[: ref.len()], flat[ref.len() :]), int(flat.max()) + 1


def _whole(strata: Ints, values: Floats, count: int) -> _Strata:
    return _Strata(
        np.bincount(strata, minlength=count).astype(np.float64),
        np.bincount(strata, weights=values, minlength=count).astype(np.float64),
    )


def _drawn(strata: Ints, values: Floats, units: Ints, count: int, rng: Generator) -> _Strata:
    """Return the strata of each of so many draws of units with replacement."""
    names, numbers = np.unique(units, return_inverse=True)
    groups = min(names.size, _MOST_GROUPS)
    dealt = rng.permutation(np.arange(names.size) % groups)[numbers]
    cells = dealt * count + strata
    whole = _whole(cells, values, groups * count)
    times: Floats = rng.multinomial(groups, np.full(groups, 1 / groups), _DRAWS).astype(np.float64)
    shape = groups, count
    return _Strata(times @ whole.counts.reshape(shape), times @ whole.sums.reshape(shape))
