"""Work that takes longer than an answer may: a queue of jobs, and the thread that does them.

Each is kept before it waits, and whoever erases holds them all. What a collector left unfinished it
takes up again at its next start.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from headway_collector.errors import QueueFullError
from headway_collector.running import OutdatedError, Runner, Running, StoppedError, Work
from headway_collector.store.connections import Store
from headway_collector.store.jobs import (
    UNFINISHED,
    Job,
    JobPage,
    add_job,
    find_unfinished,
    list_jobs,
    read_job,
)
from headway_collector.store.paging import Page
from headway_collector.times import format_time
from headway_collector.writing import Writer

MOST_WAITING = 64
MOST_WAITING_OF_PROJECT = 16
"""So that who asks for much in one project leaves room for others; those of several share one."""

_log = logging.getLogger(__name__)


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
        self._running: Running | None = None
        self._holds = 0
        self._dropped: set[str] = set()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._runner = Runner(
            writer,
            works,
            clock_ns=clock_ns,
            lock=self._changed,
            closing=self._closing,
            dropped=self._dropped,
        )
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
            running = self._running
            if running is not None:
                running.stop_computing()
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
                running.stop_computing()
            waiting = next((each for each in self._waiting if each.job_id == job_id), None)
            if waiting is not None:
                job = replace(waiting, state="cancelled", ended_ns=self._clock_ns())
                self._writer.perform(lambda connection: self._runner.save(connection, job)).result()
                self._waiting.remove(waiting)
        return self._show(job)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no job read while the block runs; one that read before begins again after it."""
        with self._changed:
            self._holds += 1
            running = self._running
            if running is not None:
                running.is_outdated = True
                running.stop_computing()
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
                self._running = running = Running(job)
            try:
                self._runner.do(running)
            except StoppedError:
                return  # the collector ends, and the job is taken up again
            except OutdatedError:
                self._queue_again(job)
            except Exception as error:  # the thread must outlive every fault of a job
                _log.error("the end of a job cannot be kept", exc_info=error)
            finally:
                self._running = None

    def _queue_again(self, job: Job) -> None:
        with self._changed:
            if job.job_id not in self._dropped:
                self._waiting.appendleft(replace(job, state="queued", started_ns=None))
