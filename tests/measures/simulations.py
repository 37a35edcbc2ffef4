"""Draws from worlds whose truth is known, to see how often a verdict or an interval is wrong.

Each world is drawn ``draws`` times: about a thousand in ``make test``, where only gross faults
show, and as many as ``HEADWAY_SIMULATION_DRAWS`` says in ``make soak``. The code is the same.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from headway_measures.intervals import Interval, clopper_pearson
from headway_measures.multiplicity import benjamini_hochberg
from headway_measures.paired import Change, measure_change
from headway_measures.verdicts import Margin, Verdict, decide

ALPHA = 0.05
MARGIN = Margin(0.05)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something was seen."""

    count: int
    draws: int

    @property
    def value(self) -> float:
        return self.count / self.draws

    @property
    def lower(self) -> float:
        """Return the one-sided 99 % lower bound of the true rate."""
        return clopper_pearson(self.count, self.draws, alpha=0.02).lower

    @property
    def upper(self) -> float:
        """Return the one-sided 99 % upper bound of the true rate."""
        return clopper_pearson(self.count, self.draws, alpha=0.02).upper


@dataclass(frozen=True, slots=True)
class Pairs:
    """One draw: the scores of the same cases under both models, and their clusters."""

    old: Floats
    new: Floats
    clusters: Sequence[int] | None = None

    def change(self, *, scale: float = 1.0) -> Change:
        return measure_change(self.old.tolist(), self.new.tolist(), self.clusters, scale=scale)


World = Callable[[Generator], Pairs]


def simulation_draws(reduced: int = 1000) -> int:
    """Return how often a world is drawn."""
    return int(os.environ.get("HEADWAY_SIMULATION_DRAWS", reduced))


def verdict_rate(world: World, verdicts: Sequence[Verdict], draws: int, seed: int = 7) -> Rate:
    """Return how often the gate's rule gives one of these verdicts."""
    rng = np.random.default_rng(seed)
    found = [decide(world(rng).change().interval(ALPHA), MARGIN) for _ in range(draws)]
    return Rate(sum(verdict in verdicts for verdict in found), draws)


def coverage(world: World, truth: float, draws: int, *, scale: float = 1.0, seed: int = 7) -> Rate:
    """Return how often the interval holds the true gain."""
    rng = np.random.default_rng(seed)
    intervals = [world(rng).change(scale=scale).interval(ALPHA) for _ in range(draws)]
    return Rate(sum(each.lower <= truth <= each.upper for each in intervals), draws)


def flip_verdict_rate(
    n: int, fail: float, rise: float, verdicts: Sequence[Verdict], draws: int, seed: int = 7
) -> Rate:
    """Return how often cases that pass or fail, each for itself, give one of these verdicts."""
    counts = np.random.default_rng(seed).multinomial(n, [fail, rise, 1 - fail - rise], size=draws)
    found = [decide(flip_interval(n, int(row[0]), int(row[1])), MARGIN) for row in counts]
    return Rate(sum(verdict in verdicts for verdict in found), draws)


def flip_coverage(n: int, fail: float, rise: float, draws: int, seed: int = 7) -> Rate:
    """Return how often the interval of such cases holds the true gain."""
    counts = np.random.default_rng(seed).multinomial(n, [fail, rise, 1 - fail - rise], size=draws)
    found = [flip_interval(n, int(row[0]), int(row[1])) for row in counts]
    return Rate(sum(each.lower <= rise - fail <= each.upper for each in found), draws)


@cache
def flip_interval(n: int, to_fail: int, to_pass: int) -> Interval:
    """Return the interval of so many flips."""
    return flips(n, to_fail, to_pass).change().interval(ALPHA)


@cache
def flip_p_value(n: int, to_fail: int, to_pass: int) -> float:
    """Return the p-value of so many flips."""
    return flips(n, to_fail, to_pass).change().p_value


def flips(n: int, to_fail: int, to_pass: int) -> Pairs:
    """Return cases that pass under both models but for so many flips."""
    old, new = np.ones(n), np.ones(n)
    new[:to_fail] = 0.0
    old[to_fail : to_fail + to_pass] = 0.0
    return Pairs(old, new)


def sliced_alarm_rate(n: int, slices: int, share: float, draws: int, seed: int = 7) -> Rate:
    """Return how often two models alike are called regressed, overall or on any one slice.

    A share of the cases flips. Slices are of equal size; a regressed one counts where its
    q-value is below alpha.
    """
    rng = np.random.default_rng(seed)
    alarms = 0
    for _ in range(draws):
        kinds = rng.multinomial(n // slices, [share / 2, share / 2, 1 - share], size=slices)
        counts = [(int(row[0]), int(row[1])) for row in kinds]
        whole = flip_interval(n, sum(row[0] for row in counts), sum(row[1] for row in counts))
        q_values = benjamini_hochberg([flip_p_value(n // slices, *row) for row in counts])
        alarms += decide(whole, MARGIN) == "regressed" or any(
            q_value < ALPHA and decide(flip_interval(n // slices, *row), MARGIN) == "regressed"
            for row, q_value in zip(counts, q_values, strict=True)
        )
    return Rate(alarms, draws)


def rare_drops(n: int, rate: float, size: float) -> World:
    """Return a world where a share of the cases loses so much, and the rest nothing."""
    return lambda rng: Pairs(np.ones(n), 1 - size * (rng.random(n) < rate).astype(np.float64))


def noisy_scores(n: int, gain: float, spread: float) -> World:
    """Return a world of scores that all move a little, by ``gain`` on average."""
    return lambda rng: Pairs(np.full(n, 0.5), 0.5 + rng.normal(gain, spread, n))


def skewed_scores(n: int, gain: float) -> World:
    """Return a world where few cases lose much and most gain a little, by ``gain`` on average."""
    return lambda rng: Pairs(np.full(n, 0.9), 0.9 + gain - (rng.beta(0.3, 2.7, n) - 0.1))


def clustered_flips(sizes: Sequence[int], rate: float) -> World:
    """Return a world where whole clusters come under threat, and half their cases then fail."""

    def draw(rng: Generator) -> Pairs:
        clusters = np.repeat(np.arange(len(sizes)), sizes)
        threatened = (rng.random(len(sizes)) < 2 * rate)[clusters]
        fails = threatened & (rng.random(clusters.size) < 0.5)
        return Pairs(np.ones(clusters.size), 1.0 - fails.astype(np.float64), clusters.tolist())

    return draw


def clustered_scores(sizes: Sequence[int], gain: float = 0.0, spread: float = 0.2) -> World:
    """Return a world of scores that move together inside a cluster, by ``gain`` on average."""

    def draw(rng: Generator) -> Pairs:
        clusters = np.repeat(np.arange(len(sizes)), sizes)
        moves = rng.normal(gain, spread, len(sizes))[clusters]
        new = 0.5 + moves + rng.normal(0, 0.05, clusters.size)
        return Pairs(np.full(clusters.size, 0.5), new, clusters.tolist())

    return draw


def binomial_coverage(method: Callable[[int, int], Interval], n: int, rates: Floats) -> Floats:
    """Return for each true rate the exact chance that the interval holds it."""
    bounds = [method(passed, n) for passed in range(n + 1)]
    lower, upper = (np.array([getattr(each, end) for each in bounds]) for end in ("lower", "upper"))
    chances = stats.binom.pmf(np.arange(n + 1), n, rates[:, None])
    covered: Floats = (chances * ((lower <= rates[:, None]) & (rates[:, None] <= upper))).sum(1)
    return covered
