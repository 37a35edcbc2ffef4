"""The one writer: a thread that commits what has gathered in its queue.

An answer leaves after its commit, never before. The writer also checkpoints, between commits,
because only it can know that no transaction is open.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb

from headway.records import IngestAnswer
from headway_collector.appending import Appender
from headway_collector.errors import (
    CheckpointPostponedError,
    RequestError,
    StoreUnavailableError,
)
from headway_collector.limits import MAX_REJECTS_BYTES
from headway_collector.pace import Pace
from headway_collector.queues import Job, Queue, Step, Task
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.late import LIMIT_BYTES, LateEvents, Reread
from headway_collector.store.memories import is_short_of_memory
from headway_collector.store.tombstones import Tombstones
from headway_collector.tallies import WriterTally

T = TypeVar("T")

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
        late = None if reread is None else self._make_late(reread)
        self._appender = Appender(late, self._limits.rejects_bytes)
        self._queue = Queue(self._limits.queued, self._limits.group_rows)
        self._find_lack = find_lack
        self.tally = WriterTally()
        self._at_work_since_s: float | None = None
        self._clock_ns = clock_ns
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
        self._queue.close()
        self._thread.join()

    @property
    def fault(self) -> str | None:
        """Why work is not taken at the moment, or None."""
        if not self._thread.is_alive():
            return "the writer is not running"
        if self._fault is not None:
            return self._fault
        if self._queue.is_closing:
            return "the collector is shutting down"
        if self._queue.is_full:
            return "the queue is full"
        waited_s = self.waited_s
        if waited_s > self._limits.stuck_s:
            return f"nothing was written for {waited_s:.0f} s, while work waits: is the disk stuck?"
        return self._find_lack()

    @property
    def queued(self) -> int:
        """How many batches and tasks wait."""
        return len(self._queue)

    @property
    def most_queued(self) -> int:
        """How many may."""
        return self._limits.queued

    @property
    def waited_s(self) -> float:
        """How long what waits longest has waited, or is being written."""
        moments = (self._at_work_since_s, self._queue.oldest_s)
        since_s = [moment_s for moment_s in moments if moment_s is not None]
        return time.monotonic() - min(since_s) if since_s else 0.0

    @property
    def tombstones(self) -> Tombstones:
        """What it refuses because it was erased; for tasks that erase."""
        return self._appender.tombstones

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
        return self._queue.put(batch, batch.row_count, size_bytes)

    def perform(self, task: Task[T], size_bytes: int = 0, row_count: int = 1) -> "Future[T]":
        """Queue a task that gets a transaction of its own.

        Args:
            task: what to do in it.
            size_bytes: about as much as it may write, so that checkpoints come in time.
            row_count: the same in rows.

        Raises:
            QueueFullError: too much waits already.
        """
        return self._queue.put(task, row_count, size_bytes)

    def perform_between(self, step: Callable[[], T]) -> "Future[T]":
        """Queue what has to be done in the writer's thread, while no transaction is open.

        Raises:
            QueueFullError: too much waits already.
        """
        return self._queue.put(Step(step), 1, 0)

    def _make_late(self, reread: Reread) -> LateEvents:
        patience_ns = int(self._limits.late_events_s * 1e9)
        return LateEvents(reread, patience_ns, self._limits.late_events_bytes)

    def _run(self) -> None:
        while True:
            group = self._queue.take(self._patience_s())
            self._pace.rest()
            if group:
                self._at_work_since_s = group[0].queued_s
                self._write(group)
                self._at_work_since_s = None
                self._pace.work()
                self._favour_writes()
            elif self._favours_writes and not self._queue.is_closing:
                self._favour_writes()
            else:
                self._checkpoint()
                if self._queue.is_closing and not len(self._queue):
                    return

    def _patience_s(self) -> float | None:
        if self._favours_writes:
            return _LULL_S
        if self._fault is not None:
            return self._limits.retry_s
        return self._limits.idle_s if self._rows_since_checkpoint else None

    def _write(self, group: list[Job], *, is_again: bool = False) -> None:
        if isinstance(group[0].work, Step):
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
                works = [job.work for job in group if not isinstance(job.work, Step)]
                results = self._perform(connection, works)
        except StoreUnavailableError as error:
            if is_short_of_memory(error) and not is_again:
                self._store.memory.note_shortage("a commit", error)
                with self._store.memory.widened(is_trimmed=False):
                    self._write(group, is_again=True)
                return
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
        return self._appender.append(connection, batches, self._clock_ns())

    def _count(self, group: list[Job], results: Sequence[Any], rows: int, began_s: float) -> None:
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
        is_too_soon = time.monotonic() < self._next_checkpoint_s and not self._queue.is_closing
        if not is_needed or is_too_soon:
            return
        began_s = time.monotonic()
        try:
            self._store.checkpoint()
        except CheckpointPostponedError:
            self._next_checkpoint_s = time.monotonic() + self._limits.retry_s
        except Exception as error:  # the thread must outlive every fault of the database
            _log.warning("the checkpoint failed, nothing is lost: %s", error)
            self.tally.checkpoint_failures += 1
            self._fault = str(error)
            self._next_checkpoint_s = time.monotonic() + self._limits.retry_s
            with suppress(Exception):  # then the next transaction tries again
                self._store.heal()
        else:
            self._fault = None
            self.tally.checkpoints += 1
            self.tally.checkpoint_s += time.monotonic() - began_s
            self._rows_since_checkpoint = self._bytes_since_checkpoint = 0


def _take_step(step: Step, future: "Future[Any]") -> None:
    try:
        result = step.run()
    except Exception as error:  # the thread must outlive every fault of a step
        future.set_exception(error)
    else:
        future.set_result(result)


def _fail(group: list[Job], error: Exception) -> None:
    for job in group:
        job.future.set_exception(error)
