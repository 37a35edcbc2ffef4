"""The journal: a folder of segments in which every record stands before its call returns.

A process writes to one segment at a time and keeps the full ones until they are shipped. What
another process left behind when it died is adopted. Where no file can be had (a full disk, a
folder that cannot be written, the limit) a little memory stands in, and what that cannot hold is
dropped, the newest first, and counted with the reason.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from headway.adoption import Orphans, discard
from headway.guards import Guard
from headway.identities import Identities
from headway.places import Place, Refusal
from headway.segments import Mark, Segment
from headway.supplies import Supply
from headway.tallies import Tally

_MEMORY_SEGMENTS = 2
_EAGER_ATTEMPTS = 50
_MOST_ATTEMPTS = 200
_ATTEMPT_S = 0.0001


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
        # A signal, a finalizer or a log handler can run an observed function while its own thread
        # is in here: the lock lets it in, and what it records is deferred.
        self._lock = threading.RLock()
        self._is_busy = False
        self._entering = 0
        """The thread that waits for the lock, or has it and not yet the interpreter."""
        self._deferred: list[bytes] = []
        self._is_catching_up = False
        self._unsaid: list[Callable[[], None]] = []
        self._active: Segment | None = None
        self._sealed: list[Segment] = []
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
        with self._lock:
            if self._active is not None:
                return not self._active.is_on_disk
            return self._supply.refusal is not None or self.place.folder is None

    @property
    def is_at_risk(self) -> bool:
        """Whether a record that waits would be lost if this process ended."""
        with self._lock:
            return any(each.pending_bytes and not each.is_on_disk for each in self._own())

    @property
    def pending(self) -> int:
        """How many records of this process wait to be shipped."""
        return self.recorded - self.settled

    @property
    def pending_bytes(self) -> int:
        """How many bytes of this process's segments wait to be shipped."""
        with self._lock:
            return sum(segment.pending_bytes for segment in self._own())

    def append(self, payload: bytes) -> None:
        """Keep one record; when this returns it survives the death of the process."""
        checksum = crc32(payload)
        refusal: Refusal | None = None
        if self._is_busy or self._entering:
            self._let_finish()
        self._entering = threading.get_ident()
        # With nothing but ``with`` an exception of a signal handler cannot leave the lock held.
        with self._lock:
            self._entering = 0
            if self._is_busy:
                self.recorded += 1
                self._deferred.append(payload)
                return
            self._is_busy = True
            try:
                if self._active is None or not self._active.append(payload, checksum):
                    refusal = self._append_to_next(payload, checksum)
                # Not before: whoever gets an error from here counts the record as refused.
                self.recorded += 1
            finally:
                self._is_busy = False
            if self._deferred:
                self._append_deferred()
        if refusal is not None:
            self.drop(refusal.reason, refusal.message)

    def drop(self, reason: str, message: str, count: int = 1) -> None:
        """Give up records that were counted as recorded."""
        with self._lock:
            self.settled += count
            self._guard.losses.add(self.place.project, reason, count)
        self._guard.warn(reason, message)

    def refuse(self, reason: str, message: str) -> None:
        """Count a record that could not even be written."""
        with self._lock:
            self.recorded += 1
        self.drop(reason, message)

    def oldest(self, is_wanted: Callable[[Segment], bool] = lambda segment: True) -> Segment | None:
        """Return the first of this process's segments that has something to ship."""
        with self._lock:
            waiting = (each for each in self._own() if each.pending_bytes)
            return next(filter(is_wanted, waiting), None)

    def mark(self) -> Mark:
        """Return how far this process has written."""
        with self._lock:
            return Mark([(each, each.end) for each in self._own() if each.pending_bytes])

    def tally(self) -> Tally:
        """Return the counts of one moment, which add up."""
        with self._lock:
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
        with self._alone():
            # All in one go: whoever counts meanwhile finds no record missing.
            if any(segment is each for each in self._own()):
                self.settled += count
            else:
                self.adopted += count
            self.shipped += count - lost
            if lost:
                self._guard.losses.add(segment.header.project, reason, lost)
                self._unsaid.append(partial(self._guard.warn, reason, message))
            segment.acknowledge(offset)
            if segment is not self._active and segment.is_done:
                self._discard(segment)

    def settle_losses(self, segment: Segment) -> None:
        """Note that the losses of an adopted segment are told."""
        with self._alone():
            segment.keep_losses([])
            if segment.is_done:
                self._discard(segment)

    def keep_losses(self) -> None:
        """Write what nobody was told of into a file, so that it outlives the process.

        For the shipper's thread; it costs nothing where nothing has changed.
        """
        losses = self._guard.losses
        changes = losses.changes
        if changes == self._changes_kept:
            return
        untold = losses.untold()
        if untold and self._find_keeper() is None:
            self._make_keeper()
        with self._alone():
            keeper = self._find_keeper()
            if keeper is not None:
                keeper.keep_losses(untold)
                if keeper is not self._active and keeper.is_done:
                    self._discard(keeper)
            if keeper is not None or not untold:
                self._changes_kept = changes

    def adopt(self) -> Segment | None:
        """Return a segment that a dead process left, locked for us, or None."""
        return self._orphans.adopt(self.place)

    def give_up(self, segment: Segment) -> None:
        """Set a segment aside whose rest cannot be read any more."""
        segment.is_damaged = True
        with self._alone():
            own = self._own()
            lost = 0
            if any(segment is each for each in own):
                # Nobody can count them any more; they are what is in none of the others.
                others = [each for each in own if each is not segment]
                elsewhere = sum(each.count_pending() for each in others)
                lost = self.pending - len(self._deferred) - elsewhere
            if segment.is_lost:
                self._fault_later(
                    "descriptor closed by somebody", f"{segment.path} is out of reach"
                )
            message = f"{lost:,} calls cannot be read from the journal any more"
            self.acknowledge(
                segment, segment.end, lost, lost=lost, reason="damaged", message=message
            )

    def leave(self, segment: Segment) -> None:
        """Unlock an adopted segment for others, and never adopt it again."""
        self._orphans.leave(segment)

    def prepare(self) -> None:
        """Have the next segment ready before it is needed; for the shipper's thread."""
        # Not in the lock, which nobody gets while a system call keeps us in it.
        is_removed = self._is_active_removed()
        with self._alone():
            if is_removed:
                self._supply.forget_removed()
            if not self._supply.is_wanted:
                return
            place = self.place
        spare = self._supply.make_spare()
        with self._alone():
            if spare is None or not self._supply.keep(spare, place):
                return
            active = self._active
            if active is not None and not active.is_on_disk:
                if active.path is not None:
                    self._fault_later("journal removed", f"{active.path} was removed by somebody")
                self._turn_to(self._supply.take_spare())

    def move(self, place: Place) -> None:
        """Go on elsewhere, or for another project; what is written stays where it is."""
        with self._alone():
            if place != self.place:
                if place.url != self.place.url:
                    self._orphans.reconsider()
                self._supply.move(place)
                self._turn_to(None)

    def close(self) -> None:
        """Leave behind only files that still have something to ship, for others to adopt."""
        with self._alone():
            self._supply.give_up_spare()
            self._turn_to(None)
            in_memory = [each for each in self._sealed if not each.is_on_disk]
            lost = sum(each.count_pending() for each in in_memory)
        if lost:
            self.drop("exit", f"{lost} calls were only in memory when the process ended", lost)
        self.keep_losses()
        with self._lock:
            self._is_closed = True
            for segment in self._sealed:
                if segment.path is not None and segment.pending_bytes and segment.path.exists():
                    self._folders[segment.path.parent] = None
                segment.close()
            self._sealed.clear()

    def abandon(self) -> None:
        """Let go of all files without touching them: after a fork they are the parent's."""
        self._supply.abandon()
        for segment in self._own():
            segment.close()

    def _let_finish(self) -> None:
        # A thread that waits in the lock gets it before it gets the interpreter, and keeps all
        # others waiting meanwhile, at every call from then on. Who only asks again and again never
        # holds the lock without running.
        lock: Any = self._lock
        me = threading.get_ident()
        attempt = 0
        while attempt < _MOST_ATTEMPTS and not lock._is_owned():
            # A signal handler may run while its own thread is about to enter.
            if not self._is_busy and self._entering in (0, me):
                return
            time.sleep(0 if attempt < _EAGER_ATTEMPTS else _ATTEMPT_S)
            attempt += 1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Whatever comes meanwhile on this thread is deferred, and may itself be alone.
        with self._lock:
            was_busy, self._is_busy = self._is_busy, True
            try:
                yield
            finally:
                self._is_busy = was_busy
            if was_busy:
                return
            self._append_deferred()
            unsaid, self._unsaid = self._unsaid, []
        for say in unsaid:
            say()

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
        # Never in the lock: who logs waits for the log's locks, and who has them may wait for ours.
        self._unsaid.append(partial(self._guard.warn, refusal.reason, refusal.message))

    def _fault_later(self, cause: str, message: str) -> None:
        self._unsaid.append(partial(self._guard.fault, cause, message))

    def _own(self) -> list[Segment]:
        return self._sealed if self._active is None else [*self._sealed, self._active]

    def _is_active_removed(self) -> bool:
        # What stands in a file that somebody removed is still ours to ship, until we die.
        active = self._active
        return active is not None and active.path is not None and not active.is_on_disk

    def _append_to_next(self, payload: bytes, checksum: int) -> Refusal | None:
        if self._active is not None and self._active.extend():
            self._supply.is_due = self.is_unattended = True
            if self._active.append(payload, checksum):
                return None
        in_memory = sum(each.path is None for each in self._own())
        may_use_memory = in_memory < _MEMORY_SEGMENTS and not self._is_closed
        segment = self._supply.take(payload, may_use_memory=may_use_memory)
        if isinstance(segment, Refusal):
            if self._is_closed:
                # A file would have been shipped by the next process.
                said = f"a call came after headway.shutdown(), and {segment.message}"
                return Refusal("shut_down", said)
            return segment
        if segment.path is None:
            # The shipper's thread says why, and tries again.
            self.is_unattended = True
        self._turn_to(segment)
        if not segment.append(payload, checksum):
            segment.extend()
            segment.append(payload, checksum)
        return None

    def _turn_to(self, segment: Segment | None) -> None:
        active, self._active = self._active, segment
        if active is not None:
            active.seal()
            self._sealed.append(active)
            if active.is_done:
                self._discard(active)

    def _discard(self, segment: Segment) -> None:
        if segment in self._sealed:
            self._sealed.remove(segment)
        discard(segment, self._fault_later)

    def _find_keeper(self) -> Segment | None:
        with self._lock:
            files = [each for each in self._own() if each.is_on_disk]
            return next((each for each in files if each.losses), files[-1] if files else None)

    def _make_keeper(self) -> None:
        keeper = self._supply.make_bare()
        if keeper is not None:
            keeper.seal()
            with self._lock:
                self._sealed.append(keeper)
