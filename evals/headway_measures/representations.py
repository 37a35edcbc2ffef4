"""Texts as numbers: the hashed words and byte n-grams of many texts, and their formats.

Nothing is learnt but how common a gram is in the texts given, and nothing is left out: words that
nearly every text holds, such as "sorry", are what a drift often consists of. So the texts of both
windows are to be given together, and no label is looked at.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.clusters import Floats

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

BLOCK_BITS = 18
WORD_SIZES = 1, 2
BYTE_SIZES = 3, 5
FIRST_OF_BYTES = 1 << BLOCK_BITS
WIDTH = 2 * FIRST_OF_BYTES
"""Columns of hashed texts: those of words, then those of bytes."""

_HEAD, _TAIL = 6_000, 2_000  # characters of a long text that are read
_CHUNK_ROWS, _CHUNK_BYTES = 4_096, 1 << 18  # so small that its arrays stay in the cache
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio (Knuth 1973, 6.4)
_BASE = np.uint64(0x5851F42D4C957F2D)  # odd, so that it has an inverse
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_IS_WORD = np.array([b >= 128 or chr(b).isalnum() or b == ord("'") for b in range(256)])
_LOWER = np.array([ord(chr(b).lower()) if b < 128 else b for b in range(256)], np.uint8)
_WORDS = np.where(_IS_WORD, _LOWER, np.uint8(ord(" "))).tobytes()

FORMATS: Final = {
    "nothing": r"\A\s*\z",
    "code fence": "```",
    "bulleted list": r"(?m)^\s*[-*•] ",
    "numbered list": r"(?m)^\s*\d+[.)] ",
    "heading": r"(?m)^#{1,6} ",
    "bold": r"\*\*\S",
    "table row": r"(?m)^\s*\|.*\|",
    "JSON": r"\A\s*[\[{]\s*[\"{\[\]}\d]",
    "link": r"https?://",
    "several paragraphs": r"\n\s*\n",
    "question at the end": r"\?\s*\z",
    "no full stop at the end": r"[\pL\pN]\s*\z",
    "small letter at the start": r"\A\s*\p{Ll}",
}
"""What a text may have of form, by name, each with its regular expression."""


class Representation(Protocol):
    """What makes vectors of texts; those of different ``version`` are never compared."""

    @property
    def version(self) -> str:
        """Return what names it and its version, such as ``hash-1``."""

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Return a vector of length 1 for each text; (texts, dimensions)."""


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A matrix of few values, in no order.

    Args:
        rows: of each value.
        columns: of each value, below ``WIDTH``; each at most once a row.
        values: none is 0.
        count: of rows.
    """

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    count: int

    def holders(self) -> Ints:
        """Return how many rows have each column; (WIDTH,)."""
        return np.bincount(self.columns, minlength=WIDTH)

    def variances(self) -> Floats:
        """Return the variance of each column; (WIDTH,)."""
        values = self.values.astype(np.float64)
        means = np.bincount(self.columns, values, WIDTH) / max(1, self.count)
        squares = np.bincount(self.columns, values**2, WIDTH) / max(1, self.count)
        variances: Floats = np.maximum(0.0, squares - means**2)
        return variances

    def dense(self, columns: Ints) -> NDArray[np.float32]:
        """Return these columns as a full matrix; (rows, columns)."""
        places = np.full(WIDTH, -1, np.int32)
        places[columns] = np.arange(columns.size, dtype=np.int32)
        found = places[self.columns]
        is_kept = found >= 0
        matrix = np.zeros((self.count, columns.size), np.float32)
        matrix[self.rows[is_kept], found[is_kept]] = self.values[is_kept]
        return matrix


@dataclass(frozen=True, slots=True)
class HashedText:
    """Words, pairs of words, and runs of 3 and 5 bytes, hashed and weighted by rarity.

    Weights are (1 + ln tf) · (1 + ln((n + 1) / (df + 1))), of length 1 a row for words and for
    bytes each (Salton and Buckley 1988, Information Processing & Management 24). Hashing needs no
    vocabulary (Weinberger et al. 2009, ICML); two grams that share a column are counted as one.

    Args:
        dimensions: of its vectors.
        seed: of their projection.
    """

    dimensions: int = 256
    seed: int = 0

    @property
    def version(self) -> str:
        """Return what names it and its version."""
        return "hash-1"

    def rows(self, texts: Sequence[str]) -> SparseRows:
        """Return the weighted grams of each text; idf is of exactly these texts."""
        parts: list[tuple[Ints, Ints, Ints]] = []
        done = 0
        for chunk in _chunks([_encoded(text) for text in texts]):
            for block, hashes in enumerate((_word_hashes, _byte_hashes)):
                rows, columns = hashes(chunk)
                keys = (rows << BLOCK_BITS | columns).astype(np.uint32)
                keys, counts = np.unique(keys, return_counts=True)
                column = (keys % FIRST_OF_BYTES).astype(np.int64) + block * FIRST_OF_BYTES
                parts.append(((keys >> BLOCK_BITS).astype(np.int64) + done, column, counts))
            done += len(chunk)
        rows, columns, counts = (
            np.concatenate([part[at] for part in parts] or [np.empty(0, np.int64)])
            for at in range(3)
        )
        return _weighted(rows, columns, counts, len(texts))

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Return a vector of length 1 for each text, 0 for an empty one; (texts, dimensions)."""
        return self.project(self.rows(texts))

    def project(self, rows: SparseRows) -> Floats:
        """Return weighted grams in few dimensions, of length 1, their angles about kept.

        Each column is added to one dimension, with a sign (Charikar, Chen and Farach-Colton 2002).
        """
        salt = np.uint64((self.seed * 2 + 1) % (1 << 64))
        mixed = _mixed(_mixed(np.arange(WIDTH, dtype=np.uint64) + np.uint64(1)) ^ _mixed(salt))
        places = (mixed >> np.uint64(8)) % np.uint64(self.dimensions)
        signs = np.where(mixed & np.uint64(1), 1.0, -1.0)
        keys = rows.rows.astype(np.int64) * self.dimensions + places.astype(np.int64)[rows.columns]
        weights = signs[rows.columns] * rows.values
        sums = np.bincount(keys, weights, rows.count * self.dimensions).astype(np.float64)
        vectors = sums.reshape(rows.count, self.dimensions)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        units: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return units


