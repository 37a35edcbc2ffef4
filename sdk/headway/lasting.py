"""Values that cannot change and are surely small: they may wait in a record unencoded.

Such a record is encoded in one go when its call ends, instead of value by value before.
Which numbers may be written as they are is settled in ``values`` and here alike, and not by one
function of both: a call for each value would cost more than the question. A test compares them.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec

from headway.limits import LARGEST_INT, Limits
from headway.values import capture

_WAITING = frozenset({"input", "output"})
_MOST = 8
_SHARE = 64
"""Eight texts of a 64th of the limit stay below it, also where each character becomes six."""


def are_lasting(values: Mapping[str, Any], limits: Limits) -> bool:
    """Whether all of some values are lasting, and together too."""
    if len(values) > _MOST:
        return False
    longest = limits.max_bytes // _SHARE
    for value in values.values():
        kind = type(value)
        if kind is str:
            if len(value) > longest:
                return False
        elif kind is int:
            if not -LARGEST_INT < value < LARGEST_INT:
                return False
        elif kind is float:
            if not isfinite(value):
                return False
        elif value is not None and kind is not bool:
            return False
    return True


def is_lasting_text(value: object, limits: Limits) -> bool:
    """Whether a value is a text that may wait."""
    return type(value) is str and len(value) <= limits.max_bytes // _SHARE


def encode_lasting(record: Any, limits: Limits) -> None:
    """Encode what waits in a record, each value by itself and within the limits."""
    for field in _WAITING & set(record.__struct_fields__):
        value = getattr(record, field)
        if type(value) is not msgspec.Raw:
            setattr(record, field, capture(value, limits))
