"""What can be set on a live span: each field checks and converts what it is given.

A span's record must be one that the collector accepts, so a token count is a whole number and a
text is valid Unicode of bounded length. What cannot be used is refused here, where the name of
the field is known, and not by the collector, where it would cost the whole record.
"""

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from headway.records import KINDS, Kind, Span, Status
from headway.values import clip

T = TypeVar("T")

_LONGEST_WORD = 256
_LONGEST_COUNT = (1 << 63) - 1
_STATUSES: tuple[Status, ...] = ("unset", "ok", "error")


class Fielded(Protocol):
    """A live span, as far as its fields need it."""

    record: Span

    def assign(self, field: str, convert: Callable[[Any], object], value: object) -> None:
        """Set a field of the record, or count a fault."""

    def capture(self, value: object) -> msgspec.Raw:
        """Encode any object."""


class Field(Generic[T]):
    """A field of the span's record, converted when it is set."""

    def __init__(self, convert: Callable[[Any], T]) -> None:
        self._convert = convert

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, span: Fielded, owner: type | None = None) -> T:
        value: T = getattr(span.record, self._name)
        return value

    def __set__(self, span: Fielded, value: T) -> None:
        span.assign(self._name, self._convert, value)


class CapturedField:
    """A field that takes any object, encoded when it is set; reading gives the JSON data."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, span: Fielded, owner: type | None = None) -> Any:
        raw: msgspec.Raw = getattr(span.record, self._name)
        return msgspec.json.decode(raw) if bytes(raw) else None

    def __set__(self, span: Fielded, value: object) -> None:
        setattr(span.record, self._name, span.capture(value))


def as_word(value: Any) -> str | None:
    """Take a short text, a number or UUID that serves as an id, or None."""
    if value is None:
        return None
    if isinstance(value, (int, UUID)):
        return str(value)
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is not a text")
    return clip(str.__str__(value), _LONGEST_WORD)


def as_text(value: Any) -> str | None:
    """Take a text of a few lines or None."""
    if not isinstance(value, str):
        return as_word(value)
    return clip(str.__str__(value))


def as_name(value: Any) -> str:
    """Take a short text that is not empty."""
    name = as_word(value)
    if not name:
        raise ValueError("a name cannot be empty")
    return name


def as_words(value: Any) -> list[str]:
    """Take some short texts; a single one counts as a list of one."""
    words: Iterable[Any] = (value,) if isinstance(value, str) else value
    return [as_name(word) for word in words]


def as_count(value: Any) -> int | None:
    """Take a whole number from zero up, from numpy and torch too, or None."""
    if value is None:
        return None
    count = operator.index(value)
    if not 0 <= count <= _LONGEST_COUNT:
        raise ValueError(f"{count} is not a count")
    return count


def as_amount(value: Any) -> float | None:
    """Take a finite number from zero up, or None."""
    if value is None:
        return None
    amount = float(value)
    if not 0 <= amount < math.inf:
        raise ValueError(f"{amount} is not an amount")
    return amount


def as_flag(value: Any) -> bool | None:
    """Take a truth value or None."""
    return None if value is None else bool(value)


def as_kind(value: Any) -> Kind:
    """Take one of the kinds of a span."""
    if value not in KINDS:
        raise ValueError(f"{shown(value)} is not one of {', '.join(KINDS)}")
    kind: Kind = value
    return kind


def as_status(value: Any) -> Status:
    """Take one of the states of a span."""
    if value not in _STATUSES:
        raise ValueError(f"{shown(value)} is not one of {', '.join(_STATUSES)}")
    status: Status = value
    return status


def shown(value: object) -> str:
    """Return a text in quotes, or the type of anything else, for messages."""
    return repr(clip(value, _LONGEST_WORD)) if isinstance(value, str) else type(value).__name__
