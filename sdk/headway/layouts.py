"""What stands where in a segment of the journal.

    offset 0     magic "HWJOURN1"
           8     format version, length of the JSON header              two u32
          16     where the first record stands that is not acknowledged  one u64
          24     {"segment_id":"…","project":"support-bot","pid":4711,"host":"web-1","created_ns":…,
                  "url":"http://127.0.0.1:4318","client_id":"32 hex"}
        2048     what the process lost (see ``losses``): reserved, so that a full disk takes it too
        4096     records, each at a multiple of four:
                 length u32, crc32 of the payload u32, the payload

A record's length is written last and in one store, so a process that dies while it writes leaves
no record rather than half of one. A length of zero is the end.
"""

import struct
from collections.abc import Sequence

import msgspec

MAGIC = b"HWJOURN1"
FORMAT_VERSION = 1
SEGMENT_BYTES = 8 << 20
"""How large segments are, up to a limit of 512 MB; under a larger one they grow."""

LARGEST_SEGMENT_BYTES = 64 << 20
PAGE_BYTES = 4096
HEADER_BYTES = 4096
SLOT_AT = 2048
SUFFIX = ".segment"
DAMAGED_SUFFIX = ".damaged"
PREAMBLE = struct.Struct("=8sIIQ")
FRAME = struct.Struct("=II")


class Header(msgspec.Struct, frozen=True):
    """Who wrote a segment, for which project and collector; never with which key."""

    segment_id: str
    project: str
    pid: int
    host: str
    created_ns: int
    url: str = ""
    client_id: str = ""


class SegmentError(Exception):
    """A file of the journal cannot be used; the message says why."""


class Extract(msgspec.Struct, frozen=True):
    """Some records of a segment, in order; ``stops[i]`` is the offset behind record ``i``."""

    start: int
    payloads: Sequence[bytes]
    stops: Sequence[int]

    def halves(self) -> "list[Extract]":
        """Split in two; for more than one record."""
        middle = len(self.payloads) // 2
        first = Extract(self.start, self.payloads[:middle], self.stops[:middle])
        return [first, Extract(first.stops[-1], self.payloads[middle:], self.stops[middle:])]


def largest_payload(segment_bytes: int) -> int:
    """Return how long a record can be in a segment of that size."""
    return segment_bytes - HEADER_BYTES - FRAME.size


def smallest_segment(payload_bytes: int) -> int:
    """Return the size, in whole pages, of the smallest segment that holds such a record."""
    return (HEADER_BYTES + FRAME.size + payload_bytes + PAGE_BYTES - 1) & -PAGE_BYTES


def split(block: bytes, most: int) -> tuple[list[bytes], list[int]]:
    """Return the payloads that stand whole in a block of records, and where each record ends."""
    # Tight, since the shipper's every step here holds up the program's threads.
    payloads: list[bytes] = []
    stops: list[int] = []
    words = memoryview(block)[: len(block) & ~3].cast("I")
    place = 0
    while len(payloads) < most and place + 2 <= len(words) and (length := words[place]):
        first = (place + 2) << 2
        if first + length > len(block):
            break
        payloads.append(block[first : first + length])
        place = (first + length + 3) >> 2
        stops.append(place << 2)
    return payloads, stops
