"""What was wrong with the question: calls that both windows hold, metrics that there are not.

Shared calls differ in nothing, and hide what does. A window that reaches into the other is told
so; one that is the other is refused, since "no drift" of it would be true and say nothing.
"""

from collections.abc import Sequence

import polars as pl

from headway_measures.drift.amounts import percent
from headway_measures.drift.windows import WindowsError
from headway_measures.scores import counted

_NAMES = ("trace_id", "span_id")


def count_shared(ref: pl.DataFrame, cur: pl.DataFrame) -> int:
    """Return how many calls both windows hold.

    Raises:
        WindowsError: they hold the same calls and no other.
    """
    names = [name for name in _NAMES if name in ref.columns and name in cur.columns]
    if not names:
        return 0
    called = [rows.select(names).unique() for rows in (ref, cur)]
    shared = called[0].join(called[1], on=names, how="semi", nulls_equal=True).height
    if shared and shared == called[0].height == called[1].height:
        raise WindowsError(
            f"both windows hold the same {counted(shared, 'call')}, so that nothing can differ: "
            "choose windows of other times, models, versions or tags"
        )
    return shared


def overlap_note(shared: int, ref: pl.DataFrame, cur: pl.DataFrame) -> tuple[str, ...]:
    """Return what is to be known of windows that share calls; nothing where they share none.

    Args:
        shared: how many calls both hold.
        ref: the rows before.
        cur: the rows after.
    """
    if not shared:
        return ()
    parts = [percent(round(shared / max(1, rows.height), 2)) for rows in (ref, cur)]
    is_or_are = "call is" if shared == 1 else "calls are"
    return (
        f"{shared:,} {is_or_are} in both windows ({parts[0]} of those before, {parts[1]} of those "
        "now), which hides what changed: choose two apart",
    )


def unknown_note(names: Sequence[str]) -> tuple[str, ...]:
    """Return that these names, which were asked for, are no metrics."""
    if not names:
        return ()
    told = ", ".join(repr(name) for name in names)
    return (f"these calls have no metric {told}: GET /v1/drift/metrics names the usual ones",)
