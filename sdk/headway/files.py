"""Files as the system has them: opened without waiting, told apart, reserved, paged in."""

import errno
import mmap
import os
import stat
from pathlib import Path

from headway.layouts import SegmentError

_STEP_BYTES = 1 << 18
# A link, a folder, a socket.
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})
# Linux 5.14; Python has no name for it before 3.14.
_MADV_POPULATE_WRITE = 23


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
    """Take the disk space for a file.

    Raises:
        OSError: there is not so much.
    """
    # A write through memory to a file without its blocks kills the process when the disk is full.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    for offset in range(0, size, _STEP_BYTES):
        os.pwrite(descriptor, bytes(min(_STEP_BYTES, size - offset)), offset)


def populate(pages: mmap.mmap) -> None:
    """Bring the pages of a map into memory, without holding up the program."""
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
