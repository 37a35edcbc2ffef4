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
_SCAN_EVERY_S = 10.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_HURRIED_WAIT_S = 0.2
_SHORTEST_WAIT_S = 0.01


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
        self._journal = journal
        self._guard = guard
        self._clock_s = clock_s
        self._chance = chance
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_stopped = False
        self._orphan: Segment | None = None
        self._hurried = 0
        """How many callers wait in ``flush``."""
        self._scans = 0
        """How often the folder was searched and nobody's leavings were found."""
        self._failures = 0
        self._failures_in_a_row = 0
        self._complaint = ""
        self._due_s = 0.0
        self._scan_due_s = 0.0
        self._seen = 0
        self._seen_s = 0.0

    def wake(self) -> None:
        """Start the thread, or let it look at the journal now."""
        with self._condition:
            self._journal.is_unattended = False
            if self._thread is None and not self._is_stopped:
                self._thread = self._start()
            self._condition.notify_all()

    def flush(self, timeout_s: float, *, is_patient: bool = True) -> bool:
        """Wait until all that was recorded before has arrived, adopted segments included.

        Args:
            timeout_s: the longest wait.
            is_patient: keep trying while nobody answers; else leave at the first failure.
        """
        mark = self._journal.mark()
        with self._condition:
            scans, failures = self._scans, self._failures

            def is_delivered() -> bool:
                return mark.is_passed and self._scans > scans and self._orphan is None

            def is_over() -> bool:
                has_failed = self._failures > failures
                return is_delivered() or self._is_stopped or (has_failed and not is_patient)

            self._hurried += 1
            self._due_s = self._scan_due_s = 0.0
            self.wake()
            try:
                if self._thread is None:
                    self._ship()
                else:
                    self._condition.wait_for(is_over, timeout_s)
            finally:
                self._hurried -= 1
            return is_delivered()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End the thread; one that waits for an answer is left to itself."""
        with self._condition:
            self._is_stopped = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        self.abandon()

    def abandon(self) -> None:
        """Let go of an adopted segment: after a fork it is the parent's."""
        orphan, self._orphan = self._orphan, None
        if orphan is not None:
            orphan.close()

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, name="headway-shipper", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # The interpreter is shutting down, or the system has no more threads.
            self._journal.is_unattended = True
            self._guard.fault("thread", f"no thread for shipping: {error}")
            return None
        return thread

    def _run(self) -> None:
        while not self._is_stopped:
            try:
                self._journal.prepare()
                if self._clock_s() >= self._due_s:
                    self._ship()
            except Exception as error:
                self._back_off(0.0)
                self._guard.catch("shipping", error)
            self._pause()

    def _pause(self) -> None:
        with self._condition:
            now_s = self._clock_s()
            if self._journal.recorded != self._seen:
                self._seen, self._seen_s = self._journal.recorded, now_s
            wait_s = max(0.0, min(self._due_s, now_s + _SCAN_EVERY_S) - now_s)
            if self._hurried:
                self._condition.wait(wait_s or _SHORTEST_WAIT_S)
            elif now_s - self._seen_s < _REST_AFTER_S:
                self._condition.wait(_TICK_S)
            else:
                # Whoever records from now on wakes us; whoever did before this line did not.
                self._journal.is_unattended = True
                if self._journal.recorded == self._seen and not self._is_stopped:
                    self._condition.wait(wait_s or _SCAN_EVERY_S)

    def _ship(self) -> None:
        # Own records first, but never so long that what was adopted waits for a quiet moment.
        while not self._is_stopped:
            own, orphan = self._journal.oldest(), self._adopt()
            if own is None and orphan is None:
                return
            for segment in (own, orphan):
                if segment is not None and not self._ship_some(segment):
                    return
            self._journal.prepare()

    def _adopt(self) -> Segment | None:
        if self._orphan is None and self._clock_s() >= self._scan_due_s:
            self._orphan = self._journal.adopt()
            if self._orphan is None:
                with self._condition:
                    self._scan_due_s = self._clock_s() + _SCAN_EVERY_S
                    self._scans += 1
                    self._condition.notify_all()
        return self._orphan

    def _ship_some(self, segment: Segment) -> bool:
        extract = segment.read(_MAX_RECORDS, _MAX_BYTES)
        if not extract.payloads and not self._is_stopped:
            self._journal.give_up(segment)
        if not extract.payloads:
            return True
        return self._deliver(segment, extract)

    def _deliver(self, segment: Segment, extract: Extract) -> bool:
        header, stop = segment.header, extract.stops[-1]
        batch_id = f"{header.segment_id}:{extract.start}-{stop}"
        reply = self.transport.send(Batch(header.project, batch_id, extract.payloads))
        if reply.answer is not None:
            rejected = reply.answer.rejected
            if rejected:
                reasons = "; ".join(error.reason for error in reply.answer.errors[:3])
                self._guard.drop("rejected", rejected, f"{rejected} calls rejected: {reasons}")
            self._settle(segment, extract, rejected)
            return True
        if reply.is_too_large or reply.is_refused:
            if len(extract.payloads) > 1:
                # Only by halving is it found which record it is that cannot pass.
                return all(self._deliver(segment, half) for half in extract.halves())
            reason = "too_large" if reply.is_too_large else "refused"
            self._guard.drop(reason, 1, f"a call was dropped: {reply.message}")
            self._settle(segment, extract, 1)
            return True
        self._complain(segment, reply)
        return False

    def _settle(self, segment: Segment, extract: Extract, lost: int) -> None:
        count = len(extract.payloads)
        with self._condition:
            self.shipped += count - lost
            self._failures_in_a_row = 0
            self._complaint = ""
            self._journal.acknowledge(segment, extract.stops[-1], count)
            if segment is self._orphan:
                self.adopted += count
                if not segment.pending_bytes:
                    self._orphan = None
            self._condition.notify_all()

    def _complain(self, segment: Segment, reply: Reply) -> None:
        if segment is self._orphan and reply.is_forbidden:
            # Another application's, and the collector does not take it from us.
            self._orphan = None
            self._journal.leave(segment)
        self._back_off(reply.retry_after_s)
        if reply.message != self._complaint:
            self._complaint = reply.message
            self._guard.warn("collector", f"{reply.message}; {self._journal.pending:,} calls wait")

    def _back_off(self, retry_after_s: float) -> None:
        with self._condition:
            longest_s = _HURRIED_WAIT_S if self._hurried else _LONGEST_WAIT_S
            wait_s = min(longest_s, _FIRST_WAIT_S * 2 ** min(self._failures_in_a_row, 10))
            self._failures += 1
            self._failures_in_a_row += 1
            self._due_s = self._clock_s() + max(retry_after_s, wait_s * (0.5 + self._chance() / 2))
            self._condition.notify_all()
