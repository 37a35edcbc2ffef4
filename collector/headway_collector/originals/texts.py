"""JSON texts that can be told again exactly: in which of the usual styles one was written.

Python writes ``{"a": 1}`` with a space and escapes all but ASCII unless told otherwise, JavaScript
``{"a":1}`` without. A text in no style here (indented, keys twice, 1.10) is not told again.
"""

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode

# Whoever walks a value calls itself once or twice a level.
_DEEPEST = 100

MAX_MARKS = 500_000
"""Commas and opened brackets: so many values of a text of a megabyte would take thirty."""

# What was read from JSON holds no circles.
_ENCODERS = {
    style: json.JSONEncoder(
        separators=separators, ensure_ascii=is_ascii, check_circular=False
    ).encode
    for style, separators, is_ascii in (
        ("compact", (",", ":"), False),
        ("spaced", (", ", ": "), False),
        ("compact ascii", (",", ":"), True),
        ("spaced ascii", (", ", ": "), True),
    )
}


def read_json(text: str) -> Any:
    """Return what a JSON text says; ``UNSET`` where it is none, too deep, or too full to use."""
    if is_too_full(text):
        return msgspec.UNSET
    try:
        value = _decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return msgspec.UNSET
    # Counting costs next to nothing, and few texts have as many brackets at all.
    is_suspect = text.count("[") + text.count("{") > _DEEPEST
    return msgspec.UNSET if is_suspect and _is_deep(value) else value


def is_too_full(text: str) -> bool:
    """Return whether a JSON text might say so many values that it is better left a text."""
    return len(text) > MAX_MARKS and sum(map(text.count, ",[{")) > MAX_MARKS


def has_escapes(text: str) -> bool:
    r"""Return whether a JSON text holds a ``\uXXXX``, or looks as if it did."""
    # From the right, CPython searches with less ado than from the left.
    return text.rfind("\\u") >= 0


def write_json(value: Any, style: str) -> str:
    """Return a value as JSON text in one of the styles."""
    return _ENCODERS[style](value)


def find_style(text: str, value: Any) -> str | None:
    """Return the style in which ``value`` reads exactly as ``text``, or None."""
    alphabet = " ascii" if has_escapes(text) and text.isascii() else ""
    spacings = ("spaced", "compact") if '": ' in text else ("compact", "spaced")
    for spacing in spacings:
        style = spacing + alphabet
        try:
            if _ENCODERS[style](value) == text:
                return style
        except (ValueError, RecursionError):
            return None
    return None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            if type(each) is list:
                below += each
            elif type(each) is dict:
                below += each.values()
        if not below:
            return False
        level = below
    return True
