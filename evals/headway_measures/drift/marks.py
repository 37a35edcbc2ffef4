"""What marks the texts of one window: words that are surely commoner in it, each a small vote.

A few words in some texts are lost on a classifier that weighs thousands of them, though each alone
is plain to see. Here a word votes only where its shares differ by more than chance makes of all
but a few, the more the further beyond (nearest shrunken centroids: Tibshirani, Hastie, Narasimhan
and Chu 2002, PNAS 99), and a text without such a word has no vote. Each fold is judged by the
words of the others.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from headway_measures.clusters import Floats
from headway_measures.drift.units import Ints
from headway_measures.grams import FIRST_OF_BYTES
from headway_measures.representations import SparseRows

THRESHOLD = 3.5
"""How many standard errors a difference has to have: of a thousand words that chance alone moves
one has half of a chance to pass."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Fits many sets of labels, as a ``Smoother`` does.

    Args:
        tests: the rows of each fold.
        words: which words stand in each fold's texts, (rows of the fold, words).
    """

    tests: list[Ints]
    words: list[csr_array]

    def scores(self, labels: Floats) -> Floats:
        """Return from -1 to 1 how surely each text is marked as the window after's; (rows, sets).

        Args:
            labels: -1 and 1, (rows, sets).
        """
        is_cur = (labels > 0).astype(np.float32)
        held = [words.T @ is_cur[test] for words, test in zip(self.words, self.tests, strict=True)]
        counts = [words.sum(axis=0)[:, None] for words in self.words]
        all_held, all_counts = np.sum(held, axis=0), np.sum(counts, axis=0)
        found = np.zeros_like(labels)
        for words, test, mine, own in zip(self.words, self.tests, held, counts, strict=True):
            cur = is_cur.sum(axis=0) - is_cur[test].sum(axis=0)
            ref = labels.shape[0] - test.size - cur
            votes = self._votes(all_held - mine, all_counts - own, cur, ref)
            places = np.flatnonzero(votes.any(axis=1))
            if places.size:
                found[test] = np.tanh(words[:, places] @ votes[places] / 2)
        return found

    def _votes(self, held: Floats, counts: Floats, cur: Floats, ref: Floats) -> Floats:
        """Return the logarithm of the odds that a word shifts, 0 for nearly all; (words, sets)."""
        share = counts / (cur + ref)
        spread = np.sqrt(np.maximum(share * (1 - share), 1e-12))
        error = np.sqrt(1 / cur + 1 / ref)
        z = held * (1 / cur + 1 / ref)
        z -= counts / ref
        z /= spread
        z /= error
        words, sets = np.nonzero(np.abs(z) > THRESHOLD)
        passed = z[words, sets]
        votes = np.zeros_like(z)
        shrunk = passed - np.copysign(THRESHOLD, passed)
        votes[words, sets] = shrunk * error[sets] / spread[words, 0]
        return votes


def fit_marks(hashed: SparseRows, folds: Ints, ratio: float) -> Marks:
    """Return what finds the marks of these texts; no label is looked at.

    Args:
        hashed: of the texts.
        folds: of each text, from 0.
        ratio: the larger window's texts to those of the smaller one.
    """
    is_word = hashed.columns < FIRST_OF_BYTES
    rows, columns = hashed.rows[is_word], hashed.columns[is_word]
    holders = np.bincount(columns, minlength=FIRST_OF_BYTES)
    # Rarer words could not pass, even if one window had them all.
    kept = np.flatnonzero(holders * ratio >= THRESHOLD**2)
    places = np.full(FIRST_OF_BYTES, -1)
    places[kept] = np.arange(kept.size)
    is_kept = places[columns] >= 0
    ones = np.ones(int(is_kept.sum()), np.float32)
    shape = (hashed.count, kept.size)
    words = csr_array((ones, (rows[is_kept], places[columns[is_kept]])), shape=shape)
    tests = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    return Marks(tests, [words[test] for test in tests])
