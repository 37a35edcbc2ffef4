"""What can be counted in words: how an answer repeats itself, the prompt, and other answers.

Every figure comes of sorted n-gram keys (`text_hashes.pack_grams`), a whole batch at a time.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from headway_measures.descriptors.characters import blank, divide
from headway_measures.text_hashes import (
    Counts,
    Hashes,
    Words,
    hashes_of,
    make_lexicon,
    mix,
    pack_grams,
    texts_of,
)

_COPIED_WORDS = 5
"""As many words in a row are hardly the same by chance."""

_SKETCHED_WORDS = 3
_BANDS, _HASHES_A_BAND = 2, 4

# One multiplier a minhash, odd so that no two keys become one.
_MULTIPLIERS = mix(np.arange(1, _BANDS * _HASHES_A_BAND + 1, dtype=np.uint64)) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class Repetition:
    """How much of each text is said for the first time.

    Args:
        distinct: share of different n-grams among all, null without any.
        max_repeat: how often the commonest one occurs, 0 without any.
    """

    distinct: pl.Series
    max_repeat: Counts


def measure_repetition(words: Words, size: int) -> Repetition:
    """Look for n-grams of so many words that occur again."""
    keys = np.sort(pack_grams(words, size))
    is_first = np.ones(keys.size, bool)
    is_first[1:] = keys[1:] != keys[:-1]
    firsts = np.flatnonzero(is_first)
    texts = texts_of(keys[firsts])
    distinct = np.bincount(texts, minlength=words.counts.size)
    commonest = np.zeros(words.counts.size, np.int64)
    if firsts.size:
        text_firsts = _find_firsts(texts)
        repeats = np.diff(firsts, append=keys.size)
        commonest[texts[text_firsts]] = np.maximum.reduceat(repeats, text_firsts)
    return Repetition(divide(distinct, np.maximum(words.counts - size + 1, 0)), commonest)


def measure_copying(answers: Words, prompts: Words) -> pl.Series:
    """Return the share of each answer's 5-grams that stand in its prompt, null without any."""
    keys = pack_grams(answers, _COPIED_WORDS)
    given = make_lexicon(pack_grams(prompts, _COPIED_WORDS))
    found = texts_of(keys[given.find(keys).places])
    copied = np.bincount(found, minlength=answers.counts.size)
    return divide(copied, np.maximum(answers.counts - _COPIED_WORDS + 1, 0))


def sketch(words: Words) -> list[pl.Series]:
    """Return two numbers a text, of which near-duplicates share at least one.

    Each stands for the smallest of four hashes of the text's 3-grams: two texts that have a
    share J of their 3-grams in common have the same number with the chance J^4 (minhash, Broder
    1997, in bands). Null below three words.
    """
    keys = pack_grams(words, _SKETCHED_WORDS)
    texts = texts_of(keys)
    firsts = _find_firsts(texts)
    has_any = np.isin(np.arange(words.counts.size), texts[firsts])
    sketches = []
    for multipliers in _MULTIPLIERS.reshape(_BANDS, _HASHES_A_BAND):
        band = np.zeros(words.counts.size, np.uint64)
        if firsts.size:
            band[has_any] = _combine_smallest(hashes_of(keys), firsts, multipliers)
        sketches.append(blank(pl.Series(band.view(np.int64)), pl.Series(~has_any)))
    return sketches


def _combine_smallest(hashes: Hashes, firsts: Counts, multipliers: Hashes) -> Hashes:
    combined = np.zeros(firsts.size, np.uint64)
    for multiplier in multipliers:
        combined = mix(combined ^ np.minimum.reduceat(hashes * multiplier, firsts))
    return combined


def _find_firsts(texts: Counts) -> Counts:
    """Return where each text begins among texts that rise."""
    is_first = np.ones(texts.size, bool)
    is_first[1:] = texts[1:] != texts[:-1]
    return np.flatnonzero(is_first)
