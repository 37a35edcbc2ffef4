"""What another process wrote: a segment taken over once its process is dead, or only looked at."""

import fcntl
import os
import struct
import time
from pathlib import Path
from zlib import crc32

import msgspec

from headway.losses import SLOT_BYTES, Lost, decode_slot
from headway.segments import (
    FORMAT_VERSION,
    FRAME,
    HEADER_BYTES,
    MAGIC,
    PREAMBLE,
    SLOT_AT,
    Header,
    Segment,
    SegmentError,
    split,
)

_STILLBORN_S = 60.0


class Content(msgspec.Struct, frozen=True):
    """What stands in a segment.

    Args:
        end: behind the last record that is whole.
        acknowledged: where the first record stands that has not arrived.
        pending: how many records have not arrived.
        is_damaged: whether something stands behind the end.
    """

    header: Header
    end: int
    acknowledged: int
    pending: int
    losses: list[Lost]
    is_damaged: bool


def adopt(path: Path, *, url: str | None = None) -> Segment | None:
    """Lock the segment of a dead process, and read it up to its end or its first damage.

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
        descriptor = os.open(path, os.O_RDWR)
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
    ends = [HEADER_BYTES]
    for payload, stop in zip(*split(block[HEADER_BYTES:], len(block)), strict=True):
        if crc32(payload) != FRAME.unpack_from(block, ends[-1])[1]:
            break
        ends.append(HEADER_BYTES + stop)
    # Where the mark itself is damaged all is sent again: the collector knows its own.
    first = ends.index(acknowledged) if acknowledged in ends else 0
    return Content(
        header,
        end=ends[-1],
        acknowledged=ends[first],
        pending=len(ends) - 1 - first,
        losses=decode_slot(block[SLOT_AT : SLOT_AT + SLOT_BYTES]),
        is_damaged=any(block[ends[-1] : ends[-1] + 4]),
    )


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
    block = os.pread(descriptor, status.st_size, 0)
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
        size=status.st_size,
        end=content.end,
        acknowledged=content.acknowledged,
        losses=content.losses,
        is_damaged=content.is_damaged,
    )


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
        return msgspec.json.decode(block[PREAMBLE.size : PREAMBLE.size + length], type=Header)
    except (struct.error, msgspec.DecodeError) as error:
        raise SegmentError(f"{path} has a damaged header ({error}): its calls are lost") from error