def spell(column: int, texts: Sequence[str]) -> str:
    """Return the gram behind a column, the commonest of these texts; empty where none has it.

    Words are in small letters with one space between.
    """
    is_bytes = column >= FIRST_OF_BYTES
    found: Counter[str] = Counter()
    for text in texts:
        data = _encoded(text)
        for _, starts, ends, columns in _byte_spans([data]) if is_bytes else _word_spans([data]):
            for place in np.flatnonzero(columns == column % FIRST_OF_BYTES).tolist():
                gram = data[starts[place] : ends[place]].decode("utf-8", "ignore")
                found[gram if is_bytes else " ".join(split_words(gram))] += 1
    return min(found, key=lambda gram: (-found[gram], gram), default="")


def split_words(text: str) -> list[str]:
    """Return the words of a text as they are hashed."""
    return _encoded(text).translate(_WORDS).decode("utf-8", "ignore").split()


def has_formats(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of ``FORMATS`` each text has; (texts, formats)."""
    series = pl.Series("text", [_cleaned(text) for text in texts], dtype=pl.String)
    found = [series.str.contains(pattern).to_numpy() for pattern in FORMATS.values()]
    return np.column_stack(found).astype(np.bool_)


def measure_formats(texts: Sequence[str]) -> Floats:
    """Return each text's logarithms of characters, words and lines, and shares of six kinds.

    The kinds are digits, small letters, capitals, white space, other ASCII, and the rest.
    """
    lengths = np.array([len(text) for text in texts], np.float64)
    found = []
    for chunk in _chunks([_encoded(text) for text in texts]):
        data, offsets = _joined([text + b" " for text in chunk])
        is_word = _IS_WORD[data]
        starts_word = is_word & ~np.r_[False, is_word[:-1]]
        kinds = [_KINDS[data] == kind for kind in range(6)]
        sums = [
            np.diff(np.r_[0, np.cumsum(mask)][offsets])
            for mask in (starts_word, data == ord("\n"), *kinds)
        ]
        shares = [each / np.maximum(1, np.diff(offsets)) for each in sums[2:]]
        found.append(np.column_stack([np.log1p(sums[0]), np.log1p(sums[1]), *shares]))
    if not found:
        return np.empty((0, 9))
    return np.column_stack([np.log1p(lengths), np.concatenate(found)])


def _kind(byte: int) -> int:
    char = chr(byte)
    tests = byte >= 128, char.isdigit(), char.islower(), char.isupper(), char.isspace()
    return (5, 0, 1, 2, 3)[tests.index(True)] if any(tests) else 4


_KINDS = np.array([_kind(byte) for byte in range(256)], np.uint8)


def _cleaned(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _encoded(text: str) -> bytes:
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    return text.encode("utf-8", "replace")


def _chunks(texts: list[bytes]) -> list[list[bytes]]:
    chunks: list[list[bytes]] = []
    size = 0
    for text in texts:
        if not chunks or size + len(text) > _CHUNK_BYTES or len(chunks[-1]) == _CHUNK_ROWS:
            chunks.append([])
            size = 0
        chunks[-1].append(text)
        size += len(text)
    return chunks


def _joined(chunk: list[bytes]) -> tuple[Bytes, Ints]:
    lengths = np.fromiter((len(text) for text in chunk), np.int64, len(chunk))
    return np.frombuffer(b"".join(chunk), np.uint8), np.r_[0, np.cumsum(lengths)]


def _mixed(values: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    spread = np.atleast_1d(values) * _MIX
    mixed: NDArray[np.uint64] = (spread ^ spread >> np.uint64(29)) * _BASE
    return mixed


def _columns(values: NDArray[np.uint64]) -> Ints:
    return (_mixed(values) >> np.uint64(64 - BLOCK_BITS)).astype(np.int64)


_Spans = list[tuple[Ints, Ints, Ints, Ints]]


def _byte_spans(chunk: list[bytes]) -> _Spans:
    """Return row, start, end and column of each run of bytes, by size."""
    data, offsets = _joined(chunk)
    row_of = np.repeat(np.arange(len(chunk)), np.diff(offsets))
    found: _Spans = []
    for size in BYTE_SIZES:
        count = max(0, data.size - size + 1)
        packed = np.full(count, size, np.uint64)
        for at in range(size):
            packed = packed << np.uint64(8) | data[at : at + count]
        starts = np.flatnonzero(row_of[:count] == row_of[size - 1 :])
        found.append((row_of[starts], starts, starts + size, _columns(packed[starts])))
    return found


def _word_spans(chunk: list[bytes]) -> _Spans:
    """Return row, start, end and column of each word and of each two words, by size.

    The hash of a word is Σ b_j·r^(j-start), from sums over all bytes before (Karp and Rabin 1987).
    """
    data, offsets = _joined([text + b" " for text in chunk])
    row_of = np.repeat(np.arange(len(chunk)), np.diff(offsets))
    is_word = _IS_WORD[data]
    edges = np.flatnonzero(np.diff(is_word, prepend=False))
    starts, ends = edges[::2], edges[1::2]
    powers = np.cumprod(np.full(data.size, _BASE, np.uint64))
    inverses = np.cumprod(np.full(data.size, _INVERSE, np.uint64))
    sums = np.r_[np.uint64(0), np.cumsum((_LOWER[data] + np.uint64(1)) * powers)]
    words = _mixed((sums[ends] - sums[starts]) * inverses[starts])
    rows = row_of[starts]
    same = np.flatnonzero(rows[1:] == rows[:-1])
    pairs = words[same] * _BASE + words[same + 1]
    return [
        (rows, starts, ends, _columns(words)),
        (rows[same], starts[same], ends[same + 1], _columns(pairs)),
    ]


def _word_hashes(chunk: list[bytes]) -> tuple[Ints, Ints]:
    spans = _word_spans(chunk)
    return np.concatenate([each[0] for each in spans]), np.concatenate([each[3] for each in spans])


def _byte_hashes(chunk: list[bytes]) -> tuple[Ints, Ints]:
    spans = _byte_spans(chunk)
    return np.concatenate([each[0] for each in spans]), np.concatenate([each[3] for each in spans])


def _weighted(rows: Ints, columns: Ints, counts: Ints, count: int) -> SparseRows:
    rarity = 1 + np.log((count + 1) / (np.bincount(columns, minlength=WIDTH) + 1))
    values = (1 + np.log(counts)) * rarity[columns]
    blocks = rows * 2 + (columns >> BLOCK_BITS)
    lengths = np.sqrt(np.bincount(blocks, values**2, 2 * count))
    weights = (values / lengths[blocks]).astype(np.float32)
    return SparseRows(rows.astype(np.int32), columns.astype(np.int32), weights, count)
