"""Which calls are looked at with their texts, where a window has too many.

Each call has a lot, which the seed and its ids alone decide. Where two windows are compared prompt
by prompt, prompts have lots as well: two draws of calls would have few prompts in common.

The process that compares draws, since it describes what is not described yet and so knows every
prompt. The thread that reads for it only has to find texts enough for any draw.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_collector.store.frames import LACKS, LOT, PROMPT

if TYPE_CHECKING:
    from headway_measures.drift.windows import Options

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Pair = tuple[pl.DataFrame, pl.DataFrame]

# Splitmix64 of Steele, Lea and Flood (2014): a lot of a prompt from its hash and the seed.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST = np.uint64(31)


def draw_calls(calls: pl.DataFrame, text_rows: int) -> Mask:
    """Return which calls have the lowest lots, so many."""
    return _take(np.argsort(calls[LOT].to_numpy(), kind="stable"), text_rows)


def draw_windows(calls: Pair, options: "Options") -> tuple[Mask, Mask]:
    """Return which calls of two windows are looked at, once all are described.

    Args:
        calls: of both windows, with their lots and the hashes of their prompts.
        options: how many texts, the seed, and whether to pair.
    """
    by_lot = _draw_each(calls, options)
    if _fits(calls, options) or options.pair == "never":
        return by_lot
    from headway_measures.drift.comparisons import number_prompts
    from headway_measures.drift.pairing import read_design

    prompts = number_prompts(*calls)
    if read_design(prompts, options) == "unpaired":
        return by_lot
    order = (
        _order_by_prompt(calls[side], prompts[side], prompts[1 - side], options.seed)
        for side in (0, 1)
    )
    ref, cur = (_take(each, options.text_rows) for each in order)
    return ref, cur


def find_texts(calls: Pair, options: "Options") -> tuple[Mask, Mask]:
    """Return which calls' texts are enough to describe the rest, and for any draw after that."""
    lack = calls[0][LACKS].to_numpy(), calls[1][LACKS].to_numpy()
    if not lack[0].any() and not lack[1].any():
        return draw_windows(calls, options)
    if _fits(calls, options) or not _may_pair(calls, options):
        by_lot = _draw_each(calls, options)
        return by_lot[0] | lack[0], by_lot[1] | lack[1]
    return np.ones_like(lack[0]), np.ones_like(lack[1])


def _fits(calls: Pair, options: "Options") -> bool:
    return max(each.height for each in calls) <= options.text_rows


def _draw_each(calls: Pair, options: "Options") -> tuple[Mask, Mask]:
    return draw_calls(calls[0], options.text_rows), draw_calls(calls[1], options.text_rows)


def _may_pair(calls: Pair, options: "Options") -> bool:
    """Return whether the windows may be paired, whatever is asked by what is not described yet."""
    from headway_measures.drift.pairing import LEAST_SHARED

    if options.pair != "auto":
        return options.pair == "prompt"
    return all(
        _most_shared(calls[side], calls[1 - side]) >= LEAST_SHARED * calls[side].height
        for side in (0, 1)
    )


def _most_shared(calls: pl.DataFrame, others: pl.DataFrame) -> int:
    """Return the most calls that can have a prompt which the other window asks, too."""
    asked = calls.filter(~pl.col(LACKS)).group_by(PROMPT).len().drop_nulls()
    is_shared = asked[PROMPT].is_in(others[PROMPT].drop_nulls().unique().implode())
    counts = asked["len"].to_numpy()
    rest = np.sort(counts[~is_shared.to_numpy()])[::-1]
    hidden = calls[LACKS].to_numpy().sum(), others[LACKS].to_numpy().sum()
    return int(counts.sum() - rest.sum() + hidden[0] + rest[: hidden[1]].sum())


def _order_by_prompt(calls: pl.DataFrame, prompts: Ints, others: Ints, seed: int) -> Ints:
    """Return the calls' places: those with a counterpart first, and the first call of each prompt.

    Then come the second calls, so that few prompts that are asked often are all looked at.
    """
    lots = calls[LOT].to_numpy()
    hashes = calls[PROMPT].fill_null(0).to_numpy().view(np.uint64)
    by_prompt = np.lexsort((lots, prompts))
    turns = np.empty(prompts.size, np.int64)
    _, starts, sizes = np.unique(prompts[by_prompt], return_index=True, return_counts=True)
    turns[by_prompt] = np.arange(prompts.size) - np.repeat(starts, sizes)
    order: Ints = np.lexsort((lots, _mix(hashes, seed), turns, ~np.isin(prompts, others)))
    return order


def _mix(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    mixed = hashes + np.array([seed + 1], np.uint64) * _STEP
    for shift, factor in _ROUNDS:
        mixed = (mixed ^ (mixed >> shift)) * factor
    lots: NDArray[np.uint64] = mixed ^ (mixed >> _LAST)
    return lots


def _take(order: NDArray[Any], count: int) -> Mask:
    is_taken = np.zeros(order.size, np.bool_)
    is_taken[order[:count]] = True
    return is_taken
