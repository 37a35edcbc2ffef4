"""Time cut into slices, the newest first, so that a listing can stop as soon as it has enough.

A slice has about as many rows as its reader takes in ``SLICE_S``: how fast that is shows between
one slice and the next. What a slice only touches of a row group costs as much as if it were in it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headway_collector.store.connections import ROW_GROUP_ROWS, Store
from headway_collector.store.filters import Conditions
from headway_collector.times import SECOND_NS

SLICE_S = 1.0

_FIRST_WIDTH_NS = 3600 * SECOND_NS
_GROWTH = 8
# Fewer rows say nothing of how fast many are read.
_TELLING_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of time; its end is not included."""

    begin_ns: int
    end_ns: int

    def narrow(self, conditions: Conditions) -> Conditions:
        """Return the conditions for spans that start in this slice."""
        clauses = ["spans.start_ns >= ?", "spans.start_ns < ?"]
        return conditions.join(Conditions(clauses, [self.begin_ns, self.end_ns]))


def walk(
    store: Store,
    conditions: Conditions,
    *,
    is_descending: bool = True,
    clock_s: Callable[[], float] = time.monotonic,
) -> Iterator[Slice]:
    """Yield slices that together hold every span which passes the conditions, in order of time.

    The conditions are looked at once for each slice, so they should be quick ones.
    """
    whole = _find_extent(store, conditions)
    width_ns, most_rows = _FIRST_WIDTH_NS, ROW_GROUP_ROWS
    while whole.begin_ns < whole.end_ns:
        if is_descending:
            piece = Slice(max(whole.begin_ns, whole.end_ns - width_ns), whole.end_ns)
        else:
            piece = Slice(whole.begin_ns, min(whole.end_ns, whole.begin_ns + width_ns))
        rows = _count(store, piece.narrow(conditions))
        if rows > most_rows and width_ns > SECOND_NS:
            width_ns = max(SECOND_NS, min(width_ns // 2, width_ns * most_rows // rows))
            continue
        if rows:
            began_s = clock_s()
            yield piece
            if rows >= _TELLING_ROWS:
                rows_per_s = (rows + ROW_GROUP_ROWS) / max(clock_s() - began_s, 1e-3)
                most_rows = max(ROW_GROUP_ROWS, int(rows_per_s * SLICE_S) - ROW_GROUP_ROWS)
        if is_descending:
            whole = Slice(whole.begin_ns, piece.begin_ns)
        else:
            whole = Slice(piece.end_ns, whole.end_ns)
        width_ns *= min(_GROWTH, max(1, most_rows // max(rows, 1)))


def _find_extent(store: Store, conditions: Conditions) -> Slice:
    (row,) = store.read(
        "SELECT min(start_ns) AS first_ns, max(start_ns) AS last_ns "
        f"FROM store.spans AS spans {conditions.where}",
        conditions.values,
    )
    if row["first_ns"] is None:
        return Slice(0, 0)
    return Slice(row["first_ns"], row["last_ns"] + 1)


def _count(store: Store, conditions: Conditions) -> int:
    (row,) = store.read(
        f"SELECT count(*) AS rows FROM store.spans AS spans {conditions.where}", conditions.values
    )
    return int(row["rows"])
