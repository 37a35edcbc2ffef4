"""One file of the journal: reserved before use, written through memory, read by whoever ships.

    offset 0     magic "HWJOURN1"
           8     format version, length of the JSON header              two u32
          16     where the first record stands that is not acknowledged  one u64
          24     {"segment_id":"…","project":"support-bot","pid":4711,"host":"web-1","created_ns":…,
                  "url":"http://127.0.0.1:4318","client_id":"32 hex"}
        2048     what the process lost (see ``losses``): reserved, so that a full disk takes it too
        4096     records, each at a multiple of four:
                 length u32, crc32 of the payload u32, the payload

A record's length is written last and in one store, so a process that dies while it writes leaves
no record rather than half of one. A length of zero is the end. Whoever writes or ships a segment
holds its ``flock``; one that can be locked belongs to a dead process and may be adopted.
"""

import errno
import fcntl
import mmap
import os
import stat
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from headway.losses import Lost, encode_slot

MAGIC = b"HWJOURN1"
FORMAT_VERSION = 1
SEGMENT_BYTES = 8 << 20
PAGE_BYTES = 4096
HEADER_BYTES = 4096
SLOT_AT = 2048
SUFFIX = ".segment"
DAMAGED_SUFFIX = ".damaged"
PREAMBLE = struct.Struct("=8sIIQ")
FRAME = struct.Struct("=II")

_ACKNOWLEDGED_AT = 16
_STEP_BYTES = 1 << 18
# A link, a folder, a socket.
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})
_unclosable: list[mmap.mmap] = []
_SHARE_BEFORE_SPARE = 8
"""The next segment is made when this one is an eighth full: a program that logs in a tight loop
gives the shipper's thread little time."""
# Linux 5.14; Python has no name for it before 3.14.
_MADV_POPULATE_WRITE = 23


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
        end: int = HEADER_BYTES,
        acknowledged: int = HEADER_BYTES,
        losses: Sequence[Lost] = (),
        gaps: Mapping[int, int] | None = None,
        is_damaged: bool = False,
    ) -> None:
        self.header = header
        self.path = path
        self.end = end
        self._gaps = gaps or {}
        """Where something damaged stands, and where the next whole record is."""
        self.acknowledged = self._gaps.get(acknowledged, acknowledged)
        self.losses = losses
        """What its process lost and has not told."""
        self.is_damaged = is_damaged
        self._descriptor = descriptor
        self._identity = None if descriptor is None else _identity_of(descriptor)
        self._was_closed = False
        """Whether somebody else closed our descriptors."""
        self.size = size
        self._is_mapped = False
        self._map: mmap.mmap
        self._words: memoryview[int]
        self._writable = 0
        """Up to where records may be written: nowhere, to an eighth, to the end."""

    @property
    def pending_bytes(self) -> int:
        """How much is written and not yet acknowledged."""
        return self.end - self.acknowledged

    @property
    def is_on_disk(self) -> bool:
        """Whether its records outlive this process: it has a file, and nobody removed that."""
        try:
            descriptor = self._ours()
            return descriptor is not None and os.fstat(descriptor).st_nlink > 0
        except OSError:
            # Another thread let go of it a moment ago.
            return False

    @property
    def is_lost(self) -> bool:
        """Whether somebody closed its file, and it cannot be opened again."""
        return self._identity is not None and self._ours() is None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing in it that the collector does not know."""
        return self.end == self.acknowledged and not self.losses

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

    def has_room_for(self, payload: bytes) -> bool:
        """Tell whether an empty segment of this size takes the record."""
        return len(payload) <= largest_payload(self.size)

    def extend(self) -> bool:
        """Let the rest be written too; True the first time.

        A new segment takes records up to an eighth: the moment to have the next one made.
        """
        is_new = 0 < self._writable < self.size
        if is_new:
            self._writable = self.size
        return is_new

    def read(self, max_records: int, max_bytes: int) -> Extract:
        """Return the oldest records that are not acknowledged, at least one where there is one."""
        return self._read(self.acknowledged, max_records, max_bytes)

    def _read(self, start: int, max_records: int, max_bytes: int) -> Extract:
        stop = min((gap for gap in self._gaps if gap > start), default=self.end)
        block = self._block(start, min(stop - start, max_bytes))
        if len(block) >= 8 and 8 + FRAME.unpack_from(block)[0] > len(block):
            block = self._block(start, 8 + FRAME.unpack_from(block)[0])
        payloads, stops = split(block, max_records)
        return Extract(start, payloads, [start + stop for stop in stops])

    def count_pending(self) -> int:
        """Return how many records are not acknowledged."""
        count, start = 0, self.acknowledged
        while stops := self._read(start, self.size, self.size).stops:
            count, start = count + len(stops), self._gaps.get(stops[-1], stops[-1])
        return count

    def acknowledge(self, offset: int) -> None:
        """Note, for every later process too, that all before ``offset`` has arrived."""
        self.acknowledged = self._gaps.get(offset, offset)
        if (descriptor := self._ours()) is not None:
            os.pwrite(descriptor, struct.pack("=Q", self.acknowledged), _ACKNOWLEDGED_AT)

    def keep_losses(self, losses: Sequence[Lost]) -> None:
        """Note, for every later process too, what nobody has been told yet."""
        self.losses = losses
        if (descriptor := self._ours()) is not None:
            os.pwrite(descriptor, encode_slot(losses), SLOT_AT)

    def seal(self) -> None:
        """Take no more records, and give back the memory and the reserved rest of the file."""
        descriptor = self._ours()
        if descriptor is None:
            # The records are nowhere else; the map goes with the segment.
            self._writable = 0
            return
        self._unmap()
        with suppress(OSError):
            os.ftruncate(descriptor, self.end)

    def prefault(self) -> None:
        """Bring the file's pages into memory, so that the writer meets no page fault.

        For a segment that nobody else knows yet.
        """
        if self._is_mapped:
            _populate(self._map)

    def close(self) -> None:
        """Let go of the file: this unlocks it, for any process to adopt."""
        self._unmap()
        is_ours, descriptor = self._is_ours(), self._descriptor
        # First: another thread that finds it closed must not think that somebody else did it.
        self._descriptor = self._identity = None
        if is_ours and descriptor is not None:
            os.close(descriptor)

    def delete(self) -> None:
        """Remove the file, whose records have all arrived, and let go of it."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.close()

    def discard(self) -> Path | None:
        """Remove the file, whose records have all arrived; a damaged one is kept aside instead.

        Returns:
            where the damaged one is.
        """
        if self.path is None or not self.is_damaged:
            self.delete()
            return None
        aside = self.path.with_suffix(DAMAGED_SUFFIX)
        self.path.rename(aside)
        self.close()
        return aside

    def map(self) -> None:
        """Make the segment writable through memory."""
        descriptor = -1 if self._descriptor is None else self._descriptor
        self._map = mmap.mmap(descriptor, self.size)
        self._words = memoryview(self._map).cast("I")
        self._is_mapped = True
        self._writable = self.size // _SHARE_BEFORE_SPARE

    def write_header(self) -> None:
        """Say in a new file what it is."""
        encoded = msgspec.json.encode(self.header)
        preamble = PREAMBLE.pack(MAGIC, FORMAT_VERSION, len(encoded), HEADER_BYTES) + encoded
        self._map[: len(preamble)] = preamble

    def _unmap(self) -> None:
        self._writable = 0
        if not self._is_mapped:
            return
        self._is_mapped = False
        self._words.release()
        self._is_ours()
        if self._was_closed:
            # The map has a descriptor of its own, whose number is somebody else's by now as well.
            _unclosable.append(self._map)
        else:
            self._map.close()

    def _is_ours(self) -> bool:
        # Who makes a daemon of itself closes descriptors by number, and our number is then that
        # of the next file that the program opens.
        descriptor = self._descriptor
        if descriptor is None or _identity_of(descriptor) == self._identity:
            return descriptor is not None
        self._descriptor, self._was_closed = None, True
        return False

    def _ours(self) -> int | None:
        if self._is_ours() or self._identity is None or self.path is None:
            return self._descriptor
        try:
            descriptor = open_file(self.path, os.O_RDWR)
        except (OSError, SegmentError):
            return None
        if _identity_of(descriptor) != self._identity:
            os.close(descriptor)
            return None
        with suppress(OSError):  # where a map of ours still has the lock, it stays with it
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._descriptor = descriptor
        return descriptor

    def _block(self, start: int, size: int) -> bytes:
        # Not through memory where there is a file: its owner may be unmapping it just now, and one
        # that is broken or cut short would kill the process.
        if (descriptor := self._ours()) is not None:
            return os.pread(descriptor, size, start)
        return self._map[start : start + size] if self._is_mapped else b""


