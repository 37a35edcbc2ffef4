"""What a suite can tell before it is run: the smallest change it finds, the cases it needs.

All from one formula (Miller 2024, arXiv 2411.00640, section 5): a true difference δ is found
with probability ``power`` when δ = (z_tail + z_power) · sqrt(ω²/n), where ω² is the variance of
the paired differences. For cases that pass or fail, ω² is about the share of cases that flip.
"""

import math
from typing import Literal

from scipy import stats

Sides = Literal[1, 2]


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
