"""What was wrong with the question: calls that both windows hold, metrics that there are not.

Shared calls differ in nothing, and hide what does: they count in one window alone. A window that
is the other is refused, since "no drift" of it would be true and say nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from headway_measures.drift.windows import Window, WindowsError
from headway_measures.scores import counted

_NAMES = ("trace_id", "span_id")


def tell_apart(ref: Window, cur: Window) -> tuple[Window, Window, tuple[str, ...]]:
    """Return the windows without common calls, and a note of how many they had.

    Shared calls stay where they are the larger part: a model compared with all calls is compared
    with all others.

    Raises:
        WindowsError: both hold the same calls and no other.
    """
    names = [name for name in _NAMES if name in ref.rows.columns and name in cur.rows.columns]
    if not names:
        return ref, cur, ()
    alone = [
        rows.join(others, on=names, how="anti", nulls_equal=True, maintain_order="left")
        for rows, others in ((ref.rows, cur.rows), (cur.rows, ref.rows))
    ]
    shared = ref.rows.height - alone[0].height
    if not shared:
        return ref, cur, ()
    if not alone[0].height and not alone[1].height:
        raise WindowsError(
            f"both windows hold the same {counted(shared, 'call')}, so that nothing can differ: "
            "choose windows of other times, models, versions or tags"
        )
    is_or_are = "call is" if shared == 1 else "calls are"
    it_counts = "it counts" if shared == 1 else "they count"
    parted = f"{shared:,} {is_or_are} in both windows: {it_counts} in the"
    if alone[0].height >= alone[1].height:
        return _without(ref, alone[0]), cur, (f"{parted} window after alone",)
    return ref, _without(cur, alone[1]), (f"{parted} window before alone",)


def _without(window: Window, rows: pl.DataFrame) -> Window:
    """Return a window of these rows of it alone."""
    shared = window.rows.height - rows.height
    return replace(window, rows=rows, row_count=window.row_count - shared)


def unknown_note(names: Sequence[str]) -> tuple[str, ...]:
    """Return that these names, which were asked for, are no metrics."""
    if not names:
        return ()
    told = ", ".join(repr(name) for name in names)
    return (f"these calls have no metric {told}: GET /v1/drift/metrics names the usual ones",)
