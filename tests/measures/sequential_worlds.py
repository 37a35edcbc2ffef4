"""Worlds of paired cases whose truth is known, looked at case by case."""

from dataclasses import dataclass

import numpy as np

from headway_measures.sequential import Looks
from tests.measures.simulations import Floats, Rate

ALPHA = 0.05
MOST_CASES = 1000
_NEVER = 10**9


@dataclass(frozen=True, slots=True)
class Flips:
    """The shares of cases that pass under the baseline alone, and under the candidate alone."""

    to_fail: float
    to_pass: float

    def draw(self, rng: np.random.Generator, count: int = MOST_CASES) -> Looks:
        """Return that many cases."""
        place = rng.random(count)
        fails, passes = place < self.to_fail, place > 1 - self.to_pass
        return Looks(passes.astype(np.float64) - fails, np.ones(count))


@dataclass(frozen=True, slots=True)
class Stops:
    """After how many cases each draw was decided, endlessly many where it was not."""

    cases: tuple[int, ...]

    @property
    def median(self) -> float:
        """Return that of all draws."""
        return float(np.median(self.cases))

    @property
    def rate(self) -> Rate:
        """Return how many were decided at all."""
        return Rate(sum(each < _NEVER for each in self.cases), len(self.cases))


def passes(world: Flips, draws: int, *, margin: float = 0.05, seed: int = 7) -> Stops:
    """Return when a drop of the margin is refuted, each side of the interval at half of alpha."""
    rng = np.random.default_rng(seed)
    claim = np.array([-margin])
    return Stops(
        tuple(first(world.draw(rng).log_wealth(claim, is_above=True)[:, 0]) for _ in range(draws))
    )


def regressions(world: Flips, draws: int, *, claim: float = 0.0, seed: int = 7) -> Stops:
    """Return when "no worse", or with a hard margin "no worse than it", is refuted."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        looks = world.draw(rng)
        if claim == 0:
            found.append(first(looks.log_wealth_of_no_gain(is_above=False)))
        else:
            found.append(first(looks.log_wealth(np.array([claim]), is_above=False)[:, 0]))
    return Stops(tuple(found))


def first(log_wealth: Floats, alpha: float = ALPHA / 2) -> int:
    """Return after how many units a wealth has reached 1 over alpha."""
    reached = log_wealth >= -np.log(alpha)
    return int(reached.argmax()) + 1 if reached.any() else _NEVER
