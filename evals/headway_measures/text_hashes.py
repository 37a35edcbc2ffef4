"""Many texts at once as arrays: the kind of every character, the words as 64-bit hashes.

A character is looked up once, in a table of what Unicode says of it, and everything after that is
arithmetic on arrays, so that a thousand texts cost hardly more calls of Python than one. What a
text hashes to depends on nothing but the text: not on its neighbours, the process, or the version
of a library; so a hash can be stored and compared next year.

A word is a run of letters, marks and digits of any case, ``don't`` being two; in scripts without
spaces between words (Han, kana) each character is one.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]
Flags = NDArray[np.uint8]

WORD, DIGIT, PUNCTUATION, UPPER, SPACE, IDEOGRAPH = (np.uint8(1 << bit) for bit in range(6))

MOST_TEXTS = 1 << 14
"""At a time: a packed key has 14 bits for the text and 50 for the hash."""

_HASH_BITS = np.uint64(50)
_LOW_BITS = np.uint64((1 << 50) - 1)

# Planes 0 and 1. Beyond them are rare ideographs, which all stand for the last character of the
# table, one that Unicode will never assign.
_TABLE_SIZE = 0x20000
_IDEOGRAPHS = ((0x3040, 0x3100), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00))

# Odd, and of no pattern: the fractional digits of the golden ratio, and of SplitMix64 (Steele,
# Lea and Flood 2014), whose finaliser `mix` is.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class Characters:
    """The characters of many texts, one after the other, a line break after each text.

    Args:
        codes: as the table knows them, (characters + texts,).
        flags: what each is, a sum of ``WORD``, ``DIGIT`` and so on.
        starts: where each text begins, (texts,).
        lengths: of each text in characters, (texts,).
    """

    codes: Codes
    flags: Flags
    starts: Counts
    lengths: Counts

    def count(self, is_wanted: NDArray[np.bool_]) -> Counts:
        """Return how many characters of each text are wanted."""
        return self.count_at(np.flatnonzero(is_wanted))

    def count_at(self, places: Counts) -> Counts:
        """Return how many of these places, which rise, stand in each text."""
        first = np.searchsorted(places, self.starts)
        return np.searchsorted(places, self.starts + self.lengths) - first


@dataclass(frozen=True, slots=True)
class Words:
    """The words of many texts, one after the other.

    Args:
        hashes: of each word, whatever its case, (words,).
        texts: in which text each stands, (words,), rising.
        counts: of words in each text, (texts,).
    """

    hashes: Hashes
    texts: Counts
    counts: Counts


@dataclass(frozen=True, slots=True)
class Hits:
    """Which of many hashes a lexicon holds.

    Args:
        places: of those that it holds, rising, (hits,).
        entries: which of its entries each is, (hits,).
    """

    places: Counts
    entries: Counts


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Hashes to be found again among many.

    Args:
        hashes: each once, rising, (entries,).
        may_hold: whether it may hold a hash with these low bits; most others end there.
    """

    hashes: Hashes
    may_hold: NDArray[np.bool_]

    def find(self, hashes: Hashes) -> Hits:
        """Find the hashes that the lexicon holds."""
        if not self.hashes.size:
            return Hits(np.empty(0, np.int64), np.empty(0, np.int64))
        places = np.flatnonzero(self.may_hold[hashes & np.uint64(self.may_hold.size - 1)])
        likely = hashes[places]
        entries = np.minimum(np.searchsorted(self.hashes, likely), self.hashes.size - 1)
        is_held = self.hashes[entries] == likely
        return Hits(places[is_held], entries[is_held])


def make_lexicon(hashes: Hashes) -> Lexicon:
    """Return the lexicon of these hashes, of which some may be the same."""
    entries = np.sort(hashes)
    is_first = np.ones(entries.size, bool)
    is_first[1:] = entries[1:] != entries[:-1]
    entries = entries[is_first]
    # Sixteen places an entry: of sixteen other hashes one at most is looked for in vain.
    may_hold = np.zeros(1 << max(10, (16 * entries.size).bit_length()), bool)
    may_hold[entries & np.uint64(may_hold.size - 1)] = True
    return Lexicon(entries, may_hold)


@dataclass(frozen=True, slots=True)
class _Table:
    """What is known of each character: its flags, and a hash of its lower case."""

    flags: Flags
    values: Hashes


def read_characters(texts: Sequence[str]) -> Characters:
    """Look up the characters of at most ``MOST_TEXTS`` texts."""
    if len(texts) > MOST_TEXTS:
        raise ValueError(f"{len(texts)} texts at once: {MOST_TEXTS} are the most")
    # A lone surrogate is a character like any other here.
    joined = "".join(f"{text}\n" for text in texts).encode("utf-32-le", "surrogatepass")
    codes = np.minimum(np.frombuffer(joined, np.uint32), np.uint32(_TABLE_SIZE - 1))
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]]) if len(texts) else lengths
    return Characters(codes, _table().flags[codes], starts.astype(np.int64), lengths)


