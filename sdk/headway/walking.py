"""One careful pass over a value that is not plain, or not small.

Each kind of value has a reader, found by the class or one of its bases. A reader asks only code of
Python's own: a subclass of ``dict`` is read as the dict that it is, whatever it makes of ``items``.
"""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain, islice
from math import isfinite
from types import WrapperDescriptorType
from typing import Any

import msgspec

from headway.descriptions import blob, described
from headway.interruptions import is_from_handler, is_from_outside
from headway.limits import LARGEST_INT, NODE_COST, Budget, Limits
from headway.peeking import (
    MISSING,
    field_names,
    found,
    instance_dict,
    lineage_of,
    slots_beside,
    stored,
)
from headway.texts import clip, message_of, name_of, unreadable, weigh
from headway.wordings import WORDED, worded

_STEPS = 64
"""The clock is looked at once in so many nodes."""
_LONG_TEXT = 1 << 14
"""And before each text so long."""
_SHORT_TEXT = 1000
"""Fits also where there is no room or time left; and no key is longer."""
_HEAVIEST = 7
"""A character takes six bytes at most, as JSON; the rest is for what is said of the cut."""
_PLAIN = frozenset(map(id, (str, int, float, bool, type(None))))
"""By ``id``, as below."""
_MOST_BRIEF = 100
_NAMED_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

_struct_fields = type(msgspec.Struct).__dict__["__struct_fields__"].__get__
_encode = msgspec.json.Encoder().encode

Reader = Callable[["Walk", Any, type, int], Any]
"""Reads a value as the class given, which is its own or one of its bases, at a depth."""


