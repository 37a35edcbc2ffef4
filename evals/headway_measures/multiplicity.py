"""Many tests at once: what each p-value is worth when the smallest was looked for.

``benjamini_hochberg`` for slices, which explore: of those called changed, a share of at most
alpha is false; ``weighted_benjamini_hochberg`` where some of them matter more than others.
``holm`` for gates, which decide: the chance of even one false call is at most alpha.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headway_measures.clusters import Floats


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the q-values, in the order given: p₍ᵢ₎·m/i, kept rising (1995, JRSS B 57)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    rising = np.minimum.accumulate(scaled[::-1])[::-1]
    return _unsorted(rising, order)


def weighted_benjamini_hochberg(p_values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the q-values of tests that share the false discoveries unequally, in the order given.

    Benjamini and Hochberg's of p/w, the weights scaled to a mean of 1 (Genovese, Roeder and
    Wasserman 2006, Biometrika 93, 509-524).

    Args:
        p_values: of the tests.
        weights: above 0, set before any p-value was seen; only their ratios count.

    Raises:
        ValueError: where a weight is missing or not above 0.
    """
    p, shares = np.asarray(p_values, np.float64), np.asarray(weights, np.float64)
    if shares.size != p.size or not (shares > 0).all():
        raise ValueError(f"{p.size} p-values need as many weights above 0, not {list(weights)}")
    return benjamini_hochberg((p * shares.sum() / (shares * p.size)).tolist()) if p.size else []


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values, in the order given: p₍ᵢ₎·(m-i+1), kept rising (1979).

    Holm 1979, Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    scaled = p[order] * np.arange(p.size, 0, -1)
    return _unsorted(np.maximum.accumulate(scaled), order)


def _unsorted(adjusted: Floats, order: NDArray[np.intp]) -> list[float]:
    values = np.empty_like(adjusted)
    values[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in values]
