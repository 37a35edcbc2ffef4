"""One job from its beginning to its end: what it reads, what computes, and what is kept.

The jobs' thread reads from the store, a spawned process computes, and the writer keeps what came of
it together with the job's end. Another thread may cancel it at any moment, or have it begin again
where what it read is erased.
"""

import logging
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec

from headway.errors import HeadwayError
from headway_collector.errors import QueueFullError, StoreUnavailableError
from headway_collector.processes import Computation, Tell, explain_fault
from headway_collector.queues import Task
from headway_collector.store.jobs import Job, save_job
from headway_collector.writing import Writer

T = TypeVar("T")

_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What jobs of one kind do.

    Args:
        prepare: reads what is needed into the folder, in the jobs' thread.
        compute: names what computes there in a process of its own (`Computation`).
        keep: writes what came of it, in the writer's transaction, and returns the job's result.
    """

    prepare: Callable[[Job, Path, Tell], None]
    compute: str
    keep: Callable[[duckdb.DuckDBPyConnection, Job, Path], dict[str, Any]]


@dataclass(slots=True)
class Running:
    """A job that runs, how far it is, and what others want of it.

    Args:
        is_cancelled: it is to end, at somebody's request.
        is_outdated: it is to begin again, since something may be erased that it has read.
    """

    job: Job
    stage: str = ""
    done: int = 0
    total: int = 0
    computation: Computation | None = None
    is_cancelled: bool = False
    is_outdated: bool = False

    def stop_computing(self) -> None:
        """End the process, if there is one; for whoever has the lock."""
        if self.computation is not None:
            self.computation.kill()


class StoppedError(Exception):
    """The job was cancelled, or the collector ends."""


class OutdatedError(Exception):
    """Something was erased that the job may have read."""


class Runner:
    """What brings a job to its end.

    Args:
        writer: what keeps jobs and what came of them.
        works: what each kind does.
        clock_ns: the time of their ends.
        lock: held by whoever stops one, so that none slips between a look and a process.
        closing: set when the collector ends.
        dropped: the ids of those that were deleted, of which nothing is kept.
    """

    def __init__(
        self,
        writer: Writer,
        works: Mapping[str, Work],
        *,
        clock_ns: Callable[[], int],
        lock: threading.Condition,
        closing: threading.Event,
        dropped: Collection[str],
    ) -> None:
        self._writer = writer
        self._works = works
        self._clock_ns = clock_ns
        self._lock = lock
        self._closing = closing
        self._dropped = dropped

    def do(self, running: Running) -> None:
        """Do a job, and keep how it ended: done, failed or cancelled.

        Raises:
            StoppedError: the collector ends.
            OutdatedError: it is to be done again.
        """
        job, work = running.job, self._works[running.job.kind]
        try:
            self._perform(lambda connection: self.save(connection, job))
            with tempfile.TemporaryDirectory(prefix="headway-job-") as name:
                folder = Path(name)
                self._compute(running, work, folder)
                self._tell(running, "writing", 0, 0)
                if not self._perform(lambda connection: self._finish(connection, running, folder)):
                    raise OutdatedError
        except OutdatedError:
            raise
        except StoppedError:
            if not running.is_cancelled:
                raise
            ended = replace(job, state="cancelled", ended_ns=self._clock_ns())
        except StoreUnavailableError as error:
            # At its end a collector stops reads before it stops us.
            self._closing.wait(_AGAIN_S * 10)
            ended = self._fail(running, str(error))
        except HeadwayError as error:
            ended = self._fail(running, str(error))
        except Exception as error:
            _log.error("a job failed", exc_info=error)
            ended = self._fail(running, explain_fault(error))
        else:
            return
        self._perform(lambda connection: self.save(connection, ended))

    def _fail(self, running: Running, error: str) -> Job:
        """Return how a job ended that something put an end to, perhaps we ourselves."""
        ended_ns = self._clock_ns()
        if running.is_cancelled:
            return replace(running.job, state="cancelled", ended_ns=ended_ns)
        if self._closing.is_set():
            raise StoppedError
        if running.is_outdated:
            raise OutdatedError
        return replace(running.job, state="failed", ended_ns=ended_ns, error=error)

    def _compute(self, running: Running, work: Work, folder: Path) -> None:
        def tell(stage: str, done: int, total: int) -> None:
            self._tell(running, stage, done, total)

        tell("reading", 0, 0)
        work.prepare(running.job, folder, tell)
        with self._lock:
            self._check(running)
            running.stage, running.done, running.total = "starting", 0, 0
            running.computation = Computation(work.compute, folder)
            running.computation.start()
        running.computation.run(tell)

    def _tell(self, running: Running, stage: str, done: int, total: int) -> None:
        self._check(running)
        running.stage, running.done, running.total = stage, done, total

    def _check(self, running: Running) -> None:
        if running.is_cancelled or self._closing.is_set():
            raise StoppedError
        if running.is_outdated:
            raise OutdatedError

    def _finish(
        self, connection: duckdb.DuckDBPyConnection, running: Running, folder: Path
    ) -> bool:
        """Keep what came of a job, unless it was made of what is erased meanwhile."""
        job = running.job
        if running.is_cancelled:  # while this waited for the writer, or for room on the disk
            ended = replace(job, state="cancelled", ended_ns=self._clock_ns())
            self.save(connection, ended)
            return True
        if running.is_outdated:
            return False
        kept = self._works[job.kind].keep(connection, job, folder)
        result = msgspec.json.encode(kept).decode()
        ended_ns = self._clock_ns()
        save_job(connection, replace(job, state="done", ended_ns=ended_ns, result=result))
        return True

    def save(self, connection: duckdb.DuckDBPyConnection, job: Job) -> None:
        """Write a job in place of what is known of it, unless it was deleted."""
        if job.job_id not in self._dropped:
            save_job(connection, job)

    def _perform(self, task: Task[T]) -> T:
        """Write, and come back where the writer is behind or the disk full."""
        while True:
            try:
                return self._writer.perform(task).result()
            except (QueueFullError, StoreUnavailableError):
                if self._closing.wait(_AGAIN_S):
                    raise StoppedError from None
