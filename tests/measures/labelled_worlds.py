"""Worlds of answers that a biased judge scores, of which people label some; the truth is known."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator

from headway_measures.intervals import mean_interval, pass_rate_interval
from headway_measures.prediction_powered import corrected_mean
from tests.measures.simulations import Floats, Rate

_MANY = 2_000_000


@dataclass(frozen=True, slots=True)
class Scores:
    """What people say of answers, and what the judge says of the same."""

    labels: Floats
    judged: Floats


@dataclass(frozen=True, slots=True)
class YesNo:
    """People pass ``rate`` of the answers; the judge passes so much of what they pass and fail."""

    rate: float
    of_good: float
    of_bad: float

    def draw(self, rng: Generator, count: int) -> Scores:
        good = rng.random(count) < self.rate
        chance = np.where(good, self.of_good, self.of_bad)
        return Scores(good.astype(np.float64), (rng.random(count) < chance).astype(np.float64))


@dataclass(frozen=True, slots=True)
class Grades:
    """Grades from 1 to 5 as shares, of which the judge gives ``bias`` more, with its own noise."""

    bias: float
    noise: float

    def draw(self, rng: Generator, count: int) -> Scores:
        quality = 3.7 + rng.normal(size=count)
        people = quality + 0.4 * rng.normal(size=count)
        judge = quality + self.bias + self.noise * rng.normal(size=count)
        return Scores(_grades(people), _grades(judge))


World = YesNo | Grades

WORLDS: dict[str, World] = {
    "yes or no, good judge": YesNo(0.8, 0.95, 0.1),
    "yes or no, lenient judge": YesNo(0.8, 0.9, 0.3),
    "yes or no, judge that passes most": YesNo(0.8, 0.97, 0.6),
    "1 to 5, judge 0.1 above": Grades(0.1, 0.4),
    "1 to 5, judge 0.5 above": Grades(0.5, 0.6),
    "1 to 5, judge 0.8 above": Grades(0.8, 0.9),
}


@dataclass(frozen=True, slots=True)
class Covered:
    """What the intervals of many draws came to; widths are means."""

    corrected: Rate
    judge_alone: Rate
    width: float
    labels_width: float


@cache
def truth(world: World) -> float:
    """Return what people would say of endlessly many answers."""
    if isinstance(world, YesNo):
        return world.rate
    return float(world.draw(np.random.default_rng(1), _MANY).labels.mean())


def coverage(world: World, n: int, count: int, draws: int, seed: int = 0) -> Covered:
    """Draw so many answers with n labels, and see whether intervals hold the truth."""
    rng, goal = np.random.default_rng([seed, n, count]), truth(world)
    interval_of = _rate if isinstance(world, YesNo) else _mean
    held = fooled = 0
    width = labels_width = 0.0
    for _ in range(draws):
        scores = world.draw(rng, count)
        labels, judged, others = scores.labels[:n], scores.judged[:n], scores.judged[n:]
        found = corrected_mean(labels.tolist(), judged.tolist(), others.tolist()).interval()
        alone, own = interval_of(labels), interval_of(scores.judged)
        held += found.lower <= goal <= found.upper
        fooled += own[0] <= goal <= own[1]
        width += found.upper - found.lower
        labels_width += alone[1] - alone[0]
    return Covered(Rate(held, draws), Rate(fooled, draws), width / draws, labels_width / draws)


def _grades(values: Floats) -> Floats:
    return np.asarray((np.clip(np.round(values), 1, 5) - 1) / 4)


def _rate(values: Floats) -> list[float]:
    found = pass_rate_interval(values.astype(bool).tolist())
    return [found.lower, found.upper]


def _mean(values: Floats) -> list[float]:
    found = mean_interval(values.tolist(), scale=1.0)
    return [found.lower, found.upper]
