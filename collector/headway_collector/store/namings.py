"""The ids and names that bytes hold, whatever form the bytes have, and however broken they are.

A refused line is kept as it came: JSON, protobuf, msgpack, or the beginning of one. So nothing is
parsed here. What stands where an id or a string could stand is offered, and most of it is neither.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice

import msgspec

# In text: ids in hexadecimal, and strings of JSON.
_WORD = re.compile(rb"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{16})(?![0-9a-fA-F])")
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.){1,256}"')
# In protobuf an id stands behind its length, at any offset; so does a string, which as a value of
# an attribute is field 1 of its message.
_TRACE_BYTES = re.compile(rb"(?=\x10(.{16}))", re.DOTALL)
_SPAN_BYTES = re.compile(rb"(?=\x08(.{8}))", re.DOTALL)
_FIELD = re.compile(rb"(?=\x0a([\x01-\x7f]|[\x80-\xff][\x01\x02]))")
# In msgpack the first byte of a string says its length, or that the next one does.
_PACKED = re.compile(rb"(?=([\xa1-\xbf]|\xd9[\x20-\xff]))")
_MOST_BYTES = 256

RARE_CHARS = 8
"""An id of so many characters is looked for as a word in bytes that cannot be read."""

_MOST_STRINGS = 10_000
_MOST_VALUES = 50_000


def find_ids(text: bytes) -> Iterator[str]:
    """Yield what may be ids of traces (32 letters) and spans (16), in small hexadecimal letters."""
    for word in _WORD.findall(text):
        yield word.lower().decode()
    for pattern in (_TRACE_BYTES, _SPAN_BYTES):
        for match in pattern.finditer(text):
            yield match[1].hex()


def find_names(text: bytes) -> Iterator[str]:
    """Yield what may be strings, of up to 256 bytes each.

    Of those in JSON the first 10,000 are looked at, and 50,000 places in protobuf and msgpack: the
    writer waits for it.
    """
    yield from islice(_find_strings(text), _MOST_STRINGS)
    for start, size in islice(chain(_find_values(text), _find_packed(text)), _MOST_VALUES):
        value = text[start : start + size]
        if len(value) == size <= _MOST_BYTES:
            with suppress(UnicodeDecodeError):
                yield value.decode()


def _find_strings(text: bytes) -> Iterator[str]:
    for match in _STRING.finditer(text):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            yield msgspec.json.decode(match[0], type=str)


def _find_values(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield where strings of protobuf may begin, and how many bytes they have."""
    for match in _FIELD.finditer(text):
        low, *high = match[1]
        yield match.end(1), low & 0x7F | (high[0] << 7 if high else 0)


def _find_packed(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the same of msgpack."""
    for match in _PACKED.finditer(text):
        first, *second = match[1]
        yield match.end(1), second[0] if second else first & 0x1F
