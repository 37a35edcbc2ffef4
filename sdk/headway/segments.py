"""One file of the journal: reserved before use, written through memory, read by whoever ships.

Whoever writes or ships a segment holds its ``flock``; one that can be locked belongs to a dead
process and may be adopted. What stands where in it: ``layouts``.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from headway.files import identity_of, open_file, reserve
from headway.layouts import (
    DAMAGED_SUFFIX,
    FORMAT_VERSION,
    FRAME,
    HEADER_BYTES,
    MAGIC,
    PREAMBLE,
    SEGMENT_BYTES,
    SLOT_AT,
    SUFFIX,
    Extract,
    Header,
    SegmentError,
    largest_payload,
    split,
)
from headway.losses import Lost, encode_slot

_ACKNOWLEDGED_AT = 16
_SHARE_BEFORE_SPARE = 8
"""The next segment is made when this one is an eighth full: a program that logs in a tight loop
gives the shipper's thread little time."""

_unclosable: list[mmap.mmap] = []
"""Maps kept for ever: to close one would close a descriptor that is somebody else's by now."""


class Segment:
    """A segment in use: written by its owner, or adopted from a dead process.

    One without a file lives in memory alone and dies with the process. Appending is for one
    thread at a time; reading and acknowledging are for one other.
    """

    _descriptor: int | None = None

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
        self._identity = None if descriptor is None else identity_of(descriptor)
        self._was_closed = False
        """Whether somebody else closed our descriptors."""
        self.size = size
        self._is_mapped = False
        self._map: mmap.mmap
        self._words: memoryview[int]
        self._writable = 0
        """Up to where records may be written: nowhere, to an eighth, to the end."""

    def __del__(self) -> None:
        # A signal handler may raise before anybody knows the segment: its space would stay taken,
        # and its lock held. In a fork it is the parent's.
        if self._descriptor is not None and self._is_ours():
            if self.is_done and self.header.pid == os.getpid():
                self.delete()
            else:
                self.close()

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
    def is_writable(self) -> bool:
        """Whether it takes records, or did until it was sealed only half."""
        return self._writable > 0

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

    def count_pending(self) -> int:
        """Return how many records are not acknowledged."""
        count, start = 0, self.acknowledged
        while stops := self._read(start, self.size, self.size).stops:
            count, start = count + len(stops), self._gaps.get(stops[-1], stops[-1])
        return count

    def acknowledge(self, offset: int) -> None:
        """Note, for every later process too, that all before ``offset`` has arrived."""
        acknowledged = self._gaps.get(offset, offset)
        try:
            if (descriptor := self._ours()) is not None:
                os.pwrite(descriptor, struct.pack("=Q", acknowledged), _ACKNOWLEDGED_AT)
        finally:
            # Not before: who waited for it may end the process at once.
            self.acknowledged = acknowledged

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
        with suppress(OSError):
            os.ftruncate(descriptor, self.end)
        self._unmap()

    def close(self) -> None:
        """Let go of the file: this unlocks it, for any process to adopt."""
        self._unmap()
        is_ours, descriptor = self._is_ours(), self._descriptor
        # First: another thread that finds it closed must not think that somebody else did it.
        self._identity = None
        self._descriptor = None
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

    def make(self) -> None:
        """Make the file: all of its space reserved, locked, ready to write."""
        assert self.path is not None
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._identity = identity_of(self._descriptor)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        reserve(self._descriptor, self.size)
        self.map()
        encoded = msgspec.json.encode(self.header)
        preamble = PREAMBLE.pack(MAGIC, FORMAT_VERSION, len(encoded), HEADER_BYTES) + encoded
        self._map[: len(preamble)] = preamble

    def map(self) -> None:
        """Make the segment writable through memory."""
        descriptor = -1 if self._descriptor is None else self._descriptor
        self._map = mmap.mmap(descriptor, self.size)
        self._words = memoryview(self._map).cast("I")
        self._is_mapped = True
        self._writable = self.size // _SHARE_BEFORE_SPARE

    def _read(self, start: int, max_records: int, max_bytes: int) -> Extract:
        stop = min((gap for gap in self._gaps if gap > start), default=self.end)
        block = self._block(start, min(stop - start, max_bytes))
        if len(block) >= 8 and 8 + FRAME.unpack_from(block)[0] > len(block):
            block = self._block(start, 8 + FRAME.unpack_from(block)[0])
        payloads, stops = split(block, max_records)
        return Extract(start, payloads, [start + stop for stop in stops])

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
        if descriptor is None:
            return False
        # Ours is looked up last: whoever closes it meanwhile has made it None.
        if identity_of(descriptor) == self._identity or self._identity is None:
            return True
        # The number is nobody's, or somebody else's.
        self._descriptor = None
        self._was_closed = True
        return False

    def _ours(self) -> int | None:
        if self._is_ours() or self._identity is None or self.path is None:
            return self._descriptor
        try:
            descriptor = open_file(self.path, os.O_RDWR)
        except (OSError, SegmentError):
            return None
        if identity_of(descriptor) != self._identity:
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


def create(folder: Path, header: Header, size: int = SEGMENT_BYTES) -> Segment:
    """Make a file in ``folder`` with all its disk space reserved, locked and ready to write.

    Raises:
        OSError: there is no room, no permission or no such folder; nothing is left behind.
    """
    path = folder / (header.segment_id + SUFFIX)
    segment = Segment(header, path=path, descriptor=None, size=size)
    try:
        segment.make()
    except FileExistsError:
        # Not ours to remove.
        raise
    except BaseException:
        segment.delete()
        raise
    return segment


def create_in_memory(header: Header, size: int = SEGMENT_BYTES) -> Segment:
    """Make a segment without a file."""
    segment = Segment(header, path=None, descriptor=None, size=size)
    segment.map()
    return segment
