"""Which rows of tokens begin alike, and what of that is worth computing once.

Sorted, rows that begin alike lie side by side, and how much each shares with the one before it
says all about the prefix tree: a span of rows is a subtree, the beginning common to the span is
its stem, and its tokens are those of the first row and what each later row adds.

The tree is cut in two kinds of pieces. A *bush* is a subtree small enough to go through the model
whole, as one row in which each token sees its own ancestors. A *trunk* is a stem that many bushes
stand on: it is computed once and kept, as keys and values, while they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

# Sharing costs a mask over each row, so it must save at least this share of a span's tokens.
_LEAST_SAVED = 1 / 8


@dataclass(frozen=True, slots=True)
class Span:
    """The sorted rows from ``first`` to before ``last``, from the token at ``depth`` on.

    All of them are equal before ``depth``.
    """

    first: int
    last: int
    depth: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What makes a trunk.

    Args:
        bush_tokens: the most that a bush may have above its stem: each of its tokens is masked
            from the others, which costs like attention to them.
        stem_tokens: a stem of more is cut up into trunks.
        forward_tokens: what another call of the model costs, in tokens.
    """

    bush_tokens: int
    stem_tokens: int
    forward_tokens: int


@dataclass(frozen=True, slots=True)
class Division:
    """A span cut up: the bushes, and the spans whose stem is a trunk, with that trunk's end."""

    bushes: list[Span]
    trunks: list[tuple[Span, int]]


class PrefixTree:
    """The prefix tree of rows of tokens.

    Args:
        rows: in any order, none empty; one that is another's beginning is part of that one.

    Attributes:
        rows: sorted.
        shared: how many tokens each shares with the one before it.
        places: for each row that was given, the row that it is or begins.
    """

    def __init__(self, rows: Sequence[Tokens]) -> None:
        # Big-endian, so that bytes compare as the tokens do, and much faster.
        keys = [np.asarray(row, ">u4").tobytes() for row in rows]
        order = sorted(range(len(rows)), key=keys.__getitem__)
        self.rows: list[Tokens] = []
        self.shared: list[int] = []
        self.places = [0] * len(rows)
        for index in order:
            row = rows[index]
            shared = _shared(self.rows[-1], row) if self.rows else 0
            if self.rows and shared == len(self.rows[-1]):
                self.rows[-1] = row
            else:
                self.rows.append(row)
                self.shared.append(shared)
            self.places[index] = len(self.rows) - 1
        added = [len(row) - shared for row, shared in zip(self.rows, self.shared, strict=True)]
        self._added = np.concatenate([[0], np.cumsum(added, dtype=np.int64)])
        self._shared_array = np.asarray(self.shared, np.int64)

    @property
    def root(self) -> Span:
        """Return all rows."""
        return Span(0, len(self.rows), 0)

    def stem(self, span: Span) -> int:
        """Return up to where the rows of a span are equal."""
        common = len(self.rows[span.first])
        if span.last - span.first > 1:
            common = min(common, int(self._shared_array[span.first + 1 : span.last].min()))
        return common

    def token_count(self, span: Span) -> int:
        """Return how many tokens a span has, each shared one counted once."""
        later = int(self._added[span.last] - self._added[span.first + 1])
        return len(self.rows[span.first]) - span.depth + later

    def parts(self, span: Span, stem: int, depth: int) -> list[Span]:
        """Return the subtrees above a stem, as spans from ``depth`` on."""
        inner = self._shared_array[span.first + 1 : span.last]
        borders = (np.flatnonzero(inner <= stem) + span.first + 1).tolist()
        firsts = [span.first, *borders]
        return [
            Span(first, last, depth)
            for first, last in zip(firsts, [*borders, span.last], strict=True)
        ]

    def leaves(self) -> list[Span]:
        """Return every row as a span of its own, with nothing shared."""
        return [Span(place, place + 1, 0) for place in range(len(self.rows))]

    def divide(self, spans: Sequence[Span], limits: Limits) -> Division:
        """Cut spans up into bushes and trunks."""
        division = Division([], [])
        waiting = list(spans)
        while waiting:
            span = waiting.pop()
            stem = self.stem(span)
            length = stem - span.depth
            count = self.token_count(span)
            if length > limits.stem_tokens:
                division.trunks.append((span, span.depth + limits.stem_tokens))
            elif count - length <= limits.bush_tokens:
                division.bushes.append(span)
            else:
                parts = self.parts(span, stem, stem)
                saved = length * (len(parts) - 1)
                if saved > limits.forward_tokens and saved > _LEAST_SAVED * count:
                    division.trunks.append((span, stem))
                else:
                    waiting += self.parts(span, stem, span.depth)
        return division


@dataclass(frozen=True, slots=True)
class Bush:
    """A span laid out as one row, each token after the one it continues.

    Args:
        ids: the tokens.
        depths: how many tokens stand before each in its own text.
        ends: before which place the tokens that continue each end.
        places: for each row of the span, where each of its tokens stands.
        is_chain: every token continues the one before it, so that no mask is needed.
    """

    ids: Tokens
    depths: Tokens
    ends: Tokens
    places: list[Tokens]
    is_chain: bool


def lay_out(tree: PrefixTree, span: Span) -> Bush:
    """Return a span as one row."""
    ids, depths, places, starts, news = [], [], [], [], []
    size = 0
    path = np.empty(0, np.int32)
    for index in range(span.first, span.last):
        row = tree.rows[index]
        new = span.depth if index == span.first else tree.shared[index]
        own = np.arange(size, size + len(row) - new, dtype=np.int32)
        path = np.concatenate([path[: new - span.depth], own])
        ids.append(row[new:])
        depths.append(np.arange(new, len(row), dtype=np.int32))
        places.append(path)
        starts.append(size)
        news.append(new)
        size += len(row) - new

    # A token's descendants end where the first later row stands that leaves it: one that shares
    # no more than the tokens before it.
    ends = np.full(size, size, np.int32)
    for number, path in enumerate(places):
        end = len(path) + span.depth
        for later in range(number + 1, len(places)):
            if end <= news[number]:
                break
            if news[later] < end:
                left = max(news[later], news[number])
                begin = starts[number] + left - news[number]
                ends[begin : starts[number] + end - news[number]] = starts[later]
                end = left
    return Bush(
        np.concatenate(ids),
        np.concatenate(depths),
        ends,
        places,
        is_chain=bool((ends == size).all()),
    )


def _shared(one: Tokens, other: Tokens) -> int:
    """Return how many tokens two rows begin with alike."""
    size = min(len(one), len(other))
    different = np.flatnonzero(one[:size] != other[:size])
    return int(different[0]) if len(different) else size
