"""Jobs: progress, an end by request, and no job lost with a process or a collector."""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headway_collector.errors import NotFoundError, QueueFullError, StoreUnavailableError
from headway_collector.jobs import MOST_WAITING, MOST_WAITING_OF_PROJECT, Jobs
from headway_collector.processes import Tell
from headway_collector.running import Work
from headway_collector.store.connections import Store
from headway_collector.store.jobs import KEPT_NS, MOST_KEPT, Job, prune_jobs, read_job, save_job
from headway_collector.store.paging import Page
from headway_collector.writing import Writer
from tests.collector.job_computations import GATE, RESULT

_COMPUTATIONS = "tests.collector.job_computations"
_KINDS = (
    "finish",
    "wait_at_gate",
    "die",
    "be_killed",
    "panic",
    "fill_the_disk",
    "want_memory",
    "refuse",
    "break_down",
    "say_limits",
)
_UNREADABLE, _UNWRITABLE = "unreadable", "unwritable"
_DEADLINE_S = 60.0


@dataclass
class Desk:
    """The jobs of a store, and the folders of those that began."""

    jobs: Jobs
    folders: dict[str, Path] = field(default_factory=dict)

    def ask(self, kind: str, project: str = "p", **request: Any) -> str:
        return self.jobs.submit(kind, project, request).job_id

    def wait(self, job_id: str, **wanted: Any) -> dict[str, Any]:
        """Return the job as it is once it has these values."""
        deadline_s = time.monotonic() + _DEADLINE_S
        pause = threading.Event()
        while time.monotonic() < deadline_s:
            job = self.jobs.describe(job_id)
            if wanted.items() <= job.items():
                return job
            pause.wait(0.01)
        raise AssertionError(f"{job} never had {wanted}")

    def open_gate(self, job_id: str) -> None:
        """Let the job go on; the writing end blocks until it waits there."""
        (self.folders[job_id] / GATE).write_text("go")


@contextmanager
def running(store: Store, writer: Writer | None = None) -> Iterator[Desk]:
    ids, times = itertools.count(1), itertools.count(1)
    writer = writer or Writer(store)
    folders: dict[str, Path] = {}

    def prepare(job: Job, folder: Path, tell: Tell) -> None:
        os.mkfifo(folder / GATE)
        folders[job.job_id] = folder

    def keep(connection: duckdb.DuckDBPyConnection, job: Job, folder: Path) -> dict[str, Any]:
        return {"said": (folder / RESULT).read_text()}

    def read_onto_a_full_disk(job: Job, folder: Path, tell: Tell) -> None:
        Path("/dev/full").write_text("rows")

    def refuse_to_keep(
        connection: duckdb.DuckDBPyConnection, job: Job, folder: Path
    ) -> dict[str, Any]:
        raise ValueError("no card")

    finish = f"{_COMPUTATIONS}:finish"
    jobs = Jobs(
        store,
        writer,
        {
            **{kind: Work(prepare, f"{_COMPUTATIONS}:{kind}", keep) for kind in _KINDS},
            _UNREADABLE: Work(read_onto_a_full_disk, finish, keep),
            _UNWRITABLE: Work(prepare, finish, refuse_to_keep),
        },
        clock_ns=lambda: next(times) * 1_000_000_000,
        make_id=lambda: f"job-{next(ids)}",
    )
    writer.start()
    jobs.start()
    try:
        yield Desk(jobs, folders)
    finally:
        jobs.close()
        writer.close()


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    with running(store) as desk:
        yield desk


def test_a_job_says_how_far_it_is_and_keeps_its_result(desk: Desk) -> None:
    job_id = desk.ask("wait_at_gate")

    first = desk.wait(job_id, state="running", stage="columns", done=1)
    desk.open_gate(job_id)
    second = desk.wait(job_id, state="running", stage="columns", done=2)
    desk.open_gate(job_id)
    done = desk.wait(job_id, state="done")

    assert (first["total"], second["total"]) == (3, 3)
    assert bytes(done["result"]) == b'{"said":"made"}'
    assert done["created_at"] < done["started_at"] < done["ended_at"]
    assert done["error"] is None


