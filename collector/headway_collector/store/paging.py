"""Pages by key, not by number.

The next page begins after the last row that was shown, so rows that arrive meanwhile neither
repeat a row nor hide one.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headway_collector.errors import InvalidRequestError
from headway_collector.store.filters import Conditions

# No id sorts behind it.
_LAST_TEXT = chr(0x10FFFF)


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is asked for: its size, where it begins, and in which order."""

    limit: int = 50
    cursor: str | None = None
    is_descending: bool = True


@dataclass(frozen=True, slots=True)
class Keyset:
    """The columns that order a listing: an integer time, then texts that make it unique.

    Args:
        listing: its name, by which a cursor is told from those of others.
    """

    listing: str
    time: str
    ids: tuple[str, ...]

    @property
    def columns(self) -> str:
        """The columns of the key, as a SELECT list."""
        return ", ".join((self.time, *self.ids))

    def order_by(self, page: Page) -> str:
        """Return the ORDER BY clause."""
        direction = "DESC" if page.is_descending else "ASC"
        return "ORDER BY " + ", ".join(f"{name} {direction}" for name in (self.time, *self.ids))

    def begin(self, conditions: Conditions, page: Page) -> None:
        """Add that rows come after the page's cursor.

        Raises:
            InvalidRequestError: the cursor is not one of ours.
        """
        if page.cursor is None:
            return
        time_ns, *ids = self._decode(page.cursor, page)
        sign = "<" if page.is_descending else ">"
        marks = ", ".join("?" * len(ids))
        # The first comparison alone lets the database skip row groups.
        conditions.add(f"{self.time} {sign}= ?", time_ns)
        conditions.add(
            f"({self.time} {sign} ? OR ({', '.join(self.ids)}) {sign} ({marks}))", time_ns, *ids
        )

    def end(self, rows: Sequence[Mapping[str, Any]], page: Page) -> str | None:
        """Return the cursor after a full page, or None where the page was the last."""
        if len(rows) < page.limit:
            return None
        return self._encode([rows[-1][name] for name in (self.time, *self.ids)], page)

    def stop(self, edge_ns: int, page: Page) -> str:
        """Return the cursor after which the rows before ``edge_ns`` are left.

        In an ascending order those from ``edge_ns`` on are left.
        """
        if page.is_descending:
            return self._encode([edge_ns, *[""] * len(self.ids)], page)
        return self._encode([edge_ns - 1, *[_LAST_TEXT] * len(self.ids)], page)

    def find_time(self, page: Page) -> int | None:
        """Return the time of the row that the page's cursor stands at.

        Raises:
            InvalidRequestError: the cursor is not one of ours.
        """
        return None if page.cursor is None else int(self._decode(page.cursor, page)[0])

    def _encode(self, key: list[Any], page: Page) -> str:
        written = msgspec.json.encode([self._name_order(page), *key])
        return base64.urlsafe_b64encode(written).rstrip(b"=").decode()

    def _decode(self, cursor: str, page: Page) -> list[Any]:
        kinds = (int,) + (str,) * len(self.ids)
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            said = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _not_ours(cursor) from error
        if not isinstance(said, list) or said[:1] != [self._name_order(page)]:
            raise _not_ours(cursor)
        key = said[1:]
        if tuple(map(type, key)) != kinds or abs(key[0]) >= 2**63:
            raise _not_ours(cursor)
        return key

    def _name_order(self, page: Page) -> str:
        return f"{self.listing} {'desc' if page.is_descending else 'asc'}"


def _not_ours(cursor: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"cursor={cursor[:80]!r} is not one that this listing gave: leave it out to begin anew"
    )
