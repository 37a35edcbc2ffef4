"""Ridge regressions of labels on rows, each fold's by the other folds, for many labels at once.

What a ridge says of a row it was not fitted to is a linear smoother of the labels: all that costs
is done once, and each further set of labels, such as a permuted one, is a product of matrices. So
a p-value by permutation can refit everything, however much the folds share.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from headway_measures.clusters import Floats

Ints = NDArray[np.int64]

FOLDS = 5
LARGEST_GROUP = 0.4
"""Prompts and units that hang together in more than this share of the calls are not kept so."""


class Smoother(Protocol):
    """Fits many sets of labels, each row's by the folds that it is not in."""

    def scores(self, labels: Floats) -> Floats:
        """Return what is fitted to each row; (rows, sets) as are the labels."""


def fit_smoother(rows: Floats, folds: Ints) -> Smoother:
    """Return the ridge with an intercept for these rows, in the form that is cheaper.

    The penalty is the mean of the Gram matrix's eigenvalues that are not 0 by their count, the
    smaller of rows and columns; no label is looked at.

    Args:
        rows: (rows, columns).
        folds: of each row, from 0.
    """
    centred = rows - rows.mean(axis=0)
    count, width = centred.shape
    penalty = float((centred**2).sum()) / max(1, min(count, width)) or 1.0
    if count <= width:
        return _by_rows(centred, folds, penalty)
    return _by_columns(centred, folds, penalty)


@dataclass(frozen=True, slots=True)
class _ByRows:
    """What the fit to all rows leaves of any labels, of which the folds' own follow (dual form).

    With R the map from labels to residuals, those of a fold's labels by a fit without it are
    R_ff⁻¹ (R y)_f, as for a single row left out (Cook and Weisberg 1982, 2.2).
    """

    residual: Floats
    tests: list[Ints]
    factors: list[tuple[Floats, bool]]

    def scores(self, labels: Floats) -> Floats:
        left = self.residual @ labels
        found = np.empty_like(labels)
        for test, factor in zip(self.tests, self.factors, strict=True):
            missed = linalg.cho_solve(factor, left[test], check_finite=False)
            found[test] = labels[test] - missed
        return found


