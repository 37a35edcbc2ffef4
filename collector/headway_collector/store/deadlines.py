"""How long the collector works on one answer: whoever asks for too much is told to ask for less.

A sum over texts or attributes reads those of every span in the time that is asked for, which may be
minutes of work. A listing can stop half-way and say how far it came; a sum cannot.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from headway_collector.errors import TooBroadError
from headway_collector.store.connections import Store

ANSWER_S = 10.0
"""What all reads of one answer may take together."""

Read = Callable[[str, Sequence[object]], list[dict[str, Any]]]
"""Returns the rows of a query, given its values."""


class Deadline:
    """When an answer has to be there, counted from now."""

    def __init__(
        self, limit_s: float = ANSWER_S, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit_s = limit_s
        self._clock_s = clock_s
        self._end_s = clock_s() + limit_s

    def read(
        self, store: Store, sql: str, parameters: Sequence[object] = ()
    ) -> list[dict[str, Any]]:
        """Return the rows of a query by column name.

        Raises:
            TooBroadError: the time is up.
            StoreUnavailableError: the database cannot be read at the moment.
        """
        left_s = self._end_s - self._clock_s()
        if left_s <= 0:
            raise self._refuse()
        try:
            return store.read(sql, parameters, limit_s=left_s)
        except duckdb.InterruptException as error:
            raise self._refuse() from error

    def _refuse(self) -> TooBroadError:
        return TooBroadError(
            f"this takes more than {self._limit_s:g} s: narrow the time with start and end, or "
            "filter by columns such as project or request_model, which leaves fewer texts to read"
        )