def test_a_running_job_is_cancelled_and_the_next_one_runs(desk: Desk) -> None:
    first, second = desk.ask("wait_at_gate"), desk.ask("finish")
    desk.wait(first, state="running", stage="columns")

    answered = desk.jobs.cancel(first)

    assert answered["state"] == "cancelled"
    desk.wait(second, state="done")
    ended = desk.jobs.describe(first)
    assert (ended["state"], ended["result"], ended["error"]) == ("cancelled", None, None)
    assert not desk.folders[first].exists()


def test_a_waiting_job_that_is_cancelled_never_begins(desk: Desk) -> None:
    first, second = desk.ask("wait_at_gate"), desk.ask("finish")
    desk.wait(first, stage="columns")

    assert desk.jobs.cancel(second)["state"] == "cancelled"

    desk.jobs.cancel(first)
    last = desk.ask("finish", again=True)
    desk.wait(last, state="done")
    assert second not in desk.folders
    assert desk.jobs.describe(second)["state"] == "cancelled"


def test_a_job_that_is_over_is_not_cancelled_any_more(desk: Desk) -> None:
    job_id = desk.ask("finish")
    desk.wait(job_id, state="done")

    assert desk.jobs.cancel(job_id)["state"] == "done"
    with pytest.raises(NotFoundError, match="there is no job 'other'"):
        desk.jobs.cancel("other")


def test_the_same_request_twice_is_one_job_until_it_is_over(desk: Desk) -> None:
    first = desk.ask("wait_at_gate", card_id="c")
    desk.wait(first, stage="columns")

    assert desk.ask("wait_at_gate", card_id="c") == first
    assert desk.ask("finish", card_id="c") != first
    desk.jobs.cancel(first)
    assert desk.ask("wait_at_gate", card_id="c") != first


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("die", "the process that computed ended with 9, perhaps for want of memory"),
        ("be_killed", "the process that computed ended with -9, perhaps for want of memory"),
        ("panic", "a fault in Headway (Panic: left is not right)"),
        ("fill_the_disk", "No space left on device): make room there, or set TMPDIR"),
        (_UNREADABLE, "No space left on device): make room there, or set TMPDIR"),
        (_UNWRITABLE, "a fault in Headway (ValueError: no card)"),
        ("want_memory", "there is not enough memory: narrow the windows"),
        ("refuse", "the windows are of another kind"),
        ("break_down", "a fault in Headway (ZeroDivisionError: nothing to divide by)"),
    ],
)
def test_a_job_that_fails_says_why_and_the_next_one_runs(
    desk: Desk, kind: str, reason: str
) -> None:
    failed = desk.wait(desk.ask(kind), state="failed")
    desk.wait(desk.ask("finish"), state="done")

    assert reason in failed["error"]


