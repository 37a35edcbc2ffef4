"""What a suite can tell before it is run: the smallest change it finds, the cases it needs.

All from one formula (Miller 2024, arXiv 2411.00640, section 5): a true difference δ is found
with probability ``power`` when δ = (z_tail + z_power) · sqrt(ω²/n), where ω² is the variance of
the paired differences. For cases that pass or fail, ω² is about the share of cases that flip.
What a suite's earlier comparisons showed of it says more than any rule of thumb.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from scipy import stats

Sides = Literal[1, 2]

USUAL_VARIANCE = 0.1
"""One case in ten flips between two fine-tuned models: what is assumed without a history."""
# How many cases' worth of evidence that assumption is.
_USUAL_CASES = 20


@dataclass(frozen=True, slots=True)
class PastChange:
    """An earlier comparison on the suite: its pairs, and the variance of their differences."""

    n: int
    variance: float


def expected_variance(history: Iterable[PastChange], usual: float = USUAL_VARIANCE) -> float:
    """Return the variance to plan with: the earlier ones, weighed by their cases.

    The usual one counts as twenty cases, so that three earlier pairs without a flip do not
    promise that there will be none.
    """
    known = [past for past in history if math.isfinite(past.variance)]
    n = _USUAL_CASES + sum(past.n for past in known)
    return (usual * _USUAL_CASES + sum(past.variance * past.n for past in known)) / n


def minimum_detectable_effect(
    n: int, variance: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2
) -> float:
    """Return the smallest true difference that n pairs find.

    With ``sides=1`` it is also the smallest margin that n pairs can prove when nothing changed.
    """
    if n < 1:
        raise ValueError(f"{n} pairs detect nothing: n must be at least 1")
    return _spread(alpha, power, sides) * math.sqrt(variance / n)


def cases_needed(
    effect: float, variance: float, *, alpha: float = 0.05, power: float = 0.8, sides: Sides = 2
) -> int:
    """Return how many pairs find a true difference of ``effect``."""
    if effect <= 0:
        raise ValueError(f"an effect of {effect} needs endless cases: it must be above 0")
    return math.ceil(_spread(alpha, power, sides) ** 2 * variance / effect**2)


def _spread(alpha: float, power: float, sides: Sides) -> float:
    return float(stats.norm.isf(alpha / sides) + stats.norm.ppf(power))
