"""What lies in a journal's folder, looked at without disturbing who writes or ships it."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from headway.adoption import MOST_BYTES, Content, inspect, is_blank
from headway.files import open_file
from headway.layouts import DAMAGED_SUFFIX, SUFFIX, SegmentError
from headway.places import bytes_taken


@dataclass(frozen=True, slots=True)
class Leftover:
    """One file of the folder.

    Args:
        size_bytes: what it takes of the limit.
        is_in_use: whether a living process writes or ships it.
        content: None where it cannot be read.
        problem: why not, and what to do.
    """

    path: Path
    size_bytes: int
    is_in_use: bool = False
    content: Content | None = None
    problem: str = ""

    @property
    def pending_bytes(self) -> int:
        """How much of it has not arrived."""
        return 0 if self.content is None else self.content.end - self.content.acknowledged


def survey(folder: Path) -> list[Leftover]:
    """Return what lies in the folder, the oldest first; a missing folder holds nothing.

    Raises:
        OSError: it may not be looked into.
    """
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    found = [_look_at(folder / name) for name in names if name.endswith((SUFFIX, DAMAGED_SUFFIX))]
    return [leftover for leftover in found if leftover is not None]


def _look_at(path: Path) -> Leftover | None:
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except SegmentError as error:
        return Leftover(path, 0, problem=str(error))
    except OSError as error:
        return Leftover(path, 0, problem=f"{path} cannot be read: {error.strerror}")
    try:
        status = os.fstat(descriptor)
        size_bytes = bytes_taken(status)
        if path.name.endswith(DAMAGED_SUFFIX):
            return Leftover(path, size_bytes, problem=f"{path} is damaged, what was whole is sent")
        is_in_use = _is_locked(descriptor)
        block = os.pread(descriptor, min(status.st_size, MOST_BYTES), 0)
    finally:
        os.close(descriptor)
    if is_blank(block):
        return Leftover(path, size_bytes, is_in_use)
    try:
        return Leftover(path, size_bytes, is_in_use, inspect(path, block))
    except SegmentError as error:
        return Leftover(path, size_bytes, is_in_use, problem=str(error))


def _is_locked(descriptor: int) -> bool:
    try:
        # Shared, and for a moment: nobody is kept from anything by being looked at twice.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
