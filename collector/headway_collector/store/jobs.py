"""Jobs as they are kept: what was asked, how far that came, and what came of it.

A row is replaced whole at every change. How far a running job is stands in memory alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import duckdb

from headway_collector.errors import NotFoundError
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page

State = Literal["queued", "running", "done", "failed", "cancelled"]
UNFINISHED: tuple[State, ...] = ("queued", "running")

KEPT_NS = 30 * 86_400 * 10**9
"""So long is a job kept that is over. What came of it, as a drift card, is kept by itself."""

MOST_KEPT = 1_000
"""So many of them of a project."""

_KEYSET = Keyset("jobs", "created_ns", ("job_id", "project"))


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work that takes longer than an answer may.

    Args:
        kind: such as ``drift``.
        request: what was asked, as JSON.
        result: what came of it, as JSON, once it is done.
        error: why it failed, in a sentence.
    """

    project: str
    job_id: str
    kind: str
    created_ns: int
    request: str
    state: State = "queued"
    started_ns: int | None = None
    ended_ns: int | None = None
    error: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of a listing, the newest job first."""

    jobs: list[Job]
    next_cursor: str | None


_COLUMNS = ", ".join(Job.__dataclass_fields__)


def save_job(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    """Write a job in place of what is known of it."""
    connection.execute("DELETE FROM store.jobs WHERE job_id = $1", [job.job_id])
    row = asdict(job)
    marks = ", ".join("?" * len(row))
    connection.execute(
        f"INSERT INTO store.jobs ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )


def add_job(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    """Write a new job, and forget those that are over for long."""
    save_job(connection, job)
    prune_jobs(connection, job.created_ns)


def prune_jobs(connection: duckdb.DuckDBPyConnection, now_ns: int) -> None:
    """Delete jobs that are over: long ago, or before so many others of their project."""
    marks = ", ".join("?" * len(UNFINISHED))
    connection.execute(
        f"""DELETE FROM store.jobs WHERE job_id IN (
            SELECT job_id FROM store.jobs WHERE state NOT IN ({marks})
            QUALIFY coalesce(ended_ns, created_ns) < ? OR row_number() OVER (
                PARTITION BY project ORDER BY created_ns DESC, job_id DESC) > ?)""",
        [*UNFINISHED, now_ns - KEPT_NS, MOST_KEPT],
    )


def list_jobs(store: Store, projects: Sequence[str], page: Page) -> JobPage:
    """Return one page of jobs, by the time when they were asked for."""
    conditions = Conditions()
    conditions.add_any_of("project", projects)
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.jobs {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return JobPage([_shape(row) for row in rows], _KEYSET.end(rows, page))


def read_job(store: Store, job_id: str, projects: Sequence[str] = ()) -> Job:
    """Return one job.

    Raises:
        NotFoundError: there is none of that id.
    """
    conditions = Conditions()
    conditions.add("job_id = ?", job_id)
    conditions.add_any_of("project", projects)
    rows = store.read(f"SELECT {_COLUMNS} FROM store.jobs {conditions.where}", conditions.values)
    if not rows:
        raise NotFoundError(f"there is no job {job_id[:80]!r}: GET /v1/jobs lists them")
    return _shape(rows[0])


def find_unfinished(store: Store) -> list[Job]:
    """Return the jobs that wait, or were cut off, in the order in which they came."""
    conditions = Conditions()
    conditions.add_any_of("state", UNFINISHED)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.jobs {conditions.where} ORDER BY created_ns, job_id",
        conditions.values,
    )
    return [_shape(row) for row in rows]


def _shape(row: dict[str, Any]) -> Job:
    return Job(**row)
