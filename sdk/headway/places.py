"""The place of a journal: a folder with a limit, what lies in it, and when it takes no more.

Several applications may share one. Each segment says to which collector it goes, and a process
adopts only those that go where its own do.
"""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from headway.layouts import (
    HEADER_BYTES,
    LARGEST_SEGMENT_BYTES,
    PAGE_BYTES,
    SEGMENT_BYTES,
    SUFFIX,
    Header,
    smallest_segment,
)
from headway.segments import Segment, create

DEFAULT_LIMIT_BYTES = 512 << 20
_MOST_SEGMENTS = 64
_FIRST_SEGMENT_BYTES = 1 << 20
_SMALLEST_SEGMENT_BYTES = 64 << 10
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_BLOCK_BYTES = 512
_LOOK_EVERY_S = 1.0


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no new segment: a word to count drops by, and a line to log."""

    reason: str
    message: str


MEMORY_ONLY = Refusal("memory_full", "there is no journal, and its memory is full: call flush()")


class Place(msgspec.Struct, frozen=True):
    """Where a process keeps its journal, for which project and collector.

    Args:
        folder: None means memory alone.
        url: the collector's address, without anything secret.
    """

    folder: Path | None
    project: str
    limit_bytes: int = DEFAULT_LIMIT_BYTES
    url: str = ""

    @property
    def segment_bytes(self) -> int:
        """How large a segment is in memory, and for the largest record.

        Four fit under a small limit; none needs to be larger than 8 MB.
        """
        wanted = max(_SMALLEST_SEGMENT_BYTES, self.limit_bytes // 4)
        return min(SEGMENT_BYTES, wanted) & -PAGE_BYTES

    def bytes_after(self, last_bytes: int) -> int:
        """Return the size of a process's next segment; zero is before its first.

        They double, so that hundreds of quiet workers share a folder, and a busy one soon has
        segments that last.
        """
        return min(self._most_bytes, 2 * last_bytes or _FIRST_SEGMENT_BYTES)

    @property
    def _most_bytes(self) -> int:
        # A segment that waits keeps a descriptor open: the program needs most of its for itself.
        wanted = min(LARGEST_SEGMENT_BYTES, self.limit_bytes // _MOST_SEGMENTS) & -PAGE_BYTES
        return max(self.segment_bytes, wanted)

    def files(self) -> list[Path]:
        """Return the segments of all processes, the oldest first; none where nobody may look."""
        if self.folder is None:
            return []
        try:
            return _segments_in(self.folder)
        except OSError:
            # What is wrong with the folder is said by ``make``; here it only holds nothing to ship.
            return []

    def make(
        self, header: Header, size: int, payload_bytes: int = 0, usage: "Usage | None" = None
    ) -> Segment | Refusal:
        """Make a segment file, and the folder where it is missing.

        Args:
            header: says whose it is.
            size: less where there is no room for so much: a half, a quarter, down to 64 KB.
            payload_bytes: of the record that it has to hold.
            usage: what is known of the folder from before.
        """
        if self.folder is None:
            return MEMORY_ONLY
        usage = usage or Usage()
        least = max(_SMALLEST_SEGMENT_BYTES, smallest_segment(payload_bytes))
        try:
            used = usage.of(self, size)
            if used + least <= self.limit_bytes:
                while used + size > self.limit_bytes:
                    size = _less(size, least)
                segment = _create(self.folder, header, size, least)
                usage.add(segment.size)
                return segment
        except OSError as error:
            is_open_files = error.errno in _TOO_MANY_FILES
            advice = "raise the limit of open files" if is_open_files else "free space"
            return Refusal(
                "disk_full" if error.errno in _DISK_FULL else "journal_unwritable",
                f"no journal in {self.folder} ({error.strerror}): {advice} or set "
                "HEADWAY_JOURNAL_DIR; until then calls are kept in a little memory",
            )
        return Refusal(
            "journal_full",
            f"the journal {self.folder} holds {used:,} of {self.limit_bytes:,} bytes: "
            "bring the collector back, or raise HEADWAY_JOURNAL_LIMIT_BYTES",
        )

    def make_bare(self, header: Header) -> Segment | None:
        """Make a segment for no record, only for losses: 4 KB, which the limit does not stop."""
        if self.folder is None:
            return None
        try:
            return _create(self.folder, header, HEADER_BYTES, HEADER_BYTES)
        except OSError:
            return None

    @property
    def is_crowded(self) -> bool:
        """Whether a quarter of the limit is used."""
        try:
            return self.folder is not None and 4 * self.used() >= self.limit_bytes
        except OSError:
            return False

    def used(self) -> int:
        """Return what all segments take; less than a quarter of the limit may be rough.

        Raises:
            OSError: nobody may look.
        """
        assert self.folder is not None
        try:
            files = _segments_in(self.folder)
        except FileNotFoundError:
            return 0
        # Most often there are so few files that their sizes, taken as ours at most, do not matter.
        roughly = len(files) * max(SEGMENT_BYTES, self._most_bytes)
        return roughly if 4 * roughly < self.limit_bytes else sum(_size(path) for path in files)


class Usage:
    """What the folder of a place holds, looked at once a second while the limit is far.

    To look costs a thread its turn at each file, in a program that computes.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._folder: Path | None = None
        self._bytes = 0
        self._until_s = 0.0

    def of(self, place: Place, size: int) -> int:
        """Return the bytes in use, surely known where ``size`` more make it half the limit.

        Raises:
            OSError: nobody may look.
        """
        now_s = self._clock_s()
        is_known = self._folder == place.folder and now_s < self._until_s
        if not is_known or 2 * (self._bytes + size) >= place.limit_bytes:
            self._bytes = place.used()
            self._folder, self._until_s = place.folder, now_s + _LOOK_EVERY_S
        return self._bytes

    def add(self, size: int) -> None:
        """Count a segment that was made."""
        self._bytes += size


def bytes_taken(status: os.stat_result) -> int:
    """Return what a file takes of the limit: of one with holes only what is there."""
    return min(status.st_size, status.st_blocks * _BLOCK_BYTES)


def _create(folder: Path, header: Header, size: int, least: int) -> Segment:
    while True:
        try:
            try:
                return create(folder, header, size)
            except FileNotFoundError:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                return create(folder, header, size)
        except OSError as error:
            if error.errno not in _DISK_FULL or size <= least:
                raise
        size = _less(size, least)


def _less(size: int, least: int) -> int:
    return max(least, size // 2 & -PAGE_BYTES)


def _segments_in(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(SUFFIX)]


def _size(path: Path) -> int:
    try:
        return bytes_taken(path.lstat())
    except FileNotFoundError:
        # Shipped and deleted by its owner a moment ago.
        return 0
