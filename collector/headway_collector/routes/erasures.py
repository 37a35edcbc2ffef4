"""Erasures: asked for, and their receipts."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway_collector.routes.access import (
    BUSY,
    NOT_FOUND,
    REFUSALS,
    Admin,
    CollectorAccess,
    ProjectHeader,
    answer_json,
)
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.life_cycle import Erasure, ErasureBody, Erasures
from headway_collector.schemas.queries import PageQuery, ProjectQuery
from headway_collector.store.receipts import list_receipts, read_receipt
from headway_collector.store.targets import Target

router = APIRouter(tags=["erasures"], responses=REFUSALS, route_class=PostedRoute)


# Not async: it waits for the describer and the writer, in a thread of its own.
@router.post("/v1/erasures", responses={200: {"model": Erasure}, **BUSY})
def post_erasure(
    collector: CollectorAccess, caller: Admin, project: ProjectHeader, body: ErasureBody
) -> Response:
    """Erase a user, a session or a trace from every read, and answer with the receipt."""
    receipt = collector.eraser.erase(Target(project, body.kind, body.id), caller)
    if body.now:
        collector.housekeeper.ask_for_rewrite()
    return answer_json(receipt)


@router.get("/v1/erasures", responses={200: {"model": Erasures}})
def get_erasures(
    collector: CollectorAccess, caller: Admin, query: Annotated[PageQuery, Query()]
) -> Response:
    """List receipts, page by page, the newest first."""
    projects = caller.narrow(query.project)
    return answer_json(list_receipts(collector.store, projects, query.to_page()))


@router.get("/v1/erasures/{receipt_id}", responses={200: {"model": Erasure}, **NOT_FOUND})
def get_erasure(
    collector: CollectorAccess,
    caller: Admin,
    receipt_id: str,
    query: Annotated[ProjectQuery, Query()],
) -> Response:
    """Return a receipt, and whether the bytes have left the file."""
    return answer_json(read_receipt(collector.store, receipt_id, caller.narrow(query.project)))
