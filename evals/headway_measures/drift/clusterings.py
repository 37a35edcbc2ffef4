"""Which groups of texts grew: clusters of both windows' vectors, and the share of each window.

Clusters are made of all vectors without a look at the window they are from, so that a test of the
shares given the clusters is an honest one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.random import Generator
from sklearn.cluster import MiniBatchKMeans

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.categories import MIX_FLOOR
from headway_measures.drift.decisions import SHARES
from headway_measures.drift.embeddings import pooled, rng_of, unmeasured
from headway_measures.drift.pieces import Pieces, Singles, permutation_p, pieces_of
from headway_measures.drift.results import Effect, Evidence
from headway_measures.drift.sizes import mix_detectable, mix_needs
from headway_measures.drift.units import Ints, Units
from headway_measures.drift.windows import Options
from headway_measures.multiplicity import benjamini_hochberg

_FEWEST, _MOST = 4, 20
_RARE = 5  # units expected in the smaller window, below which clusters are tested together
_NAME_WORDS = 4
_NAME_CHARS = 4_000  # of a text, in which the words of a name are looked for
_WORD = r"\p{L}[\p{L}\p{N}'_-]{1,29}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of texts that are alike, and how much of each window it is.

    Args:
        words: that its texts have and others have not, the most telling first.
        n_ref: calls.
        n_cur: calls of the current window.
        share_ref: of the reference's calls.
        share_cur: of the current window's.
        p_value: of a change of its share.
        q_value: adjusted for all clusters (Benjamini and Hochberg).
    """

    words: tuple[str, ...]
    n_ref: int
    n_cur: int
    share_ref: float
    share_cur: float
    p_value: float
    q_value: float

    @property
    def name(self) -> str:
        """Return its words as one name."""
        return ", ".join(self.words) or "texts without words of their own"

    @property
    def change(self) -> float:
        """Return how much its share grew; below 0 where it shrank."""
        return self.share_cur - self.share_ref


@dataclass(frozen=True, slots=True)
class ClusterResult:
    """Whether the mix of clusters changed, and which of them did.

    Args:
        evidence: of the mix as a whole.
        clusters: the surest change first.
        ref: the place in ``clusters`` of each call, (calls,).
        cur: the same of the current window.
    """

    evidence: Evidence
    clusters: tuple[Cluster, ...]
    ref: Ints
    cur: Ints


def compare_clusters(
    ref: Floats,
    cur: Floats,
    texts: tuple[list[str], list[str]],
    units: Units,
    metric: Metric,
    options: Options,
) -> ClusterResult:
    """Return whether windows differ in the share of calls in each cluster, and in which.

    Units are exchanged between the windows, which keeps the test exact however many calls each
    has and however rare a cluster is; the statistic is that of homogeneity. Shares and effect
    count every call.

    Args:
        ref: unit vectors, one a call, (calls, any).
        cur: the same of the current window.
        texts: of both windows' calls, to name the clusters by.
        units: of the calls.
        metric: what the texts are.
        options: seed, permutations and alpha count.

    Raises:
        ValueError: where vectors are not finite, or of different widths.
    """
    pieces = pieces_of(units)
    evidence = unmeasured(metric, "homogeneity_permutation", units, pieces)
    nothing = np.zeros(0, np.int64)
    if not pieces.is_enough:
        return ClusterResult(evidence, (), nothing, nothing)
    rng = rng_of(metric, options)
    labels = _cluster(pooled(ref, cur), pieces, rng)
    if not labels.any():
        identical = replace(evidence, state="identical", needs_n=None)
        return ClusterResult(identical, (), nothing, nothing)
    contrasts = pieces.contrasts(options.permutations, rng)
    members = pieces.means(np.eye(labels.max() + 1, dtype=np.float32)[labels])
    p_values = [permutation_p(moved) for moved in np.abs(contrasts @ members).T]
    found = _clusters(labels, len(ref), [*texts[0], *texts[1]], p_values)
    order = sorted(
        range(len(found)), key=lambda at: (found[at].p_value, -abs(found[at].change), at)
    )
    clusters = tuple(found[at] for at in order)
    places = np.argsort(order)[labels]
    return ClusterResult(
        _measure_mix(evidence, clusters, contrasts, members[:, order], pieces, options.alpha),
        clusters,
        places[: len(ref)],
        places[len(ref) :],
    )


