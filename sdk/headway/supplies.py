"""The segments of a process that hold nothing yet: as large as there is room for, had in advance.

Where no file can be had, a little memory stands in, and the shipper's thread tries again.
"""

import os
import time
from collections.abc import Callable

from headway.identities import Identities
from headway.layouts import Header, largest_payload
from headway.places import MEMORY_ONLY, Place, Refusal, Usage
from headway.segments import Segment, create_in_memory

_RETRY_S = 1.0


class Supply:
    """Makes the next segment, and keeps a spare one; for whoever holds the journal's lock.

    Args:
        client_id: of the process, as in its losses.
        complain: is told once that no file can be had, with the lock held.
    """

    def __init__(
        self,
        place: Place,
        identities: Identities,
        client_id: str,
        complain: Callable[[Refusal], None],
        *,
        clock_s: Callable[[], float],
    ) -> None:
        self.place = place
        self.is_due = False
        """Whether the segment in use will soon be full."""
        self.refusal: Refusal | None = None
        """Why no file could be had when it was tried last."""
        self._identities = identities
        self._client_id = client_id
        self._complain = complain
        self._clock_s = clock_s
        self._usage = Usage(clock_s)
        self._spare: Segment | None = None
        self._last_bytes = 0
        self._retry_at_s = 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether now is the time to make a spare."""
        if self.place.folder is None or self._spare is not None:
            return False
        if self.refusal is not None:
            return self._clock_s() >= self._retry_at_s
        return self.is_due

    def make_spare(self) -> Segment | None:
        """Make a segment in advance, or note when to try again; needs no lock."""
        self._retry_at_s = self._clock_s() + _RETRY_S
        made = self._make(0)
        return None if isinstance(made, Refusal) else made

    def keep(self, spare: Segment, place: Place) -> bool:
        """Keep what was made for ``place``; False, and it is gone, where it came too late."""
        if place != self.place or self._spare is not None:
            spare.delete()
            return False
        self._spare, self.refusal = spare, None
        return True

    def take_spare(self) -> Segment | None:
        """Return the spare segment, where there is one."""
        spare, self._spare = self._spare, None
        self.is_due = False
        return spare

    def take(self, payload: bytes, *, may_use_memory: bool) -> Segment | Refusal:
        """Return a segment that takes the record: the spare, else a new one, else memory."""
        largest = largest_payload(self.place.segment_bytes)
        if len(payload) > largest:
            return Refusal(
                "too_large",
                f"a call of {len(payload):,} bytes was dropped, the journal takes up to "
                f"{largest:,}: lower HEADWAY_CAPTURE_LIMIT_BYTES",
            )
        spare = self.take_spare()
        if spare is not None:
            if spare.has_room_for(payload):
                return spare
            spare.delete()
        made = self.refusal or self._make(len(payload))
        if isinstance(made, Refusal) and may_use_memory:
            return create_in_memory(self._header(), self.place.segment_bytes)
        return made

    def make_bare(self) -> Segment | None:
        """Make a segment for no record, only for losses; needs no lock."""
        return self.place.make_bare(self._header())

    def forget_removed(self) -> None:
        """Want another segment, now that somebody removed files; the spare's may be among them."""
        if self._spare is not None and not self._spare.is_on_disk:
            self.give_up_spare()
        self.is_due = True

    def give_up_spare(self) -> None:
        """Let go of the spare; its file goes."""
        spare = self.take_spare()
        if spare is not None:
            spare.delete()

    def abandon(self) -> None:
        """Let go of the spare without touching its file: after a fork it is the parent's."""
        if self._spare is not None:
            self._spare.close()

    def move(self, place: Place) -> None:
        """Make the next segments elsewhere, or for another project."""
        self.give_up_spare()
        self.place, self.refusal = place, None

    def _make(self, payload_bytes: int) -> Segment | Refusal:
        place = self.place
        size = place.bytes_after(self._last_bytes)
        if payload_bytes > largest_payload(size):
            size = place.segment_bytes
        made = place.make(self._header(), size, payload_bytes, self._usage)
        if isinstance(made, Segment):
            self._last_bytes = made.size
            return made
        if self.refusal is None and made is not MEMORY_ONLY:
            self._complain(made)
        self.refusal = made
        return made

    def _header(self) -> Header:
        created_ns = time.time_ns()
        return Header(
            segment_id=f"{created_ns:019d}-{os.getpid()}-{self._identities.span_id()[:8]}",
            project=self.place.project,
            pid=os.getpid(),
            host=os.uname().nodename,
            created_ns=created_ns,
            url=self.place.url,
            client_id=self._client_id,
        )
