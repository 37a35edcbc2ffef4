"""Whether two scores of the same answers agree: a judge and a person, two judges, old and new.

Raw agreement flatters wherever most answers are good, so it stands beside kappa, which leaves out
what chance agrees on. Of numbers, kappa weighs a difference by its square, which is Lin's
concordance (1989, Biometrics 45, 255-268): unlike a correlation, it falls where one judge is
stricter.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from headway_measures.clusters import FEW_CHANGES, Floats, cluster_numbers
from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval, pass_rate_interval

AgreementKind = Literal["boolean", "category", "number"]
Value = float | str

DRAWS = 999
MAX_CATEGORIES = 12
"""Of more words nobody reads a table, and chance agrees on hardly any."""
# Resamples are counted in blocks, so that many sessions need no more than some tens of MB.
_BLOCK_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two scores of the same answers go together.

    Args:
        n: the answers that have both.
        units: of how many sessions.
        kind: of what both say.
        agreement: the share of answers of which both say the same.
        kappa: Cohen's, of numbers weighted by squares; None where one value is all there is.
        kappa_lower: the interval's end; None where nothing bounds it.
        kappa_upper: the other one.
        spearman: the correlation of ranks; None of categories and of constants.
        mean_difference: second minus first; None of categories.
        labels: the values of rows and columns of the table; empty of numbers.
        table: how many answers have the first score's value (row) and the second's (column).
    """

    n: int
    units: int
    kind: AgreementKind
    agreement: float | None
    kappa: float | None
    kappa_lower: float | None
    kappa_upper: float | None
    spearman: float | None
    mean_difference: float | None
    labels: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]


def measure_agreement(
    first: Sequence[Value],
    second: Sequence[Value],
    clusters: Sequence[Hashable],
    *,
    alpha: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
) -> Agreement:
    """Return how two scores agree, with an interval of kappa from resampled sessions.

    Args:
        first: numbers, 0 and 1, or words; one an answer.
        second: of the same answers in the same order.
        clusters: the session of each answer.
        alpha: the chance that the true kappa lies outside the interval.
        draws: how many resamples.
        seed: of the resamples.

    Raises:
        MeasureError: the lengths differ, or one score says words and the other numbers.
    """
    if not len(first) == len(second) == len(clusters):
        raise MeasureError(
            f"cannot compare {len(first)} scores with {len(second)} of {len(clusters)} answers"
        )
    kind = _kind_of(first, second)
    if not first:
        return Agreement(0, 0, kind, None, None, None, None, None, None, (), ())
    same = [one == other for one, other in zip(first, second, strict=True)]
    share = pass_rate_interval(same, clusters, alpha)
    rng = np.random.default_rng(seed)
    labels: tuple[str, ...] = ()
    table: tuple[tuple[int, ...], ...] = ()
    spearman = mean_difference = None
    if kind == "number":
        pieces = _moments(first, second)
        kappa, drawn = _resample(_concordance, pieces, clusters, draws, rng)
        is_spread_seen = same.count(False) >= FEW_CHANGES
        bounds = _bounds(kappa, drawn, alpha) if is_spread_seen else (None, None)
    else:
        labels, counts, pieces = _cells(first, second, kind)
        table = tuple(tuple(int(each) for each in row) for row in counts)
        kappa, drawn = _resample(_cohen, pieces, clusters, draws, rng)
        bounds = _bounds(kappa, drawn, alpha)
        if min(same.count(True), same.count(False)) < FEW_CHANGES:
            bounds = _widen(bounds, kappa, share, counts / counts.sum())
    if kind != "category":
        old, new = np.asarray(first, np.float64), np.asarray(second, np.float64)
        spearman, mean_difference = _spearman(old, new), float((new - old).mean())
    return Agreement(
        n=len(first),
        units=len(set(clusters)),
        kind=kind,
        agreement=share.estimate,
        kappa=kappa,
        kappa_lower=bounds[0] if len(set(clusters)) > 1 else None,
        kappa_upper=bounds[1] if len(set(clusters)) > 1 else None,
        spearman=spearman,
        mean_difference=mean_difference,
        labels=labels,
        table=table,
    )


def _kind_of(first: Sequence[Value], second: Sequence[Value]) -> AgreementKind:
    values = {*first, *second}
    words = {isinstance(value, str) for value in values}
    if len(words) > 1:
        raise MeasureError(
            "one score says words and the other numbers: compare two that say the same kind"
        )
    if True in words:
        return "category"
    return "boolean" if values <= {0.0, 1.0} else "number"


