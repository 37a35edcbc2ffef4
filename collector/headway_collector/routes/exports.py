"""``GET /v1/export``: rows of any filter as a file, streamed for as long as it takes."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway_collector.export_formats import MEDIA_TYPES
from headway_collector.exporting import ExportResponse
from headway_collector.routes.access import LARGE, REFUSALS, CollectorAccess, Reader
from headway_collector.schemas.exports import ExportQuery

router = APIRouter(tags=["exports"], responses=REFUSALS)

_BYTES = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/v1/export",
    response_class=Response,
    responses={
        200: {
            "description": "the file, in chunks; a message without its last chunk is no whole file",
            "content": {
                media_type.partition(";")[0]: _BYTES for media_type in MEDIA_TYPES.values()
            },
        },
        **LARGE,
    },
)
def get_export(
    collector: CollectorAccess, caller: Reader, query: Annotated[ExportQuery, Query()]
) -> Response:
    """Return every span, or every score, that passes the filters, in no order and without a cap."""
    selection = query.to_selection(collector.clock_ns(), caller)
    return ExportResponse(collector.store, collector.exports, selection, query.format)
