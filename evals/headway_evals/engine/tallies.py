"""Who waits for which likelihood: from the tokens measured in a batch back to the items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway_evals.engine.forwards import Table, Wanted
from headway_evals.engine.passages import Encoded, Measured, PassageScore
from headway_evals.engine.prefixes import Bush, PrefixTree, Span, Tokens

OnMeasured = Callable[[int, Measured], None]
"""Called as each item is measured, in any order, with its index."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured in a batch, and for each token the number of its passage."""

    wanted: Wanted
    owners: NDArray[np.int64]


class Tally:
    """Collects the likelihoods of items.

    A token at depth d of a passage is predicted at depth d - 1, so a row is a passage without its
    last token, and a passage of n tokens with k measured is measured at the depths n - 1 - k to
    n - 2 of its row.

    Args:
        encoded: the items; of those that cannot be measured ``on_measured`` hears at once.
        on_measured: hears of each item as its last likelihood comes.
    """

    def __init__(self, encoded: Sequence[Encoded], on_measured: OnMeasured) -> None:
        self._encoded = encoded
        self._on_measured = on_measured
        self._passages = [passage for item in encoded for passage in item.passages]
        counts = [len(item.passages) for item in encoded]
        self._items = np.repeat(np.arange(len(encoded)), counts)
        self._firsts = np.cumsum([0, *counts]).tolist()
        self._unfinished = list(counts)
        measured = [passage.measured for passage in self._passages]
        self._left = np.asarray(measured, np.int64)
        self._logprobs = np.zeros(len(measured))
        self._are_greedy = np.ones(len(measured), bool)
        self._of_row: list[list[int]] = []
        self._coming: tuple[Table, Asked] | None = None
        self.rows: list[Tokens] = [passage.ids[:-1] for passage in self._passages]
        for index, count in enumerate(counts):
            if not count:
                self._report(index)

    def plant(self, tree: PrefixTree) -> None:
        """Take note of which passages are measured in which row of a tree."""
        self._of_row = [[] for _ in tree.rows]
        for passage, place in enumerate(tree.places):
            self._of_row[place].append(passage)

    def count_in(self, span: Span) -> int:
        """Return about how many tokens are measured in a span, more rather than less."""
        rows = self._of_row[span.first : span.last]
        return sum(self._passages[passage].measured for row in rows for passage in row)

    def asked_in_trunk(self, span: Span, stem: int) -> Asked:
        """Return what is measured in a span's stem, up to ``stem``."""
        parts = [
            self._part(passage, np.arange(stem - span.depth, dtype=np.int32), span.depth, 0)
            for row in self._of_row[span.first : span.last]
            for passage in row
        ]
        return _joined(parts)

    def asked_in_rows(
        self, rows: Sequence[Sequence[Span]], bushes: Sequence[Sequence[Bush]]
    ) -> Asked:
        """Return what is measured in spans that are laid out in rows."""
        width = max(sum(len(bush.ids) for bush in row) for row in bushes)
        parts = []
        for number, (spans, laid_out) in enumerate(zip(rows, bushes, strict=True)):
            start = number * width
            for span, bush in zip(spans, laid_out, strict=True):
                for row, places in zip(
                    self._of_row[span.first : span.last], bush.places, strict=True
                ):
                    parts += [self._part(passage, places, span.depth, start) for passage in row]
                start += len(bush.ids)
        return _joined(parts)

    def expect(self, table: Table, asked: Asked) -> None:
        """Take a batch that is under way, and the one before it, which should have come."""
        before, self._coming = self._coming, (table, asked)
        if before is not None:
            self._read(*before)

    def settle(self) -> None:
        """Take the batch that is still under way."""
        if self._coming is not None:
            self._read(*self._coming)
            self._coming = None

    def _part(self, passage: int, places: Tokens, depth: int, start: int) -> Asked:
        """Return what of a passage is measured where its row stands from a depth on."""
        ids, measured = self._passages[passage].ids, self._passages[passage].measured
        end = len(ids) - 1
        low = max(end - measured, depth)
        high = max(low, min(end, depth + len(places)))
        return Asked(
            Wanted(places[low - depth : high - depth] + start, ids[low + 1 : high + 1]),
            np.full(high - low, passage),
        )

    def _read(self, table: Table, asked: Asked) -> None:
        values, owners = table.read(), asked.owners
        np.add.at(self._logprobs, owners, values[:, 0].astype(np.float64))
        np.logical_and.at(self._are_greedy, owners, values[:, 1] > 0)
        np.subtract.at(self._left, owners, 1)
        for passage in np.unique(owners[self._left[owners] == 0]):
            index = int(self._items[passage])
            self._unfinished[index] -= 1
            if not self._unfinished[index]:
                self._report(index)

    def _report(self, index: int) -> None:
        own = range(self._firsts[index], self._firsts[index + 1])
        scores = [
            PassageScore(float(self._logprobs[each]), bool(self._are_greedy[each])) for each in own
        ]
        self._on_measured(index, self._encoded[index].measured(scores))


def _joined(parts: Sequence[Asked]) -> Asked:
    if not parts:
        nothing = np.empty(0, np.int64)
        return Asked(Wanted(nothing, nothing), nothing)
    return Asked(
        Wanted(
            np.concatenate([part.wanted.places for part in parts]),
            np.concatenate([part.wanted.tokens for part in parts]),
        ),
        np.concatenate([part.owners for part in parts]),
    )
