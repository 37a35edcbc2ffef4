"""What was found for an input or output: a value, and its JSON text where that can be kept."""

from typing import Any

import msgspec

from headway_collector.originals import texts


class Found(msgspec.Struct, gc=False, frozen=True):
    """Content that was found.

    Args:
        value: plain data.
        text: JSON text of exactly this value as it was sent; None where there is none.
        is_json: whether a JSON text said this value, be it in escapes.
    """

    value: Any
    text: str | None = None
    is_json: bool = False


NOTHING = Found(None)
"""Looked for and known to be absent: nothing further down the list may stand in for it."""


def read_json(text: str) -> Found | None:
    """Return what a JSON text says; None where it is not JSON."""
    value = texts.read_json(text)
    if value is msgspec.UNSET:
        return None
    # Escaped letters could not be searched, so such a text is written anew.
    return Found(value, None if texts.has_escapes(text) else text, is_json=True)


def read_value(value: Any) -> Found | None:
    """Return an attribute's value, read as JSON where it is the text of an object or array."""
    if type(value) is not str:
        return None if value is None else Found(value)
    if not value:
        return None
    if value[0] in "[{" or value.lstrip()[:1] in ("[", "{"):
        return read_json(value) or Found(value)
    return Found(value)


def read_plain(value: Any) -> Any:
    """Return an attribute's value as ``read_value`` reads it, without its text."""
    found = read_value(value)
    return None if found is None else found.value
