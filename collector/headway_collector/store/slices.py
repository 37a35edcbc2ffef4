"""Time cut into slices, the newest first, so that a listing can stop as soon as it has enough.

A slice has about as many rows as its reader takes in ``SLICE_S``: how fast that is shows between
one slice and the next. What a slice only touches of a row group costs as much as if it were in it.
Where texts are read, rows say little: the first slice has as many as seem to have so many bytes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.openings import ROW_GROUP_ROWS
from headway_collector.times import SECOND_NS

SLICE_S = 1.0

_FIRST_WIDTH_NS = 3600 * SECOND_NS
_LEAST_WIDTH_NS = 1000
_GROWTH = 8
_FIRST_BYTES = 32 * 1024 * 1024
_SAMPLED_ROWS = 100
_FEWEST_ROWS = 16
_TEXTS = ("input", "output", "attributes")
# Fewer rows say nothing of how fast many are read.
_TELLING_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of time, whose end is not included, and how many rows are in it at most."""

    begin_ns: int
    end_ns: int
    row_count: int = 0

    @property
    def is_least(self) -> bool:
        """Whether it cannot be cut further."""
        return self.row_count <= 1 or self.end_ns - self.begin_ns <= _LEAST_WIDTH_NS

    def narrow(self, conditions: Conditions) -> Conditions:
        """Return the conditions for spans that start in this slice."""
        clauses = ["spans.start_ns >= ?", "spans.start_ns < ?"]
        return conditions.join(Conditions(clauses, [self.begin_ns, self.end_ns]))


def walk(
    store: Store,
    conditions: Conditions,
    *,
    is_descending: bool = True,
    has_texts: bool = False,
    most_rows: int | None = None,
    clock_s: Callable[[], float] = time.monotonic,
) -> Iterator[Slice]:
    """Yield slices that together hold every span which passes the conditions, in order of time.

    The conditions are looked at once for each slice, so they should be quick ones. Where the reader
    ``has_texts`` to look at, which may be long, the first slice is small; ``most_rows`` says how
    small, if that is known.
    """
    whole = _find_extent(store, conditions)
    width_ns = _FIRST_WIDTH_NS
    least_ns = _LEAST_WIDTH_NS if has_texts else SECOND_NS
    while whole.begin_ns < whole.end_ns:
        if is_descending:
            piece = Slice(max(whole.begin_ns, whole.end_ns - width_ns), whole.end_ns)
        else:
            piece = Slice(whole.begin_ns, min(whole.end_ns, whole.begin_ns + width_ns))
        rows = _count(store, piece.narrow(conditions))
        if rows and most_rows is None:
            inside = piece.narrow(conditions)
            most_rows = _estimate_rows(store, inside) if has_texts else ROW_GROUP_ROWS
        if most_rows is not None and rows > most_rows and width_ns > least_ns:
            width_ns = max(least_ns, min(width_ns // 2, width_ns * most_rows // rows))
            continue
        if most_rows is not None and rows:
            began_s = clock_s()
            yield replace(piece, row_count=rows)
            took_s = max(clock_s() - began_s, 1e-3)
            most_rows = _adapt(most_rows, rows, took_s, has_texts=has_texts)
        if is_descending:
            whole = Slice(whole.begin_ns, piece.begin_ns)
        else:
            whole = Slice(piece.end_ns, whole.end_ns)
        width_ns *= min(_GROWTH, max(1, (most_rows or ROW_GROUP_ROWS) // max(rows, 1)))


def _adapt(most_rows: int, rows: int, took_s: float, *, has_texts: bool) -> int:
    """Return how many rows the next slice should have."""
    if has_texts and took_s > SLICE_S:
        return max(_FEWEST_ROWS, int(rows * SLICE_S / took_s))
    if rows >= _TELLING_ROWS:
        at_once = int((rows + ROW_GROUP_ROWS) / took_s * SLICE_S) - ROW_GROUP_ROWS
        return max(ROW_GROUP_ROWS, at_once)
    return max(most_rows, int(rows * min(_GROWTH, SLICE_S / took_s))) if has_texts else most_rows


def _estimate_rows(store: Store, conditions: Conditions) -> int:
    """Return how many rows may have ``_FIRST_BYTES`` of texts, but no more than a row group."""
    lengths = " + ".join(f"coalesce(strlen({name}), 0)" for name in _TEXTS)
    (row,) = store.read(
        f"SELECT avg(size) AS size FROM (SELECT {lengths} AS size FROM store.spans AS spans "
        f"{conditions.where} LIMIT {_SAMPLED_ROWS})",
        conditions.values,
    )
    at_once = int(_FIRST_BYTES / max(row["size"] or 0, 1))
    return min(ROW_GROUP_ROWS, max(_FEWEST_ROWS, at_once))


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
