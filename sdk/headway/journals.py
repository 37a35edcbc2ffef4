"""The journal: a folder of segments in which every record stands before its call returns.

A process writes to one segment at a time and keeps the full ones until they are shipped. What
another process left behind when it died is adopted. Where no file can be had (a full disk, a
folder that cannot be written, the limit) a little memory stands in, and what that cannot hold is
dropped, the newest first, and counted with the reason.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from zlib import crc32

from headway.adoption import Orphans, discard
from headway.entrances import Entrance
from headway.guards import Guard
from headway.holdings import Holdings, Mark
from headway.identities import Identities
from headway.places import MEMORY_ONLY, Place, Refusal
from headway.segments import Segment
from headway.supplies import Supply
from headway.tallies import Tally

_ATTEMPTS = 2
"""A signal handler may shut down, or call init, in the middle of a turn to the next segment."""


class Journal:
    """The segments of this process. Any thread may append; one thread ships."""

    def __init__(
        self,
        place: Place,
        guard: Guard,
        identities: Identities,
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recorded = 0
        self.settled = 0
        """Records that need no more care: those that arrived and those that were dropped."""
        self.shipped = 0
        """Records that arrived, of dead processes too."""
        self.adopted = 0
        """Records of dead processes that need no more care."""
        self.is_unattended = True
        """Whether the shipper has to be woken; read at every record, without a lock."""
        self._guard = guard
        self._orphans = Orphans(guard)
        self._supply = Supply(
            place, identities, guard.losses.client_id, self._warn_later, clock_s=clock_s
        )
        self._entrance = Entrance(self._append_deferred)
        self._deferred: list[bytes] = []
        """What came in the middle of another record, on the same thread."""
        self._is_catching_up = False
        self._held = Holdings(self._fault_later)
        self._changes_kept = 0
        self._is_closed = False
        self._folders: dict[Path, None] = {}

    @property
    def place(self) -> Place:
        """Where the next segment is made."""
        return self._supply.place

    @property
    def folders(self) -> list[Path]:
        """Where records were left at the end; a process may have had several journals."""
        return list(self._folders)

    @property
    def is_in_memory(self) -> bool:
        """Whether the next record would be lost if this process were killed."""
        with self._entrance.lock:
            if self._held.active is not None:
                return not self._held.active.is_on_disk
            return self._supply.refusal is not None or self.place.folder is None

    @property
    def is_at_risk(self) -> bool:
        """Whether a record that waits would be lost if this process ended."""
        with self._entrance.lock:
            return bool(self._held.at_risk)

    @property
    def pending(self) -> int:
        """How many records of this process wait to be shipped."""
        return self.recorded - self.settled

    @property
    def pending_bytes(self) -> int:
        """How many bytes of this process's segments wait to be shipped."""
        with self._entrance.lock:
            return self._held.pending_bytes

    def append(self, payload: bytes) -> None:
        """Keep one record; when this returns it survives the death of the process."""
        checksum = crc32(payload)
        refusal: Refusal | None = None
        entrance = self._entrance
        if entrance.is_busy or entrance.entering:
            entrance.let_finish()
        entrance.entering = threading.get_ident()
        # With nothing but ``with`` an exception of a signal handler cannot leave the lock held.
        with entrance.lock:
            entrance.entering = 0
            if entrance.is_busy:
                self.recorded += 1
                self._deferred.append(payload)
                return
            entrance.is_busy = True
            try:
                active = self._held.active
                if active is None or not active.append(payload, checksum):
                    refusal = self._append_to_next(payload, checksum)
                # Not before: whoever gets an error from here counts the record as refused.
                self.recorded += 1
            finally:
                entrance.is_busy = False
            if self._deferred:
                self._append_deferred()
        if refusal is not None:
            self.drop(refusal.reason, refusal.message)

    def drop(self, reason: str, message: str, count: int = 1) -> None:
        """Give up records that were counted as recorded."""
        with self._entrance.lock:
            self.settled += count
            self._guard.losses.add(self.place.project, reason, count)
        self._guard.warn(reason, message)
        if self._is_closed:
            # Nobody comes by any more to do it.
            self.keep_losses()

    def refuse(self, reason: str, message: str) -> None:
        """Count a record that could not even be written."""
        with self._entrance.lock:
            self.recorded += 1
        self.drop(reason, message)

    def oldest(self, is_wanted: Callable[[Segment], bool] = lambda segment: True) -> Segment | None:
        """Return the first of this process's segments that has something to ship."""
        with self._entrance.lock:
            return self._held.oldest(is_wanted)

    def mark(self) -> Mark:
        """Return how far this process has written."""
        with self._entrance.lock:
            return self._held.mark(is_whole=not self._deferred)

    def opened(self) -> AbstractContextManager[None]:
        """Let other threads in while this one waits for them, also from the middle of a record."""
        return self._entrance.opened()

    def tally(self) -> Tally:
        """Return the counts of one moment, which add up."""
        with self._entrance.lock:
            return Tally(
                recorded=self.recorded,
                adopted=self.adopted,
                shipped=self.shipped,
                pending=self.pending,
                pending_bytes=self.pending_bytes,
                dropped=self._guard.dropped,
            )

    def acknowledge(
        self,
        segment: Segment,
        offset: int,
        count: int,
        *,
        lost: int = 0,
        reason: str = "",
        message: str = "",
    ) -> None:
        """Note that ``count`` more records need no more care, of which ``lost`` did not arrive.

        A file with no more to give goes.
        """
        with self._entrance.alone():
            # All in one go: whoever counts meanwhile finds no record missing.
            is_own = segment in self._held
            if is_own:
                self.settled += count
            else:
                self.adopted += count
            self.shipped += count - lost
            if lost:
                self._guard.losses.add(segment.header.project, reason, lost)
                self._entrance.say_later(partial(self._guard.warn, reason, message))
            segment.acknowledge(offset)
            if is_own:
                self._held.tidy()
            elif segment.is_done:
                discard(segment, self._fault_later)

    def settle_losses(self, segment: Segment) -> None:
        """Note that the losses of an adopted segment are told."""
        with self._entrance.alone():
            segment.keep_losses([])
            if segment.is_done:
                discard(segment, self._fault_later)

    def keep_losses(self) -> None:
        """Write what nobody was told of into a file, so that it outlives the process.

        For the shipper's thread; it costs nothing where nothing has changed.
        """
        losses = self._guard.losses
        changes = losses.changes
        if changes == self._changes_kept:
            return
        untold = losses.untold()
        with self._entrance.lock:
            is_missing = bool(untold) and self._held.keeper is None
        bare = self._supply.make_bare() if is_missing else None
        with self._entrance.alone():
            if bare is not None:
                self._held.add(bare)
            keeper = self._held.keeper
            if keeper is not None:
                keeper.keep_losses(untold)
                self._held.tidy()
            if keeper is not None or not untold:
                self._changes_kept = changes

    def adopt(self) -> Segment | None:
        """Return a segment that a dead process left, locked for us, or None."""
        return self._orphans.adopt(self.place)

    def give_up(self, segment: Segment) -> None:
        """Set a segment aside whose rest cannot be read any more."""
        segment.is_damaged = True
        with self._entrance.alone():
            lost = 0
            if segment in self._held:
                # Nobody can count them any more; they are what is in none of the others.
                lost = self.pending - len(self._deferred) - self._held.count_beside(segment)
            if segment.is_lost:
                self._fault_later(
                    "descriptor closed by somebody", f"{segment.path} is out of reach"
                )
            said = f"{lost:,} calls cannot be read from the journal any more"
            self.acknowledge(segment, segment.end, lost, lost=lost, reason="damaged", message=said)

    def leave(self, segment: Segment) -> None:
        """Unlock an adopted segment for others, and never adopt it again."""
        self._orphans.leave(segment)

    def prepare(self) -> None:
        """Have the next segment ready before it is needed; for the shipper's thread."""
        # Not in the lock, which nobody gets while a system call keeps us in it.
        is_removed = self._held.is_active_removed
        with self._entrance.alone():
            if is_removed:
                self._supply.forget_removed()
            if not self._supply.is_wanted:
                return
            place = self.place
        spare = self._supply.make_spare()
        with self._entrance.alone():
            if spare is None or not self._supply.keep(spare, place):
                return
            active = self._held.active
            if active is not None and not active.is_on_disk:
                if active.path is not None:
                    self._fault_later("journal removed", f"{active.path} was removed by somebody")
                self._held.turn_to(self._supply.take_spare())

    def move(self, place: Place) -> None:
        """Go on elsewhere, or for another project; what is written stays where it is."""
        with self._entrance.alone():
            if place != self.place:
                if place.url != self.place.url:
                    self._orphans.reconsider()
                self._supply.move(place)
                self._held.turn_to(None)

    def close(self) -> None:
        """Leave behind only files that still have something to ship, for others to adopt."""
        with self._entrance.alone():
            self._supply.give_up_spare()
            self._held.turn_to(None)
            lost = sum(each.count_pending() for each in self._held.at_risk)
        if lost:
            self.drop("exit", f"{lost} calls were only in memory when the process ended", lost)
        self.keep_losses()
        with self._entrance.lock:
            self._is_closed = True
            self._folders |= dict.fromkeys(self._held.close())

    def abandon(self) -> None:
        """Let go of all files without touching them: after a fork they are the parent's."""
        self._supply.abandon()
        self._held.abandon()

    def _append_deferred(self) -> None:
        # One garbage collection can defer thousands: ``append`` gets here for each of them, and
        # must not get deeper each time.
        if self._is_catching_up:
            return
        self._is_catching_up = True
        try:
            while self._deferred:
                self.recorded -= 1
                self.append(self._deferred.pop(0))
        finally:
            self._is_catching_up = False

    def _warn_later(self, refusal: Refusal) -> None:
        self._entrance.say_later(partial(self._guard.warn, refusal.reason, refusal.message))

    def _fault_later(self, cause: str, message: str) -> None:
        self._entrance.say_later(partial(self._guard.fault, cause, message))

    def _append_to_next(self, payload: bytes, checksum: int) -> Refusal | None:
        active = self._held.active
        if active is not None and active.extend():
            self._supply.is_due = self.is_unattended = True
            if active.append(payload, checksum):
                return None
        for _ in range(_ATTEMPTS):
            segment = self._take_next(payload)
            if isinstance(segment, Refusal):
                return segment
            self._held.turn_to(segment)
            is_kept = segment.append(payload, checksum)
            if is_kept or (segment.extend() and segment.append(payload, checksum)):
                return None
        said = "in the middle of a call the journal was closed again and again: shut down once"
        return Refusal("shut_down", said)

    def _take_next(self, payload: bytes) -> Segment | Refusal:
        may_use_memory = self._held.may_use_memory and not self._is_closed
        segment = self._supply.take(payload, may_use_memory=may_use_memory)
        if isinstance(segment, Refusal):
            if self._is_closed:
                # A file would have been shipped by the next process. Memory is of no use any more.
                why = "there is no journal" if segment is MEMORY_ONLY else segment.message
                return Refusal("shut_down", f"a call came after Headway had ended, and {why}")
        elif segment.path is None:
            # The shipper's thread says why, and tries again.
            self.is_unattended = True
        return segment
