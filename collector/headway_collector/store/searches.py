"""One page of a search through texts: what takes minutes in all is stopped after seconds.

What was found by then is returned, with a cursor from which the next page goes on, so that the
pages together are as exact and complete as those of any listing.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from headway_collector.errors import TooBroadError
from headway_collector.store.connections import Store
from headway_collector.store.deadlines import ANSWER_S
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Page
from headway_collector.store.slices import Slice, walk

BUDGET_S = 2.0
"""When no further slice is begun; with the last one a page takes about three seconds."""

_LAST_S = 1.0
_FIRST_S = 1.5
_LEAST_S = 0.1
_SHARE = 8

Rows = list[dict[str, Any]]

Find = Callable[[Conditions, Page, float], Rows]
"""Returns the keys of a page that meet the conditions, in order, within so many seconds."""


@dataclass(frozen=True, slots=True)
class Found:
    """The keys of the rows of a page.

    Args:
        edge_ns: where the search stopped for want of time; what starts there, or before it in a
            descending order, was not looked at. None where it did not stop so.
    """

    rows: Rows
    edge_ns: int | None = None


class _TooSlowError(Exception):
    """Not even the first slice was done in time."""

    def __init__(self, piece: Slice) -> None:
        super().__init__()
        self.piece = piece


def search(
    store: Store,
    quick: Conditions,
    slow: Conditions,
    page: Page,
    find: Find,
    *,
    clock_s: Callable[[], float] = time.monotonic,
) -> Found:
    """Return the keys of as much of a page as can be found in time.

    The ``quick`` conditions narrow the slices of time in which the ``slow`` ones are looked for.

    Raises:
        TooBroadError: a single span takes longer than an answer may.
    """
    deadline_s = clock_s() + BUDGET_S
    most_rows: int | None = None
    while True:
        pieces = walk(
            store,
            quick,
            is_descending=page.is_descending,
            has_texts=True,
            most_rows=most_rows,
            clock_s=clock_s,
        )
        try:
            return _search(pieces, quick.join(slow), page, find, deadline_s, clock_s)
        except _TooSlowError as error:
            if error.piece.is_least:
                raise TooBroadError(
                    f"one span takes more than {ANSWER_S:g} s: look for a shorter text, or with "
                    "match=exact"
                ) from error
            most_rows = max(1, error.piece.row_count // _SHARE)


def _search(
    pieces: Iterator[Slice],
    wanted: Conditions,
    page: Page,
    find: Find,
    deadline_s: float,
    clock_s: Callable[[], float],
) -> Found:
    rows: Rows = []
    edge_ns: int | None = None
    for piece in pieces:
        now_s = clock_s()
        if edge_ns is not None and now_s >= deadline_s:
            return Found(rows, edge_ns)
        if edge_ns is not None:
            limit_s = max(_LEAST_S, deadline_s + _LAST_S - now_s)
        else:
            limit_s = ANSWER_S if piece.is_least else _FIRST_S
        rest = Page(page.limit - len(rows), None, page.is_descending)
        try:
            rows += find(piece.narrow(wanted), rest, limit_s)
        except duckdb.InterruptException as error:
            if edge_ns is None:
                raise _TooSlowError(piece) from error
            return Found(rows, edge_ns)
        if len(rows) >= page.limit:
            break
        edge_ns = piece.begin_ns if page.is_descending else piece.end_ns
    return Found(rows)
