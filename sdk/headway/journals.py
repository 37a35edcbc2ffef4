"""The journal: a folder of segments in which every record stands before its call returns.

A process writes to one segment at a time and keeps the full ones until they are shipped. What
another process left behind when it died is adopted. Where no file can be had (a full disk, a
folder that cannot be written, the limit) a little memory stands in, and what that cannot hold is
dropped, the newest first, and counted with the reason.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import msgspec

from headway.adoption import adopt
from headway.guards import Guard
from headway.identities import Identities
from headway.places import MEMORY_ONLY, Place, Refusal
from headway.segments import (
    Header,
    Segment,
    SegmentError,
    create_in_memory,
    largest_payload,
)

_RETRY_S = 1.0
_MEMORY_SEGMENTS = 2
_EAGER_ATTEMPTS = 50
_ATTEMPT_S = 0.0001


class Mark(msgspec.Struct, frozen=True):
    """How far a process had written at some moment."""

    segment: Segment | None
    end: int

    @property
    def is_passed(self) -> bool:
        """Whether all that was written by then is acknowledged."""
        return self.segment is None or self.segment.acknowledged >= self.end


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
        self.place = place
        self.recorded = 0
        self.settled = 0
        """Records that need no more care: those that arrived and those that were dropped."""
        self.is_unattended = True
        """Whether the shipper has to be woken; read at every record, without a lock."""
        self._guard = guard
        self._identities = identities
        self._clock_s = clock_s
        # A signal, a finalizer or a log handler can run an observed function while its own thread
        # is in here: the lock lets it in, and what it records is deferred.
        self._lock = threading.RLock()
        self._is_busy = False
        self._deferred: list[bytes] = []
        self._active: Segment | None = None
        self._spare: Segment | None = None
        self._sealed: list[Segment] = []
        self._is_spare_due = False
        self._refusal: Refusal | None = None
        self._retry_at_s = 0.0
        self._left: set[Path] = set()
        self._made = 0
        self._changes_kept = 0

    @property
    def is_in_memory(self) -> bool:
        """Whether new records would be lost if this process were killed."""
        return self._refusal is not None or self.place.folder is None

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
        if not self._lock.acquire(False):
            self._wait_for_lock()
        try:
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
        finally:
            self._lock.release()
        if refusal is not None:
            self.drop(refusal.reason, refusal.message)

    def drop(self, reason: str, message: str, count: int = 1) -> None:
        """Give up records that were counted as recorded."""
        with self._lock:
            self.settled += count
        self._guard.drop(reason, count, message, project=self.place.project)

    def refuse(self, reason: str, message: str) -> None:
        """Count a record that could not even be written."""
        with self._lock:
            self.recorded += 1
        self.drop(reason, message)

    def oldest(self) -> Segment | None:
        """Return the first of this process's segments that has something to ship."""
        with self._lock:
            return next((each for each in self._own() if each.pending_bytes), None)

    def mark(self) -> Mark:
        """Return how far this process has written; its segments are shipped in order."""
        with self._lock:
            own = [each for each in self._own() if each.pending_bytes]
            return Mark(own[-1], own[-1].end) if own else Mark(None, 0)

    def acknowledge(self, segment: Segment, offset: int, count: int) -> None:
        """Note that the collector has ``count`` more records; a file with no more to give goes."""
        with self._lock:
            segment.acknowledge(offset)
            if any(segment is each for each in self._own()):
                self.settled += count
            if segment is not self._active and segment.is_done:
                self._discard(segment)

    def settle_losses(self, segment: Segment) -> None:
        """Note that the losses of an adopted segment are told."""
        with self._lock:
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
        with self._lock:
            keeper = self._find_keeper()
            if keeper is not None:
                keeper.keep_losses(untold)
                if keeper is not self._active and keeper.is_done:
                    self._discard(keeper)
            if keeper is not None or not untold:
                self._changes_kept = changes

    def adopt(self) -> Segment | None:
        """Return a segment that a dead process left, locked for us, or None."""
        for path in self.place.files():
            if path in self._left:
                continue
            try:
                segment = adopt(path, url=self.place.url)
            except (SegmentError, OSError) as error:
                self._left.add(path)
                self._guard.fault("unreadable segment", str(error))
                continue
            if segment is not None and not segment.is_done:
                return segment
            if segment is not None:
                self._discard(segment)
        return None

    def give_up(self, segment: Segment) -> None:
        """Set a segment aside whose rest cannot be read any more."""
        segment.is_damaged = True
        with self._lock:
            own = self._own()
            lost = 0
            if any(segment is each for each in own):
                # Nobody can count them any more; they are what is in none of the others.
                others = [each for each in own if each is not segment]
                lost = self.pending - sum(each.count_pending() for each in others)
            self.acknowledge(segment, segment.end, lost)
        if lost:
            message = f"{lost:,} calls cannot be read from the journal any more"
            self._guard.drop("damaged", lost, message, project=segment.header.project)

    def leave(self, segment: Segment) -> None:
        """Unlock an adopted segment for others, and never adopt it again."""
        if segment.path is not None:
            self._left.add(segment.path)
        segment.close()

    def prepare(self) -> None:
        """Have the next segment ready before it is needed; for the shipper's thread."""
        with self._lock:
            if not self._wants_spare():
                self._notice_removal()
            if not self._wants_spare():
                return
            self._retry_at_s = self._clock_s() + _RETRY_S
            place = self.place
        spare = self._make(place)
        if spare is None:
            return
        spare.prefault()
        with self._alone():
            if place != self.place or self._spare is not None:
                self._discard(spare)
                return
            self._refusal = None
            self._spare = spare
            active = self._active
            if active is not None and not active.is_on_disk:
                if active.path is not None:
                    self._guard.fault("journal removed", f"{active.path} was removed by somebody")
                self._rotate()

    def move(self, place: Place) -> None:
        """Go on elsewhere, or for another project; what is written stays where it is."""
        with self._alone():
            if place != self.place:
                if place.url != self.place.url:
                    # Whoever was not to be had there is perhaps to be had here.
                    self._left.clear()
                self.place = place
                self._refusal = None
                self._retire()

    def close(self) -> None:
        """Leave behind only files that still have something to ship, for others to adopt."""
        with self._alone():
            self._retire()
            in_memory = [each for each in self._sealed if each.path is None]
            lost = sum(each.count_pending() for each in in_memory)
        if lost:
            self.drop("exit", f"{lost} calls were only in memory when the process ended", lost)
        self.keep_losses()
        with self._lock:
            for segment in self._sealed:
                segment.close()
            self._sealed.clear()

    def abandon(self) -> None:
        """Let go of all files without touching them: after a fork they are the parent's."""
        for segment in (*self._own(), self._spare):
            if segment is not None:
                segment.close()

    def _wait_for_lock(self) -> None:
        # A thread that waits in the lock gets it before it gets the interpreter, and keeps all
        # others waiting meanwhile, at every call from then on. Who only asks again and again never
        # holds the lock without running.
        attempt = 0
        while not self._lock.acquire(False):
            time.sleep(0 if attempt < _EAGER_ATTEMPTS else _ATTEMPT_S)
            attempt += 1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            self._is_busy = True
            try:
                yield
            finally:
                self._is_busy = False
            self._append_deferred()

    def _append_deferred(self) -> None:
        while self._deferred:
            self.recorded -= 1
            self.append(self._deferred.pop(0))

    def _own(self) -> list[Segment]:
        return self._sealed if self._active is None else [*self._sealed, self._active]

    def _notice_removal(self) -> None:
        # What stands in a file that somebody removed is still ours to ship, until we die.
        active, spare = self._active, self._spare
        if active is None or active.path is None or active.is_on_disk:
            return
        self._is_spare_due = True
        if spare is not None and not spare.is_on_disk:
            self._spare = None
            self._discard(spare)

    def _wants_spare(self) -> bool:
        if self.place.folder is None or self._spare is not None:
            return False
        if self._refusal is not None:
            return self._clock_s() >= self._retry_at_s
        return self._is_spare_due

    def _append_to_next(self, payload: bytes, checksum: int) -> Refusal | None:
        if self._active is not None and self._active.extend():
            self._is_spare_due = self.is_unattended = True
            if self._active.append(payload, checksum):
                return None
        largest = largest_payload(self.place.segment_bytes)
        if len(payload) > largest:
            return Refusal(
                "too_large",
                f"a call of {len(payload):,} bytes was dropped, the journal takes up to "
                f"{largest:,}: lower HEADWAY_CAPTURE_LIMIT_BYTES",
            )
        if self._spare is not None and not self._spare.has_room_for(payload):
            self._discard(self._spare)
            self._spare = None
        if self._spare is None and self._refusal is None:
            self._spare = self._make(self.place, len(payload))
        if self._spare is None:
            self._spare = self._make_in_memory()
        if self._spare is None:
            return self._refusal
        self._rotate()
        if self._active is not None and not self._active.append(payload, checksum):
            self._active.extend()
            self._active.append(payload, checksum)
        return None

    def _rotate(self) -> None:
        spare, self._spare = self._spare, None
        self._retire()
        self._active, self._is_spare_due = spare, False

    def _retire(self) -> None:
        # After this there is neither an active nor a spare segment.
        active, spare = self._active, self._spare
        self._active = self._spare = None
        if spare is not None:
            self._discard(spare)
        if active is not None:
            active.seal()
            self._sealed.append(active)
            if active.is_done:
                self._discard(active)

    def _discard(self, segment: Segment) -> None:
        if segment in self._sealed:
            self._sealed.remove(segment)
        if (aside := segment.discard()) is not None:
            self._guard.fault(
                "damaged segment", f"{aside} was shipped up to its damage; the rest is kept there"
            )

    def _find_keeper(self) -> Segment | None:
        with self._lock:
            files = [each for each in self._own() if each.is_on_disk]
            return next((each for each in files if each.losses), files[-1] if files else None)

    def _make_keeper(self) -> None:
        keeper = self.place.make_bare(self._header())
        if keeper is not None:
            keeper.seal()
            with self._lock:
                self._sealed.append(keeper)

    def _make(self, place: Place, payload_bytes: int = 0) -> Segment | None:
        size = place.bytes_of(self._made)
        if payload_bytes > largest_payload(size):
            size = place.segment_bytes
        made = place.make(self._header(), size)
        if isinstance(made, Segment):
            self._made += 1
            return made
        if self._refusal is None and made is not MEMORY_ONLY:
            self._guard.warn(made.reason, made.message)
        self._refusal = made
        return None

    def _make_in_memory(self) -> Segment | None:
        if sum(each.path is None for each in self._own()) >= _MEMORY_SEGMENTS:
            return None
        return create_in_memory(self._header(), self.place.segment_bytes)

    def _header(self) -> Header:
        created_ns = time.time_ns()
        return Header(
            segment_id=f"{created_ns:019d}-{os.getpid()}-{self._identities.span_id()[:8]}",
            project=self.place.project,
            pid=os.getpid(),
            host=os.uname().nodename,
            created_ns=created_ns,
            url=self.place.url,
            client_id=self._guard.losses.client_id,
        )