class Mark(msgspec.Struct, frozen=True):
    """How far a process had written at some moment, in each of its segments."""

    ends: Sequence[tuple[Segment, int]]

    @property
    def is_passed(self) -> bool:
        """Whether all that was written by then is acknowledged."""
        return all(segment.acknowledged >= end for segment, end in self.ends)


def open_file(path: Path, flags: int) -> int:
    """Open a regular file that is there; nothing else, so that nobody has to wait.

    Raises:
        SegmentError: it is something else.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
    raise SegmentError(f"{path} is not a file: move it out of the journal")


def largest_payload(segment_bytes: int) -> int:
    """Return how long a record can be in a segment of that size."""
    return segment_bytes - HEADER_BYTES - FRAME.size


def smallest_segment(payload_bytes: int) -> int:
    """Return the size, in whole pages, of the smallest segment that holds such a record."""
    return (HEADER_BYTES + FRAME.size + payload_bytes + PAGE_BYTES - 1) & -PAGE_BYTES


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
        segment.map()
        segment.write_header()
    except BaseException:
        segment.delete()
        raise
    return segment


def create_in_memory(header: Header, size: int = SEGMENT_BYTES) -> Segment:
    """Make a segment without a file."""
    segment = Segment(header, path=None, descriptor=None, size=size)
    segment.map()
    return segment


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


def _identity_of(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reserve(descriptor: int, size: int) -> None:
    # A write through memory to a file without its blocks kills the process when the disk is full.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    for offset in range(0, size, _STEP_BYTES):
        os.pwrite(descriptor, bytes(min(_STEP_BYTES, size - offset)), offset)


def _populate(pages: mmap.mmap) -> None:
    # mmap.madvise would keep the program's threads waiting for milliseconds; a foreign function
    # lets them run meanwhile. Where it fails (an older kernel, another system) the writer faults
    # the pages in one by one, which costs it a little.
    import ctypes  # heavy, and only a program that logs a lot comes here

    first = ctypes.c_char.from_buffer(pages)
    try:
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        madvise(ctypes.addressof(first), len(pages), _MADV_POPULATE_WRITE)
    except (OSError, AttributeError):
        return
    finally:
        del first
