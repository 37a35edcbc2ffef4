"""The shipper: one background thread a process, which empties the journal into the collector.

It starts at the first record, sends what has gathered every fifth of a second, and rests when
nothing comes. Each batch is acknowledged in its segment only after the collector said that it has
it, and what was lost is told right behind it. What a dead process left behind is adopted and
shipped under that segment's own project.
"""

import math
import os
import threading
import time
from collections.abc import Callable

from headway.deliveries import MAX_BYTES, MAX_RECORDS, Receipt, deliver, tell
from headway.guards import Guard
from headway.journals import Journal
from headway.segments import Extract, Segment
from headway.transports import TIMEOUT_S, Reply, Transport

_TICK_S = 0.2
_REST_AFTER_S = 5.0
_SCAN_EVERY_S = 10.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_HURRIED_WAIT_S = 0.2
_SHORTEST_WAIT_S = 0.01
_JOIN_S = 0.1


def _draw() -> float:
    # Not the program's own generator, which it may have seeded.
    return os.urandom(1)[0] / 256


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
        chance: Callable[[], float] = _draw,
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
        self._end_s = math.inf
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
        mark, losses = self._journal.mark(), self._guard.losses
        lost: int | None = None
        with self._condition:
            scans, failures = self._scans, self._failures

            def is_delivered() -> bool:
                nonlocal lost
                if lost is None and mark.is_passed and self._scans > scans and not self._orphan:
                    # Only now: what the collector did not take is lost, and is told as well.
                    lost = losses.total
                return lost is not None and losses.told >= lost

            def is_over() -> bool:
                has_failed = self._failures > failures
                return is_delivered() or self._is_stopped or (has_failed and not is_patient)

            self._hurried += 1
            self._due_s = self._scan_due_s = 0.0
            self.wake()
            try:
                if self._thread is None:
                    self._ship_here(timeout_s)
                else:
                    self._condition.wait_for(is_over, timeout_s)
            finally:
                self._hurried -= 1
            return is_delivered()

    def finish(self, timeout_s: float, *, is_patient: bool = False) -> bool:
        """Ship what can be shipped in time, and stop."""
        self._end_s = self._clock_s() + timeout_s
        is_delivered = self.flush(timeout_s, is_patient=is_patient)
        self.stop()
        return is_delivered

    def stop(self) -> None:
        """End the thread; one that waits for an answer is left to itself, and changes no more."""
        with self._condition:
            self._is_stopped = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(_JOIN_S)
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
                self._tend()
                if self._clock_s() >= self._due_s:
                    self._ship()
            except Exception as error:
                self._back_off(0.0)
                self._guard.catch("shipping", error)
            self._pause()

    def _ship_here(self, timeout_s: float) -> None:
        # On the caller's thread, who waits no longer than it said.
        end_s, self._end_s = self._end_s, self._clock_s() + timeout_s
        try:
            self._ship()
        except Exception as error:
            self._guard.catch("shipping", error)
        finally:
            self._end_s = end_s

    def _tend(self) -> None:
        self._journal.prepare()
        self._journal.keep_losses()

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
            for segment in (own, orphan):
                if segment is not None and not self._ship_some(segment):
                    return
            if not self._tell() or not (orphan is not None or self._has_more()):
                return
            self._tend()

    def _has_more(self) -> bool:
        # What comes in one by one is sent in turn with a pause, and not one by one.
        is_worth_it = bool(self._hurried) or self._journal.pending >= MAX_RECORDS
        return is_worth_it and self._journal.oldest() is not None

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
        if not segment.pending_bytes:
            return self._tell_for(segment)
        extract = segment.read(MAX_RECORDS, MAX_BYTES)
        if extract.payloads:
            return self._deliver(segment, extract)
        if not self._is_stopped:
            self._journal.give_up(segment)
            self._let_go()
        return True

    def _deliver(self, segment: Segment, extract: Extract) -> bool:
        for outcome in deliver(self.transport, segment.header, extract, self._timeout_s):
            if self._is_stopped:
                return False
            if isinstance(outcome, Reply):
                self._complain(segment, outcome)
                return False
            self._settle(segment, outcome)
        return True

    def _settle(self, segment: Segment, receipt: Receipt) -> None:
        if receipt.lost:
            project = segment.header.project
            self._guard.drop(receipt.reason, receipt.lost, receipt.message, project=project)
        with self._condition:
            self.shipped += receipt.count - receipt.lost
            self._failures_in_a_row = 0
            self._complaint = ""
            self._journal.acknowledge(segment, receipt.stop, receipt.count)
            if segment is self._orphan:
                self.adopted += receipt.count
            self._let_go()

    def _let_go(self) -> None:
        with self._condition:
            if self._orphan is not None and self._orphan.is_done:
                self._orphan = None
            self._condition.notify_all()

    def _tell(self) -> bool:
        losses = self._guard.losses
        untold = losses.untold()
        if not untold:
            return True
        for outcome in tell(
            self.transport,
            untold,
            client_id=losses.client_id,
            host=os.uname().nodename,
            pid=os.getpid(),
            timeout_s=self._timeout_s,
        ):
            if isinstance(outcome, Reply):
                self._complain(None, outcome)
                return False
            losses.confirm(outcome)
        self._journal.keep_losses()
        self._let_go()
        return True

    def _tell_for(self, orphan: Segment) -> bool:
        header = orphan.header
        for outcome in tell(
            self.transport,
            orphan.losses,
            client_id=header.client_id,
            host=header.host,
            pid=header.pid,
            timeout_s=self._timeout_s,
        ):
            if isinstance(outcome, Reply):
                self._complain(orphan, outcome)
                return False
        if not self._is_stopped:
            self._journal.settle_losses(orphan)
            self._let_go()
        return True

    def _complain(self, segment: Segment | None, reply: Reply) -> None:
        if segment is not None and segment is self._orphan and reply.is_forbidden:
            # Another application's, and the collector does not take it from us.
            self._orphan = None
            self._journal.leave(segment)
        self._back_off(reply.retry_after_s)
        if reply.message != self._complaint:
            self._complaint = reply.message
            self._guard.warn("collector", f"{reply.message}; {self._journal.pending:,} calls wait")

    def _timeout_s(self) -> float:
        return max(_SHORTEST_WAIT_S, min(TIMEOUT_S, self._end_s - self._clock_s()))

    def _back_off(self, retry_after_s: float) -> None:
        with self._condition:
            longest_s = _HURRIED_WAIT_S if self._hurried else _LONGEST_WAIT_S
            wait_s = min(longest_s, _FIRST_WAIT_S * 2 ** min(self._failures_in_a_row, 10))
            self._failures += 1
            self._failures_in_a_row += 1
            self._due_s = self._clock_s() + max(retry_after_s, wait_s * (0.5 + self._chance() / 2))
            self._condition.notify_all()
