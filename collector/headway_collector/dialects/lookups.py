"""The first of several attributes that says something, as the type a field has.

Foreign attributes may hold anything: a count as ``"12"`` or ``12.0``, a list as JSON text, a flag
where a number should stand. What cannot be read as the type asked for says nothing, and the next
name is looked at; nothing here raises.
"""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, Generic, TypeVar

import msgspec

from headway_collector.dialects.keys import Keys, Names
from headway_collector.limits import MAX_COUNT, MAX_LIST_TEXT_CHARS, MAX_LIST_TEXTS, MAX_TEXT_CHARS
from headway_collector.originals.texts import is_too_full
from headway_collector.otlp.telemetry import Attributes

_decode = msgspec.json.Decoder().decode

T = TypeVar("T")


class Fields(Generic[T]):
    """Which attributes say a field, for many fields at once.

    Args:
        read: an attribute's value as the type of the fields; None where it is not.
        fields: to each field its attributes in order of precedence.
    """

    def __init__(
        self, read: Callable[[Any], T | None], fields: Mapping[str, Iterable[str]]
    ) -> None:
        self._read = read
        self._fields = {name: field for field, names in fields.items() for name in names}
        self._names = Names(*self._fields)

    def find(self, attributes: Attributes, keys: Keys) -> dict[str, T]:
        """Return the fields that are said, each by the first of its names that can be read."""
        found: dict[str, T] = {}
        for name in keys[self._names]:
            field = self._fields[name]
            if field not in found:
                value = self._read(attributes[name])
                if value is not None:
                    found[field] = value
        return found


def find_text(attributes: Attributes, names: Iterable[str]) -> str | None:
    """Return the first that is text or a number, cut to what a field may hold."""
    return _find(attributes, names, as_field)


def find_count(attributes: Attributes, names: Iterable[str]) -> int | None:
    """Return the first that is a whole number from 0 to the largest count."""
    return _find(attributes, names, as_count)


def find_amount(attributes: Attributes, names: Iterable[str], limit: float) -> float | None:
    """Return the first that is a number from 0 to the limit."""

    def read(value: Any) -> float | None:
        number = as_number(value)
        return number if number is not None and 0 <= number <= limit else None

    return _find(attributes, names, read)


def find_texts(attributes: Attributes, names: Iterable[str]) -> list[str]:
    """Return the first that is a list of texts, its JSON, or words between commas."""
    for name in names:
        texts = as_texts(attributes.get(name))
        if texts:
            return texts
    return []


def find_object(attributes: Attributes, names: Iterable[str]) -> dict[str, Any] | None:
    """Return the first that is an object, or its JSON, and not empty."""
    return _find(attributes, names, lambda value: as_object(value) or None)


def as_text(value: Any) -> str | None:
    """Return a text or number as text, and a text that some emitters wrote as JSON plain."""
    if type(value) is str:
        if value[:1] == '"':
            plain = parse(value)
            return plain if type(plain) is str else value
        return value
    return str(value) if type(value) is int or (type(value) is float and isfinite(value)) else None


def as_field(value: Any) -> str | None:
    """Return a text or number as a text that is not empty, cut to what a field may hold."""
    text = value if type(value) is str and value[:1] != '"' else as_text(value)
    if not text:
        return None
    return text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS]


def as_count(value: Any) -> int | None:
    """Return a whole number from 0 to the largest count, however it is written."""
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else None
    number = as_number(value)
    if number is None or not 0 <= number <= MAX_COUNT or number != int(number):
        return None
    return int(number)


def as_number(value: Any) -> float | None:
    """Return a number, or the text of one; a flag is none."""
    if type(value) not in (str, int, float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def as_texts(value: Any) -> list[str]:
    """Return the texts of a list, of its JSON, or of words between commas, within the limits."""
    if type(value) is str:
        text = as_text(value) or ""
        parsed = parse(text) if text.lstrip()[:1] == "[" else None
        value = parsed if type(parsed) is list else text.split(",")
    if type(value) is not list:
        return []
    texts = []
    for each in value[:MAX_LIST_TEXTS]:
        text = (as_text(each) or "").strip()
        if text:
            texts.append(text[:MAX_LIST_TEXT_CHARS])
    return texts


def as_object(value: Any) -> dict[str, Any] | None:
    """Return an object, or the one whose JSON text this is."""
    if type(value) is str:
        value = parse(value) if value.lstrip()[:1] == "{" else None
    return value if type(value) is dict else None


def parse(text: str) -> Any:
    """Return what a JSON text says; None where it is not JSON, or says too much."""
    if is_too_full(text):
        return None
    try:
        return _decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _find(
    attributes: Attributes, names: Iterable[str], read: Callable[[Any], T | None]
) -> T | None:
    for name in names:
        value = attributes.get(name)
        if value is not None:
            found = read(value)
            if found is not None:
                return found
    return None
