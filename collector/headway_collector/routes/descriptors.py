"""How far calls are described, and the describing of many at once, one chunk a request."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway_collector.routes.access import (
    BUSY,
    REFUSALS,
    Admin,
    CollectorAccess,
    Reader,
    answer_json,
)
from headway_collector.schemas.descriptors import DescribeQuery, Descriptors
from headway_collector.schemas.maintenance import ChunkDone
from headway_collector.schemas.queries import ProjectQuery
from headway_collector.store.audit import Act

router = APIRouter(tags=["descriptors"], responses=REFUSALS)


@router.get("/v1/descriptors", responses={200: {"model": Descriptors}})
def get_descriptors(
    collector: CollectorAccess, caller: Reader, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """Say how many calls are described, and how far behind their arrival that is."""
    projects = caller.narrow(query.project)
    return answer_json(collector.describer.tell(projects or None))


@router.post("/v1/describe", responses={200: {"model": ChunkDone}, **BUSY})
def describe(
    collector: CollectorAccess, caller: Admin, query: Annotated[DescribeQuery, Query()]
) -> Response:
    """Describe the next chunk of calls, those without descriptors of this version or all."""
    now_ns = collector.clock_ns()
    selection = query.to_selection(now_ns, caller)
    act = Act("calls.describe", caller, selection.project, now_ns)
    done = collector.describer.describe_chunk(selection, query.to_page(), is_all=query.all, act=act)
    return answer_json(done)