class Walk:
    """Makes of a value what msgspec can encode, as far as room and time allow."""

    def __init__(self, limits: Limits, budget: Budget, tightening: int) -> None:
        self.is_late = budget.is_spent()
        self._limits = limits
        self._budget = budget
        # The rest is for what is said of the cuts, and for the last text that did not fit.
        self._room = limits.max_bytes * 15 // 16
        self._items = limits.max_items
        self._max_characters = limits.max_bytes // tightening
        self._max_length = limits.max_items // tightening
        self._open: set[int] = set()

    @property
    def count(self) -> int:
        """How many values and keys were looked at."""
        return self._limits.max_items - self._items

    @property
    def is_full(self) -> bool:
        """Whether something was left out only because of what stood before it."""
        return self._room < 0 or self._items < 0

    def plain(self, value: Any, depth: int) -> Any:
        """Return ``value`` as data that msgspec can encode."""
        self._items -= 1
        self._room -= NODE_COST
        if not self._items % _STEPS:
            self._look_at_the_clock()
        kind = type(value)
        try:
            reader = _READERS.get(id(kind))
            if reader is not None:
                return reader(self, value, kind, depth)
            for base in lineage_of(kind):
                reader = _READERS.get(id(base))
                if reader is not None:
                    return reader(self, value, base, depth)
            return self._stranger(value, kind, depth)
        except Exception as error:
            # No code of the program's is run here, unless a signal handler comes in between.
            if is_from_outside(error):
                raise
            return unreadable(kind, error)

    def _stranger(self, value: Any, kind: type, depth: int) -> Any:
        """Read a record by its fields, a library's object by what it is, others by name."""
        names = field_names(kind)
        if names is not None:
            more = stored(value, "__pydantic_extra__")
            more = more if type(more) is dict else {}
            pairs = chain(self._stored(value, names), more.items())
            return self._fill(value, pairs, len(names) + len(more), depth)
        try:
            known = described(value, kind, self._budget)
        except Exception as error:
            if is_from_handler(error):
                raise
            return unreadable(kind, error)  # its library's
        if type(known) is float:
            return self._number(known, float, depth)
        return self._told(f"<{name_of(kind)}>" if known is None else known)

    def _told(self, known: Any) -> Any:
        self._room -= len(_encode(known))
        return known

    def _text(self, value: str, base: type = str, depth: int = 0) -> str:
        """Keep a text, its middle cut out where it is too long."""
        text, longest = str.__str__(value), self._max_characters
        if len(text) > _LONG_TEXT:
            self._look_at_the_clock()
        if self.is_late:
            longest = min(longest, _SHORT_TEXT)
        kept = clip(text, longest)
        weight = weigh(kept, longest)
        if weight > longest > _SHORT_TEXT:
            kept = clip(text, longest // _HEAVIEST)
            weight = weigh(kept, longest)
        self._room -= weight
        return clip(kept, _SHORT_TEXT) if self._room < 0 else kept

    def _number(self, value: Any, base: type, depth: int) -> Any:
        """Keep a number, also one of a subclass; a huge one is named, and so is what is none."""
        if base is float:
            number = float.__float__(value)
            return number if isfinite(number) else _NAMED_FLOATS[float.__repr__(number)]
        whole = int.__index__(value)
        short = -LARGEST_INT < whole < LARGEST_INT
        return whole if short else f"[{whole.bit_length()} bit int]"

    def _itself(self, value: Any, base: type, depth: int) -> Any:
        """Keep what is JSON already."""
        return value

    def _worded(self, value: Any, base: type, depth: int) -> str:
        """Keep what has one short way to be written."""
        return self._text(worded(value, base))

    def _blob(self, value: Any, base: type, depth: int) -> dict[str, Any]:
        """Describe bytes; write them where that was asked for."""
        is_asked = self._limits.has_data and not self.is_late
        room = min(self._room, self._max_characters) if is_asked else None
        known: dict[str, Any] = self._told(blob(value, base, self._budget, room))
        return known

    def _member(self, value: Any, base: type, depth: int) -> Any:
        """Keep what a member of an enumeration stands for."""
        return self.plain(stored(value, "_value_"), depth)

    def _error(self, value: Any, base: type, depth: int) -> dict[str, Any]:
        """Keep an exception's message where that is its own text, else what it was given."""
        kind = type(value)
        args = BaseException.args.__get__(value)  # type: ignore[attr-defined]
        is_builtin = type(found(kind, "__str__")) is WrapperDescriptorType
        if is_builtin and _are_brief(args) and _are_brief(slots_beside(value, "__str__")):
            return {"type": name_of(kind), "message": self._text(message_of(value))}
        return {"type": name_of(kind), "args": self.plain(args, depth)}

    def _sequence(self, value: Any, base: Any, depth: int) -> Any:
        """Keep the items, as the built-in class gives them; a named tuple's by name."""
        names = found(type(value), "_fields") if base is tuple else MISSING
        if type(names) is tuple and len(names) == tuple.__len__(value):
            pairs = zip(names, tuple.__iter__(value), strict=True)
            return self._fill(value, pairs, len(names), depth)
        if (said := self._closed(value, depth)) is not None:
            return said
        count = base.__len__(value)
        kept: list[Any] = []
        self._open.add(id(value))
        try:
            for child in list(islice(base.__iter__(value), self._max_length)):
                if self.is_late or self.is_full:
                    break
                kept.append(self.plain(child, depth + 1))
        finally:
            self._open.discard(id(value))
        if len(kept) < count:
            kept.append(self._cut(count - len(kept), count, "items"))
        return kept

    def _mapping(self, value: Any, base: type, depth: int) -> Any:
        """Keep the items, as ``dict`` gives them."""
        return self._fill(value, dict.items(value), dict.__len__(value), depth)

    def _wrapper(self, value: Any, base: type, depth: int) -> Any:
        """Keep what a UserDict or UserList is around."""
        return self.plain(stored(value, "data"), depth)

    def _struct(self, value: Any, base: type, depth: int) -> Any:
        """Keep the fields of a msgspec Struct."""
        names = _struct_fields(type(value))
        return self._fill(value, self._stored(value, names), len(names), depth)

    def _stored(self, value: Any, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
        instance = instance_dict(value)
        for name in names:
            field = instance[name] if name in instance else stored(value, name)
            yield name, "[not stored]" if field is MISSING else field

    def _fill(self, value: Any, pairs: Iterable[Any], count: int, depth: int) -> Any:
        if (said := self._closed(value, depth)) is not None:
            return said
        kept: dict[str, Any] = {}
        self._open.add(id(value))
        try:
            for key, child in list(islice(pairs, self._max_length)):
                if self.is_late or self.is_full:
                    break
                name = self._key(key)
                if name in kept:
                    name = f"{name} #{len(kept)}"
                kept[name] = self.plain(child, depth + 1)
        finally:
            self._open.discard(id(value))
        if len(kept) < count:
            kept["…"] = self._cut(count - len(kept), count, "keys")
        return kept

    def _closed(self, value: Any, depth: int) -> str | None:
        if id(value) in self._open:
            return f"[cycle: {name_of(type(value))}]"
        if depth >= self._limits.max_depth:
            return f"[cut {name_of(type(value))}: deeper than {depth}]"
        return None

    def _look_at_the_clock(self) -> None:
        if not self.is_late:
            self.is_late = self._budget.is_spent()

    def _cut(self, count: int, whole: int, what: str) -> str:
        why = ": out of time" if self.is_late else ""
        return f"[cut {count:,} of {whole:,} {what}{why}]"

    def _key(self, key: Any) -> str:
        if type(key) is str:
            return self._text(clip(key, _SHORT_TEXT))
        if issubclass(type(key), tuple):
            return f"<{name_of(type(key))}>"
        plain = self.plain(key, self._limits.max_depth)
        return plain if isinstance(plain, str) else _encode(plain).decode()


def _are_brief(values: Sequence[Any]) -> bool:
    # Whether a text of all of them is soon made, and without a line of foreign code.
    return (
        len(values) <= _MOST_BRIEF
        and _PLAIN.issuperset(map(id, map(type, values)))
        and all(len(value) <= _LONG_TEXT for value in values if type(value) is str)
    )


_KINDS: dict[type, Reader] = {
    str: Walk._text,
    **dict.fromkeys((bool, type(None)), Walk._itself),
    **dict.fromkeys((int, float), Walk._number),
    **dict.fromkeys((bytes, bytearray, memoryview), Walk._blob),
    **dict.fromkeys(WORDED, Walk._worded),
    **dict.fromkeys((list, tuple, set, frozenset, collections.deque, range), Walk._sequence),
    **dict.fromkeys((type({}.keys()), type({}.values()), type({}.items())), Walk._sequence),
    **dict.fromkeys((collections.UserDict, collections.UserList), Walk._wrapper),
    dict: Walk._mapping,
    msgspec.Struct: Walk._struct,
    Enum: Walk._member,
    BaseException: Walk._error,
}
_READERS = {id(kind): reader for kind, reader in _KINDS.items()}
"""By ``id``, since a class may have a hash of its own that raises."""
