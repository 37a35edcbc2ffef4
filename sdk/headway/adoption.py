"""What another process wrote: a segment taken over once its process is dead, or only looked at."""

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from zlib import crc32

import msgspec

from headway.files import open_file
from headway.guards import Guard
from headway.layouts import (
    FORMAT_VERSION,
    FRAME,
    HEADER_BYTES,
    LARGEST_SEGMENT_BYTES,
    MAGIC,
    PAGE_BYTES,
    PREAMBLE,
    SLOT_AT,
    Header,
    SegmentError,
    split,
)
from headway.losses import SLOT_BYTES, Lost, decode_slot
from headway.places import Place
from headway.segments import Segment

MOST_BYTES = LARGEST_SEGMENT_BYTES
"""Of a file no more is read: it is none of ours, or a damaged one."""

_STILLBORN_S = 60.0
_TIDIED_AT_ONCE = 40
_BEGINNING = b'{"type":'


class Content(msgspec.Struct, frozen=True):
    """What stands in a segment.

    Args:
        end: behind the last record that is whole.
        gaps: where something damaged stands, and where the next whole record is.
        acknowledged: where the first record stands that has not arrived.
        pending: how many records have not arrived.
        damaged: how many records cannot be read, at least.
    """

    header: Header
    end: int
    acknowledged: int
    pending: int
    losses: list[Lost]
    gaps: dict[int, int]
    damaged: int


