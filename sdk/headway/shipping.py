"""The shipper: one background thread a process, which empties the journal into the collector.

It starts at the first record, sends what has gathered every fifth of a second, and rests when
nothing comes. Each batch is acknowledged in its segment only after the collector said that it has
it. What a dead process left behind is adopted and shipped under that segment's own project.
"""

import random
import threading
import time
from collections.abc import Callable

from headway.guards import Guard
from headway.journals import Journal
from headway.segments import Extract, Segment
from headway.transports import Batch, Reply, Transport

_MAX_RECORDS = 500
_MAX_BYTES = 4 << 20
_TICK_S = 0.2
_REST_AFTER_S = 5.0
_ADOPT_EVERY_S = 10.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_HURRIED_WAIT_S = 0.2


class Shipper:
    """Sends what is in the journal; ``flush`` waits for it.

    Args:
        clock_s: paces waiting and trying again.
        chance: between 0 and 1, so that many processes do not try again at the same moment.
    """

    def __init__(
        self,
        journal: Journal,
        transport: Transport,
        guard: Guard,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.transport = transport
        self.shipped = 0
        self.adopted = 0
        self.is_resting = True
        """Whether a new record has to wake the thread; read at every record, without a lock."""
        self._journal = journal
        self._guard = guard
        self._clock_s = clock_s
        self._chance = chance
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._orphan: Segment | None = None
        self._is_stopped = False
        self._hurried = 0
        self._failures = 0
        self._attempts_failed = 0
        self._rounds = 0
        self._due_s = 0.0
        self._adopt_at_s = 0.0
        self._busy_until_s = 0.0

    def wake(self) -> None:
        """Start the thread, or let it look at the journal now."""
        with self._condition:
            self.is_resting = False
            if self._thread is None and not self._is_stopped:
                self._thread = threading.Thread(
                    target=self._run, name="headway-shipper", daemon=True
                )
                self._thread.start()
            self._condition.notify_all()

    def flush(self, timeout_s: float, *, is_patient: bool = True) -> bool:
        """Wait until all that was recorded before has arrived, adopted segments included.

        Args:
            timeout_s: the longest wait.
            is_patient: keep trying while nobody answers; else leave at the first failure.
        """
        mark = self._journal.recorded
        deadline_s = self._clock_s() + timeout_s
        with self._condition:
            rounds, failed = self._rounds, self._attempts_failed
            self._hurried += 1
            self._due_s = self._adopt_at_s = 0.0
            self.wake()
            try:
                while self._journal.settled < mark or self._rounds == rounds:
                    left_s = deadline_s - self._clock_s()
                    has_failed = self._attempts_failed > failed
                    if left_s <= 0 or self._is_stopped or (has_failed and not is_patient):
                        return False
                    self._condition.wait(left_s)
                return True
            finally:
                self._hurried -= 1

    def stop(self, timeout_s: float = 1.0) -> None:
        """End the thread, at the latest when the request that it waits for is answered."""
        with self._condition:
            self._is_stopped = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
