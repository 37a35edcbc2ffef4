"""Requests that are made once and sent many times, every time with new ids and the time of day.

A request is built with placeholders of a fixed width: ids that begin with ``feedface``, and times
in the year 2216. ``make_template`` finds them in the finished bytes, of NDJSON and protobuf alike,
so that ``fill`` and its twin in ``collector_load.lua`` only overwrite bytes.

An id is the number of its slot times an odd constant modulo 2^64: as unordered as a random one,
and no two are ever the same.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

# Seconds that stand for now, with room for what happened shortly before and after.
NOW_S = 7_777_775_000
RUN_SLOTS = 2**40
"""How many slots one run may use; the next one begins behind them."""

_SPREAD = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1
_MARK = 0xFEEDFACE
_TRACE_PREFIX = "4bf92f3577b34da6"

_HEX_ID = re.compile(rb"feedface([0-9a-f]{8})")
_RAW_ID = re.compile(rb"\xfe\xed\xfa\xce(.{4})", re.DOTALL)
_SECONDS = re.compile(rb"(77777\d{5})(?=\d{9}\D)")
# Fields 7 and 8 of an OTLP span are fixed64; the two highest bytes are the same for all of them.
_NANOSECONDS = re.compile(
    rb"[\x39\x41](.{6}" + re.escape(struct.pack("<q", NOW_S * 10**9)[6:]) + rb")", re.DOTALL
)


class Kind(IntEnum):
    """What a patch writes; the numbers are known to ``collector_load.lua`` too.

    ``HEX`` and ``RAW`` write the id of a slot, ``SECONDS`` ten digits of now plus so many seconds,
    ``NANOSECONDS`` eight little-endian bytes of now plus so many nanoseconds.
    """

    HEX = 0
    RAW = 1
    SECONDS = 2
    NANOSECONDS = 3


@dataclass(frozen=True, slots=True)
class Patch:
    """What changes at one place; ``value`` is a slot, or what is added to the time."""

    kind: Kind
    offset: int
    value: int


@dataclass(frozen=True, slots=True)
class Template:
    """The bytes of one HTTP request, and what changes in them; spans have the first slots."""

    request: bytes
    patches: tuple[Patch, ...]
    span_count: int
    slot_count: int

    def fill(self, first: int, now_s: int) -> bytes:
        """Return the request with the ids of the slots from ``first`` on, at the given time."""
        filled = bytearray(self.request)
        for patch in self.patches:
            match patch.kind:
                case Kind.HEX:
                    written = b"%016x" % make_id(first + patch.value)
                case Kind.RAW:
                    written = make_id(first + patch.value).to_bytes(8, "big")
                case Kind.SECONDS:
                    written = b"%010d" % (now_s + patch.value)
                case Kind.NANOSECONDS:
                    written = struct.pack("<q", now_s * 10**9 + patch.value)
            filled[patch.offset : patch.offset + len(written)] = written
        return bytes(filled)


def make_id(slot: int) -> int:
    """Return the 64 bits of a slot's id; slots count from 1."""
    return slot * _SPREAD & _MASK


def mark(slot: int) -> str:
    """Return the placeholder of a slot's id, 16 hex digits."""
    return f"{_MARK:08x}{slot:08x}"


def mark_trace(slot: int) -> str:
    """Return the placeholder of a slot's trace id, 32 hex digits."""
    return _TRACE_PREFIX + mark(slot)


def make_template(head: Sequence[str], body: bytes, span_count: int) -> Template:
    """Return the request of a method line, headers and a body with placeholders in them."""
    lines = [*head, "Host: 127.0.0.1", f"Content-Length: {len(body)}", "", ""]
    request = "\r\n".join(lines).encode() + body
    patches = tuple(_find_patches(request))
    slots = [patch.value for patch in patches if patch.kind in (Kind.HEX, Kind.RAW)]
    return Template(request, patches, span_count, max(slots) + 1)


def _find_patches(request: bytes) -> Iterator[Patch]:
    for found in _HEX_ID.finditer(request):
        yield Patch(Kind.HEX, found.start(), int(found[1], 16))
    for found in _RAW_ID.finditer(request):
        yield Patch(Kind.RAW, found.start(), int.from_bytes(found[1], "big"))
    for found in _SECONDS.finditer(request):
        yield Patch(Kind.SECONDS, found.start(), int(found[1]) - NOW_S)
    for found in _NANOSECONDS.finditer(request):
        (time_ns,) = struct.unpack("<q", found[1])
        yield Patch(Kind.NANOSECONDS, found.start(1), time_ns - NOW_S * 10**9)


def save_templates(templates: Iterable[Template], folder: Path) -> None:
    """Write what ``collector_load.lua`` reads: the bytes, and tables of 64-bit numbers."""
    requests, index, patches = bytearray(), bytearray(), bytearray()
    patch_count = 0
    for each in templates:
        index += struct.pack(
            "=5q",
            len(requests),
            len(each.request),
            patch_count,
            len(each.patches),
            each.slot_count,
        )
        requests += each.request
        patch_count += len(each.patches)
        for patch in each.patches:
            patches += struct.pack("=3q", patch.kind, patch.offset, patch.value)
    for name, content in (("requests", requests), ("index", index), ("patches", patches)):
        (folder / name).write_bytes(content)
