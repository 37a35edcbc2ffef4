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

from headway.deliveries import MAX_BYTES, MAX_RECORDS, deliver, tell
from headway.guards import Guard
from headway.interruptions import is_from_outside
from headway.journals import Journal
from headway.layouts import Extract
from headway.losses import Lost
from headway.places import Place
from headway.routes import Route, Routes
from headway.segments import Segment
from headway.transports import TIMEOUT_S, Reply, Transport

_TICK_S = 0.2
_REST_AFTER_S = 5.0
_SCAN_EVERY_S = 10.0
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
        self._routes = Routes(transport, journal.place.url, journal.place.project)
        self._journal = journal
        self._guard = guard
        self._clock_s = clock_s
        self._chance = chance
        # Entered by itself: a signal handler that raises in the condition's own __enter__ would
        # leave it held.
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._is_stopped = False
        self._orphan: Segment | None = None
        self._hurried = 0
        """How many callers wait in ``flush``."""
        self._scans = 0
        """How often the folder was searched and nobody's leavings were found."""
        self._failures = 0
        self._scan_due_s = 0.0
        self._end_s = math.inf
        self._seen = 0
        self._seen_s = 0.0

    def turn_to(self, transport: Transport, place: Place, *, takes_over: bool = False) -> None:
        """Let what is recorded in ``place`` from now on go this way."""
        with self._lock:
            self._routes.turn_to(transport, place.url, place.project, takes_over=takes_over)

    def wake(self) -> None:
        """Start the thread, or let it look at the journal now."""
        with self._lock:
            self._journal.is_unattended = False
            if self._thread is None and not self._is_stopped:
                self._start()
            self._condition.notify_all()

    def flush(self, timeout_s: float, *, is_patient: bool = True) -> bool:
        """Wait until all that was recorded before has arrived, adopted segments included.

        Args:
            timeout_s: the longest wait.
            is_patient: keep trying while nobody answers; else leave at the first failure.
        """
        mark, losses = self._journal.mark(), self._guard.losses
        lost: int | None = None

        def is_delivered() -> bool:
            nonlocal lost
            if lost is None and mark.is_passed and self._scans > scans and not self._orphan:
                # Only now: what the collector did not take is lost, and is told as well.
                lost = losses.total
            return lost is not None and losses.told >= lost

        def is_over() -> bool:
            has_to_leave = not is_patient and self._failures > failures
            return is_delivered() or self._is_stopped or has_to_leave

        # A signal handler may call this from the middle of a record, which ends only after it.
        with self._journal.opened(), self._lock:
            scans, failures = self._scans, self._failures
            self._hurried += 1
            self._scan_due_s = 0.0
            self._routes.hurry()
            self.wake()
            try:
                if self._thread is None:
                    self._ship_here(timeout_s)
                else:
                    self._condition.wait_for(is_over, timeout_s)
            finally:
                self._hurried -= 1
            return is_delivered() and mark.is_whole

    def finish(self, timeout_s: float, *, is_patient: bool = False) -> bool:
        """Ship what can be shipped in time, and stop."""
        self._end_s = self._clock_s() + timeout_s
        is_delivered = self.flush(timeout_s, is_patient=is_patient)
        self.stop()
        return is_delivered

    def stop(self) -> None:
        """End the thread; one that waits for an answer is left to itself, and changes no more."""
        with self._lock:
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

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="headway-shipper", daemon=True)
        if self._thread is not None:
            # While this one was made, a finalizer recorded something, and started another.
            return
        self._thread = thread
        try:
            thread.start()
        except BaseException as error:
            self._thread, self._journal.is_unattended = None, True
            # Else the interpreter is shutting down, or the system has no more threads.
            if not isinstance(error, RuntimeError) or is_from_outside(error):
                raise
            self._guard.fault("thread", f"no thread for shipping: {error}")

    def _run(self) -> None:
        # Whoever starts it has the lock. One whose start was interrupted is not the one.
        with self._lock:
            if self._thread is not threading.current_thread():
                return
        while not self._is_stopped:
            try:
                self._tend()
                self._ship()
            except Exception as error:
                with self._lock:
                    routes = list(self._routes)
                for route in routes:
                    self._back_off(route, 0.0)
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
        with self._lock:
            now_s = self._clock_s()
            if self._journal.recorded != self._seen:
                self._seen, self._seen_s = self._journal.recorded, now_s
            wait_s = max(0.0, min(self._routes.due_s, now_s + _SCAN_EVERY_S) - now_s)
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
            own, orphan = self._journal.oldest(self._is_due), self._adopt()
            has_orphan = orphan is not None and self._is_due(orphan)
            if own is not None:
                self._ship_some(own)
            if orphan is not None and has_orphan:
                self._ship_some(orphan)
            self._tell()
            if not (has_orphan or self._has_more()):
                return
            self._tend()

    def _is_due(self, segment: Segment) -> bool:
        return self._clock_s() >= self._route(segment).due_s

    def _route(self, segment: Segment) -> Route:
        return self._routes.of_records(segment.header.url, segment.header.project)

    def _has_more(self) -> bool:
        # What comes in one by one is sent in turn with a pause, and not one by one.
        is_worth_it = bool(self._hurried) or self._journal.pending >= MAX_RECORDS
        return is_worth_it and self._journal.oldest(self._is_due) is not None

    def _adopt(self) -> Segment | None:
        if self._orphan is None and self._clock_s() >= self._scan_due_s:
            self._orphan = self._journal.adopt()
            if self._orphan is None:
                with self._lock:
                    self._scan_due_s = self._clock_s() + _SCAN_EVERY_S
                    self._scans += 1
                    self._condition.notify_all()
        return self._orphan

    def _ship_some(self, segment: Segment) -> None:
        if not segment.pending_bytes:
            self._tell_for(segment)
            return
        extract = segment.read(MAX_RECORDS, MAX_BYTES)
        if extract.payloads:
            self._deliver(segment, extract)
        elif not self._is_stopped:
            self._journal.give_up(segment)
            self._let_go()

    def _deliver(self, segment: Segment, extract: Extract) -> None:
        route = self._route(segment)
        for outcome in deliver(route.transport, segment.header, extract, self._timeout_s):
            if self._is_stopped:
                return
            if isinstance(outcome, Reply):
                self._complain(route, outcome)
                self._leave_forbidden(segment, outcome)
                return
            route.failures, route.complaint = 0, ""
            # Not in our own lock: whoever has the journal's may wait for ours, to wake us.
            self._journal.acknowledge(
                segment,
                outcome.stop,
                outcome.count,
                lost=outcome.lost,
                reason=outcome.reason,
                message=outcome.message,
            )
            self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            if self._orphan is not None and self._orphan.is_done:
                self._orphan = None
            self._condition.notify_all()

    def _tell(self) -> None:
        losses = self._guard.losses
        by_project: dict[str, list[Lost]] = {}
        for lost in losses.untold():
            by_project.setdefault(lost.project, []).append(lost)
        for project, untold in by_project.items():
            route = self._routes.of_losses(project)
            if self._clock_s() < route.due_s:
                continue
            for outcome in tell(
                route.transport,
                untold,
                client_id=losses.client_id,
                host=os.uname().nodename,
                pid=os.getpid(),
                timeout_s=self._timeout_s,
            ):
                if isinstance(outcome, Reply):
                    self._complain(route, outcome)
                    break
                losses.confirm(outcome)
                self._journal.keep_losses()
                self._let_go()

    def _tell_for(self, orphan: Segment) -> None:
        header, route = orphan.header, self._route(orphan)
        for outcome in tell(
            route.transport,
            orphan.losses,
            client_id=header.client_id,
            host=header.host,
            pid=header.pid,
            timeout_s=self._timeout_s,
        ):
            if isinstance(outcome, Reply):
                self._complain(route, outcome)
                self._leave_forbidden(orphan, outcome)
                return
        if not self._is_stopped:
            self._journal.settle_losses(orphan)
            self._let_go()

    def _leave_forbidden(self, segment: Segment, reply: Reply) -> None:
        if segment is self._orphan and reply.is_forbidden:
            # Another application's, and the collector does not take it from us.
            self._orphan = None
            self._journal.leave(segment)

    def _complain(self, route: Route, reply: Reply) -> None:
        self._back_off(route, reply.retry_after_s)
        if reply.message != route.complaint:
            route.complaint = reply.message
            self._guard.warn("collector", f"{reply.message}; {self._journal.pending:,} calls wait")

    def _timeout_s(self) -> float:
        return max(_SHORTEST_WAIT_S, min(TIMEOUT_S, self._end_s - self._clock_s()))

    def _back_off(self, route: Route, retry_after_s: float) -> None:
        with self._lock:
            self._failures += 1
            longest_s = _HURRIED_WAIT_S if self._hurried else _LONGEST_WAIT_S
            route.put_off(self._clock_s(), longest_s, retry_after_s, self._chance())
            self._condition.notify_all()
