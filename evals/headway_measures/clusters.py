"""How much evidence many values are, where some share a document, a conversation, an author.

Values of one cluster move together, so they count for less than as many that stand alone. With
unequal clusters the count of clusters says too much: one large and many small ones are hardly
more than one piece of evidence.
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEW_CHANGES = 5
"""With fewer values than this off the commonest one, a sample does not show its spread."""


def cluster_sums(values: Floats, clusters: Sequence[Hashable] | None) -> Floats:
    """Return the sum of the values in each cluster; without clusters, the values."""
    if clusters is None:
        return values
    return np.bincount(cluster_numbers(clusters), weights=values).astype(np.float64)


def cluster_sizes(count: int, clusters: Sequence[Hashable] | None) -> Floats:
    """Return how many of ``count`` values each cluster holds."""
    return cluster_sums(np.ones(count), clusters)


def cluster_numbers(clusters: Sequence[Hashable]) -> NDArray[np.intp]:
    """Return each value's cluster as a number from 0, in the order of their first value."""
    order: dict[Hashable, int] = {}
    return np.array([order.setdefault(cluster, len(order)) for cluster in clusters], dtype=np.intp)


def effective_clusters(count: int, clusters: Sequence[Hashable] | None = None) -> float:
    """Return how many clusters of one size would tell as much: (Σ n_c)² / Σ n_c² (Kish 1965)."""
    if clusters is None:
        return float(count)
    return float(count**2 / (cluster_sizes(count, clusters) ** 2).sum())


def standard_error(values: Floats, clusters: Sequence[Hashable] | None = None) -> float:
    """Return the standard error of a mean, by leaving out one cluster at a time.

    sqrt( (C-1)/C · Σ_c (Σ_{i∈c} (s_i - s̄) / (1 - n_c/n))² ) / n, the jackknife's. Where clusters
    are of one size it is Miller's (2024, arXiv 2411.00640, appendix A), where each value is its
    own the common sqrt( Σ(s_i - s̄)² / (n(n-1)) ); a large cluster is not let to hide, by drawing
    the mean to itself, how far it lies off (Bell and McCaffrey 2002, Survey Methodology 28).
    """
    sums = cluster_sums(values - values.mean(), clusters)
    if sums.size < 2:
        return math.inf
    shares = cluster_sizes(values.size, clusters) / values.size
    left_out = sums / (1 - shares)
    variance = (sums.size - 1) / sums.size * float((left_out**2).sum())
    return math.sqrt(variance) / values.size


def mean_skewness(values: Floats, clusters: Sequence[Hashable] | None = None) -> float:
    """Return the skewness of a mean: that of its values over sqrt(n), 0 where they are equal."""
    sums = cluster_sums(values - values.mean(), clusters)
    variance = float((sums**2).sum())
    return float((sums**3).sum()) / variance**1.5 if variance else 0.0


def design_effect(values: Floats, clusters: Sequence[Hashable]) -> float:
    """Return clustered variance over plain variance, at least 1 (Rao and Scott 1992).

    Where few clusters differ, nothing shows how far values move together: then a cluster counts
    as one piece of evidence.
    """
    together = values.size / effective_clusters(values.size, clusters)
    plain, clustered = standard_error(values), standard_error(values, clusters)
    if not plain or math.isinf(clustered):
        return together
    seen = max(1.0, (clustered / plain) ** 2)
    return seen if effective_changes(values, clusters) >= FEW_CHANGES else max(seen, together)


def effective_changes(values: Floats, clusters: Sequence[Hashable] | None = None) -> float:
    """Return how many values differ from the commonest one.

    Clusters count by their mean and their size: the effective clusters, times the share of the
    values that lie in clusters of another mean than the commonest.
    """
    sizes = cluster_sizes(values.size, clusters)
    means = (cluster_sums(values, clusters) / sizes).round(12)
    _, kinds = np.unique(means, return_inverse=True)
    changed = values.size - np.bincount(kinds, weights=sizes).max()
    return float(changed / values.size * effective_clusters(values.size, clusters))
