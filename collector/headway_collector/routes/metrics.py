"""``GET /metrics``: all that is counted, for Prometheus."""

from fastapi import APIRouter, Response

from headway_collector.routes.access import REFUSALS, CollectorAccess, Operator

# That of Prometheus' text format; whoever asks for OpenMetrics reads it too.
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["health"], responses=REFUSALS)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
def read_metrics(collector: CollectorAccess, caller: Operator) -> Response:
    """Return counters and gauges of the whole collector in Prometheus' text format."""
    return Response(collector.exposition.render(), media_type=_MEDIA_TYPE)
