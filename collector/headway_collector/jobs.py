"""Work that takes longer than an answer may: one job at a time, in a thread and a process.

The thread reads from the store, a spawned process computes, and the writer keeps what came of it
together with the job's end. What a collector left unfinished it takes up again at its next start.
"""

import logging
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec

from headway.errors import HeadwayError
from headway_collector.errors import QueueFullError, StoreUnavailableError
from headway_collector.processes import Computation, Tell, explain_fault
from headway_collector.queues import Task
from headway_collector.store.connections import Store
from headway_collector.store.jobs import (
    UNFINISHED,
    Job,
    JobPage,
    add_job,
    find_unfinished,
    list_jobs,
    read_job,
    save_job,
)
from headway_collector.store.paging import Page
from headway_collector.times import format_time
from headway_collector.writing import Writer

T = TypeVar("T")

MOST_WAITING = 64
MOST_WAITING_OF_PROJECT = 16
"""So that who asks for much in one project leaves room for others; those of several share one."""

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
class _Running:
    job: Job
    stage: str = ""
    done: int = 0
    total: int = 0
    computation: Computation | None = None
    is_cancelled: bool = False
    is_outdated: bool = False


class _StoppedError(Exception):
    """The job was cancelled, or the collector ends."""


class _OutdatedError(Exception):
    """Something was erased that the job may have read."""


