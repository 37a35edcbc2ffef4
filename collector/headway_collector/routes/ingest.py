"""``POST /v1/ingest``: read, decode, queue, wait for the commit, answer."""

import asyncio

from fastapi import APIRouter, Request, Response

from headway.records import BATCH_HEADER, DEFAULT_PROJECT, PROJECT_HEADER
from headway_collector.bodies import decompress
from headway_collector.budgets import Hold
from headway_collector.decoding import decode_records
from headway_collector.errors import InvalidRequestError
from headway_collector.routes.access import BUSY, REFUSALS, Collector, answer_json
from headway_collector.routes.direct import (
    DirectRoute,
    collector_of,
    header,
    ingester_of,
    project_of,
    read_body,
)
from headway_collector.schemas.answers import Fault, Ingested
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.columns import build_ahead

MAX_BATCH_ID_CHARS = 128

# Below this, handing the body to a thread costs more than decoding it.
_INLINE_BYTES = 32 * 1024

router = APIRouter(tags=["ingest"], route_class=DirectRoute)


@router.post(
    "/v1/ingest",
    responses={
        200: {"model": Ingested, "description": "committed to disk"},
        400: {"model": Fault, "description": "no line of the body is JSON"},
        **BUSY,
        **REFUSALS,
    },
    openapi_extra={
        "parameters": [
            header(PROJECT_HEADER, f"of every record in the body; {DEFAULT_PROJECT} where missing"),
            header(BATCH_HEADER, "a second batch of the same id is answered as the first was"),
            header("Content-Encoding", "gzip or zstd"),
        ],
        "requestBody": {
            "required": True,
            "description": "one record a line; gzip and zstd are read",
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"type":"span","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",'
                    '"span_id":"00f067aa0ba902b7","name":"triage","kind":"llm",'
                    '"start_ns":1763800000000000000,"end_ns":1763800000412000000,'
                    '"input":"where is my parcel?","output":"delivery"}',
                }
            },
        },
    },
)
async def ingest(request: Request) -> Response:
    """Store a batch of spans, scores, prompts and losses, and answer once it is on disk."""
    collector = collector_of(request)
    project = project_of(request, ingester_of(request))
    batch_id = request.headers.get(BATCH_HEADER)
    encoding = request.headers.get("content-encoding", "")
    if batch_id is not None and len(batch_id) > MAX_BATCH_ID_CHARS:
        raise InvalidRequestError(
            f"{BATCH_HEADER} has {len(batch_id)} characters; {MAX_BATCH_ID_CHARS} are allowed"
        )
    with collector.budget.hold() as hold:
        body = await read_body(request, hold)
        arguments = (body, encoding, hold, collector, project, batch_id or None)
        if encoding or len(body) > _INLINE_BYTES:
            loop = asyncio.get_running_loop()
            batch = await loop.run_in_executor(collector.decoders, _make_batch, *arguments)
        else:
            batch = _make_batch(*arguments)
        answer = await asyncio.wrap_future(collector.writer.append(batch, hold.size_bytes))
    return answer_json(answer)


def _make_batch(
    body: bytes,
    encoding: str,
    hold: Hold,
    collector: Collector,
    project: str,
    batch_id: str | None,
) -> Batch:
    decoded = decode_records(decompress(body, encoding, hold.grow), collector.caps)
    derived = [Derived() for _ in decoded.spans]
    collector.prices.price(decoded.spans, derived)
    batch = Batch(
        project=project,
        batch_id=batch_id,
        spans=decoded.spans,
        derived=derived,
        scores=decoded.scores,
        prompts=decoded.prompts,
        rejects=decoded.rejects,
        losses=decoded.losses,
        span_lines=decoded.span_lines,
        score_lines=decoded.score_lines,
    )
    return build_ahead(batch)
