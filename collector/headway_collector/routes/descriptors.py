"""How far calls are described, and the describing of many at once, one chunk a request."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway_collector.routes.access import BUSY, REFUSALS, CollectorAccess, answer_json
from headway_collector.schemas.descriptors import DescribeQuery, Descriptors
from headway_collector.schemas.maintenance import ChunkDone

router = APIRouter(tags=["descriptors"], responses=REFUSALS)


@router.get("/v1/descriptors", responses={200: {"model": Descriptors}})
def get_descriptors(collector: CollectorAccess) -> Response:
    """Say how many calls are described, and how far behind their arrival that is."""
    return answer_json(collector.describer.tell())


@router.post("/v1/describe", responses={200: {"model": ChunkDone}, **BUSY})
def describe(collector: CollectorAccess, query: Annotated[DescribeQuery, Query()]) -> Response:
    """Describe the next chunk of calls, those without descriptors of this version or all."""
    selection = query.to_selection(collector.clock_ns())
    done = collector.describer.describe_chunk(selection, query.to_page(), is_all=query.all)
    return answer_json(done)