def _cells(
    first: Sequence[Value], second: Sequence[Value], kind: AgreementKind
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return the labels, the table, and for each answer its cell as a row of zeros and a one."""
    names: list[Value] = [0.0, 1.0]
    if kind == "category":
        counts = Counter([*first, *second])
        names = sorted(counts, key=lambda name: (-counts[name], str(name)))
        if len(names) > MAX_CATEGORIES:
            raise MeasureError(
                f"the two scores say {len(names)} different words, more than {MAX_CATEGORIES}: "
                "these are comments rather than categories"
            )
    places = {name: place for place, name in enumerate(names)}
    size = len(names)
    cells = [places[one] * size + places[other] for one, other in zip(first, second, strict=True)]
    pieces = np.eye(size * size)[cells]
    labels = ("no", "yes") if kind == "boolean" else tuple(str(name) for name in names)
    return labels, pieces.sum(0).reshape(size, size), pieces


def _moments(first: Sequence[Value], second: Sequence[Value]) -> Floats:
    """Return for each answer what it brings to the sums that concordance is made of."""
    old, new = np.asarray(first, np.float64), np.asarray(second, np.float64)
    middle = float(np.concatenate([old, new]).mean())
    old, new = old - middle, new - middle
    return np.column_stack([np.ones_like(old), old, new, old**2, new**2, old * new])


def _cohen(sums: Floats) -> Floats:
    """Return Cohen's kappa of flat tables in the last axis (1960, EPM 20, 37-46)."""
    size = math.isqrt(sums.shape[-1])
    shares = (sums / sums.sum(-1, keepdims=True)).reshape(*sums.shape[:-1], size, size)
    agreed = np.trace(shares, axis1=-2, axis2=-1)
    by_chance = (shares.sum(-1) * shares.sum(-2)).sum(-1)
    return _ratio(agreed - by_chance, 1 - by_chance)


def _concordance(sums: Floats) -> Floats:
    """Return 2·cov / (var₁ + var₂ + (mean₁ - mean₂)²)."""
    n, old, new, old_squares, new_squares, products = np.moveaxis(sums, -1, 0)
    covariance = products / n - old * new / n**2
    spread = old_squares / n - (old / n) ** 2 + new_squares / n - (new / n) ** 2
    return _ratio(2 * covariance, spread + (old / n - new / n) ** 2)


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=ratio, where=np.asarray(below) > 1e-12)
    return ratio


def _resample(
    measure: Callable[[Floats], Floats],
    pieces: Floats,
    clusters: Sequence[Hashable],
    draws: int,
    rng: np.random.Generator,
) -> tuple[float | None, Floats]:
    """Return the measure, and that of each resample of whole sessions."""
    numbers = cluster_numbers(clusters)
    sums = np.zeros((int(numbers.max()) + 1, pieces.shape[1]))
    np.add.at(sums, numbers, pieces)
    whole = float(measure(sums.sum(0)))
    count, drawn = len(sums), []
    block = max(1, _BLOCK_CELLS // count)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        picks = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(picks.ravel(), minlength=size * count).reshape(size, count)
        drawn.append(measure(times.astype(np.float64) @ sums))
    found = np.concatenate(drawn)
    return (None if math.isnan(whole) else whole), found[np.isfinite(found)]


Bounds = tuple[float | None, float | None]


def _bounds(kappa: float | None, drawn: Floats, alpha: float) -> Bounds:
    if kappa is None or not drawn.size:
        return None, None
    lower, upper = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    return float(lower), float(upper)


def _widen(bounds: Bounds, kappa: float | None, share: Interval, table: Floats) -> Bounds:
    """Return bounds that reach as far as so few exceptions leave open.

    Resamples of answers that all agree all agree. The share that agrees has an interval that
    knows better, and kappa is (share - chance) / (1 - chance), with chance as it is.
    """
    lower, upper = bounds
    if kappa is None or lower is None or upper is None:
        return None, None
    slope = 1 / (1 - float(table.sum(0) @ table.sum(1)))
    return (
        max(-1.0, min(lower, kappa - slope * (share.estimate - share.lower))),
        min(1.0, max(upper, kappa + slope * (share.upper - share.estimate))),
    )


def _spearman(first: Floats, second: Floats) -> float | None:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(stats.spearmanr(first, second).statistic)
