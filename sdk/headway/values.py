"""Any Python object to bounded JSON, encoded at once, so that a later change cannot change the log.

Plain data of ordinary size goes straight to msgspec. All else is walked, and what is too deep,
too many or too long is cut with a word that says so, while the rest keeps its structure:

    {"question": "where is…", "page": "<!doctype…[cut 904,112 of 905,136 characters]…</html>",
     "image": {"type": "bytes", "size": 48122, "sha256": "9f86d0…"},
     "request": "<starlette.requests.Request>", "hits": [1, 2, 3, "[cut 997 of 1,000 items]"]}

No object is asked for its ``repr``: that can take seconds, raise, or hold a secret.
"""

import hashlib
import os
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

import msgspec

_NUMBERS = frozenset({int, float, bool, type(None)})
_ARRAY_LIBRARIES = frozenset({"numpy", "torch", "jax", "jaxlib", "tensorflow", "cupy", "mlx"})
_TABLE_LIBRARIES = frozenset({"pandas", "polars", "pyarrow"})
_PLAIN_SCALARS = {"b": bool, "i": int, "u": int, "f": float}
"""What a single value of numpy becomes, by the kind of its dtype."""

_NAMED = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType)

_MESSAGE_CHARACTERS = 2000
_HASHED_BYTES = 8 << 20
_LARGEST_INT = 1 << 64
_NODE_COST = 8
"""What a number, a comma or a bracket is taken to weigh; a text weighs its characters."""

_TIGHTENINGS = (1, 8, 64)
"""A value too large is walked again with texts this many times shorter, so that one huge text
does not push out all that stands behind it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one value is kept."""

    max_bytes: int = 1 << 20
    max_items: int = 10_000
    max_depth: int = 20


LIMITS = Limits()

_encode = msgspec.json.Encoder().encode


def capture(value: object, limits: Limits = LIMITS) -> msgspec.Raw:
    """Return ``value`` as JSON of at most ``limits.max_bytes``; never raises."""
    try:
        if (type(value) is str and len(value) <= limits.max_bytes) or _is_plain(value, limits):
            encoded = _encode(value)
            if len(encoded) <= limits.max_bytes:
                return msgspec.Raw(encoded)
    except Exception:
        # A lone surrogate, a number of thousands of digits, a dict that another thread changes.
        pass
    try:
        return msgspec.Raw(_walk(value, limits))
    except Exception as error:
        return msgspec.Raw(_encode(_unreadable(value, error)))


def clip(text: str, max_characters: int = _MESSAGE_CHARACTERS) -> str:
    """Return ``text`` as valid Unicode, its middle cut out where it is too long."""
    if len(text) > max_characters:
        head = max_characters * 2 // 3
        tail = max_characters - head
        said = f"…[cut {len(text) - max_characters:,} of {len(text):,} characters]…"
        text = text[:head] + said + text[-tail:]
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def message_of(error: BaseException) -> str:
    """Return what ``error`` says, bounded, even where its ``__str__`` fails."""
    try:
        return clip(str.__str__(str(error)))
    except Exception as failure:
        return f"[{name_of(type(error))}.__str__ raised {name_of(type(failure))}]"


def name_of(kind: type) -> str:
    """Return the full name of a class, without ``builtins``; never raises."""
    try:
        module, name = kind.__module__, kind.__qualname__
        return clip(f"{name}" if module == "builtins" else f"{module}.{name}")
    except Exception:
        # A class of a class may answer as it likes; this asks the class itself.
        bare: str = type.__dict__["__name__"].__get__(kind)
        return bare


def _walk(value: object, limits: Limits) -> bytes:
    for tightening in _TIGHTENINGS:
        walk = _Walk(limits, tightening)
        encoded = _encode(walk.plain(value, 0))
        if not walk.is_full and len(encoded) <= limits.max_bytes:
            return encoded
    if len(encoded) > limits.max_bytes:
        return _encode(f"[cut {name_of(type(value))}: too large to keep]")
    return encoded


def _unreadable(value: object, error: Exception) -> str:
    return f"[unreadable {name_of(type(value))}: {name_of(type(error))}]"


def _is_plain(value: Any, limits: Limits) -> bool:
    # Whether this is a container that msgspec may encode as it is, and surely not a huge one. It
    # is the hot path: level by level, a step for each element, long lists of numbers in one.
    room = limits.max_bytes
    level = [value]
    for _ in range(limits.max_depth):
        deeper: list[Any] = []
        for container in level:
            kind = type(container)
            if kind is dict:
                # msgspec itself turns numbers into keys, and refuses keys that are not plain.
                children = container.values()
            elif kind is list or kind is tuple:
                children = container
            else:
                return False
            count = len(children)
            room -= _NODE_COST * count
            if room < 0 or count > limits.max_items:
                return False
            if count > 16 and _NUMBERS.issuperset(map(type, children)):
                continue
            for child in children:
                kind = type(child)
                if kind is str:
                    room -= len(child)
                elif kind not in _NUMBERS:
                    deeper.append(child)
        if not deeper or room < 0 or len(deeper) > limits.max_items:
            return not deeper and room >= 0
        level = deeper
    return False


