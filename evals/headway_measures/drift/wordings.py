"""Figures of a column in words: ``21 %``, ``median 346 chars``, ``stop 91 %, length 8 %``."""

import numpy as np

from headway_measures.clusters import Floats

# Levels can be any text a call holds.
_LONGEST_LEVEL = 40
# Of the spread of the middle half of the values: a median that moves by less stands still, and
# then a tail that moves by more is told.
_STILL, _FAR = 0.1, 0.2
_QUANTILES = (0.25, 0.5, 0.75, 0.9)


def share(value: float) -> str:
    """Return a share in per cent, three digits at most."""
    return f"{100 * value:.3g} %"


def figure(value: float) -> str:
    """Return a number with three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def centres(ref: Floats, cur: Floats, unit: str) -> tuple[str, str]:
    """Return both medians, or what moved where they stand still: 90th percentiles, or means.

    Medians, since a few long answers hide in a mean that most became short.
    """
    (low, before, high, tail), (least, after, most, new_tail) = (
        np.quantile(each, _QUANTILES).tolist() for each in (ref, cur)
    )
    name, spread = "median", max(high, most) - min(low, least)
    is_same = figure(before) == figure(after)
    is_still = is_same or abs(after - before) < _STILL * spread
    if is_still and abs(new_tail - tail) > _FAR * spread > 0:
        name, before, after = "90th percentile", tail, new_tail
    elif is_same:
        name, before, after = "mean", float(ref.mean()), float(cur.mean())
    return f"{name} {figure(before)} {unit}".strip(), f"{name} {figure(after)} {unit}".strip()


def shares(levels: list[str], ref: Floats, cur: Floats, count: int = 3) -> tuple[str, str]:
    """Return the shares of the levels that moved most, the same in both.

    Args:
        levels: their names.
        ref: the share of each.
        cur: the same of the current window.
        count: how many are named.
    """
    moved = np.argsort(-np.abs(cur - ref), kind="stable")[:count]
    named = [(level_name(levels[place]), ref[place], cur[place]) for place in moved.tolist()]
    return (
        ", ".join(f"{name} {share(before)}" for name, before, _ in named),
        ", ".join(f"{name} {share(after)}" for name, _, after in named),
    )


def level_name(level: str) -> str:
    """Return a level on one line, cut where it is long; nothing is called "empty"."""
    line = " ".join(level.split()) or "empty"
    return line if len(line) <= _LONGEST_LEVEL else f"{line[: _LONGEST_LEVEL - 1]}…"