def read_words(characters: Characters) -> Words:
    """Return the words of the texts."""
    flags = characters.flags
    is_word = (flags & WORD) != 0
    places = np.flatnonzero(is_word)
    # A word begins where none was before, and at and after an ideograph.
    is_alone = (flags & IDEOGRAPH) != 0
    begins = is_word.copy()
    begins[1:] &= ~is_word[:-1] | is_alone[1:] | is_alone[:-1]
    firsts = np.flatnonzero(begins[places])
    counts = characters.count_at(places[firsts])
    texts = np.repeat(np.arange(counts.size), counts)
    values = _table().values[characters.codes[places]]
    return Words(_sum_runs(values, firsts), texts, counts)


def pack_grams(words: Words, size: int) -> Hashes:
    """Return each run of ``size`` words as one key: 14 bits of its text, 50 of its hash.

    The keys stand in the order of the texts; sorting them puts equal runs of one text together.
    """
    length = words.hashes.size - size + 1
    if length <= 0:
        return np.empty(0, np.uint64)
    grams = words.hashes[:length].copy()
    for step in range(1, size):
        grams *= _GOLDEN
        grams ^= words.hashes[step : step + length]
    # The runs that end in the text in which they begin.
    is_whole = words.texts[:length] == words.texts[size - 1 :]
    texts = words.texts[:length][is_whole].astype(np.uint64)
    packed: Hashes = (texts << _HASH_BITS) | (mix(grams[is_whole]) & _LOW_BITS)
    return packed


def texts_of(keys: Hashes) -> Counts:
    """Return the text of each packed key."""
    return (keys >> _HASH_BITS).astype(np.int64)


def hashes_of(keys: Hashes) -> Hashes:
    """Return the 50 bits of each packed key's hash."""
    return keys & _LOW_BITS


def fold_texts(characters: Characters) -> Hashes:
    """Return a hash of each text that knows no case, no number, and no width of white space."""
    codes, flags = characters.codes, characters.flags
    is_digit, is_space = (flags & DIGIT) != 0, (flags & SPACE) != 0
    is_kept = ~is_space
    is_kept[1:] &= ~(is_digit[1:] & is_digit[:-1])
    # White space counts as the mark of what follows it, so that a text may end in any of it.
    is_after_space = np.zeros_like(is_space)
    is_after_space[1:] = is_space[:-1]
    places = np.flatnonzero(is_kept)
    values = _table().values[codes[places]]
    values[is_digit[places]] = _GOLDEN
    is_marked = np.flatnonzero(is_after_space[places])
    values[is_marked] = mix(values[is_marked] + _FIRST)
    counts = characters.count_at(places)
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if counts.size else counts
    has_any = counts > 0
    # White space before a text is not part of it.
    begun = firsts[has_any].astype(np.int64)
    values[begun] = _table().values[codes[places[begun]]]
    values[begun[is_digit[places[begun]]]] = _GOLDEN
    folded = np.zeros(counts.size, np.uint64)
    folded[has_any] = _sum_runs(values, begun)
    return folded


def hash_text(text: str) -> int:
    """Return a hash of a text as it is, as a signed 64-bit number."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def mix(values: Hashes) -> Hashes:
    """Return values whose every bit depends on every bit of the given ones."""
    mixed: Hashes = (values ^ (values >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))


def _sum_runs(values: Hashes, firsts: Counts) -> Hashes:
    """Return a hash of each run of values, a polynomial in an odd number modulo 2^64."""
    if not firsts.size:
        return np.empty(0, np.uint64)
    lengths = np.diff(firsts, append=values.size)
    powers = np.full(int(lengths.max()), _GOLDEN)
    powers[0] = 1
    powers = np.cumprod(powers, dtype=np.uint64)
    places = np.arange(values.size) - np.repeat(firsts, lengths)
    return mix(np.add.reduceat(values * powers[places], firsts))


@cache
def _table() -> _Table:
    flags = np.zeros(_TABLE_SIZE, np.uint8)
    lower = np.arange(_TABLE_SIZE, dtype=np.uint64)
    for code in range(_TABLE_SIZE):
        letter = chr(code)
        category = unicodedata.category(letter)
        if category[0] in "LNM":
            flags[code] = WORD | (DIGIT if category == "Nd" else 0)
        elif category[0] in "PS":
            flags[code] = PUNCTUATION
        if category == "Lu":
            flags[code] |= UPPER
        if letter.isspace():
            flags[code] |= SPACE
        lowered = letter.lower()
        lower[code] = ord(lowered) if len(lowered) == 1 else code
    for first, end in _IDEOGRAPHS:
        flags[first:end] |= (flags[first:end] & WORD) * IDEOGRAPH
    flags[-1] = WORD | IDEOGRAPH
    values = mix((lower + np.uint64(1)) * _GOLDEN)
    return _Table(flags, values)