def _by_rows(centred: Floats, folds: Ints, penalty: float) -> _ByRows:
    count = len(centred)
    gram = centred @ centred.T
    gram[np.diag_indices(count)] += penalty
    factor, is_lower = linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    inverse, _ = linalg.lapack.dpotri(factor, lower=is_lower, overwrite_c=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    # The intercept takes the mean: of rows that are centred it is all that it can take.
    residual = penalty * inverse - 1 / count
    tests = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    factors = [
        linalg.cho_factor(residual[np.ix_(test, test)], overwrite_a=True, check_finite=False)
        for test in tests
    ]
    return _ByRows(residual, tests, factors)


@dataclass(frozen=True, slots=True)
class _ByColumns:
    """A factor of each fold's Gram matrix of the other folds' columns (primal form)."""

    parts: list[Floats]
    tests: list[Ints]
    factors: list[tuple[Floats, bool]]

    def scores(self, labels: Floats) -> Floats:
        own = [part.T @ labels[test] for part, test in zip(self.parts, self.tests, strict=True)]
        everything = np.sum(own, axis=0)
        sums = np.sum([part.sum(axis=0) for part in self.parts], axis=0)
        found = np.empty_like(labels)
        for part, test, mine, factor in zip(self.parts, self.tests, own, self.factors, strict=True):
            count = labels.shape[0] - test.size
            label_means = (labels.sum(axis=0) - labels[test].sum(axis=0)) / count
            means = (sums - part.sum(axis=0)) / count
            target = everything - mine - count * np.outer(means, label_means)
            weights = linalg.cho_solve(factor, target, check_finite=False)
            offset = label_means - means @ weights
            found[test] = part @ weights + offset
        return found


def _by_columns(rows: Floats, folds: Ints, penalty: float) -> _ByColumns:
    tests = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    parts = [rows[test] for test in tests]
    grams = [part.T @ part for part in parts]
    whole = np.sum(grams, axis=0)
    sums = [part.sum(axis=0) for part in parts]
    total = np.sum(sums, axis=0)
    factors = []
    for part, gram, own in zip(parts, grams, sums, strict=True):
        count = rows.shape[0] - part.shape[0]
        means = (total - own) / count
        inside = whole - gram - count * np.outer(means, means)
        inside[np.diag_indices_from(inside)] += penalty
        factors.append(linalg.cho_factor(inside, overwrite_a=True, check_finite=False))
    return _ByColumns(parts, tests, factors)


def connected_groups(prompts: Ints, units: Ints) -> Ints:
    """Return a number for each call, the same where prompts or units link calls."""
    _, prompt = np.unique(prompts, return_inverse=True)
    _, unit = np.unique(units, return_inverse=True)
    size = prompt.max(initial=-1) + unit.max(initial=-1) + 2
    nodes = unit + prompt.max(initial=-1) + 1
    links = coo_array((np.ones(prompt.size), (prompt, nodes)), shape=(size, size))
    groups = connected_components(links, directed=False)[1]
    return np.asarray(groups[prompt], np.int64)


def draw_folds(groups: Ints, rng: np.random.Generator) -> Ints:
    """Return a fold for each call, those of a group in one, the largest to the emptiest first."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count = min(FOLDS, sizes.size)
    filled = [0] * count
    fold_of = np.zeros(sizes.size, np.int64)
    for each in np.lexsort((rng.random(sizes.size), -sizes)).tolist():
        fold = filled.index(min(filled))
        fold_of[each] = fold
        filled[fold] += int(sizes[each])
    return fold_of[group]


def fold_aucs(scores: Floats, labels: Floats, folds: Ints) -> Floats:
    """Return the mean of the folds' AUCs by their pairs of texts; (sets,).

    Scores are compared to 6 digits, so that texts alike tie; so are the statistics.
    """
    wins, pairs = np.zeros(labels.shape[1]), np.zeros(labels.shape[1])
    for fold in np.unique(folds):
        is_in = folds == fold
        is_current = labels[is_in] > 0
        current = is_current.sum(axis=0)
        # Ranks along contiguous memory: several times faster than down the columns.
        ranks = stats.rankdata(np.ascontiguousarray(np.round(scores[is_in], 6).T), axis=1)
        wins += (ranks * is_current.T).sum(axis=1) - current * (current + 1) / 2
        pairs += current * (is_in.sum() - current)
    even = np.full_like(wins, 0.5)
    aucs: Floats = np.divide(wins, pairs, out=even, where=pairs > 0)
    return np.round(aucs, 6)


def measure_auc(scores: Floats, labels: Floats, units: Ints, folds: Ints) -> tuple[float, float]:
    """Return the statistic and its standard error over units.

    Each text counts by its placement (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44), the
    texts of a unit together (Obuchowski 1997, Biometrics 53).
    """
    placements = np.zeros(scores.size)
    total = 0.0
    auc = fold_aucs(scores[:, None], labels[:, None], folds)[0]
    for fold in np.unique(folds):
        is_in = folds == fold
        ref, cur = np.flatnonzero(is_in & (labels < 0)), np.flatnonzero(is_in & (labels > 0))
        for ours, others, sign in ((cur, ref, 1.0), (ref, cur, -1.0)):
            values = np.sort(np.round(scores[others], 6))
            mine = np.round(scores[ours], 6)
            below = np.searchsorted(values, mine, "left") + np.searchsorted(values, mine, "right")
            wins = below / 2 if sign > 0 else others.size - below / 2
            own = wins.sum() / max(1, ours.size)
            placements[ours] = wins - own
        total += ref.size * cur.size
    _, unit = np.unique(units, return_inverse=True)
    sums = np.bincount(unit, placements) / max(1.0, total)
    return float(auc), math.sqrt(sums.size / max(1, sums.size - 1) * float((sums**2).sum()))
