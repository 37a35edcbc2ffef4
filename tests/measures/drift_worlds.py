"""Worlds without drift: both windows come from one source, so that every alarm is a false one.

``make test`` draws each some hundred times and ``make bench-drift`` 4,000 times, from the same
cells. Among them are those that goodness of fit, a fixed distance, or counting every call of a
session call drift (reference/statistics.md, 2.3).
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from headway_measures.descriptors.metrics import Kind, Metric
from headway_measures.drift.columns import compare_column
from headway_measures.drift.results import Evidence
from headway_measures.drift.units import Units
from headway_measures.drift.windows import Options
from tests.measures.simulations import ALPHA, Rate

Columns = tuple[pl.Series, pl.Series, Units]

SIZES = {
    "50 v 50": (50, 50),
    "200 v 200": (200, 200),
    "1000 v 1000": (1_000, 1_000),
    "2000 v 50": (2_000, 50),
    "2000 v 200": (2_000, 200),
    "5000 v 5000": (5_000, 5_000),
}
"""Calls in the reference and the current window."""


@dataclass(frozen=True, slots=True)
class World:
    """A source of columns whose calls are each for itself."""

    kind: Kind
    draw: Callable[[Generator, int], pl.Series]

    def __call__(self, rng: Generator, n_ref: int, n_cur: int) -> Columns:
        """Return both windows' column, and the units of its calls."""
        units = Units(np.arange(n_ref), np.arange(n_ref, n_ref + n_cur))
        return self.draw(rng, n_ref), self.draw(rng, n_cur), units


@dataclass(frozen=True, slots=True)
class SessionWorld:
    """A source of columns whose calls come in sessions of one to eight.

    Behind each call is a normal number, of whose variance three tenths are its session's.
    """

    kind: Kind
    read: Callable[[NDArray[np.float64]], pl.Series]

    def __call__(self, rng: Generator, n_ref: int, n_cur: int) -> Columns:
        """Return both windows' column, and the units of its calls."""
        ref, cur = _sessions(rng, n_ref), _sessions(rng, n_cur)
        units = Units(ref, cur + int(ref[-1]) + 1)
        return self.read(_shared_normal(rng, ref)), self.read(_shared_normal(rng, cur)), units


def _sessions(rng: Generator, n: int) -> NDArray[np.int64]:
    """Return the session of each call; each has one to eight."""
    return np.repeat(np.arange(n), rng.integers(1, 9, n))[:n]


def _shared_normal(rng: Generator, sessions: NDArray[np.int64]) -> NDArray[np.float64]:
    shared = rng.normal(0, 0.3**0.5, int(sessions[-1]) + 1)[sessions]
    numbers: NDArray[np.float64] = shared + rng.normal(0, 0.7**0.5, sessions.size)
    return numbers


def _levels(values: NDArray[np.float64]) -> pl.Series:
    return pl.Series(np.digitize(values, [-0.5, 0.3, 1.0])).cast(pl.String)


def _mix(shares: NDArray[np.float64]) -> World:
    names = np.array([f"level {place}" for place in range(shares.size)])
    return World(
        "category", lambda rng, n: pl.Series(rng.choice(names, n, p=shares / shares.sum()))
    )


def _rate(rate: float) -> World:
    return World("rate", lambda rng, n: pl.Series(rng.random(n) < rate))


def _zero_inflated(rng: Generator, n: int) -> pl.Series:
    return pl.Series(np.where(rng.random(n) < 0.8, 0.0, rng.lognormal(3, 1, n)))


def _holed(rng: Generator, n: int) -> pl.Series:
    values = pl.Series(rng.normal(0, 1, n))
    return values.set(pl.Series(rng.random(n) < 0.2), None)


WORLDS: dict[str, World | SessionWorld] = {
    **{f"Zipf, {levels} levels": _mix(1 / np.arange(1, levels + 1)) for levels in (3, 5, 10, 20)},
    **{f"{levels} levels alike": _mix(np.ones(levels)) for levels in (3, 5, 10, 50)},
    **{f"rate {rate}": _rate(rate) for rate in (0.01, 0.05, 0.1, 0.3, 0.5)},
    "normal": World("number", lambda rng, n: pl.Series(rng.normal(0, 1, n))),
    "lognormal": World("number", lambda rng, n: pl.Series(rng.lognormal(5, 1, n))),
    "lengths with ties": World(
        "number", lambda rng, n: pl.Series(rng.negative_binomial(3, 0.1, n))
    ),
    "few values": World("number", lambda rng, n: pl.Series(rng.integers(0, 5, n))),
    "zero-inflated": World("number", _zero_inflated),
    "with holes": World("number", _holed),
    "sessions, numbers": SessionWorld("number", pl.Series),
    "sessions, rates": SessionWorld("rate", lambda values: pl.Series(values > 1.0)),
    "sessions, categories": SessionWorld("category", _levels),
}


def metric_of(kind: Kind, name: str = "column") -> Metric:
    """Return a metric of this kind."""
    return Metric(name, kind, "answer", "", name, f"{name} rose", f"{name} fell")


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw of a world, and the seed that the product is given for it."""

    ref: pl.Series
    cur: pl.Series
    units: Units
    seed: int


def draws_of(name: str, n_ref: int, n_cur: int, draws: int) -> Iterator[Draw]:
    """Draw a world so often. The seed is the cell's name, so that nobody chose it."""
    rng = np.random.default_rng(zlib.crc32(f"{name}, {n_ref} v {n_cur}".encode()))
    for _ in range(draws):
        columns = WORLDS[name](rng, n_ref, n_cur)
        yield Draw(*columns, int(rng.integers(2**31)))


def compare_draw(kind: Kind, draw: Draw) -> tuple[Evidence, ...]:
    """Return what the product finds in one draw."""
    names = tuple(
        [f"{side}{place}" for place in range(column.len())]
        for side, column in (("r", draw.ref), ("c", draw.cur))
    )
    options = Options(seed=draw.seed)
    return compare_column(
        draw.ref, draw.cur, metric_of(kind), options, draw.units, (names[0], names[1])
    )


def false_alarm_rate(name: str, n_ref: int, n_cur: int, draws: int) -> Rate:
    """Return how often a world's own column has p at most alpha; missing values count, too."""
    return alarm_rate(
        evidence
        for draw in draws_of(name, n_ref, n_cur, draws)
        for evidence in compare_draw(WORLDS[name].kind, draw)
    )


def alarm_rate(tests: Iterable[Evidence]) -> Rate:
    """Return how often tests that were run have p at most alpha."""
    p_values = [each.p_value for each in tests if each.p_value is not None]
    return Rate(sum(p_value <= ALPHA for p_value in p_values), max(1, len(p_values)))
