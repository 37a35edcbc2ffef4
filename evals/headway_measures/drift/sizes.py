"""How many units a side a test needs, and what so many could have shown.

A test that found nothing says little without this: thirty calls a side cannot show that refusals
doubled. All are for the effect that a test is asked to find, found four times in five.
"""

import math
from functools import lru_cache

from scipy import optimize, stats

POWER = 0.8


def rate_needs(before: float, after: float, alpha: float, power: float = POWER) -> int:
    """Return the units a side that show a rate moving from ``before`` to ``after``.

    n = (z_α + z_β)² · (p₁q₁ + p₂q₂) / (p₁ - p₂)², to the nearest whole number (Fleiss, Levin,
    Paik 2003, Statistical Methods for Rates and Proportions, section 4.2).
    """
    if before == after:
        raise ValueError(f"a rate that stays at {before} is not a change: give another rate")
    spread = before * (1 - before) + after * (1 - after)
    return max(1, round(_reach(alpha, power) ** 2 * spread / (before - after) ** 2))


def rate_detectable(
    before: float, n_ref: int, n_cur: int, alpha: float, power: float = POWER
) -> float:
    """Return the smallest rise of a rate, or fall of one above a half, that so many units show."""
    rate = min(before, 1 - before)
    room, reach = 1 - rate, _reach(alpha, power)

    def excess(change: float) -> float:
        after = rate + change
        variance = rate * (1 - rate) / n_ref + after * (1 - after) / n_cur
        return change - reach * math.sqrt(max(variance, 0.0))

    # A rate of 0 has no variance at 0, so the search begins a hair above it.
    return room if excess(room) <= 0 else float(optimize.brentq(excess, 1e-12, room))


def order_needs(delta: float, alpha: float, power: float = POWER) -> int:
    """Return the units a side that show a Cliff's delta, by ranks.

    N = (z_α + z_β)² / (3·(P - ½)²) in all with P = ½ + δ/2 (Noether 1987, JASA 82, 645-647).
    """
    if delta == 0:
        raise ValueError("a delta of 0 needs endless units: it must not be 0")
    return math.ceil(_reach(alpha, power) ** 2 / (3 * (delta / 2) ** 2) / 2)


def order_detectable(n_ref: int, n_cur: int, alpha: float, power: float = POWER) -> float:
    """Return the smallest Cliff's delta that so many units show; see ``order_needs``."""
    both = 2 * _alike(n_ref, n_cur)
    return min(1.0, 2 * _reach(alpha, power) / math.sqrt(3 * both))


def mix_needs(distance: float, levels: int, alpha: float, power: float = POWER) -> int:
    """Return the units a side that show categories moving by a total variation distance.

    The hardest such change counts: λ = n/2 · Σ(p₁-p₂)²/p̄ is at least 2·n·TVD² (Cauchy-Schwarz),
    and the χ² of homogeneity needs its noncentrality to be λ(α, power, levels - 1).
    """
    if distance <= 0:
        raise ValueError(f"a distance of {distance} needs endless units: it must be above 0")
    return math.ceil(_noncentrality(levels - 1, alpha, power) / (2 * distance**2))


def mix_detectable(
    n_ref: int, n_cur: int, levels: int, alpha: float, power: float = POWER
) -> float:
    """Return the total variation distance that so many units show for certain."""
    least = _noncentrality(levels - 1, alpha, power) / (2 * _alike(n_ref, n_cur))
    return min(1.0, math.sqrt(least))


def _alike(n_ref: int, n_cur: int) -> float:
    """Return how many units in each of two equal windows tell as much."""
    return 2 / (1 / n_ref + 1 / n_cur)


@lru_cache(maxsize=256)
def _noncentrality(freedom: int, alpha: float, power: float) -> float:
    critical = stats.chi2.isf(alpha, freedom)
    return float(
        optimize.brentq(lambda value: stats.ncx2.sf(critical, freedom, value) - power, 1e-6, 1e4)
    )


def _reach(alpha: float, power: float) -> float:
    return float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
