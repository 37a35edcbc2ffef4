"""What a listing of the collector gives: dicts one by one, or all of it as a frame of polars."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError
from headway.frames import as_frame

if TYPE_CHECKING:
    import polars

Row = dict[str, Any]


class Listing:
    """Rows that are asked for as they are read; going through it again asks again.

    Args:
        name: what the rows are, for example ``spans``.
        read: asks for the rows from the first on.
        limit: the most rows; None means all.

    Raises:
        HeadwayError: the limit is negative.
    """

    def __init__(self, name: str, read: Callable[[], Iterator[Row]], limit: int | None) -> None:
        if limit is not None and limit < 0:
            raise HeadwayError(f"the limit is {limit}: give 0 or more, or None for all")
        self._name = name
        self._read = read
        self._limit = limit

    def __iter__(self) -> Iterator[Row]:
        return islice(self._read(), self._limit)

    def __repr__(self) -> str:
        return f"<{self._name} of a collector: go through them, or call to_polars()>"

    def to_polars(self) -> "polars.DataFrame":
        """Return all rows as a frame; a limit on the listing is a limit on memory.

        Raises:
            ApiError: the collector said no, or nobody answered.
            HeadwayError: polars is not installed.
        """
        return as_frame(self._name, list(self))
