"""The values of a column in two windows, and which of them a p-value may count.

Values that are missing, or no finite numbers, are set apart first: that a column is missing more
often is a finding of its own. Where calls share units, one call of each unit is drawn; p-values
count the drawn ones, effects and words rest on all.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.descriptors.metrics import Kind
from headway_measures.drift.results import Effect, State
from headway_measures.drift.units import Ints, Units

Ranks = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a window says of a column.

    Args:
        values: of the calls that have one: numbers, or the numbers of categories.
        drawn: the places of those that a p-value counts, one of each unit.
    """

    values: NDArray[Any]
    drawn: Ints

    @property
    def size(self) -> int:
        """Return how many calls have a value."""
        return int(self.values.size)

    @property
    def units(self) -> int:
        """Return how many values a p-value counts."""
        return int(self.drawn.size)

    @property
    def counted(self) -> NDArray[Any]:
        """Return the values that a p-value counts."""
        return self.values[self.drawn]

    def with_values(self, values: NDArray[Any]) -> "Sample":
        """Return the same calls with other values."""
        return Sample(values, self.drawn)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test of one kind of column found; the fields are those of ``Evidence``."""

    method: str
    state: State
    p_value: float | None = None
    effects: tuple[Effect, ...] = ()
    before: str = ""
    after: str = ""
    needs_n: int | None = None
    detectable: float | None = None
    note: str = ""


def rank_names(names: list[str], seed: int) -> Ints:
    """Return each call's place in the order of the digests of their names.

    The first of a unit by this order is the one that ``units.draw_one_a_unit`` draws, but the
    digests need be made only once for all columns of a card.
    """
    key = seed.to_bytes(8, "big", signed=True)
    digests = [hashlib.blake2b(name.encode(), key=key, digest_size=8).digest() for name in names]
    order = np.argsort(np.frombuffer(b"".join(digests), dtype=">u8"), kind="stable")
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.arange(order.size)
    return ranks


def are_present(column: pl.Series) -> NDArray[np.bool_]:
    """Return which calls have a value: not null, and where it is a number, a finite one."""
    present = column.is_not_null()
    if column.dtype.is_float():
        present &= column.is_finite().fill_null(False)
    return present.to_numpy()


def read_column(column: pl.Series, kind: Kind) -> pl.Series:
    """Return the column as its kind is compared: numbers, or text; what is neither is null."""
    return column.cast(pl.String if kind == "category" else pl.Float64, strict=False)


def draw_samples(
    ref: tuple[NDArray[Any], NDArray[np.bool_]],
    cur: tuple[NDArray[Any], NDArray[np.bool_]],
    units: Units,
    ranks: Ranks | None,
) -> tuple[Sample, Sample]:
    """Return both windows' values that are there, with the calls that a p-value counts.

    A unit that is in both windows counts in the reference, where it began.

    Args:
        ref: the values of every call, and which of them are there.
        cur: the same of the current window.
        units: of every call.
        ranks: the order to draw by, of every call; None where no unit has several calls.
    """
    (ref_values, ref_there), (cur_values, cur_there) = ref, cur
    if ranks is None:
        return (
            Sample(ref_values[ref_there], np.arange(int(ref_there.sum()))),
            Sample(cur_values[cur_there], np.arange(int(cur_there.sum()))),
        )
    ref_units, cur_units = units.ref[ref_there], units.cur[cur_there]
    ref_drawn = _first_of_each(ref_units, ranks[0][ref_there])
    cur_drawn = _first_of_each(cur_units, ranks[1][cur_there])
    is_new = ~np.isin(cur_units[cur_drawn], units.ref)
    return (
        Sample(ref_values[ref_there], ref_drawn),
        Sample(cur_values[cur_there], cur_drawn[is_new]),
    )


def _first_of_each(units: Ints, ranks: Ints) -> Ints:
    order = np.argsort(ranks)
    _, firsts = np.unique(units[order], return_index=True)
    places: Ints = np.sort(order[firsts]).astype(np.int64)
    return places
