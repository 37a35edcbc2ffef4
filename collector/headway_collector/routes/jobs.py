"""Jobs: what runs, what waits, what came of it, and an end to any of them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway_collector.routes.access import (
    NOT_FOUND,
    REFUSALS,
    CollectorAccess,
    Reader,
    answer_json,
)
from headway_collector.schemas.drift import JobShown, JobShownPage
from headway_collector.schemas.queries import PageQuery, ProjectQuery

router = APIRouter(tags=["jobs"], responses=REFUSALS)


@router.get("/v1/jobs", responses={200: {"model": JobShownPage}})
def get_jobs(
    collector: CollectorAccess, caller: Reader, query: Annotated[PageQuery, Query()]
) -> Response:
    """List jobs, page by page, the newest first."""
    return answer_json(collector.jobs.describe_page(caller.narrow(query.project), query.to_page()))


@router.get("/v1/jobs/{job_id}", responses={200: {"model": JobShown}, **NOT_FOUND})
def get_job(
    collector: CollectorAccess, caller: Reader, job_id: str, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """Return a job, how far it is, and what came of it."""
    return answer_json(collector.jobs.describe(job_id, caller.narrow(query.project)))


@router.delete("/v1/jobs/{job_id}", responses={200: {"model": JobShown}, **NOT_FOUND})
def delete_job(
    collector: CollectorAccess, caller: Reader, job_id: str, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """End a job that waits or runs; one that is over stays as it is."""
    return answer_json(collector.jobs.cancel(job_id, caller.narrow(query.project)))
