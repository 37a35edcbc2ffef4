"""The one writer: a bounded queue, and a thread that commits what has gathered in it.

While one commit runs, the next batches gather, so the group grows with the load and a commit is
paid once for many requests. An answer leaves after its commit, never before. The writer also
checkpoints, between commits, because only it can know that no transaction is open.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb

from headway.records import IngestAnswer
from headway_collector.errors import (
    CheckpointPostponedError,
    QueueFullError,
    RequestError,
    StoreUnavailableError,
)
from headway_collector.limits import MAX_REJECTS_BYTES
from headway_collector.pace import Pace
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.late import LIMIT_BYTES, LateEvents, Reread
from headway_collector.store.rejects import RejectsBound
from headway_collector.store.replays import Replays
from headway_collector.store.tombstones import Tombstones
from headway_collector.store.writes import append_batches
from headway_collector.tallies import WriterTally

T = TypeVar("T")
Task = Callable[[duckdb.DuckDBPyConnection], T]

_ENOUGH_ROWS = 4_000
_GATHER_S = 0.02
_PAUSE_S = 0.001
_LULL_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the writer.

    Args:
        queued: batches and tasks that may wait.
        group_rows: rows in one commit; the batch that crosses it is still taken.
        checkpoint_rows: rows between checkpoints, under one row group of the store: past it a
            checkpoint costs three times as much.
        checkpoint_bytes: the same for records that are large.
        idle_s: how long nothing must arrive before what is left is checkpointed.
        retry_s: the pause after a checkpoint that failed.
        late_events_s: how long a log event waits for its span.
        late_events_bytes: how much of them may wait.
        rejects_bytes: how much is kept of what was refused in one project.
        stuck_s: how long work may wait before the writer counts as stuck.
    """

    queued: int = 4096
    group_rows: int = 5_000
    checkpoint_rows: int = 10_000
    checkpoint_bytes: int = 128 * 1024 * 1024
    idle_s: float = 30.0
    retry_s: float = 5.0
    late_events_s: float = 86_400.0
    late_events_bytes: int = LIMIT_BYTES
    rejects_bytes: int = MAX_REJECTS_BYTES
    stuck_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Step:
    """What is done between two transactions."""

    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class _Job:
    """A batch, a task or a step, and the future that its sender waits for."""

    work: Batch | Task[Any] | _Step
    row_count: int
    size_bytes: int
    future: "Future[Any]"
    queued_s: float


