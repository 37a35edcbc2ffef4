"""One file of the journal: reserved before use, written through memory, read by whoever ships.

    offset 0     magic "HWJOURN1"
           8     format version, length of the JSON header              two u32
          16     where the first record stands that is not acknowledged  one u64
          24     {"segment_id":"…","project":"support-bot","pid":4711,"host":"web-1","created_ns":…}
        4096     records, each at a multiple of four:
                 length u32, crc32 of the payload u32, the payload

A record's length is written last and in one store, so a process that dies while it writes leaves
no record rather than half of one. A length of zero is the end. Whoever writes or ships a segment
holds its ``flock``; one that can be locked belongs to a dead process and may be adopted.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import msgspec

MAGIC = b"HWJOURN1"
FORMAT_VERSION = 1
SEGMENT_BYTES = 8 << 20
SUFFIX = ".segment"

_PREAMBLE = struct.Struct("=8sIIQ")
_FRAME = struct.Struct("=II")
_ACKNOWLEDGED_AT = 16
_FIRST = 4096
_STILLBORN_S = 60.0
_STEP_BYTES = 1 << 18
# Linux 5.14; Python has no name for it before 3.14.
_MADV_POPULATE_WRITE = 23


class Header(msgspec.Struct, frozen=True):
    """Who wrote a segment, and for which project."""

    segment_id: str
    project: str
    pid: int
    host: str
    created_ns: int


class SegmentError(Exception):
    """A file of the journal cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Extract:
    """Some records of a segment, in order; ``stops[i]`` is the offset behind record ``i``."""

    start: int
    payloads: Sequence[bytes]
    stops: Sequence[int]

    def halves(self) -> "list[Extract]":
        """Split in two; for more than one record."""
        middle = len(self.payloads) // 2
        first = Extract(self.start, self.payloads[:middle], self.stops[:middle])
        return [first, Extract(first.stops[-1], self.payloads[middle:], self.stops[middle:])]


class Segment:
    """A segment in use: written by its owner, or adopted from a dead process.

    One without a file lives in memory alone and dies with the process. Appending is for one
    thread at a time; reading and acknowledging are for one other.
    """

    def __init__(
        self,
        header: Header,
        *,
        path: Path | None,
        descriptor: int | None,
        size: int,
        end: int = _FIRST,
        acknowledged: int = _FIRST,
        is_damaged: bool = False,
    ) -> None:
        self.header = header
        self.path = path
        self.end = end
        self.acknowledged = acknowledged
        self.is_damaged = is_damaged
        self._descriptor = descriptor
        self._size = size
        self._is_mapped = False
        self._map: mmap.mmap
        self._words: memoryview[int]
        self._writable = 0
        """Up to where records may be written: nowhere, to the middle, to the end."""

    @property
    def pending_bytes(self) -> int:
        """How much is written and not yet acknowledged."""
        return self.end - self.acknowledged

    def append(self, payload: bytes, checksum: int) -> bool:
        """Write one record; False when there is no room, or the segment is sealed."""
        start, length = self.end, len(payload)
        stop = start + 8 + length
        if stop > self._writable:
            return False
        words = self._words
        self._map[start + 8 : stop] = payload
        words[(start >> 2) + 1] = checksum
        words[start >> 2] = length
        self.end = (stop + 3) & ~3
        return True

    def extend(self) -> bool:
        """Let the second half be written too; True the first time.

        A new segment takes records up to its middle: the moment to have the next one made.
        """
        is_new = 0 < self._writable < self._size
        if is_new:
            self._writable = self._size
        return is_new

    def read(self, max_records: int, max_bytes: int) -> Extract:
        """Return the oldest records that are not acknowledged, at least one where there is one."""
        start = self.acknowledged
        block = self._block(start, min(self.end - start, max_bytes))
        if len(block) >= 8 and 8 + _FRAME.unpack_from(block)[0] > len(block):
            block = self._block(start, 8 + _FRAME.unpack_from(block)[0])
        payloads, stops = _split(block, max_records)
        return Extract(start, payloads, [start + stop for stop in stops])

    def count_pending(self) -> int:
        """Return how many records are not acknowledged."""
        return len(self.read(self._size, self._size).payloads)

    def acknowledge(self, offset: int) -> None:
        """Note, for every later process too, that all before ``offset`` has arrived."""
        self.acknowledged = offset
        if self._descriptor is not None:
            os.pwrite(self._descriptor, struct.pack("=Q", offset), _ACKNOWLEDGED_AT)

    def seal(self) -> None:
        """Take no more records, and give back the memory and the reserved rest of the file."""
        if self._descriptor is None:
            # The records are nowhere else; the map goes with the segment.
            self._writable = 0
            return
        self._unmap()
        with suppress(OSError):
            os.ftruncate(self._descriptor, self.end)

    def prefault(self) -> None:
        """Bring the file's pages into memory, so that the writer meets no page fault."""
        if not self._is_mapped:
            return
        try:
            # In steps, because madvise does not let other threads of Python run meanwhile.
            for start in range(0, self._size, _STEP_BYTES):
                length = min(_STEP_BYTES, self._size - start)
                self._map.madvise(_MADV_POPULATE_WRITE, start, length)
        except OSError:
            # An older kernel: the writer faults the pages in one by one, which costs it a little.
            return

    def close(self) -> None:
        """Let go of the file: this unlocks it, for any process to adopt."""
        self._unmap()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def delete(self) -> None:
        """Remove the file, whose records have all arrived, and let go of it."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.close()

    def map(self) -> None:
        """Make the segment writable through memory."""
        descriptor = -1 if self._descriptor is None else self._descriptor
        self._map = mmap.mmap(descriptor, self._size)
        self._words = memoryview(self._map).cast("I")
        self._is_mapped = True
        self._writable = self._size // 2

    def _unmap(self) -> None:
        self._writable = 0
        if self._is_mapped:
            self._is_mapped = False
            self._words.release()
            self._map.close()

    def _block(self, start: int, size: int) -> bytes:
        # Not through memory where there is a file: its owner may be unmapping it just now, and one
        # that is broken or cut short would kill the process.
        if self._descriptor is not None:
            return os.pread(self._descriptor, size, start)
        return self._map[start : start + size] if self._is_mapped else b""


def largest_payload(segment_bytes: int) -> int:
    """Return how long a record can be in a segment of that size."""
    return segment_bytes - _FIRST - 8


def create(folder: Path, header: Header, size: int = SEGMENT_BYTES) -> Segment:
    """Make a file in ``folder`` with all its disk space reserved, locked and ready to write.

    Raises:
        OSError: there is no room, no permission or no such folder; nothing is left behind.
    """
    path = folder / (header.segment_id + SUFFIX)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    segment = Segment(header, path=path, descriptor=descriptor, size=size)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _reserve(descriptor, size)
        encoded = msgspec.json.encode(header)
        preamble = _PREAMBLE.pack(MAGIC, FORMAT_VERSION, len(encoded), _FIRST)
        os.pwrite(descriptor, preamble + encoded, 0)
        segment.map()
    except OSError:
        segment.delete()
        raise
    return segment


def create_in_memory(header: Header, size: int = SEGMENT_BYTES) -> Segment:
    """Make a segment without a file."""
    segment = Segment(header, path=None, descriptor=None, size=size)
    segment.map()
    return segment


def adopt(path: Path) -> Segment | None:
    """Lock the segment of a dead process, and read it up to its end or its first damage.

    Returns:
        None where somebody writes or ships it, or it is gone.

    Raises:
        SegmentError: it is not a segment, or one of a newer version; it stays as it is.
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    segment = None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment = _inspect(path, descriptor)
    except BlockingIOError:
        pass
    finally:
        if segment is None:
            os.close(descriptor)
    return segment


