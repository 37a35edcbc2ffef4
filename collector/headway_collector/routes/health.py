"""Whether the process lives, and whether it takes work."""

import time
from typing import Any

from fastapi import APIRouter, Response

from headway._version import __version__
from headway_collector.errors import StoreUnavailableError
from headway_collector.routes.access import REFUSALS, CollectorAccess, answer_json
from headway_collector.schemas.answers import Health, Ready

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", responses={200: {"model": Health}})
async def read_health(collector: CollectorAccess) -> Response:
    """Say that the process lives, and what it is called."""
    said: dict[str, Any] = {
        "status": "ok",
        "version": __version__,
        "label": collector.label,
        "uptime_s": round(time.monotonic() - collector.started_s, 3),
    }
    if not collector.keyring.has_keys:  # nobody needs a key for this, and it is of all projects
        said["ignored"] = collector.ignored
    return answer_json(said)


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={200: {"model": Ready}, 503: REFUSALS[503]})
async def read_readiness(collector: CollectorAccess) -> Response:
    """Say whether a batch that came now would be written."""
    fault = collector.writer.fault or collector.store.find_fault()
    if fault is None and collector.store.is_stopping:
        fault = "the collector is shutting down"
    if fault is not None:
        raise StoreUnavailableError(f"not ready: {fault}")
    return answer_json({"status": "ready"})
