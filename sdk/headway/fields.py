"""What can be set on a live span: each field checks and converts what it is given.

A span's record must be one that the collector accepts, so a token count is a whole number and a
text is valid Unicode of bounded length. What cannot be used is refused here, where the name of
the field is known, and not by the collector, where it would cost the whole record.
"""

import operator
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from headway.records import KINDS, Kind, Span, Status
from headway.texts import clip, name_of

if TYPE_CHECKING:
    from headway.guards import Guard

T = TypeVar("T")

_LONGEST_WORD = 256
_LARGEST_COUNT = 10**12
_LARGEST_AMOUNT = 1e9
_LAST_NS = 7_258_118_400 * 10**9
"""The year 2200, as far as a collector keeps times."""
_MOST_WORDS = 64
_HEX_DIGITS = frozenset("0123456789abcdef")
_STATUSES: tuple[Status, ...] = ("unset", "ok", "error")


class CutError(ValueError):
    """A value was taken in part.

    Args:
        message: what was left out.
        kept: the part that is good.
    """

    def __init__(self, message: str, kept: Any) -> None:
        super().__init__(message)
        self.kept = kept


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


def checked(guard: "Guard", what: str, convert: Callable[[Any], T], value: object) -> T | None:
    """Convert a value, or count a fault and keep what is good of it."""
    try:
        return convert(value)
    except Exception as error:
        guard.catch(f"reading {what}", error)
        return error.kept if isinstance(error, CutError) else None


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
    """Take some short texts; a single one counts as a list of one.

    Raises:
        CutError: there are more than are kept.
    """
    given: Iterable[Any] = (value,) if isinstance(value, str) else value
    words = [as_name(word)[:_LONGEST_WORD] for word in islice(given, _MOST_WORDS + 1)]
    if len(words) > _MOST_WORDS:
        message = f"there are more than {_MOST_WORDS} values, the rest was left out"
        raise CutError(message, words[:_MOST_WORDS])
    return words


def as_trace_id(value: Any) -> str | None:
    """Take the id of a trace or None."""
    return _as_hex(value, 32)


def as_span_id(value: Any) -> str | None:
    """Take the id of a span or None."""
    return _as_hex(value, 16)


def as_count(value: Any) -> int | None:
    """Take a whole number from zero up, from numpy and torch too, or None."""
    return None if value is None else _as_whole(value, _LARGEST_COUNT)


def as_instant(value: Any) -> int | None:
    """Take nanoseconds since the Unix epoch, or None."""
    return None if value is None else _as_whole(value, _LAST_NS)


def as_amount(value: Any) -> float | None:
    """Take a number from zero up, or None."""
    if value is None:
        return None
    amount = as_real(value)
    if not 0 <= amount <= _LARGEST_AMOUNT:
        raise ValueError(f"{amount} is not an amount from 0 to {_LARGEST_AMOUNT:,.0f}")
    return amount


def as_real(value: Any) -> float:
    """Take a number that is not complex: numpy would drop the other part with a warning."""
    if "complex" in str(getattr(value, "dtype", "")):
        raise TypeError("a complex number has no order")
    return float(value)


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
    if issubclass(type(value), str):
        return repr(clip(str.__str__(value), _LONGEST_WORD))
    return name_of(type(value))


def _as_whole(value: Any, largest: int) -> int:
    whole = operator.index(value)
    if not 0 <= whole <= largest:
        raise ValueError(f"{clip(str(whole), 40)} is not a whole number from 0 to {largest:,}")
    return whole


def _as_hex(value: Any, digits: int) -> str | None:
    word = as_word(value)
    if word is None:
        return None
    if not (len(word) == digits and _HEX_DIGITS.issuperset(word)):
        raise ValueError(f"{shown(word)} is not {digits} lower-case hex digits")
    if word == "0" * digits:
        raise ValueError(f"{shown(word)} is all zeros, which stands for no id")
    return word