def _inspect(path: Path, descriptor: int) -> Segment | None:
    status = os.fstat(descriptor)
    if status.st_nlink == 0:
        return None
    content = os.pread(descriptor, status.st_size, 0)
    if not any(content[:_FIRST]):
        # Its maker died, or is between creating and locking it: an empty file gets a minute.
        if content or time.time() - status.st_mtime > _STILLBORN_S:
            path.unlink(missing_ok=True)
        return None
    header = _parse_header(path, content)
    acknowledged = _PREAMBLE.unpack_from(content)[3]
    end, boundaries = _FIRST, {_FIRST}
    for payload, stop in zip(*_split(content[_FIRST:], len(content)), strict=True):
        if crc32(payload) != _FRAME.unpack_from(content, end)[1]:
            break
        end = _FIRST + stop
        boundaries.add(end)
    return Segment(
        header,
        path=path,
        descriptor=descriptor,
        size=status.st_size,
        end=end,
        # Where the mark itself is damaged all is sent again: the collector knows its own.
        acknowledged=acknowledged if acknowledged in boundaries else _FIRST,
        is_damaged=any(content[end : end + 4]),
    )


def _parse_header(path: Path, content: bytes) -> Header:
    try:
        magic, version, length, _ = _PREAMBLE.unpack_from(content)
        if magic != MAGIC:
            raise SegmentError(f"{path} is not a journal segment: move it out of the journal")
        if version > FORMAT_VERSION:
            raise SegmentError(
                f"{path} has format {version}, this Headway reads up to {FORMAT_VERSION}: "
                "upgrade headway to ship it"
            )
        encoded = content[_PREAMBLE.size : _PREAMBLE.size + length]
        return msgspec.json.decode(encoded, type=Header)
    except (struct.error, msgspec.DecodeError) as error:
        raise SegmentError(f"{path} has a damaged header ({error}): its calls are lost") from error


def _split(block: bytes, most: int) -> tuple[list[bytes], list[int]]:
    # The payloads that stand completely in a block, which begins with a record, and where each
    # record ends. Tight, since the shipper's every step here holds up the program's threads.
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


def _reserve(descriptor: int, size: int) -> None:
    # A write through memory to a file without its blocks kills the process when the disk is full.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    for offset in range(0, size, _STEP_BYTES):
        os.pwrite(descriptor, bytes(min(_STEP_BYTES, size - offset)), offset)
