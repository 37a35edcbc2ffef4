"""What clients said they lost, so that a gap in the traffic is known to be one."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway_collector.routes.access import REFUSALS, CollectorAccess, Reader, answer_json
from headway_collector.schemas.answers import LossPage
from headway_collector.schemas.queries import LossListQuery
from headway_collector.store.losses import list_losses

router = APIRouter(tags=["losses"], responses=REFUSALS)


@router.get("/v1/losses", responses={200: {"model": LossPage}})
def get_losses(
    collector: CollectorAccess, caller: Reader, query: Annotated[LossListQuery, Query()]
) -> Response:
    """List what clients lost, page by page, the latest first, with the sums of all that match."""
    filters = query.to_filters(collector.clock_ns(), caller)
    return answer_json(list_losses(collector.store, filters, query.to_page()))
