"""How much room is left on the disk of the database, and when that is too little to go on.

A commit that finds no room fails alone. But what is committed is in the write-ahead log, and a
checkpoint needs as much room again to move it into the file. So records are refused while there is
still room for that; deleting and erasing go on, since they are what frees it.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headway_collector.store.openings import MEMORY

RESERVE_BYTES = 256 * 1024 * 1024
"""A log of 128 MiB, after which there is a checkpoint, and as much once more in the file."""

# Of a small disk the reserve is no more than this part.
_MOST_SHARE = 0.05
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of a disk."""

    total: int
    free: int


def measure_space(folder: str) -> Space:
    """Return the bytes of the disk that a folder lies on.

    Raises:
        OSError: there is no such folder.
    """
    found = shutil.disk_usage(folder)
    return Space(found.total, found.free)


class Disk:
    """The disk of a database.

    Args:
        path: of the database; one in memory has no disk.
        reserve_bytes: below so much free nothing new is taken; None means ``RESERVE_BYTES``, and
            of a small disk a twentieth.
        measure: looks at the disk.
        clock_s: so that it is not asked at every request.
    """

    def __init__(
        self,
        path: str,
        reserve_bytes: int | None = None,
        *,
        measure: Callable[[str], Space] = measure_space,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = None if path == MEMORY else str(Path(path).expanduser().absolute().parent)
        self._reserve_bytes = reserve_bytes
        self._measure = measure
        self._clock_s = clock_s
        self._space: Space | None = None
        self._looked_s = float("-inf")

    @property
    def space(self) -> Space | None:
        """What there is, half a second old at most; None without a disk."""
        now_s = self._clock_s()
        if self._folder is not None and now_s - self._looked_s >= _LOOK_EVERY_S:
            try:
                self._space = self._measure(self._folder)
            except OSError:  # the folder is gone, and the store says so
                self._space = None
            self._looked_s = now_s
        return self._space

    @property
    def reserve_bytes(self) -> int:
        """Below so much free nothing new is taken."""
        if self._reserve_bytes is not None:
            return self._reserve_bytes
        space = self.space
        if space is None:
            return RESERVE_BYTES
        return min(RESERVE_BYTES, int(space.total * _MOST_SHARE))

    @property
    def fault(self) -> str | None:
        """Why nothing new is taken, or None."""
        space = self.space
        if space is None or space.free >= self.reserve_bytes:
            return None
        return (
            f"the disk of {self._folder} has {space.free} bytes left, and {self.reserve_bytes} are "
            "kept for what was taken already: free some, or lower collector.disk_reserve_bytes"
        )