class _Walk:
    """One careful pass over a value that is not plain, or not small."""

    def __init__(self, limits: Limits, tightening: int) -> None:
        self._room = limits.max_bytes
        self._items = limits.max_items
        self._max_depth = limits.max_depth
        self._max_characters = limits.max_bytes // tightening
        self._max_length = limits.max_items // tightening
        self._open: set[int] = set()

    @property
    def is_full(self) -> bool:
        """Whether something was left out only because of what stood before it."""
        return self._room < 0 or self._items < 0

    def plain(self, value: Any, depth: int) -> Any:
        """Return ``value`` as data that msgspec can encode."""
        self._items -= 1
        self._room -= _NODE_COST
        try:
            if type(value) in _NUMBERS and not (type(value) is int and abs(value) >= _LARGEST_INT):
                return value
            return self._plain(value, depth)
        except Exception as error:
            # Whatever a stranger's object does when it is looked at is its own affair.
            return _unreadable(value, error)

    def _plain(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return self.plain(value.value, depth)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return int(value) if abs(value) < _LARGEST_INT else f"[{value.bit_length()} bit int]"
        if isinstance(value, float):
            return float(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _blob(value)
        if isinstance(value, (datetime, date, time)):
            return self._text(value.isoformat())
        if isinstance(value, (UUID, Decimal)):
            return self._text(str(value))
        if isinstance(value, os.PathLike):
            return self._text(str(os.fspath(value)))
        if isinstance(value, BaseException):
            return {"type": name_of(type(value)), "message": message_of(value)}
        if isinstance(value, _NAMED):
            return f"<{type(value).__name__} {_qualified(value)}>"
        described = _described(value)
        return self._container(value, depth) if described is None else described

    def _container(self, value: Any, depth: int) -> Any:
        fields = _fields(value)
        if fields is None and not isinstance(value, (list, tuple, set, frozenset, deque)):
            return f"<{name_of(type(value))}>"
        if id(value) in self._open:
            return f"[cycle: {name_of(type(value))}]"
        if depth >= self._max_depth:
            return f"[cut {name_of(type(value))}: deeper than {depth}]"
        self._open.add(id(value))
        try:
            if fields is None:
                return self._list(value, depth + 1)
            return self._dict(fields, depth + 1)
        finally:
            self._open.discard(id(value))

    def _list(self, value: Any, depth: int) -> list[Any]:
        kept: list[Any] = []
        for child in list(islice(value, self._max_length)):
            if self.is_full:
                break
            kept.append(self.plain(child, depth))
        if len(kept) < len(value):
            kept.append(f"[cut {len(value) - len(kept):,} of {len(value):,} items]")
        return kept

    def _dict(self, fields: dict[Any, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, child in list(islice(dict.items(fields), self._max_length)):
            if self.is_full:
                break
            kept[self._key(key)] = self.plain(child, depth)
        if len(kept) < len(fields):
            kept["…"] = f"[cut {len(fields) - len(kept):,} of {len(fields):,} keys]"
        return kept

    def _key(self, key: Any) -> str:
        if isinstance(key, tuple):
            return f"<{name_of(type(key))}>"
        plain = self.plain(key, self._max_depth)
        return plain if isinstance(plain, str) else _encode(plain).decode()

    def _text(self, text: str) -> str:
        kept = clip(str.__str__(text), self._max_characters)
        self._room -= len(kept)
        return kept


def _fields(value: Any) -> dict[Any, Any] | None:
    # A mapping's items, or a record's fields by name; None for anything else.
    if isinstance(value, dict):
        return value
    kind = type(value)
    if hasattr(kind, "__pydantic_fields__"):
        return {**value.__dict__, **(value.__pydantic_extra__ or {})}
    for attribute in ("__struct_fields__", "__dataclass_fields__", "__attrs_attrs__", "_fields"):
        names = getattr(kind, attribute, None)
        if names is not None and not isinstance(value, type):
            plain_names = (getattr(name, "name", name) for name in names)
            return {name: getattr(value, name) for name in plain_names}
    return None


def _described(value: Any) -> Any:
    # Arrays and tables by their shape: the data can be gigabytes, or on another device.
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    if library in _ARRAY_LIBRARIES and hasattr(value, "shape") and hasattr(value, "dtype"):
        if library == "numpy" and value.ndim == 0 and value.dtype.kind in _PLAIN_SCALARS:
            return _PLAIN_SCALARS[value.dtype.kind](value)
        shape = [int(size) for size in value.shape]
        return {"type": name_of(kind), "shape": shape, "dtype": str(value.dtype)}
    if library in _TABLE_LIBRARIES and hasattr(value, "shape"):
        return {"type": name_of(kind), "shape": [int(size) for size in value.shape]}
    return None


def _blob(value: bytes | bytearray | memoryview) -> dict[str, Any]:
    size = value.nbytes if isinstance(value, memoryview) else len(value)
    described: dict[str, Any] = {"type": type(value).__name__, "size": size}
    if size <= _HASHED_BYTES:
        described["sha256"] = hashlib.sha256(value).hexdigest()
    return described


def _qualified(value: Any) -> str:
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or value.__name__
    return f"{module}.{name}" if module else str(name)
