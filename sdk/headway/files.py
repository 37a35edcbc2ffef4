"""Files as the system has them: opened without waiting, told apart, reserved."""

import errno
import os
import stat
from pathlib import Path

from headway.layouts import SegmentError

# A link, a folder, a socket.
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})
_ZEROS = bytes(1 << 16)
_MOST_PIECES = 1024
"""So many the system takes at once."""


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


def identity_of(descriptor: int) -> tuple[int, int] | None:
    """Return which file a descriptor belongs to, or None where it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def reserve(descriptor: int, size: int) -> None:
    """Take the disk space for a new file, and the memory that stands in for it until it is written.

    Raises:
        OSError: there is not so much.
    """
    # A write through memory to a file without its blocks kills the process when the disk is full.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    # Written, for then the pages come in large pieces: whoever writes through memory meets a page
    # fault for megabytes, not for every 4 KB. In one call, since each costs a thread its turn.
    left = size
    while left:
        pieces = [_ZEROS] * min(left // len(_ZEROS), _MOST_PIECES)
        left -= os.writev(descriptor, pieces or [_ZEROS[:left]])
