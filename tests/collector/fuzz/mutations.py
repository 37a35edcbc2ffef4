"""What may become of a request on its way: bytes, protobuf's fields and JSON's values, changed.

Each function takes its chance as an argument, so that a seed makes the same requests again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

DEEP = 20_000
"""Far below what any reader follows, and far above what it has to."""

_ODD_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFF, 0x22, 0x5C, 0x5B, 0x7B, 0x0A)
_ODD_NUMBERS = (0, 1, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
_WIRE_TYPES = (0, 1, 2, 3, 4, 5, 6, 7)
_SIZES = {1: 8, 5: 4}


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A text that stands in JSON as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object whose keys may repeat."""

    items: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of protobuf's wire format, whose value is unread bytes."""

    number: int
    wire_type: int
    value: bytes


VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    -0.0,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    2**64,
    "",
    "0",
    "-1",
    "NaN",
    "Infinity",
    "\0",
    "é" * 300,
    "x" * 70_000,
    "=" * 33,
    "not base64 !",
    "0" * 32,
    "f" * 31,
    "2026-13-45T99:99:99Z",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"__proto__": {}},
    Verbatim("1e400"),
    Verbatim("-1e400"),
    Verbatim("1e-400"),
    Verbatim("9" * 5000),
    Verbatim('"\\ud800"'),
    Verbatim('"\\udc00\\ud800"'),
    Verbatim('"\\u0000"'),
    Verbatim("[" * 400 + "]" * 400),
    Verbatim('{"a":' * 400 + "1" + "}" * 400),
    Verbatim("[" * DEEP + "]" * DEEP),
    Verbatim('{"a":' * DEEP + "1" + "}" * DEEP),
    Pairs((("a", 1), ("a", 2))),
)
"""Values that are JSON, and nothing that anybody meant."""

FOREIGN = tuple(
    map(
        Verbatim, ("NaN", "-Infinity", "Infinity", "undefined", "01", "+1", ".5", "1.", "'a'", "{]")
    )
)
"""What some writers take for JSON."""


def spell(value: Any) -> str:
    """Return a value as JSON, with what stands verbatim in it."""
    if isinstance(value, Verbatim):
        return value.text
    if isinstance(value, dict):
        return spell(Pairs(tuple(value.items())))
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{spell(each)}" for key, each in value.items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spell, value)) + "]"
    return json.dumps(value)


