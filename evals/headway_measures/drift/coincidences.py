"""Coincidence: which model, prompt version or release came when the change did.

A coincidence is no proof. What speaks for it is that it came inside the interval of the change,
and that calls without it did not change.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.changes_in_time import date_change
from headway_measures.drift.results import ChangeTime, Coincidence
from headway_measures.drift.segments import field_values, metric_numbers
from headway_measures.drift.units import Ints
from headway_measures.drift.windows import Query, Window

FIELDS = ("request_model", "prompt_version", "release", "environment", "prompt_name")

_ABSENT = 0.01
_PRESENT = 0.05
# A value that both windows have switches where its share grows by as much as this.
_SWITCHED = 0.5
_FEWEST_ROWS = 30


@dataclass(frozen=True, slots=True)
class _Share:
    """How common a value is before and after a moment."""

    before: float
    after: float

    @property
    def is_new(self) -> bool:
        return self.before < _ABSENT and self.after >= _PRESENT

    @property
    def is_switch(self) -> bool:
        return self.after - self.before >= _SWITCHED


def find_coincidences(
    ref: Window, cur: Window, metric: Metric, since: ChangeTime | None
) -> tuple[Coincidence, ...]:
    """Return what came with the change, the nearest in time first.

    That is a value which under one in a hundred calls had before the change and at least one in
    twenty after it, or whose share grew by half of all calls. What came after the interval of the
    change is no cause. Where the change has no date, the windows say what is before and after,
    and the commonest is first.

    Args:
        ref: the window before.
        cur: the window after.
        metric: whose change is left among calls without the value, for numbers and rates.
        since: when the change came.
    """
    found = [
        _coincidence(ref.rows, cur.rows, metric, field, value, share)
        for field in FIELDS
        for value, share in _shares(ref.rows, cur.rows, field, since).items()
        if share.is_new or share.is_switch
    ]
    return tuple(
        sorted(
            (each for each in found if since is None or each.first_ns <= since.upper_ns),
            key=lambda each: (
                abs(each.first_ns - since.start_ns) if since else -each.share_cur,
                FIELDS.index(each.field),
                each.value,
            ),
        )
    )


def find_chosen(ref: Query, cur: Query) -> Mapping[str, tuple[str, str]]:
    """Return the columns by whose one value each window was chosen, with both values.

    Such a value came with the change because it was asked for, whatever else it may be.
    """
    before, after = dict(ref.filters), dict(cur.filters)
    named = (field for field in FIELDS if len(before.get(field, ())) == 1)
    return {
        field: (before[field][0], after[field][0])
        for field in named
        if len(after.get(field, ())) == 1 and before[field] != after[field]
    }


def coincides(coincidence: Coincidence, since: ChangeTime) -> bool:
    """Return whether it came inside the interval of the change."""
    return since.lower_ns <= coincidence.first_ns <= since.upper_ns


def _shares(
    ref: pl.DataFrame, cur: pl.DataFrame, field: str, since: ChangeTime | None
) -> dict[str, _Share]:
    """Return the share of each value of a column, of the calls of either side of the change."""
    sides = pl.concat(
        [
            rows.select("start_ns", value=field_values(rows, field), is_after=pl.lit(value=is_cur))
            for rows, is_cur in ((ref, False), (cur, True))
        ]
    )
    if since is not None:
        outside = (pl.col("start_ns") < since.lower_ns) | (pl.col("start_ns") >= since.upper_ns)
        is_after = pl.col("start_ns") >= since.upper_ns
        parted = sides.filter(outside).with_columns(is_after=is_after)
        if parted["is_after"].n_unique() == 2:  # the interval leaves calls on either side of it
            sides = parted
    all_after = int(sides["is_after"].sum())
    all_before = sides.height - all_after
    counts = (
        sides.drop_nulls("value")
        .group_by("value")
        .agg(after=pl.col("is_after").sum(), before=(~pl.col("is_after")).sum())
    )
    return {
        value: _Share(before / max(all_before, 1), after / max(all_after, 1))
        for value, after, before in counts.select("value", "after", "before").iter_rows()
    }


def _coincidence(
    ref: pl.DataFrame, cur: pl.DataFrame, metric: Metric, field: str, value: str, share: _Share
) -> Coincidence:
    with_value = [
        rows.select((field_values(rows, field) == value).fill_null(value=False)).to_series()
        for rows in (ref, cur)
    ]
    before, after = (each.to_numpy().astype(np.float64) for each in with_value)
    times = np.concatenate([ref["start_ns"].to_numpy(), cur["start_ns"].to_numpy()])
    return Coincidence(
        field=field,
        value=value,
        first_ns=_first(times, np.concatenate([before, after]), share),
        share_ref=float(before.mean()),
        share_cur=float(after.mean()),
        within_without=_change_without(
            ref.filter(~with_value[0]), cur.filter(~with_value[1]), metric
        ),
    )


def _first(times: Ints, has_value: Floats, share: _Share) -> int:
    """Return when a value was first seen, or became common where it had been tried before."""
    seen = int(times[has_value > 0].min())
    if share.before == 0:
        return seen
    became_common = date_change(times, has_value, np.arange(times.size), seed=0)
    return became_common.start_ns if became_common else seen


def _change_without(ref: pl.DataFrame, cur: pl.DataFrame, metric: Metric) -> float | None:
    """Return the difference of the means of both windows' other calls."""
    numbers = [metric_numbers(rows, metric) for rows in (ref, cur)]
    values = [each.drop_nulls().to_numpy() for each in numbers if each is not None]
    if len(values) < 2 or min(each.size for each in values) < _FEWEST_ROWS:
        return None
    return float(values[1].mean() - values[0].mean())