class Jobs:
    """The queue of jobs, and the thread that does them.

    Args:
        store: what they read.
        writer: what keeps them.
        works: what each kind does.
        clock_ns: the time of their beginnings and ends.
        make_id: gives them ids.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        works: Mapping[str, Work],
        *,
        clock_ns: Callable[[], int],
        make_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._writer = writer
        self._works = works
        self._clock_ns = clock_ns
        self._make_id = make_id
        self._waiting: deque[Job] = deque()
        self._running: _Running | None = None
        self._holds = 0
        self._dropped: set[str] = set()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headway-jobs", daemon=True)

    def start(self) -> None:
        """Start the thread, with what was left unfinished first."""
        unfinished = find_unfinished(self._store)
        self._waiting.extend(
            replace(job, state="queued", started_ns=None)
            for job in unfinished
            if job.kind in self._works
        )
        self._thread.start()

    def close(self) -> None:
        """End the thread; what is not done is taken up at the next start."""
        with self._changed:
            self._closing.set()
            self._stop_computing()
            self._changed.notify_all()
        self._thread.join()

    def submit(self, kind: str, project: str, request: Mapping[str, Any]) -> Job:
        """Queue a job, kept before this returns; the same request twice is one job.

        Raises:
            QueueFullError: too many wait already, or too many of the project.
        """
        asked = msgspec.json.encode(request, order="deterministic").decode()
        with self._changed:
            for job in self._find_live():
                if (job.kind, job.project, job.request) == (kind, project, asked):
                    return job
            if len(self._waiting) >= MOST_WAITING:
                raise QueueFullError(f"{len(self._waiting)} jobs wait: try again later")
            if sum(job.project == project for job in self._waiting) >= MOST_WAITING_OF_PROJECT:
                whose = f"of project {project}" if project else "of several projects"
                raise QueueFullError(
                    f"{MOST_WAITING_OF_PROJECT} jobs {whose} wait, the most: try again later"
                )
            job = Job(project, self._make_id(), kind, self._clock_ns(), asked)
            # Within the lock: who asks the same at this moment is told of a job that is kept.
            self._writer.perform(lambda connection: add_job(connection, job)).result()
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def cancel(self, job_id: str, projects: tuple[str, ...] = ()) -> dict[str, Any]:
        """End a job that waits or runs, and return it; one that is over stays as it is.

        Raises:
            NotFoundError: there is none of that id.
        """
        job = read_job(self._store, job_id, projects)
        with self._changed:
            running = self._running
            if running is not None and running.job.job_id == job_id:
                running.is_cancelled = True
                self._stop_computing()
            waiting = next((each for each in self._waiting if each.job_id == job_id), None)
            if waiting is not None:
                job = replace(waiting, state="cancelled", ended_ns=self._clock_ns())
                self._writer.perform(lambda connection: self._save(connection, job)).result()
                self._waiting.remove(waiting)
        return self._show(job)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no job read while the block runs; one that read before begins again after it."""
        with self._changed:
            self._holds += 1
            if self._running is not None:
                self._running.is_outdated = True
                self._stop_computing()
        try:
            yield
        finally:
            with self._changed:
                self._holds -= 1
                kept = [job for job in self._waiting if job.job_id not in self._dropped]
                self._waiting = deque(kept)
                self._changed.notify_all()

    def drop(self, job_ids: Collection[str]) -> None:
        """Keep nothing more of jobs that were deleted, while they are held; never waits."""
        # In the writer's thread, which whoever has the lock may be waiting for.
        self._dropped.update(job_ids)

    def describe(self, job_id: str, projects: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return a job in the shape of the API.

        Raises:
            NotFoundError: there is none of that id.
        """
        return self._show(read_job(self._store, job_id, projects))

    def describe_page(self, projects: tuple[str, ...], page: Page) -> dict[str, Any]:
        """Return a page of jobs in the shape of the API, the newest first."""
        found: JobPage = list_jobs(self._store, projects, page)
        jobs = [self._show(job) for job in found.jobs]
        return {"jobs": jobs, "next_cursor": found.next_cursor}

    def _find_live(self) -> list[Job]:
        running = self._running
        is_live = running is not None and not running.is_cancelled
        return [*([running.job] if running is not None and is_live else []), *self._waiting]

    def _stop_computing(self) -> None:
        if self._running is not None and self._running.computation is not None:
            self._running.computation.kill()

    def _show(self, job: Job) -> dict[str, Any]:
        live = self._running
        if live is None or live.job.job_id != job.job_id or job.state not in UNFINISHED:
            live = None
        else:
            job = replace(live.job, state="cancelled") if live.is_cancelled else live.job
        times = {"started_at": job.started_ns, "ended_at": job.ended_ns}
        return {
            "job_id": job.job_id,
            "project": job.project,
            "kind": job.kind,
            "state": job.state,
            "stage": live.stage if live else "",
            "done": live.done if live else 0,
            "total": live.total if live else 0,
            "created_at": format_time(job.created_ns),
            **{name: None if ns is None else format_time(ns) for name, ns in times.items()},
            "error": job.error,
            "result": None if job.result is None else msgspec.Raw(job.result.encode()),
        }

    def _run(self) -> None:
        while True:
            with self._changed:
                while (self._holds or not self._waiting) and not self._closing.is_set():
                    self._changed.wait()
                if self._closing.is_set():
                    return
                job = replace(self._waiting.popleft(), state="running", started_ns=self._clock_ns())
                self._running = running = _Running(job)
            try:
                self._do(running)
            except _StoppedError:
                return  # the collector ends, and the job is taken up again
            except _OutdatedError:
                self._queue_again(job)
            except Exception as error:  # the thread must outlive every fault of a job
                _log.error("the end of a job cannot be kept", exc_info=error)
            finally:
                self._running = None

    def _queue_again(self, job: Job) -> None:
        with self._changed:
            if job.job_id not in self._dropped:
                self._waiting.appendleft(replace(job, state="queued", started_ns=None))

    def _do(self, running: _Running) -> None:
        job, work = running.job, self._works[running.job.kind]
        try:
            self._perform(lambda connection: self._save(connection, job))
            with tempfile.TemporaryDirectory(prefix="headway-job-") as name:
                folder = Path(name)
                self._compute(running, work, folder)
                self._tell(running, "writing", 0, 0)
                if not self._perform(lambda connection: self._finish(connection, running, folder)):
                    raise _OutdatedError
        except _OutdatedError:
            raise
        except _StoppedError:
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
        self._perform(lambda connection: self._save(connection, ended))

    def _fail(self, running: _Running, error: str) -> Job:
        """Return how a job ended that something put an end to, perhaps we ourselves."""
        ended_ns = self._clock_ns()
        if running.is_cancelled:
            return replace(running.job, state="cancelled", ended_ns=ended_ns)
        if self._closing.is_set():
            raise _StoppedError
        if running.is_outdated:
            raise _OutdatedError
        return replace(running.job, state="failed", ended_ns=ended_ns, error=error)

    def _compute(self, running: _Running, work: Work, folder: Path) -> None:
        def tell(stage: str, done: int, total: int) -> None:
            self._tell(running, stage, done, total)

        tell("reading", 0, 0)
        work.prepare(running.job, folder, tell)
        with self._changed:
            self._check(running)
            running.stage, running.done, running.total = "starting", 0, 0
            running.computation = Computation(work.compute, folder)
            running.computation.start()
        running.computation.run(tell)

    def _tell(self, running: _Running, stage: str, done: int, total: int) -> None:
        self._check(running)
        running.stage, running.done, running.total = stage, done, total

    def _check(self, running: _Running) -> None:
        if running.is_cancelled or self._closing.is_set():
            raise _StoppedError
        if running.is_outdated:
            raise _OutdatedError

    def _finish(
        self, connection: duckdb.DuckDBPyConnection, running: _Running, folder: Path
    ) -> bool:
        """Keep what came of a job, unless it was made of what is erased meanwhile."""
        job = running.job
        if running.is_cancelled:  # while this waited for the writer, or for room on the disk
            ended = replace(job, state="cancelled", ended_ns=self._clock_ns())
            self._save(connection, ended)
            return True
        if running.is_outdated:
            return False
        kept = self._works[job.kind].keep(connection, job, folder)
        result = msgspec.json.encode(kept).decode()
        ended_ns = self._clock_ns()
        save_job(connection, replace(job, state="done", ended_ns=ended_ns, result=result))
        return True

    def _save(self, connection: duckdb.DuckDBPyConnection, job: Job) -> None:
        if job.job_id not in self._dropped:
            save_job(connection, job)

    def _perform(self, task: Task[T]) -> T:
        """Write, and come back where the writer is behind or the disk full."""
        while True:
            try:
                return self._writer.perform(task).result()
            except (QueueFullError, StoreUnavailableError):
                if self._closing.wait(_AGAIN_S):
                    raise _StoppedError from None
