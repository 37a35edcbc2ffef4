"""The segments of a process that may hold something: the one that is written, and those that wait.

For whoever holds the journal's lock. An exception of a signal handler can end any step in here:
each leaves every segment known, and the next ``tidy`` finishes what was begun.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from headway.adoption import discard
from headway.segments import Segment

_MEMORY_SEGMENTS = 2


class Mark(msgspec.Struct, frozen=True):
    """How far a process had written at some moment, in each of its segments.

    Args:
        is_whole: whether nothing was recorded by then that was not yet written.
    """

    ends: Sequence[tuple[Segment, int]]
    is_whole: bool

    @property
    def is_passed(self) -> bool:
        """Whether all that was written by then is acknowledged."""
        return all(segment.acknowledged >= end for segment, end in self.ends)


class Holdings:
    """Segments in the order in which they were made.

    Args:
        tell: is told of faults, with the lock held.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self.active: Segment | None = None
        """The one that is written."""
        self._segments: list[Segment] = []
        self._tell = tell

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def __contains__(self, segment: Segment) -> bool:
        return any(segment is each for each in self._segments)

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be shipped."""
        return sum(segment.pending_bytes for segment in self._segments)

    @property
    def may_use_memory(self) -> bool:
        """Whether one more may be without a file."""
        return sum(each.path is None for each in self._segments) < _MEMORY_SEGMENTS

    @property
    def at_risk(self) -> list[Segment]:
        """Those with something to ship that would go with the process."""
        return [each for each in self._segments if each.pending_bytes and not each.is_on_disk]

    @property
    def is_active_removed(self) -> bool:
        """Whether somebody removed the file that is written; what is in it is still ours to ship.

        Needs no lock.
        """
        active = self.active
        return active is not None and active.path is not None and not active.is_on_disk

    @property
    def keeper(self) -> Segment | None:
        """The file to keep losses in: the one that has some, else the latest; None without any."""
        files = [each for each in self._segments if each.is_on_disk]
        return next((each for each in files if each.losses), files[-1] if files else None)

    def oldest(self, is_wanted: Callable[[Segment], bool]) -> Segment | None:
        """Return the first that is wanted and has something to ship."""
        waiting = (each for each in self._segments if each.pending_bytes)
        return next(filter(is_wanted, waiting), None)

    def count_beside(self, segment: Segment) -> int:
        """Return how many records wait in all the others."""
        return sum(each.count_pending() for each in self._segments if each is not segment)

    def mark(self, *, is_whole: bool) -> Mark:
        """Return how far they are written."""
        waiting = (each for each in self._segments if each.pending_bytes)
        return Mark([(each, each.end) for each in waiting], is_whole)

    def turn_to(self, segment: Segment | None) -> None:
        """Write to a new segment from now on, or to none; the one before waits."""
        if segment is not None:
            self._segments.append(segment)
        self.active = segment
        self.tidy()

    def add(self, segment: Segment) -> None:
        """Take in one that is for losses alone."""
        self._segments.append(segment)

    def tidy(self) -> None:
        """Seal all but the active one, and let go of those with nothing more to give."""
        for each in self._segments.copy():
            if each is not self.active:
                if each.is_writable:
                    each.seal()
                if each.is_done:
                    with suppress(ValueError):  # who came in the middle of this has done it
                        self._segments.remove(each)
                    discard(each, self._tell)

    def close(self) -> list[Path]:
        """Let go of all, for others to adopt, and return the folders where something waits."""
        folders = [
            each.path.parent
            for each in self._segments
            if each.path is not None and each.pending_bytes and each.path.exists()
        ]
        self.abandon()
        self._segments.clear()
        return folders

    def abandon(self) -> None:
        """Let go of the files without touching them: after a fork they are the parent's."""
        for segment in self._segments:
            segment.close()