def test_a_process_computes_with_few_threads_and_gives_way_to_the_collector(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    done = desk.wait(desk.ask("say_limits"), state="done")

    assert bytes(done["result"]) == f'{{"said":"2 2 {min(19, os.nice(0) + 5)}"}}'.encode()


def test_a_job_that_a_collector_left_unfinished_is_taken_up_again(store: Store) -> None:
    with running(store) as desk:
        cut_off, waiting = desk.ask("wait_at_gate"), desk.ask("finish")
        desk.wait(cut_off, stage="columns")
    assert read_job(store, cut_off).state == "running"

    with running(store) as desk:
        desk.wait(cut_off, state="running", stage="columns")
        desk.open_gate(cut_off)
        desk.wait(cut_off, done=2)
        desk.open_gate(cut_off)

        desk.wait(cut_off, state="done")
        desk.wait(waiting, state="done")


def test_jobs_of_an_unknown_kind_are_left_alone(store: Store) -> None:
    with store.transaction() as connection:
        save_job(connection, Job("p", "newer", "of_tomorrow", 1, "{}"))

    with running(store) as desk:
        desk.wait(desk.ask("finish"), state="done")

    assert read_job(store, "newer").state == "queued"


def test_jobs_are_listed_by_project_the_newest_first(desk: Desk) -> None:
    ids = [desk.ask("finish", number=number) for number in range(3)]
    other = desk.jobs.submit("finish", "q", {}).job_id
    desk.wait(other, state="done")

    page = desk.jobs.describe_page(("p",), Page(2))
    rest = desk.jobs.describe_page(("p",), Page(2, page["next_cursor"]))

    listed = [job["job_id"] for job in page["jobs"] + rest["jobs"]]
    assert listed == ids[::-1]


def test_too_many_waiting_jobs_are_refused(desk: Desk) -> None:
    first = desk.ask("wait_at_gate")
    desk.wait(first, stage="columns")
    projects = [f"p{number // MOST_WAITING_OF_PROJECT}" for number in range(MOST_WAITING)]
    waiting = [desk.ask("finish", each, number=n) for n, each in enumerate(projects)]

    with pytest.raises(QueueFullError, match="64 jobs wait"):
        desk.ask("finish", "another", number=MOST_WAITING)
    assert desk.ask("finish", "p0", number=3) == waiting[3]


def test_the_jobs_of_one_project_leave_room_for_those_of_others(desk: Desk) -> None:
    first = desk.ask("wait_at_gate")
    desk.wait(first, stage="columns")
    for number in range(MOST_WAITING_OF_PROJECT):
        desk.ask("finish", "greedy", number=number)

    with pytest.raises(QueueFullError, match="16 jobs of project greedy wait"):
        desk.ask("finish", "greedy", number=MOST_WAITING_OF_PROJECT)
    assert desk.jobs.describe(desk.ask("finish", "modest"))["state"] == "queued"


def test_jobs_that_are_over_for_long_or_are_too_many_are_forgotten(
    store: Store, desk: Desk
) -> None:
    now_ns = 100 * KEPT_NS
    with store.transaction() as connection:
        for number in range(MOST_KEPT + 5):
            over = Job("p", f"j{number}", "drift", now_ns + number, "{}", "done", None, now_ns)
            save_job(connection, over)
        save_job(connection, Job("q", "lately", "drift", 1, "{}", "failed", 1, now_ns))
        save_job(connection, Job("q", "long-ago", "drift", 1, "{}", "cancelled", 1, 2))
        save_job(connection, Job("q", "waiting", "drift", 1, "{}"))
        prune_jobs(connection, now_ns + 5)

    left = {row["job_id"] for row in store.read("SELECT job_id FROM store.jobs")}
    assert left == {f"j{number}" for number in range(5, MOST_KEPT + 5)} | {"lately", "waiting"}


def test_old_jobs_are_forgotten_when_others_are_asked_for(store: Store) -> None:
    with store.transaction() as connection:
        save_job(connection, Job("p", "old", "drift", 1 - 2 * KEPT_NS, "{}", "done"))

    with running(store) as desk:
        desk.wait(desk.ask("finish"), state="done")

        with pytest.raises(NotFoundError):
            desk.jobs.describe("old")


class FullDisk(Writer):
    """A writer that cannot write for a while."""

    is_full = False

    def perform(self, *task: Any, **sizes: Any) -> Any:
        if self.is_full:
            raise StoreUnavailableError("the disk is full")
        return super().perform(*task, **sizes)


def test_a_job_that_cannot_be_cancelled_for_a_full_disk_still_runs(store: Store) -> None:
    writer = FullDisk(store)
    with running(store, writer) as desk:
        first, second = desk.ask("wait_at_gate"), desk.ask("finish")
        desk.wait(first, stage="columns")
        writer.is_full = True
        with pytest.raises(StoreUnavailableError):
            desk.jobs.cancel(second)
        with pytest.raises(StoreUnavailableError):
            desk.ask("finish", number=3)
        desk.jobs.cancel(first)
        writer.is_full = False

        desk.wait(first, state="cancelled")
        desk.wait(second, state="done")


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_what_was_computed_waits_for_room_and_can_be_cancelled(
    store: Store, is_cancelled: bool
) -> None:
    writer = FullDisk(store)
    with running(store, writer) as desk:
        job_id = desk.ask("wait_at_gate")
        desk.wait(job_id, done=1)
        desk.open_gate(job_id)
        desk.wait(job_id, done=2)
        writer.is_full = True
        desk.open_gate(job_id)
        desk.wait(job_id, state="running", stage="writing", result=None)
        if is_cancelled:
            desk.jobs.cancel(job_id)
        writer.is_full = False

        last = desk.ask("finish")
        desk.wait(last, state="done")
        ended = desk.jobs.describe(job_id)

    assert ended["state"] == ("cancelled" if is_cancelled else "done")
    assert (ended["result"] is None) == is_cancelled