class Writer:
    """Writes to a store from one thread of its own.

    Args:
        store: nobody else may write to it.
        reread: maps a foreign span with more log events; None where no such events can come.
        clock_ns: the time that rows are stamped with.
        find_lack: why there is no room for new records, or None.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits | None = None,
        *,
        reread: Reread | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        find_lack: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._store = store
        self._limits = limits or Limits()
        patience_ns = int(self._limits.late_events_s * 1e9)
        self._late = (
            None
            if reread is None
            else LateEvents(reread, patience_ns, self._limits.late_events_bytes)
        )
        self._replays = Replays()
        self._rejects = RejectsBound(self._limits.rejects_bytes)
        self._find_lack = find_lack
        self.tally = WriterTally()
        self._at_work_since_s: float | None = None
        self._tombstones = Tombstones()
        self._clock_ns = clock_ns
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._fault: str | None = None
        self._rows_since_checkpoint = 0
        self._bytes_since_checkpoint = 0
        self._next_checkpoint_s = 0.0
        self._pace = Pace(time.monotonic)
        self._favours_writes = False
        self._listeners: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="headway-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Write what waits, checkpoint, and end the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    @property
    def fault(self) -> str | None:
        """Why work is not taken at the moment, or None."""
        if not self._thread.is_alive():
            return "the writer is not running"
        if self._fault is not None:
            return self._fault
        if self._is_closing:
            return "the collector is shutting down"
        if len(self._jobs) >= self._limits.queued:
            return "the queue is full"
        waited_s = self.waited_s
        if waited_s > self._limits.stuck_s:
            return f"nothing was written for {waited_s:.0f} s, while work waits: is the disk stuck?"
        return self._find_lack()

    @property
    def queued(self) -> int:
        """How many batches and tasks wait."""
        return len(self._jobs)

    @property
    def most_queued(self) -> int:
        """How many may."""
        return self._limits.queued

    @property
    def waited_s(self) -> float:
        """How long what waits longest has waited, or is being written."""
        since_s = [] if (at_work_s := self._at_work_since_s) is None else [at_work_s]
        with suppress(IndexError):  # the thread has just taken it
            since_s.append(self._jobs[0].queued_s)
        return time.monotonic() - min(since_s) if since_s else 0.0

    @property
    def tombstones(self) -> Tombstones:
        """What it refuses because it was erased; for tasks that erase."""
        return self._tombstones

    @property
    def is_busy(self) -> bool:
        """Whether rows stream in, so that other work should wait."""
        return self._pace.is_busy

    def call_after_commits(self, listener: Callable[[], None]) -> None:
        """Call it after each commit, in the writer's thread: it has to be quick."""
        self._listeners.append(listener)

    def append(self, batch: Batch, size_bytes: int = 0) -> "Future[IngestAnswer]":
        """Queue a batch; the future is done when it is on disk.

        Raises:
            QueueFullError: too much waits already.
            StoreUnavailableError: the disk has no room for it.
        """
        lack = self._find_lack()
        if lack is not None:
            raise StoreUnavailableError(lack)
        return self._queue(batch, batch.row_count, size_bytes)

    def perform(self, task: Task[T], size_bytes: int = 0, row_count: int = 1) -> "Future[T]":
        """Queue a task that gets a transaction of its own.

        Args:
            task: what to do in it.
            size_bytes: about as much as it may write, so that checkpoints come in time.
            row_count: the same in rows.

        Raises:
            QueueFullError: too much waits already.
        """
        return self._queue(task, row_count, size_bytes)

    def perform_between(self, step: Callable[[], T]) -> "Future[T]":
        """Queue what has to be done in the writer's thread, while no transaction is open.

        Raises:
            QueueFullError: too much waits already.
        """
        return self._queue(_Step(step), 1, 0)

    def _queue(
        self, work: Batch | Task[Any] | _Step, row_count: int, size_bytes: int
    ) -> "Future[Any]":
        job = _Job(work, row_count, size_bytes, Future(), time.monotonic())
        with self._changed:
            if self._is_closing:
                raise QueueFullError("the collector is shutting down: try again later")
            if len(self._jobs) >= self._limits.queued:
                raise QueueFullError(f"{len(self._jobs)} batches wait: try again later")
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def _run(self) -> None:
        while True:
            group = self._take()
            self._pace.rest()
            if group:
                self._at_work_since_s = group[0].queued_s
                self._write(group)
                self._at_work_since_s = None
                self._pace.work()
                self._favour_writes()
            elif self._favours_writes and not self._is_closing:
                self._favour_writes()
            else:
                self._checkpoint()
                if self._is_closing and not self._jobs:
                    return

    def _take(self) -> list[_Job]:
        """Wait for work; none means that it is quiet, and time to checkpoint."""
        with self._changed:
            if not self._jobs and not self._is_closing:
                self._changed.wait(self._patience_s())
        self._gather()
        with self._changed:
            group: list[_Job] = []
            rows = 0
            while self._jobs and rows < self._limits.group_rows:
                is_task = not isinstance(self._jobs[0].work, Batch)
                if is_task and group:
                    break
                job = self._jobs.popleft()
                # From here on a sender that goes away no longer takes its batch with it.
                if job.future.set_running_or_notify_cancel():
                    group.append(job)
                    rows += job.row_count
                if is_task:
                    break
            return group

    def _gather(self) -> None:
        # A commit costs about the same for one row as for a hundred: what is on its way is worth
        # a moment. Whoever sends alone waits for one pause.
        deadline_s = time.monotonic() + _GATHER_S
        count = 0
        while count < (now := len(self._jobs)) < self._limits.queued and not self._is_closing:
            count = now
            rows = sum(job.row_count for job in tuple(self._jobs))
            if rows >= _ENOUGH_ROWS or time.monotonic() > deadline_s:
                return
            time.sleep(_PAUSE_S)

    def _patience_s(self) -> float | None:
        if self._favours_writes:
            return _LULL_S
        if self._fault is not None:
            return self._limits.retry_s
        return self._limits.idle_s if self._rows_since_checkpoint else None

    def _write(self, group: list[_Job]) -> None:
        if isinstance(group[0].work, _Step):
            _take_step(group[0].work, group[0].future)
            return
        rows = sum(job.row_count for job in group)
        size_bytes = sum(job.size_bytes for job in group)
        if (
            self._rows_since_checkpoint + rows > self._limits.checkpoint_rows
            or self._bytes_since_checkpoint + size_bytes > self._limits.checkpoint_bytes
        ):
            self._checkpoint()
        began_s = time.monotonic()
        try:
            with self._store.transaction() as connection:
                works = [job.work for job in group if not isinstance(job.work, _Step)]
                results = self._perform(connection, works)
        except StoreUnavailableError as error:
            self.tally.commit_failures += 1
            self._fault = str(error)
            _fail(group, error)
        except Exception as error:  # the thread must outlive every fault of a batch
            if len(group) == 1:
                if not isinstance(error, RequestError):
                    _log.error("a batch cannot be stored", exc_info=error)
                _fail(group, error)
            else:
                for job in group:
                    self._write([job])
        else:
            self._fault = None
            self._rows_since_checkpoint += rows
            self._bytes_since_checkpoint += size_bytes
            self._count(group, results, rows, began_s)
            for job, result in zip(group, results, strict=True):
                job.future.set_result(result)
            for tell in self._listeners:
                tell()

    def _perform(
        self, connection: duckdb.DuckDBPyConnection, works: list[Batch | Task[Any]]
    ) -> list[Any]:
        batches = [work for work in works if isinstance(work, Batch)]
        if batches:
            return list(self.append_within(connection, batches))
        return [task(connection) for task in works if not isinstance(task, Batch)]

    def append_within(
        self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]
    ) -> list[IngestAnswer]:
        """Write batches as part of a task, in its transaction and in the writer's thread."""
        now_ns = self._clock_ns()
        batches = self._tombstones.refuse(connection, list(batches))
        answers = append_batches(connection, batches, now_ns, self._replays)
        self._rejects.hold(connection, batches, now_ns)
        if self._late is not None:
            pairs = zip(batches, answers, strict=True)
            fresh = [batch for batch, answer in pairs if not answer.is_replay]
            self._late.join(connection, fresh, now_ns)
        return answers

    def _count(self, group: list[_Job], results: Sequence[Any], rows: int, began_s: float) -> None:
        now_s = time.monotonic()
        self.tally.add_commit(rows, now_s - began_s, now_s)
        batches = [job.work for job in group if isinstance(job.work, Batch)]
        if batches:
            self.tally.add_answers(batches, results)

    def _favour_writes(self) -> None:
        if self._pace.is_busy != self._favours_writes:
            with suppress(StoreUnavailableError):  # the next transaction says so
                self._store.favour_writes(self._pace.is_busy)
                self._favours_writes = self._pace.is_busy

    def _checkpoint(self) -> None:
        is_needed = self._rows_since_checkpoint > 0 or self._fault is not None
        is_too_soon = time.monotonic() < self._next_checkpoint_s and not self._is_closing
        if not is_needed or is_too_soon:
            return
        began_s = time.monotonic()
        try:
            self._store.checkpoint()
        except CheckpointPostponedError:
            self._next_checkpoint_s = time.monotonic() + self._limits.retry_s
        except StoreUnavailableError as error:
            _log.warning("the checkpoint failed, nothing is lost: %s", error)
            self.tally.checkpoint_failures += 1
            self._fault = str(error)
            self._next_checkpoint_s = time.monotonic() + self._limits.retry_s
            with suppress(StoreUnavailableError):  # then the next transaction tries again
                self._store.heal()
        else:
            self._fault = None
            self.tally.checkpoints += 1
            self.tally.checkpoint_s += time.monotonic() - began_s
            self._rows_since_checkpoint = self._bytes_since_checkpoint = 0


def _take_step(step: _Step, future: "Future[Any]") -> None:
    try:
        result = step.run()
    except Exception as error:  # the thread must outlive every fault of a step
        future.set_exception(error)
    else:
        future.set_result(result)


def _fail(group: list[_Job], error: Exception) -> None:
    for job in group:
        job.future.set_exception(error)
