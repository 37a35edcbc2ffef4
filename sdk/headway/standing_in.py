"""What stands in for the client while it is being made.

Making it imports modules, and a signal handler or a finalizer can run an observed function in the
middle of that, in the very thread that imports them. Such calls wait here until there is a client.
"""

import copy
import time
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

    def __init__(self) -> None:
        self.identities = Identities()
        self._records: list[Record] = []
        self._missed = 0

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

    def catch(self, cause: str, error: BaseException) -> None:
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
        return Stats(waiting + missed, 0, 0, waiting, 0, dropped, {}, "memory", None, "")

    def hand_over(self, client: "Client") -> None:
        """Give the client what waits, and let it count what is lost."""
        records, self._records = self._records, []
        missed, self._missed = self._missed, 0
        for record in records:
            client.record(record)
        for _ in range(missed):
            client.refuse("starting", "too many calls came while Headway was being imported")
