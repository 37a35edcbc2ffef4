"""What stands in for the client while there is none.

Making it imports modules, and a signal handler or a finalizer can run an observed function in the
middle of that, in the very thread that imports them. Or it cannot be made, because no file can be
opened. Such calls wait here until there is a client.
"""

import copy
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from headway.identities import Identities
from headway.limits import LIMITS
from headway.records import Record
from headway.tallies import Stats

if TYPE_CHECKING:
    from headway.clients import Client

_MOST = 1000


class StandIn:
    """Takes what a client takes, and keeps it for the client; beyond 1,000 only its number."""

    is_recording = True
    limits = LIMITS
    clock_ns = staticmethod(time.time_ns)
    environment = release = None
    is_raising = False
    sampler = None

    def __init__(self) -> None:
        self.identities = Identities()
        self.prompts: set[tuple[str, str]] = set()
        self._records: list[Record] = []
        self._missed = 0
        self._has_silence = False
        self._excuse: tuple[str, str] | None = None
        self._heir: Client | None = None

    @property
    def is_needed(self) -> bool:
        """Whether something waits here for a client."""
        return bool(self._records) or self._missed > 0

    @property
    def settings(self) -> "StandIn":
        """What a span reads of the settings: nothing is set."""
        return self

    @property
    def guard(self) -> "StandIn":
        """Whoever is told of faults."""
        return self

    def record(self, record: Record) -> None:
        """Keep one record."""
        if len(self._records) < _MOST:
            # Its span lets go of the content when it ends.
            self._records.append(copy.copy(record))
        else:
            self._missed += 1
        if self._heir is not None:
            # The client was made since this call began.
            self.hand_over(self._heir)

    def excuse(self, cause: str, message: str) -> None:
        """Note what is wrong, for the client to tell."""
        self._excuse = cause, message

    def heed_silence(self) -> None:
        """Tell the client that takes over."""
        self._has_silence = True

    def refuse(self, reason: str, message: str) -> None:
        """Count a record as lost."""
        self._missed += 1

    def catch(self, cause: str, error: BaseException, *, of: str = "") -> None:
        """Leave a fault alone."""

    def fault(self, cause: str, message: str) -> None:
        """Leave a fault alone."""

    def flush(self, timeout_s: object = None) -> bool:
        """Say that nothing has arrived."""
        return False

    def close(self, timeout_s: object = None) -> bool:
        """Say that nothing has arrived."""
        return False

    def stats(self) -> Stats:
        """Return what is known so far."""
        waiting, missed = len(self._records), self._missed
        dropped = {"starting": missed} if missed else {}
        return Stats(waiting + missed, 0, 0, waiting, 0, dropped, {}, "memory", self._reason, "")

    def farewell(self) -> str:
        """Return one line about what is lost where there never was a client, or nothing."""
        lost = len(self._records) + self._missed
        return f"headway: {lost:,} dropped (starting {lost:,}): {self._reason}\n" if lost else ""

    def hand_over(self, client: "Client") -> None:
        """Give the client what waits and will come, and let it count what is lost."""
        # The heir first: whoever finds none has left its record where it is found below.
        self._heir = client
        excuse, self._excuse = self._excuse, None
        if self._has_silence:
            client.heed_silence()
        if excuse is not None:
            client.guard.fault(*excuse)
        while self._records:
            with suppress(IndexError):  # another thread hands over as well
                record = self._records.pop(0)
                if client.is_recording:
                    client.record(record)
        missed, self._missed = self._missed if client.is_recording else 0, 0
        for _ in range(missed):
            client.refuse("starting", "too many calls came before Headway had started")

    def renew(self) -> None:
        """Forget everything: after a fork it is the parent's."""
        self.identities.forget()
        self._records.clear()
        self._missed = 0

    @property
    def _reason(self) -> str | None:
        return self._excuse[1] if self._excuse else None