def change_value(random: Random, value: Any, odd: Sequence[Any] = VALUES) -> Any:
    """Return JSON with one place in it changed: replaced, lost, doubled, renamed or wrapped."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = random.choice(list(value))
        return _change_item(random, value, name, odd)
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        head, tail = value[:place], value[place + 1 :]
        match random.randrange(6):
            case 0:
                return head + tail
            case 1:
                return [*head, value[place], value[place], *tail]
            case _:
                return [*head, change_value(random, value[place], odd), *tail]
    match random.randrange(8):
        case 0:
            return [value]
        case 1:
            return {"value": value}
        case 2:
            return str(value)[:2000]
        case _:
            return random.choice(odd)


def _change_item(random: Random, value: dict[str, Any], name: str, odd: Sequence[Any]) -> Any:
    others = {key: each for key, each in value.items() if key != name}
    match random.randrange(12):
        case 0:
            return others
        case 1:
            return others | {random.choice((name.upper(), name + "_", "", "\ud83d")): value[name]}
        case 2:
            return Pairs((*value.items(), (name, random.choice(odd))))
        case 3:
            return Pairs(((name, random.choice(odd)), *value.items()))
        case 4:
            return value | {"unknown": random.choice(odd)}
        case _:
            return value | {name: change_value(random, value[name], odd)}


def change_bytes(random: Random, body: bytes) -> bytes:
    """Return bytes with a few faults: flipped, lost, doubled, cut off, or of another length."""
    changed = bytearray(body)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        _BYTE_FAULTS[random.randrange(len(_BYTE_FAULTS))](random, changed)
    return bytes(changed)


def _flip(random: Random, body: bytearray) -> None:
    if body:
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)


def _set(random: Random, body: bytearray) -> None:
    if body:
        body[random.randrange(len(body))] = random.choice(_ODD_BYTES)


def _cut_off(random: Random, body: bytearray) -> None:
    del body[random.randrange(len(body) + 1) :]


def _lose(random: Random, body: bytearray) -> None:
    place = random.randrange(len(body) + 1)
    del body[place : place + random.choice((1, 2, 8, 100))]


def _double(random: Random, body: bytearray) -> None:
    place = random.randrange(len(body) + 1)
    body[place:place] = body[place : place + random.choice((1, 2, 8, 100, 1000))]


def _insert(random: Random, body: bytearray) -> None:
    place = random.randrange(len(body) + 1)
    body[place:place] = random.randbytes(random.choice((1, 2, 8, 100)))


def _claim(random: Random, body: bytearray) -> None:
    """Write a number where protobuf may look for a length."""
    place = random.randrange(len(body) + 1)
    body[place : place + 1] = random.choice(
        (varint(random.choice(_ODD_NUMBERS)), b"\xff" * 10, b"\x80" * 11, b"\xff" * 9 + b"\x7f")
    )


_BYTE_FAULTS: tuple[Callable[[Random, bytearray], None], ...] = (
    _flip,
    _set,
    _cut_off,
    _lose,
    _double,
    _insert,
    _claim,
)


def varint(number: int) -> bytes:
    """Return a number in protobuf's groups of seven bits."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def write_field(number: int, value: bytes) -> bytes:
    """Return a field of bytes, a text or a message."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_fields(message: bytes) -> list[Field] | None:
    """Return the fields of a message, or None where these bytes are none."""
    fields, place = [], 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        start = place
        if tag >> 3 == 0:
            return None
        match tag & 7:
            case 0:
                _, place = _read_varint(message, place)
            case 1 | 5 as fixed:
                place += _SIZES[fixed]
            case 2:
                size, start = _read_varint(message, place)
                place = start + size
            case _:
                return None
        if place > len(message):
            return None
        fields.append(Field(tag >> 3, tag & 7, message[start:place]))
    return fields


def write_fields(fields: Sequence[Field]) -> bytes:
    """Return a message; a field of bytes gets the length that it has."""
    return b"".join(
        write_field(each.number, each.value)
        if each.wire_type == 2
        else varint(each.number << 3 | each.wire_type) + each.value
        for each in fields
    )


def change_message(random: Random, message: bytes) -> bytes:
    """Return a message with one field changed, at any depth: what holds it keeps its length."""
    fields = read_fields(message)
    if not fields:
        return change_bytes(random, message)
    place = random.randrange(len(fields))
    field = fields[place]
    if field.wire_type == 2 and random.random() < 0.6:
        inner = change_message(random, field.value)
        fields[place] = Field(field.number, 2, inner)
        return write_fields(fields)
    match random.randrange(7):
        case 0:
            del fields[place]
        case 1:
            fields.insert(random.randrange(len(fields) + 1), field)
        case 2:
            random.shuffle(fields)
        case 3:
            other = random.choice((1, 2, 15, 16, 2**29 - 1, fields[-1].number))
            fields[place] = Field(other, field.wire_type, field.value)
        case 4:
            fields[place] = Field(field.number, random.choice(_WIRE_TYPES), field.value)
        case 5:
            fields[place] = Field(field.number, 0, varint(random.choice(_ODD_NUMBERS)))
        case _:
            fields[place] = Field(field.number, field.wire_type, change_bytes(random, field.value))
    return write_fields(fields)


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(message) and shift < 70:
        number |= (message[place] & 0x7F) << shift
        shift += 7
        place += 1
        if message[place - 1] < 0x80:
            break
    return number, place
