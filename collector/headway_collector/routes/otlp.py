"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``, in protobuf and JSON.

Each answers after the commit, in the encoding of its request.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from headway.records import PROJECT_HEADER, IngestAnswer
from headway_collector.bodies import decompress
from headway_collector.dialects.evaluations import EVALUATION_EVENT
from headway_collector.errors import UnsupportedMediaError
from headway_collector.exports import Export, export_logs, export_metrics
from headway_collector.otlp import json_bodies, protobufs
from headway_collector.otlp.answers import (
    JSON,
    PROTOBUF,
    MediaType,
    Outcome,
    Signal,
    encode_outcome,
    find_media_type,
    join_reasons,
)
from headway_collector.routes.access import Collector
from headway_collector.routes.direct import (
    DirectRoute,
    collector_of,
    header,
    ingester_of,
    project_of,
    read_body,
)
from headway_collector.store.calls import find_calls
from headway_collector.store.sieves import REASON

Reader = Callable[[bytes, MediaType, str | None, Collector], Export]

# Below this, handing the body to a thread costs more than reading it.
_INLINE_BYTES = 16 * 1024
# For these the store may have to be asked, which the event loop cannot wait for.
_EVALUATION = EVALUATION_EVENT.encode()

_BODIES = {PROTOBUF: protobufs, JSON: json_bodies}
_EITHER: dict[str, Any] = {PROTOBUF: {}, JSON: {}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "on disk; partial_success names what is not", "content": _EITHER},
    "default": {
        "description": "google.rpc.Status; 429 and 503 come with Retry-After",
        "content": _EITHER,
    },
}
_REQUEST: dict[str, Any] = {
    "parameters": [
        header(PROJECT_HEADER, "of all that is sent; where missing, each resource names its own"),
        header("Content-Encoding", "gzip or zstd"),
    ],
    "requestBody": {
        "required": True,
        "description": "an OTLP export; gzip and zstd are read",
        "content": _EITHER,
    },
}

router = APIRouter(tags=["otlp"], route_class=DirectRoute)


@router.post("/v1/traces", responses=_RESPONSES, openapi_extra=_REQUEST)
async def take_traces(request: Request) -> Response:
    """Store spans of any instrumentation as canonical spans, and answer once they are on disk."""
    return await _export(request, "traces", _read_traces)


@router.post("/v1/logs", responses=_RESPONSES, openapi_extra=_REQUEST)
async def take_logs(request: Request) -> Response:
    """Join GenAI events to their spans, whichever comes first; other log records are not kept."""
    return await _export(request, "logs", _read_logs)


@router.post("/v1/metrics", responses=_RESPONSES, openapi_extra=_REQUEST)
async def take_metrics(request: Request) -> Response:
    """Take metrics without keeping them: ``GET /v1/metrics`` computes its own from the spans."""
    return await _export(request, "metrics", _read_metrics)


async def _export(request: Request, signal: Signal, read: Reader) -> Response:
    collector, caller = collector_of(request), ingester_of(request)
    content_type = request.headers.get("content-type", "")
    media_type = find_media_type(content_type)
    if media_type is None:
        raise UnsupportedMediaError(
            f"Content-Type is {content_type!r}; this path reads {PROTOBUF} and {JSON}"
        )
    # A key of one project says where all belongs; else each resource names its own.
    is_named = PROJECT_HEADER in request.headers or caller.has_one_project
    project = project_of(request, caller) if is_named else None
    encoding = request.headers.get("content-encoding", "")
    with collector.budget.hold() as hold:
        body = await read_body(request, hold)

        def make_export() -> Export:
            plain = decompress(body, encoding, hold.grow)
            return read(plain, media_type, project, collector)

        is_long = encoding or len(body) > _INLINE_BYTES
        if is_long or (signal == "logs" and _EVALUATION in body):
            loop = asyncio.get_running_loop()
            export = await loop.run_in_executor(collector.decoders, make_export)
        else:
            export = make_export()
        for batch in export.batches:
            caller.check_project(batch.project)
        # All are queued before the first is waited for, so that one commit may take them all.
        share = hold.size_bytes // max(1, len(export.batches))
        commits = [collector.writer.append(batch, share) for batch in export.batches]
        answers = await asyncio.gather(*map(asyncio.wrap_future, commits))
    collector.ignored.add(export.ignored)
    outcome = _count_erased(export, answers)
    return Response(encode_outcome(signal, media_type, outcome), media_type=media_type)


def _count_erased(export: Export, answers: Sequence[IngestAnswer]) -> Outcome:
    """Return the outcome with those that only the writer knew to be erased."""
    known = sum(reject.count for batch in export.batches for reject in batch.rejects)
    erased = sum(answer.rejected for answer in answers) - known
    if erased <= 0:
        return export.outcome
    # What a span carries is erased with it, and is no item of the request.
    items = sum(batch.span_count + len(batch.logs) for batch in export.batches)
    message = join_reasons([each for each in (export.outcome.message, REASON) if each])
    return Outcome(export.outcome.rejected + min(erased, items or erased), message)


def _read_traces(
    body: bytes, media_type: MediaType, project: str | None, collector: Collector
) -> Export:
    return collector.mappers.export(_BODIES[media_type].read_spans, body, project)


def _read_logs(
    body: bytes, media_type: MediaType, project: str | None, collector: Collector
) -> Export:
    telemetry = _BODIES[media_type].read_logs(body)
    find = partial(find_calls, collector.store)
    return export_logs(telemetry, project, collector.clock_ns(), find)


def _read_metrics(
    body: bytes, media_type: MediaType, project: str | None, collector: Collector
) -> Export:
    return export_metrics(_BODIES[media_type].count_points(body))
