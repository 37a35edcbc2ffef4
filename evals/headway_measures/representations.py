"""Texts as numbers: the hashed words and byte n-grams of many texts, weighted by rarity.

Nothing is learnt but how common a gram is in the texts given, and nothing is left out: words that
nearly every text holds, such as "sorry", are what a drift often consists of. So the texts of both
windows are to be given together, and no label is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headway_measures.clusters import Floats
from headway_measures.grams import (
    BLOCK_BITS,
    FIRST_OF_BYTES,
    WIDTH,
    Ints,
    Keys,
    Shorts,
    byte_keys,
    chunk_texts,
    mix,
    word_keys,
)


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

    rows: Shorts
    columns: Shorts
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
    bytes each (Salton and Buckley 1988, Information Processing & Management 24).

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
        parts: list[_Part] = []
        first = 0
        for chunk in chunk_texts(texts):
            parts += [
                _counted(keys, block, first)
                for block, keys in enumerate((word_keys(chunk), byte_keys(chunk)))
            ]
            first += len(chunk)
        return _weighted(parts, len(texts))

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Return a vector of length 1 for each text, 0 for an empty one; (texts, dimensions)."""
        return self.project(self.rows(texts))

    def project(self, rows: SparseRows) -> Floats:
        """Return weighted grams in few dimensions, of length 1, their angles about kept.

        Each column is added to one dimension, with a sign (Charikar, Chen and Farach-Colton 2002).
        """
        salt = np.array([(self.seed * 2 + 1) % (1 << 64)], np.uint64)
        mixed = mix(mix(np.arange(WIDTH, dtype=np.uint64) + np.uint64(1)) ^ mix(salt))
        places = (mixed >> np.uint64(8)) % np.uint64(self.dimensions)
        signs = np.where(mixed & np.uint64(1), 1.0, -1.0)
        keys = rows.rows.astype(np.int64) * self.dimensions + places.astype(np.int64)[rows.columns]
        weights = signs[rows.columns] * rows.values
        sums = np.bincount(keys, weights, rows.count * self.dimensions).astype(np.float64)
        vectors = sums.reshape(rows.count, self.dimensions)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        units: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return units


@dataclass(frozen=True, slots=True)
class _Part:
    """How often each gram of a block stands in each text of a chunk.

    Args:
        first: row of the chunk.
        rows: of each gram, from 0.
        columns: of each gram.
        counts: of each gram.
    """

    first: int
    rows: Shorts
    columns: Shorts
    counts: Ints


def _counted(keys: Keys, block: int, first: int) -> _Part:
    known, counts = np.unique(keys, return_counts=True)
    columns = (known % FIRST_OF_BYTES).astype(np.int32) + np.int32(block * FIRST_OF_BYTES)
    return _Part(first, (known >> BLOCK_BITS).astype(np.int32), columns, counts)


def _weighted(parts: list[_Part], count: int) -> SparseRows:
    """Return all parts weighted, part by part, so that their arrays stay in the cache."""
    holders = np.zeros(WIDTH, np.int64)
    for part in parts:
        holders += np.bincount(part.columns, minlength=WIDTH)
    rarity = 1 + np.log((count + 1) / (holders + 1))
    ends = np.cumsum([part.rows.size for part in parts], dtype=np.int64).tolist()
    size = ends[-1] if ends else 0
    made = SparseRows(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32), count
    )
    for part, end in zip(parts, ends, strict=True):
        place = slice(end - part.rows.size, end)
        values = (1 + np.log(part.counts)) * rarity[part.columns]
        lengths = np.sqrt(np.bincount(part.rows, values**2))
        made.rows[place], made.columns[place] = part.rows + part.first, part.columns
        made.values[place] = values / lengths[part.rows]
    return made
