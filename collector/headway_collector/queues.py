"""What waits for the writer: batches and tasks in their order, as many as may wait.

While one commit runs, the next batches gather, so the group grows with the load and a commit is
paid once for many requests.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb

from headway_collector.errors import QueueFullError
from headway_collector.store.batches import Batch

T = TypeVar("T")
Task = Callable[[duckdb.DuckDBPyConnection], T]
"""What is done in a transaction of its own."""

_ENOUGH_ROWS = 4_000
_GATHER_S = 0.02
_PAUSE_S = 0.001


@dataclass(frozen=True, slots=True)
class Step:
    """What is done between two transactions."""

    run: Callable[[], Any]


Work = Batch | Task[Any] | Step


@dataclass(frozen=True, slots=True)
class Job:
    """A batch, a task or a step, and the future that its sender waits for."""

    work: Work
    row_count: int
    size_bytes: int
    future: "Future[Any]"
    queued_s: float


class Queue:
    """Jobs from any thread to one.

    Args:
        limit: how many may wait.
        group_rows: rows in one group; the batch that crosses it is still taken.
    """

    def __init__(self, limit: int, group_rows: int) -> None:
        self._limit = limit
        self._group_rows = group_rows
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self.is_closing = False

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return len(self._jobs) >= self._limit

    @property
    def oldest_s(self) -> float | None:
        """The monotonic time since which the first job waits; None where none does."""
        with suppress(IndexError):  # the thread has just taken it
            return self._jobs[0].queued_s
        return None

    def put(self, work: Work, row_count: int, size_bytes: int) -> "Future[Any]":
        """Add a job, and return the future of what comes of it.

        Raises:
            QueueFullError: too many wait already, or it is the end.
        """
        job = Job(work, row_count, size_bytes, Future(), time.monotonic())
        with self._changed:
            if self.is_closing:
                raise QueueFullError("the collector is shutting down: try again later")
            if self.is_full:
                raise QueueFullError(f"{len(self._jobs)} batches wait: try again later")
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def close(self) -> None:
        """Take no more; who waits for jobs wakes up."""
        with self._changed:
            self.is_closing = True
            self._changed.notify()

    def take(self, patience_s: float | None) -> list[Job]:
        """Wait for work; return batches for one commit, or one task or step, or none in time."""
        with self._changed:
            if not self._jobs and not self.is_closing:
                self._changed.wait(patience_s)
        self._gather()
        with self._changed:
            group: list[Job] = []
            rows = 0
            while self._jobs and rows < self._group_rows:
                is_alone = not isinstance(self._jobs[0].work, Batch)
                if is_alone and group:
                    break
                job = self._jobs.popleft()
                # From here on a sender that goes away no longer takes its batch with it.
                if job.future.set_running_or_notify_cancel():
                    group.append(job)
                    rows += job.row_count
                if is_alone:
                    break
            return group

    def _gather(self) -> None:
        # A commit costs about the same for one row as for a hundred: what is on its way is worth
        # a moment. Whoever sends alone waits for one pause.
        deadline_s = time.monotonic() + _GATHER_S
        count = 0
        while count < (now := len(self._jobs)) < self._limit and not self.is_closing:
            count = now
            rows = sum(job.row_count for job in tuple(self._jobs))
            if rows >= _ENOUGH_ROWS or time.monotonic() > deadline_s:
                return
            time.sleep(_PAUSE_S)
