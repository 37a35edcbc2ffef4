"""One page of a search through texts: what takes minutes in all is stopped after seconds.

What was found by then is returned, with a cursor from which the next page goes on, so that the
pages together are as exact and complete as those of any listing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Page
from headway_collector.store.slices import walk

BUDGET_S = 2.0
"""When no further slice is begun; with the last one a page takes about three seconds."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """The keys of the rows of a page.

    Args:
        edge_ns: where the search stopped for want of time; what starts there, or before it in a
            descending order, was not looked at. None where it did not stop so.
    """

    rows: Rows
    edge_ns: int | None = None


def search(
    store: Store,
    quick: Conditions,
    slow: Conditions,
    page: Page,
    find: Callable[[Conditions, Page], Rows],
    *,
    clock_s: Callable[[], float] = time.monotonic,
) -> Found:
    """Return the keys of as much of a page as can be found in time.

    The ``quick`` conditions narrow the slices of time in which the ``slow`` ones are looked for;
    ``find`` returns the keys of a page that meet both, in order.
    """
    deadline_s = clock_s() + BUDGET_S
    wanted = quick.join(slow)
    rows: Rows = []
    edge_ns: int | None = None
    for piece in walk(store, quick, is_descending=page.is_descending, clock_s=clock_s):
        if edge_ns is not None and clock_s() >= deadline_s:
            return Found(rows, edge_ns)
        rest = Page(page.limit - len(rows), None, page.is_descending)
        rows += find(piece.narrow(wanted), rest)
        if len(rows) >= page.limit:
            break
        edge_ns = piece.begin_ns if page.is_descending else piece.end_ns
    return Found(rows)
