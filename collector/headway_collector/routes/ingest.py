"""``POST /v1/ingest``: read, decode, queue, wait for the commit, answer."""

import asyncio
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Request, Response

from headway.records import BATCH_HEADER
from headway_collector.bodies import decompress
from headway_collector.budgets import Hold
from headway_collector.decoding import decode_records
from headway_collector.errors import InvalidRequestError
from headway_collector.pricing import price_spans
from headway_collector.routes.access import (
    BUSY,
    REFUSALS,
    CollectorAccess,
    ProjectHeader,
    answer_json,
)
from headway_collector.schemas.answers import Fault, Ingested
from headway_collector.store.batches import Batch

MAX_BATCH_ID_CHARS = 128

# Below this, handing the body to a thread costs more than decoding it.
_INLINE_BYTES = 32 * 1024

router = APIRouter(tags=["ingest"])


@router.post(
    "/v1/ingest",
    responses={
        200: {"model": Ingested, "description": "committed to disk"},
        400: {"model": Fault, "description": "no line of the body is JSON"},
        **BUSY,
        **REFUSALS,
    },
    openapi_extra={
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
        }
    },
)
async def ingest(
    request: Request,
    collector: CollectorAccess,
    project: ProjectHeader,
    batch_id: Annotated[str | None, Header(alias=BATCH_HEADER)] = None,
    content_encoding: Annotated[str, Header()] = "",
) -> Response:
    """Store a batch of spans, scores and losses, and answer once it is on disk."""
    if batch_id is not None and len(batch_id) > MAX_BATCH_ID_CHARS:
        raise InvalidRequestError(
            f"{BATCH_HEADER} has {len(batch_id)} characters; {MAX_BATCH_ID_CHARS} are allowed"
        )
    with collector.budget.hold() as hold:
        body = await _read_body(request, hold)
        arguments = (body, content_encoding, hold, project, batch_id or None)
        if content_encoding or len(body) > _INLINE_BYTES:
            batch = await anyio.to_thread.run_sync(
                _make_batch, *arguments, limiter=collector.decoders
            )
        else:
            batch = _make_batch(*arguments)
        answer = await asyncio.wrap_future(collector.writer.append(batch, hold.size_bytes))
    return answer_json(answer)


async def _read_body(request: Request, hold: Hold) -> bytes:
    chunks = []
    async for chunk in request.stream():
        hold.grow(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _make_batch(
    body: bytes, encoding: str, hold: Hold, project: str, batch_id: str | None
) -> Batch:
    plain = decompress(body, encoding)
    if plain is not body:
        hold.grow(len(plain))
    decoded = decode_records(plain)
    return Batch(
        project=project,
        batch_id=batch_id,
        spans=decoded.spans,
        derived=price_spans(decoded.spans),
        scores=decoded.scores,
        rejects=decoded.rejects,
        losses=decoded.losses,
    )
