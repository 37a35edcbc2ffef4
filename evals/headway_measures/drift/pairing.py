"""Which calls of two windows ask the same, so that they can be compared with each other.

It needs as many calls of a prompt on either side: the mean of ten calls is spread otherwise than
one call, and would differ from it where nothing changed. Where a window has more, as many are
drawn as the other has.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.clusters import Floats
from headway_measures.drift.samples import are_present, rank_names, read_column
from headway_measures.drift.units import Ints, Pairs
from headway_measures.drift.windows import Options

Design = Literal["unpaired", "paired", "fixed"]
"""``fixed``: the prompts of both windows are the same, so that nothing of them can have changed."""

LEAST_SHARED = 0.8
"""Of the calls of either window, as many must ask what the other window asks, too."""

# Prompts that differ by less than a mix that matters are the same prompts.
_NEARLY_ALL = 0.95


@dataclass(frozen=True, slots=True)
class MatchedCalls:
    """Calls of shared prompts, of each as many in both windows.

    Args:
        prompts: what names each shared prompt.
        calls: the places of the calls, in both windows.
        places: the place in ``prompts`` of each of these calls' prompt, in both windows.
    """

    prompts: Ints
    calls: tuple[Ints, Ints]
    places: tuple[Ints, Ints]


def read_design(prompts: tuple[Ints, Ints], options: Options) -> Design:
    """Return how calls of two windows are to be compared.

    Args:
        prompts: what names the prompt of each call, in both windows.
        options: ``auto`` pairs where four calls in five of either window have a prompt that the
            other has, too; ``never``; or ``prompt``, always.
    """
    ref, cur = prompts
    if options.pair == "never" or not (ref.size and cur.size):
        return "unpaired"
    _, counts_ref, counts_cur = _shared(ref, cur)
    covered = min(counts_ref.sum() / ref.size, counts_cur.sum() / cur.size)
    if not covered or (options.pair == "auto" and covered < LEAST_SHARED):
        return "unpaired"
    equal = float((counts_ref == counts_cur).mean())
    alike = np.minimum(counts_ref, counts_cur).sum() / max(ref.size, cur.size)
    return "fixed" if min(equal, alike) >= _NEARLY_ALL else "paired"


def match_calls(
    prompts: tuple[Ints, Ints],
    there: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    names: tuple[list[str], list[str]],
    options: Options,
) -> MatchedCalls | None:
    """Return the calls to compare; None where the windows are not to be paired.

    Args:
        prompts: what names the prompt of each call.
        there: which calls have a value; the others do not count.
        names: of each call, such as span ids, to draw by.
        options: whether to pair, and the seed of the draw.
    """
    if read_design(prompts, options) == "unpaired":
        return None
    present = np.flatnonzero(there[0]), np.flatnonzero(there[1])
    shared, *counts = _shared(prompts[0][present[0]], prompts[1][present[1]])
    fewer = np.minimum(*counts)
    calls, places = [], []
    for side in (0, 1):
        ranks = np.arange(present[side].size)
        if (counts[side] != fewer).any():
            ranks = rank_names(names[side], options.seed)[present[side]]
        asked = prompts[side][present[side]]
        order = np.lexsort((ranks, asked))
        kept, place = _first_of_each(asked[order], shared, fewer)
        calls.append(present[side][order[kept]])
        places.append(place)
    return MatchedCalls(shared, (calls[0], calls[1]), (places[0], places[1]))


def pair_up(
    ref: pl.Series,
    cur: pl.Series,
    prompts: tuple[Ints, Ints],
    names: tuple[list[str], list[str]],
    options: Options,
) -> Pairs | None:
    """Return what both windows make of the prompts they share, the mean of each prompt's calls.

    Args:
        ref: numbers or flags of each call.
        cur: the same of the current window.
        prompts: what names the prompt of each call.
        names: of each call, such as span ids, to draw by.
        options: whether to pair, and the seed of the draw.

    Returns:
        None where the windows are not to be paired.
    """
    columns = read_column(ref, "number"), read_column(cur, "number")
    there = are_present(columns[0]), are_present(columns[1])
    matched = match_calls(prompts, there, names, options)
    if matched is None:
        return None
    means = [
        _means(column.to_numpy()[calls], places, matched.prompts.size)
        for column, calls, places in zip(columns, matched.calls, matched.places, strict=True)
    ]
    return Pairs(means[0], means[1], matched.prompts)


def _first_of_each(asked: Ints, shared: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Return the first calls of each shared prompt, so many of each, and their prompts' places.

    Args:
        asked: the prompt of each call, rising.
        shared: the shared prompts, rising.
        counts: how many calls of each count.
    """
    if not shared.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    place = np.minimum(np.searchsorted(shared, asked), shared.size - 1)
    before = np.searchsorted(asked, shared)[place]
    kept = np.flatnonzero(
        (shared[place] == asked) & (np.arange(asked.size) - before < counts[place])
    )
    return kept, place[kept]


def _means(values: Floats, places: Ints, count: int) -> Floats:
    means: Floats = np.bincount(places, values, count) / np.bincount(places, minlength=count)
    return means


def _shared(ref: Ints, cur: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the prompts of both windows, rising, and how many calls of each they have."""
    names_ref, counts_ref = np.unique(ref, return_counts=True)
    names_cur, counts_cur = np.unique(cur, return_counts=True)
    shared, in_ref, in_cur = np.intersect1d(
        names_ref, names_cur, assume_unique=True, return_indices=True
    )
    return shared.astype(np.int64), counts_ref[in_ref], counts_cur[in_cur]
