"""Any Python object to bounded JSON, encoded at once, so that a later change cannot change the log.

Plain data of ordinary size goes straight to msgspec. All else is walked, and what is too deep,
too many, too long or too slow is cut with a word that says so, while the rest keeps its structure:

    {"question": "where is…", "page": "<!doctype…[cut 904,112 of 905,136 characters]…</html>",
     "image": {"type": "bytes", "size": 48122, "sha256": "9f86d0…"},
     "request": {"type": "starlette.requests.Request", "method": "POST", "path": "/chat"},
     "session": "<shop.Session>", "hits": [1, 2, 3, "[cut 997 of 1,000 items]"]}

No object is asked for its ``repr``, a property, its length or its items: that can take seconds,
raise, or hold a secret. JSON has no word for a float that is not finite, and null would hide it:
it becomes the text ``NaN``, ``Infinity`` or ``-Infinity``.
"""

from array import array
from math import isfinite
from typing import Any

import msgspec

from headway.interruptions import is_from_handler, is_from_outside
from headway.limits import LARGEST_INT, LIMITS, NODE_COST, Budget, Limits
from headway.texts import name_of, unreadable, weigh

_NUMBERS = frozenset({int, float, bool, type(None)})
_FLOAT_COST = 16
"""Of most floats seventeen digits are written."""
_LONG = 16
"""Lists of more items are looked at as a whole."""
_LONG_TEXT = 1 << 16
"""Shorter ones are quickly written, whatever they are of."""
_UNTIMED = 1 << 15
"""So much is looked at before the first look at the clock, which small values cannot afford."""
_LOOK_SHARE = 0.5
"""Of the time; the rest is for the walk, where the value is not plain after all."""

_TIGHTENINGS = (1, 8, 64)
"""A value too large is walked again with texts this many times shorter, so that one huge text
does not push out all that stands behind it."""

_encode = msgspec.json.Encoder().encode


def capture(value: object, limits: Limits = LIMITS) -> msgspec.Raw:
    """Return ``value`` as JSON of at most ``limits.max_bytes``; raises nothing of its own."""
    budget = Budget(limits)
    try:
        if _is_plain(value, limits, budget):
            encoded = _encode(value)
            if len(encoded) <= limits.max_bytes:
                return msgspec.Raw(encoded)
    except Exception as error:
        # A lone surrogate, a dict that another thread changes; but not a signal handler's.
        if is_from_outside(error):
            raise
    try:
        return msgspec.Raw(_walk(value, limits, budget))
    except Exception as error:
        if is_from_outside(error):
            raise
        return msgspec.Raw(_encode(unreadable(type(value), error)))


def _walk(value: object, limits: Limits, budget: Budget) -> bytes:
    from headway.walking import Walk  # it imports much that plain data does not need

    best, most = b"", 0
    for tightening in _TIGHTENINGS:
        walk = Walk(limits, budget, tightening)
        encoded = _encode(walk.plain(value, 0))
        # Of two that fit, the one that shows more of the structure, else more of the texts.
        if len(encoded) <= limits.max_bytes and walk.count > most:
            best, most = encoded, walk.count
        if best and (walk.is_late or not walk.is_full):
            break
    return best or _encode(f"[cut {name_of(type(value))}: too large to keep]")


def _is_plain(value: Any, limits: Limits, budget: Budget) -> bool:
    # Whether this is a text or a container that msgspec may encode as it is, and surely not huge.
    # It is the hot path: level by level, a step for each element, long lists of numbers in one.
    room = limits.max_bytes
    if type(value) is str:
        return len(value) <= room and (len(value) < _LONG_TEXT or weigh(value, room) <= room)
    timed_room = room - _UNTIMED
    level = [value]
    for _ in range(limits.max_depth):
        deeper: list[Any] = []
        for container in level:
            kind = type(container)
            if kind is not dict and kind is not list and kind is not tuple:
                return False
            count = len(container)
            room -= NODE_COST * count
            if room < 0 or count > limits.max_items:
                return False
            if room < timed_room:
                timed_room = room - _UNTIMED
                if budget.is_spent(_LOOK_SHARE):
                    return False
            if kind is dict:
                for key in container:
                    if type(key) is not str:
                        return False
                    room -= len(key)
                children = container.values()
            else:
                children = container
            if count > _LONG and (kinds := _kinds_of(children)) <= _NUMBERS:
                room -= (_FLOAT_COST - NODE_COST) * count if float in kinds else 0
                if int in kinds and not _are_short(children, kinds):
                    return False
                if float in kinds and not _are_finite(children, kinds):
                    return False
                continue
            for child in children:
                kind = type(child)
                if kind is str:
                    room -= len(child) if len(child) < _LONG_TEXT else weigh(child, room)
                    if room < 0:
                        return False
                elif kind is int:
                    if not -LARGEST_INT < child < LARGEST_INT:
                        return False
                elif kind is float:
                    if not isfinite(child):
                        return False
                elif child is not None and kind is not bool:
                    deeper.append(child)
        if not deeper or room < 0 or len(deeper) > limits.max_items:
            return not deeper and room >= 0
        level = deeper
    return False


def _kinds_of(children: Any) -> set[type]:
    try:
        return set(map(type, children))
    except Exception as error:
        # A class of classes whose hash raises, or a dict that another thread changes.
        if is_from_handler(error):
            raise
        return {object}


def _are_short(numbers: Any, kinds: set[type]) -> bool:
    # An int of thousands of digits takes longer to write than all else.
    if len(kinds) > 1:
        numbers = [number for number in numbers if type(number) is int]
    try:
        array("q", numbers)
    except OverflowError:
        return False
    return True


def _are_finite(numbers: Any, kinds: set[type]) -> bool:
    # One that is not makes the sum so; a sum that overflows only costs the walk.
    if len(kinds) > 1:
        numbers = [number for number in numbers if type(number) is float]
    return isfinite(sum(numbers))
