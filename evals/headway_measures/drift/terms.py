"""What in words differs most between texts of two windows.

Each hashed gram, the commonest openers and whole answers, and each format is looked at: in how
many texts of each window it stands. It explains a drift that was found and raises no alarm of its
own.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.drift.results import Term
from headway_measures.grams import FIRST_OF_BYTES, WIDTH, spell, split_words
from headway_measures.multiplicity import benjamini_hochberg
from headway_measures.representations import SparseRows
from headway_measures.text_formats import FORMATS, has_formats

Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]
Kind = Literal["word", "chars", "opener", "answer", "format"]

_KEPT = 12  # a side
_KEPT_CHARS = 4  # of them, at most
_TRIED = 200  # a side, before what says the same twice is dropped
_LARGEST_Q = 0.05
_FEWEST = 5  # texts that hold it
_COMMONEST = 20
_OPENER_WORDS = 3
_LONGEST_SHOWN = 200  # characters of an opener or answer
_FENCE = "```"
_READ = 5  # texts looked into for what a column stands for


@dataclass(frozen=True, slots=True)
class _Named:
    kind: Kind
    text: str

    @property
    def is_shown(self) -> bool:
        """Return whether it says something, and a run of bytes what words do not."""
        return bool(_signs(self.text) if self.kind == "chars" else self.text)

    def overlaps(self, other: "_Named") -> bool:
        """Return whether one says again what the other says."""
        if "format" in (self.kind, other.kind):
            return False
        if "chars" in (self.kind, other.kind):
            first, second = _signs(self.text), _signs(other.text)
            first, second = first or self.text, second or other.text
        else:
            first, second = (f" {' '.join(split_words(each.text))} " for each in (self, other))
        return first in second or second in first


def find_terms(
    texts: Sequence[str], is_current: Flags, units: Ints, hashed: SparseRows
) -> tuple[Term, ...]:
    """Return what tells the windows apart, at most 12 that are commoner now, then 12 rarer.

    Shares are of all texts; p-values of one text a unit, by two proportions with Yates'
    correction; q-values count every gram that five texts hold. Byte n-grams are shown only where
    words cannot show it: signs and line ends.

    Args:
        texts: of both windows.
        is_current: which of them are of the current one.
        units: of each.
        hashed: of the same texts.
    """
    named, flags = _whole_texts(texts)
    _, one_a_unit = np.unique(np.column_stack([units, is_current]), axis=0, return_index=True)
    is_counted = np.zeros(len(texts), np.bool_)
    is_counted[one_a_unit] = True
    ref, n_ref = _holders(hashed, flags, is_counted & ~is_current)
    cur, n_cur = _holders(hashed, flags, is_counted & is_current)
    z = _z_values(ref, cur, n_ref, n_cur)
    tried = np.flatnonzero(ref + cur >= _FEWEST)
    p_values = 2 * stats.norm.sf(np.abs(z))
    q_values = np.ones(z.size)
    q_values[tried] = benjamini_hochberg(p_values[tried].tolist())
    all_ref, count_ref = _holders(hashed, flags, ~is_current)
    all_cur, count_cur = _holders(hashed, flags, is_current)
    telling = tried[q_values[tried] <= _LARGEST_Q]
    # Of what tells as much, whole answers and openers come first, words before bytes.
    is_bytes = (telling >= FIRST_OF_BYTES) & (telling < WIDTH)
    ranked = telling[np.lexsort((is_bytes, telling < WIDTH, -np.abs(z[telling]).round(1)))]
    return tuple(
        Term(
            each.text,
            each.kind,
            float(all_ref[at] / max(1, count_ref)),
            float(all_cur[at] / max(1, count_cur)),
            float(p_values[at]),
            float(q_values[at]),
        )
        for sign in (1, -1)
        for each, at in _distinct(ranked[sign * z[ranked] > 0][:_TRIED], named, texts, hashed)
    )


def _distinct(
    places: Ints, named: Sequence[_Named], texts: Sequence[str], hashed: SparseRows
) -> Iterator[tuple[_Named, int]]:
    """Yield the first that say different things, with their places."""
    is_wanted = np.zeros(WIDTH, np.bool_)
    is_wanted[places[places < WIDTH]] = True
    is_here = is_wanted[hashed.columns]
    rows, columns = hashed.rows[is_here], hashed.columns[is_here]
    kept: list[_Named] = []
    for at in places.tolist():
        if at >= WIDTH:
            each = named[at - WIDTH]
        else:
            read = [texts[row] for row in rows[columns == at][:_READ].tolist()]
            gram = spell(at, read)
            if at < FIRST_OF_BYTES:
                gram = _with_fence(gram, read)
            each = _Named("word" if at < FIRST_OF_BYTES else "chars", gram)
        if each.is_shown and not any(each.overlaps(other) for other in kept):
            if each.kind == "chars" and sum(one.kind == "chars" for one in kept) == _KEPT_CHARS:
                continue
            kept.append(each)
            yield each, at
        if len(kept) == _KEPT:
            return


def _whole_texts(texts: Sequence[str]) -> tuple[list[_Named], Flags]:
    """Return what is said of a text as a whole, and which texts it is true of; (texts, names)."""
    answers = [text.strip() for text in texts]
    openers = [
        _FENCE * answer.startswith(_FENCE)
        + " ".join(split_words(answer[:_LONGEST_SHOWN])[:_OPENER_WORDS])
        for answer in answers
    ]
    named: list[_Named] = []
    flags: list[Flags] = []
    kinds: tuple[tuple[Kind, list[str]], ...] = (("answer", answers), ("opener", openers))
    for kind, values in kinds:
        for value in _commonest(values):
            named.append(_Named(kind, value))
            flags.append(np.array([each == value for each in values], np.bool_))
    named += [_Named("format", name) for name in FORMATS]
    return named, np.column_stack([*flags, has_formats(texts)])


def _commonest(texts: Sequence[str]) -> list[str]:
    """Return what several texts have in common, if it is short enough to be read."""
    counts = Counter(text for text in texts if 0 < len(text) <= _LONGEST_SHOWN)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_COMMONEST]
    return [text for text, count in ranked if count >= _FEWEST]


def _holders(hashed: SparseRows, flags: Flags, chosen: Flags) -> tuple[Ints, int]:
    """Return how many of the chosen texts hold each gram and are as each name says."""
    grams = np.bincount(hashed.columns[chosen[hashed.rows]], minlength=WIDTH)
    return np.r_[grams, flags[chosen].sum(axis=0)], int(chosen.sum())


def _z_values(ref: Ints, cur: Ints, n_ref: int, n_cur: int) -> Floats:
    """Return the z of two proportions, above 0 where it is commoner now.

    The correction is Yates' (1934, Supplement to the JRSS 1).
    """
    inverse = 1 / n_ref + 1 / n_cur
    difference = cur / n_cur - ref / n_ref
    pooled = (ref + cur) / (n_ref + n_cur)
    errors = np.sqrt(pooled * (1 - pooled) * inverse)
    corrected = np.sign(difference) * np.maximum(0.0, np.abs(difference) - inverse / 2)
    z: Floats = np.divide(corrected, errors, out=np.zeros_like(errors), where=errors > 0)
    return z


def _with_fence(gram: str, texts: Sequence[str]) -> str:
    """Return words with the fence before them, where it is code that begins with them."""
    fenced = f"{_FENCE}{gram}"
    behind = sum(fenced in " ".join(text.lower().split()) for text in texts)
    return fenced if gram and 2 * behind > len(texts) else gram


def _signs(text: str) -> str:
    """Return what a run of bytes shows: without the ends of words at its edges."""
    return re.sub(r"^[A-Za-z0-9]+|[A-Za-z0-9]+$", "", text).strip(" ").lower()