class Orphans:
    """Takes over what dead processes left in a place, one segment at a time."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._left: set[Path] = set()
        self._tidied: set[Path] = set()

    def adopt(self, place: Place) -> Segment | None:
        """Return a segment that a dead process left for our collector, locked for us, or None."""
        if place.is_crowded:
            self._tidy(place)
        for path in place.files():
            if path in self._left:
                continue
            try:
                segment = adopt(path, url=place.url)
            except (SegmentError, OSError) as error:
                self._left.add(path)
                self._guard.fault("unreadable segment", str(error))
                continue
            if segment is not None and not segment.is_done:
                return segment
            if segment is not None:
                discard(segment, self._guard.fault)
                # Where it cannot be removed, once is enough.
                self._left.add(path)
        return None

    def _tidy(self, place: Place) -> None:
        # Who was killed gave nothing back of what it had reserved. A few at a time: each is read,
        # and what is adopted goes on meanwhile.
        done = self._left | self._tidied
        paths = (path for path in place.files() if path not in done and _is_reserved(path))
        for segment in islice(self._take_each(paths, place), _TIDIED_AT_ONCE):
            if segment.is_done:
                discard(segment, self._guard.fault)
            else:
                if not segment.is_damaged:
                    segment.seal()
                segment.close()

    def _take_each(self, paths: Iterable[Path], place: Place) -> Iterator[Segment]:
        for path in paths:
            # What is in use now is looked at again: its process may be dead by then.
            with suppress(SegmentError, OSError):  # said when it is its turn to be adopted
                segment = adopt(path, url=place.url)
                if segment is not None:
                    self._tidied.add(path)
                    yield segment

    def leave(self, segment: Segment) -> None:
        """Unlock a segment for others, and never adopt it again."""
        if segment.path is not None:
            self._left.add(segment.path)
        segment.close()

    def reconsider(self) -> None:
        """Adopt again what was left: whoever was not to be had there is perhaps to be had here."""
        self._left.clear()
        self._tidied.clear()


def _is_reserved(path: Path) -> bool:
    # What was cut off behind its last record hardly ever ends with a page.
    try:
        return path.lstat().st_size % PAGE_BYTES == 0
    except OSError:
        return False


def discard(segment: Segment, tell: Callable[[str, str], None]) -> None:
    """Remove a segment that is done; a damaged one is kept aside, which is a fault to ``tell``."""
    try:
        aside = segment.discard()
    except OSError as error:
        segment.close()
        said = f"{segment.path} has arrived and cannot be removed ({error.strerror}): remove it"
        tell("journal unwritable", said)
        return
    if aside is not None:
        tell("damaged segment", f"what was whole in {aside} was shipped; the rest is kept there")


def adopt(path: Path, *, url: str | None = None) -> Segment | None:
    """Lock the segment of a dead process, and read what is whole in it.

    Args:
        path: of the segment.
        url: take only a segment that goes to this collector, or to none by name.

    Returns:
        None where somebody writes or ships it, it is another application's, or it is gone.

    Raises:
        SegmentError: it is not a segment, or one of a newer version; it stays as it is.
        OSError: it cannot be read.
    """
    try:
        descriptor = open_file(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    segment = None
    try:
        # Not even for a moment is a lock taken on what is another application's.
        if url is None or _goes_to(url, path, descriptor):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            segment = _take(path, descriptor)
    except BlockingIOError:
        pass
    finally:
        if segment is None:
            os.close(descriptor)
    return segment


def inspect(path: Path, block: bytes) -> Content:
    """Read the bytes of a segment, of a living process too.

    Raises:
        SegmentError: they are not a segment's, or one's of a newer version.
    """
    header = _parse_header(path, block)
    acknowledged = PREAMBLE.unpack_from(block)[3]
    ends, gaps = _walk(block)
    starts = [HEADER_BYTES, *(gaps.get(end, end) for end in ends)]
    # Where the mark itself is damaged all is sent again: the collector knows its own.
    first = starts.index(acknowledged) if acknowledged in starts else 0
    return Content(
        header,
        end=starts[-1],
        acknowledged=starts[first],
        pending=len(ends) - first,
        losses=decode_slot(block[SLOT_AT : SLOT_AT + SLOT_BYTES]),
        gaps=gaps,
        damaged=len(gaps) + any(block[starts[-1] : starts[-1] + 4]),
    )


def _walk(block: bytes) -> tuple[list[int], dict[int, int]]:
    # Where each whole record ends, and the gaps between some.
    ends: list[int] = []
    gaps: dict[int, int] = {}
    start: int | None = HEADER_BYTES
    broken = HEADER_BYTES
    while start is not None:
        base = broken = start
        for payload, stop in zip(*split(block[base:], len(block)), strict=True):
            if crc32(payload) != FRAME.unpack_from(block, broken)[1]:
                break
            broken = base + stop
            ends.append(broken)
        start = _next_whole(block, broken)
        if start is not None:
            gaps[broken] = start
    return ends, gaps


def _next_whole(block: bytes, broken: int) -> int | None:
    if broken + FRAME.size > len(block):
        return None
    # Its length may be right, and only its content damaged.
    length: int = FRAME.unpack_from(block, broken)[0]
    behind = (broken + FRAME.size + length + 3) & ~3
    if length and _is_whole(block, behind):
        return behind
    place = broken + FRAME.size
    while (place := block.find(_BEGINNING, place + 1)) >= 0:
        start = place - FRAME.size
        if start % 4 == 0 and _is_whole(block, start):
            return start
    return None


def _is_whole(block: bytes, start: int) -> bool:
    if start + FRAME.size > len(block):
        return False
    length, checksum = FRAME.unpack_from(block, start)
    payload = block[start + FRAME.size : start + FRAME.size + length]
    is_inside = 0 < length == len(payload)
    return bool(is_inside and crc32(payload) == checksum)


def is_blank(block: bytes) -> bool:
    """Tell whether its maker has not come to write the header, or died before."""
    return not any(block[:HEADER_BYTES])


def _goes_to(url: str, path: Path, descriptor: int) -> bool:
    block = os.pread(descriptor, HEADER_BYTES, 0)
    return is_blank(block) or _parse_header(path, block).url in ("", url)


def _take(path: Path, descriptor: int) -> Segment | None:
    status = os.fstat(descriptor)
    if status.st_nlink == 0:
        return None
    size = min(status.st_size, MOST_BYTES)
    block = os.pread(descriptor, size, 0)
    if is_blank(block):
        # An empty file may be between creation and lock: it gets a minute.
        if block or time.time() - status.st_mtime > _STILLBORN_S:
            path.unlink(missing_ok=True)
        return None
    content = inspect(path, block)
    return Segment(
        content.header,
        path=path,
        descriptor=descriptor,
        size=size,
        end=content.end,
        acknowledged=content.acknowledged,
        losses=_with_damaged(content, status.st_mtime_ns),
        gaps=content.gaps,
        is_damaged=content.damaged > 0,
    )


def _with_damaged(content: Content, time_ns: int) -> list[Lost]:
    if not content.damaged:
        return content.losses
    # The largest count of a client stands, and several segments of one process may be damaged: each
    # tells of its own, under an id that is the same for whoever adopts it next.
    header = content.header
    client_id = f"{header.client_id[:16]:0>16}{crc32(header.segment_id.encode()):016x}"
    damaged = Lost(header.project, "damaged", content.damaged, time_ns, client_id)
    return [*content.losses, damaged]


def _parse_header(path: Path, block: bytes) -> Header:
    try:
        magic, version, length, _ = PREAMBLE.unpack_from(block)
        if magic != MAGIC:
            raise SegmentError(f"{path} is not a journal segment: move it out of the journal")
        if version > FORMAT_VERSION:
            raise SegmentError(
                f"{path} has format {version}, this Headway reads up to {FORMAT_VERSION}: "
                "upgrade headway to ship it"
            )
        header = msgspec.json.decode(block[PREAMBLE.size : PREAMBLE.size + length], type=Header)
        for name in (header.project, header.segment_id):
            if not (name and name.isascii() and name.isprintable()):
                raise SegmentError(
                    f"{path} names {name!a}, which cannot travel: its calls are lost"
                )
        return header
    except (struct.error, msgspec.DecodeError) as error:
        raise SegmentError(f"{path} has a damaged header ({error}): its calls are lost") from error
