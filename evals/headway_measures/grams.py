"""The grams of many texts, hashed to columns: words, pairs of words, runs of 3 and 5 bytes.

Hashing needs no vocabulary (Weinberger et al. 2009, ICML); two grams that share a column are
counted as one. Texts are read in chunks so small that all arrays stay in the cache.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Keys = NDArray[np.uint32]

BLOCK_BITS = 18
BYTE_SIZES = 3, 5
FIRST_OF_BYTES = 1 << BLOCK_BITS
WIDTH = 2 * FIRST_OF_BYTES
"""Columns of hashed texts: those of words, then those of bytes."""

_HEAD, _TAIL = 6_000, 2_000  # characters of a long text that are read
_CHUNK_ROWS, _CHUNK_BYTES = 4_096, 1 << 18
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio (Knuth 1973, 6.4)
_BASE = np.uint64(0x5851F42D4C957F2D)  # odd, so that it has an inverse
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_IS_WORD = np.array([b >= 128 or chr(b).isalnum() or b == ord("'") for b in range(256)])
_LOWER = np.array([ord(chr(b).lower()) if b < 128 else b for b in range(256)], np.uint8)
_AS_WORDS = np.where(_IS_WORD, _LOWER, np.uint8(ord(" "))).tobytes()


def word_keys(chunk: list[bytes]) -> Keys:
    """Return row and column of each word and of each two, as ``row << BLOCK_BITS | column``."""
    data, row_of = join_texts([text + b" " for text in chunk])
    rows = row_of.astype(np.uint32) << np.uint32(BLOCK_BITS)
    spans = _word_spans(data, row_of)
    return np.concatenate([rows[starts] | columns for starts, _, columns in spans])


def byte_keys(chunk: list[bytes]) -> Keys:
    """Return row and column of each run of bytes, as ``row << BLOCK_BITS | column``."""
    data, row_of = join_texts(chunk)
    rows = row_of.astype(np.uint32) << np.uint32(BLOCK_BITS)
    found = []
    for size in BYTE_SIZES:
        keys = _byte_columns(data, size)
        keys |= rows[: keys.size]
        # The runs that end in the text in which they begin.
        found.append(keys[row_of[: keys.size] == row_of[size - 1 :]])
    return np.concatenate(found)


def spell(column: int, texts: Sequence[str]) -> str:
    """Return the gram behind a column, the commonest of these texts; empty where none has it.

    Words are in small letters with one space between.
    """
    is_bytes = column >= FIRST_OF_BYTES
    found: Counter[str] = Counter()
    for text in texts:
        data = encode_text(text)
        spans = _byte_spans(data) if is_bytes else _word_spans(*join_texts([data + b" "]))
        for starts, ends, columns in spans:
            for place in np.flatnonzero(columns == column % FIRST_OF_BYTES).tolist():
                gram = data[starts[place] : ends[place]].decode("utf-8", "ignore")
                found[gram if is_bytes else " ".join(split_words(gram))] += 1
    return min(found, key=lambda gram: (-found[gram], gram), default="")


def split_words(text: str) -> list[str]:
    """Return the words of a text as they are hashed."""
    return encode_text(text).translate(_AS_WORDS).decode("utf-8", "ignore").split()


def encode_text(text: str) -> bytes:
    """Return the bytes of a text that are read: of a long one those at both ends."""
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    return text.encode("utf-8", "replace")


def chunk_texts(texts: Sequence[str]) -> list[list[bytes]]:
    """Return the bytes of texts in chunks."""
    chunks: list[list[bytes]] = []
    size = 0
    for text in map(encode_text, texts):
        if not chunks or size + len(text) > _CHUNK_BYTES or len(chunks[-1]) == _CHUNK_ROWS:
            chunks.append([])
            size = 0
        chunks[-1].append(text)
        size += len(text)
    return chunks


def join_texts(chunk: list[bytes]) -> tuple[Bytes, Shorts]:
    """Return texts as one, and the row of each byte."""
    lengths = np.fromiter((len(text) for text in chunk), np.int64, len(chunk))
    row_of = np.repeat(np.arange(len(chunk), dtype=np.int32), lengths)
    return np.frombuffer(b"".join(chunk), np.uint8), row_of


def word_edges(data: Bytes) -> Ints:
    """Return where words start and end in turn; the last byte is to be in none."""
    return np.flatnonzero(np.diff(_IS_WORD[data], prepend=False))


def mix(values: Hashes) -> Hashes:
    """Return values whose upper bits depend on all bits of the given ones."""
    spread = values * _MIX
    mixed: Hashes = (spread ^ spread >> np.uint64(29)) * _BASE
    return mixed


def _columns(values: Hashes) -> Keys:
    return (mix(values) >> np.uint64(64 - BLOCK_BITS)).astype(np.uint32)


def _byte_columns(data: Bytes, size: int) -> Keys:
    """Return the column of the run of bytes that begins at each place."""
    count = max(0, data.size - size + 1)
    packed = np.full(count, size, np.uint64)
    for at in range(size):
        packed <<= np.uint64(8)
        packed |= data[at : at + count]
    return _columns(packed)


_Spans = list[tuple[Ints, Ints, Keys]]


def _byte_spans(text: bytes) -> _Spans:
    """Return start, end and column of each run of bytes, by size."""
    found: _Spans = []
    for size in BYTE_SIZES:
        columns = _byte_columns(np.frombuffer(text, np.uint8), size)
        starts = np.arange(columns.size)
        found.append((starts, starts + size, columns))
    return found


def _word_spans(data: Bytes, row_of: Shorts) -> _Spans:
    """Return start, end and column of each word and of each two words, by size.

    The hash of a word is Σ b_j·r^(j-start), from sums over all bytes before (Karp and Rabin 1987).
    """
    edges = word_edges(data)
    starts, ends = edges[::2], edges[1::2]
    powers, inverses = _powers()
    values = (_LOWER[data] + np.uint64(1)) * powers[: data.size]
    sums = np.r_[np.uint64(0), np.cumsum(values)]
    words = mix((sums[ends] - sums[starts]) * inverses[starts])
    same = np.flatnonzero(row_of[starts[1:]] == row_of[starts[:-1]])
    pairs = words[same] * _BASE + words[same + 1]
    return [(starts, ends, _columns(words)), (starts[same], ends[same + 1], _columns(pairs))]


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """Return the powers of a word's hash, enough for the largest chunk, and their inverses."""
    size = _CHUNK_BYTES + _CHUNK_ROWS
    powers, inverses = (np.full(size, base, np.uint64) for base in (_BASE, _INVERSE))
    return np.cumprod(powers, dtype=np.uint64), np.cumprod(inverses, dtype=np.uint64)
