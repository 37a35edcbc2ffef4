"""Whether several raters say the same of the same answers: Krippendorff's alpha.

    α = 1 - D_o / D_e

The disagreement seen, over that which chance would give, from any number of raters, each of whom
may have left answers out. 1 is full agreement, 0 what chance gives, below 0 worse. Unlike Cohen's
kappa it takes more than two raters and gaps. (Krippendorff 2011, "Computing Krippendorff's
Alpha-Reliability", University of Pennsylvania.)
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from headway_measures.clusters import Floats, cluster_numbers
from headway_measures.errors import MeasureError

Level = Literal["nominal", "ordinal", "interval"]
"""What differences of values mean: nothing, their order, or their size."""

DRAWS = 999
_MOST_VALUES = 1000
_BLOCK_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far raters agree.

    Args:
        alpha: Krippendorff's; None where all say one value, of which chance agrees on all.
        lower: the interval's end, from resampled units; None where nothing bounds it.
        upper: the other one.
        units: the answers that at least two raters rated.
        values: how many ratings these have.
    """

    alpha: float | None
    lower: float | None
    upper: float | None
    units: int
    values: int


def krippendorff_alpha(
    ratings: Sequence[Sequence[float | str | None]],
    level: Level = "nominal",
    *,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
) -> Reliability:
    """Return how far raters agree, with a bootstrap interval over units.

    Args:
        ratings: for each rater what they say of each unit, in one order; None where nothing.
        level: ``nominal`` for words, ``ordinal`` for ranks, ``interval`` for numbers.
        clusters: for each unit what it shares with others; whole clusters are resampled.
        alpha: the chance that the true alpha lies outside the interval.
        draws: how many resamples; 0 makes no interval.
        seed: of the resamples.

    Raises:
        MeasureError: raters have lists of different length, words are said to be numbers, or there
            are more than 1,000 different values.
    """
    if len({len(each) for each in ratings}) > 1:
        told = ", ".join(str(len(each)) for each in ratings)
        raise MeasureError(f"raters rate one list of units, and theirs have {told} places")
    units = [[value for value in unit if value is not None] for unit in zip(*ratings, strict=True)]
    names = list(range(len(units))) if clusters is None else list(clusters)
    if len(names) != len(units):
        raise MeasureError(f"{len(names)} clusters are not those of {len(units)} units")
    kept = [(unit, name) for unit, name in zip(units, names, strict=True) if len(unit) > 1]
    values = _ordered({value for unit, _ in kept for value in unit}, level)
    pairs = _coincidences([unit for unit, _ in kept], values)
    count = sum(len(unit) for unit, _ in kept)
    found = _alpha(pairs.sum(0)[None], values, level)[0] if kept else math.nan
    bounds: tuple[float | None, float | None] = (None, None)
    if draws and not math.isnan(found):
        bounds = _resampled(pairs, [name for _, name in kept], values, level, alpha, draws, seed)
    return Reliability(None if math.isnan(found) else float(found), *bounds, len(kept), count)


def _ordered(values: set[float | str], level: Level) -> list[float | str]:
    words = [value for value in values if isinstance(value, str)]
    if words and level != "nominal":
        raise MeasureError(f"{words[0]!r} is a word, and of words only nominal agreement is known")
    if len(values) > _MOST_VALUES:
        raise MeasureError(
            f"{len(values):,} different values are more than {_MOST_VALUES:,}: round them first"
        )
    return sorted(values, key=lambda value: (isinstance(value, str), value))


def _coincidences(units: Sequence[Sequence[float | str]], values: Sequence[float | str]) -> Floats:
    """Return for each unit its table of pairs of values, (units, values²); a unit of m counts m."""
    places = {value: place for place, value in enumerate(values)}
    size = len(values)
    tables = np.zeros((len(units), size * size))
    for table, unit in zip(tables, units, strict=True):
        counts = np.bincount([places[value] for value in unit], minlength=size).astype(np.float64)
        pairs = np.outer(counts, counts) - np.diag(counts)
        table[:] = pairs.ravel() / (len(unit) - 1)
    return tables


def _alpha(sums: Floats, values: Sequence[float | str], level: Level) -> Floats:
    """Return alpha of tables in the last axis, (draws, values²)."""
    size = len(values)
    tables = sums.reshape(-1, size, size)
    margins = tables.sum(2)
    totals = margins.sum(1)
    found = np.full(len(tables), np.nan)
    for place, (table, margin, total) in enumerate(zip(tables, margins, totals, strict=True)):
        distances = _distances(values, margin, level)
        by_chance = float(margin @ distances @ margin)
        if by_chance > 0:
            found[place] = 1 - (total - 1) * float((table * distances).sum()) / by_chance
    return found


def _distances(values: Sequence[float | str], margin: Floats, level: Level) -> Floats:
    """Return the squared distance of any two values."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    if level == "interval":
        numbers = np.array(values, dtype=np.float64)
        return np.asarray((numbers[:, None] - numbers) ** 2)
    # How many ratings lie between two, with half of each end.
    ranks = np.cumsum(margin) - margin / 2
    return np.asarray((ranks[:, None] - ranks) ** 2)


def _resampled(
    pairs: Floats,
    clusters: Sequence[Hashable],
    values: Sequence[float | str],
    level: Level,
    alpha: float,
    draws: int,
    seed: int,
) -> tuple[float | None, float | None]:
    numbers = cluster_numbers(clusters)
    sums = np.zeros((int(numbers.max()) + 1, pairs.shape[1]))
    np.add.at(sums, numbers, pairs)
    count = len(sums)
    if count < 2:
        return None, None
    rng, drawn = np.random.default_rng(seed), []
    block = max(1, _BLOCK_CELLS // count)
    for start in range(0, draws, block):
        times = rng.multinomial(count, [1 / count] * count, min(block, draws - start))
        drawn.append(_alpha(times.astype(np.float64) @ sums, values, level))
    found = np.concatenate(drawn)
    found = found[np.isfinite(found)]
    # Resamples of answers on which all agree all agree: that is no certainty.
    if not found.size or float(np.ptp(found)) == 0:
        return None, None
    lower, upper = np.quantile(found, [alpha / 2, 1 - alpha / 2])
    return float(lower), float(upper)