def _cluster(vectors: Floats, pieces: Pieces, rng: Generator) -> Ints:
    """Return the cluster of each vector, counted from 0; all 0 where vectors are the same.

    So many clusters that an average one has units enough in the smaller window, too.
    """
    if (vectors == vectors[0]).all():
        return np.zeros(len(vectors), np.int64)
    most = min(_MOST, min(pieces.ref_count, pieces.cur_count) // (2 * _RARE))
    count = int(np.clip(math.sqrt(pieces.is_ref.size / 25), _FEWEST, most))
    seed = int(rng.integers(2**31))
    means = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=1_024)
    _, labels = np.unique(means.fit_predict(vectors), return_inverse=True)
    return labels.astype(np.int64)


def _clusters(
    labels: Ints, ref_count: int, texts: list[str], p_values: list[float]
) -> list[Cluster]:
    ref, cur = (
        np.bincount(side, minlength=len(p_values)).tolist()
        for side in (labels[:ref_count], labels[ref_count:])
    )
    return [
        Cluster(words, n_ref, n_cur, n_ref / ref_count, n_cur / (labels.size - ref_count), p, q)
        for words, n_ref, n_cur, p, q in zip(
            _name(texts, labels), ref, cur, p_values, benjamini_hochberg(p_values), strict=True
        )
    ]


def _measure_mix(
    evidence: Evidence,
    clusters: Sequence[Cluster],
    contrasts: Singles,
    members: Singles,
    pieces: Pieces,
    alpha: float,
) -> Evidence:
    """Return the evidence of all clusters together: Σ (p₁-p₂)² / p of the shares of units.

    Rare clusters count as one. Sizes are for the share of the false discoveries that one of two
    tests of clusters has.
    """
    share = members.mean(0)
    is_rare = share * min(pieces.ref_count, pieces.cur_count) < _RARE
    levels = np.where(is_rare, 0, np.cumsum(~is_rare) - (not is_rare.any()))
    merge = np.eye(levels.max() + 1, dtype=np.float32)[levels]
    statistics = (np.square(contrasts @ members @ merge) / (share @ merge)).sum(1)
    level = alpha * SHARES["cluster"] / 2
    distance = np.abs(np.asarray([each.change for each in clusters]) @ merge).sum() / 2
    most = max(clusters, key=lambda each: abs(each.change))
    return replace(
        evidence,
        state="no_drift",
        p_value=permutation_p(statistics),
        effects=(Effect("tvd", float(distance), None, None, MIX_FLOOR),),
        before=f"{100 * most.share_ref:.0f} % {most.name}",
        after=f"{100 * most.share_cur:.0f} % {most.name}",
        needs_n=mix_needs(MIX_FLOOR, merge.shape[1], level),
        detectable=mix_detectable(pieces.ref_count, pieces.cur_count, merge.shape[1], level),
    )


def _name(texts: list[str], labels: Ints) -> list[tuple[str, ...]]:
    """Return the words of each cluster with the largest c-tf-idf (Grootendorst 2022, 2203.05794).

    tf·log(1 + A/f): the share of the cluster's texts that have a word, the texts of all that do,
    and the words of an average cluster. A text counts a word once, so that no long one names its
    cluster alone; what is not twice as common inside as outside is no name.
    """
    count, n = int(labels.max()) + 1, labels.size
    sizes = np.bincount(labels)
    frame = pl.DataFrame({"cluster": labels, "size": sizes[labels], "text": texts})
    word = pl.col("text").str.slice(0, _NAME_CHARS).str.to_lowercase().str.extract_all(_WORD)
    inside, outside = pl.col("count") / pl.col("size"), pl.col("all") - pl.col("count")
    named = (
        frame.select("cluster", "size", word=word.list.unique())
        .explode("word")
        .drop_nulls("word")
        .group_by("cluster", "size", "word")
        .agg(count=pl.len().cast(pl.Int64))
        .with_columns(all=pl.col("count").sum().over("word"))
        .with_columns(score=inside * (1 + pl.col("count").sum() / count / pl.col("all")).log())
        .filter(inside >= 2 * outside / (n - pl.col("size")))
        .sort("cluster", -pl.col("score").round(9), "word")
        .group_by("cluster", maintain_order=True)
        .agg(pl.col("word").head(_NAME_WORDS))
    )
    words = dict(named.iter_rows())
    return [tuple(words.get(each, ())) for each in range(count)]
