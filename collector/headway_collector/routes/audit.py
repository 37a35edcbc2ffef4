"""What administrators did."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway_collector.routes.access import REFUSALS, Admin, CollectorAccess, answer_json
from headway_collector.schemas.keys import Audit, AuditQuery
from headway_collector.store.audit import list_actions

router = APIRouter(tags=["keys"], responses=REFUSALS)


@router.get("/v1/audit", responses={200: {"model": Audit}})
def get_audit(
    collector: CollectorAccess, caller: Admin, query: Annotated[AuditQuery, Query()]
) -> Response:
    """List what was done with keys of the scope admin, page by page, the latest first."""
    filters = query.to_filters(collector.clock_ns(), caller)
    return answer_json(list_actions(collector.store, filters, query.to_page()))
