"""How many things one request may hold, counted before any of them is made.

A body below the limit of bytes may still hold millions of empty spans or values, of two bytes each
where it lies and of a hundred once they are objects. What cannot be that many by its length is not
counted at all; the rest is counted cheaply first, and exactly only where that says too much.
"""

import re
from typing import Any

from headway_collector.errors import BodyTooLargeError

MAX_ITEMS = 100_000
"""Spans or log records of a request; and events or links of a span."""

MAX_VALUES = 3_000_000
"""Objects, and the items and fields in them, of a request."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_MARKS = (b",", b"{", b"[")
# Lengths of the shortest messages, which are rare in texts: without tab and the ends of lines.
_SHORT = tuple(bytes((length,)) for length in range(16) if length not in b"\t\n\r")
_MAX_SHORT = 1_000_000

# The messages that OTLP nests, by the number of the field that they stand in.
_Shape = dict[int, Any]
_VALUE: _Shape = {}
_PAIR: _Shape = {2: _VALUE}
_VALUE |= {5: {1: _VALUE}, 6: {1: _PAIR}}
_SPAN: _Shape = {9: _PAIR, 11: {3: _PAIR}, 13: {4: _PAIR}}
_LOG: _Shape = {5: _VALUE, 6: _PAIR}
# What a metric has points of, and the attributes of a point, are numbered in five ways.
_METRIC: _Shape = {kind: {1: {1: _PAIR, 7: _PAIR, 9: _PAIR}} for kind in (5, 7, 9, 10, 11)}


def _in_request(item: _Shape) -> _Shape:
    part = {1: {3: _PAIR}, 2: item}
    return {1: {1: {1: _PAIR}, 2: part}}


SPANS = _in_request(_SPAN)
LOGS = _in_request(_LOG)
METRICS = _in_request(_METRIC)


def check_items(count: int) -> None:
    """Refuse a request with that many spans or log records, where those are too many.

    Raises:
        BodyTooLargeError: there are more than ``MAX_ITEMS``.
    """
    if count > MAX_ITEMS:
        raise BodyTooLargeError(
            f"the request holds {count} spans or log records; {MAX_ITEMS} are allowed: "
            "send smaller batches"
        )


def check_json(body: bytes) -> None:
    """Refuse a body in JSON of too many values.

    Raises:
        BodyTooLargeError: there are more than ``MAX_VALUES``.
    """
    if len(body) <= MAX_VALUES or _count_marks(body) <= MAX_VALUES:
        return
    # Most of them may stand in texts. What is left of too many texts counts as well.
    if _count_marks(_STRING.sub(b"", body, count=2 * MAX_VALUES)) > MAX_VALUES:
        raise _say_too_many()


def check_protobuf(body: bytes, shape: _Shape) -> None:
    """Refuse a body in protobuf of too many messages; what is damaged is not looked through.

    Args:
        body: of a request.
        shape: ``SPANS``, ``LOGS`` or ``METRICS``.

    Raises:
        BodyTooLargeError: there are more than ``MAX_VALUES``.
    """
    if len(body) <= 2 * _MAX_SHORT or sum(map(body.count, _SHORT)) <= _MAX_SHORT:
        return
    try:
        _walk(body, 0, len(body), shape, 0)
    except (IndexError, RecursionError):
        return  # the parser will say so


def _count_marks(body: bytes) -> int:
    return sum(map(body.count, _MARKS))


def _walk(body: bytes, place: int, end: int, shape: _Shape, count: int) -> int:
    """Count the messages of a shape between two places, on top of those counted before."""
    while place < end:
        tag = body[place]
        place += 1
        if tag & 0x80:  # no field of a shape has such a number
            place = _skip_varint(body, place)
        kind = tag & 7
        if kind == 2:
            length, shift = body[place], 7
            place += 1
            if length & 0x80:
                length &= 0x7F
                while True:
                    byte = body[place]
                    place += 1
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
            inner = shape.get(tag >> 3)
            if inner is not None:
                count += 1
                if count > MAX_VALUES:
                    raise _say_too_many()
                if length:
                    count = _walk(body, place, min(place + length, end), inner, count)
            place += length
        elif kind == 0:
            place = _skip_varint(body, place)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:  # a group, which OTLP has none of
            return count
    return count


def _skip_varint(body: bytes, place: int) -> int:
    while body[place] & 0x80:
        place += 1
    return place + 1


def _say_too_many() -> BodyTooLargeError:
    return BodyTooLargeError(
        f"the request holds more than {MAX_VALUES} values: send smaller batches"
    )
