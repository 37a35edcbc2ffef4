"""``POST /v1/import``: rows of an export, back into the database."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import duckdb
from fastapi import APIRouter, Header, Query, Request, Response

from headway.records import BATCH_HEADER, PROJECT_HEADER, IngestAnswer, RejectedLine
from headway_collector.bodies import decompress
from headway_collector.budgets import Hold
from headway_collector.callers import Caller
from headway_collector.decoding import Reject
from headway_collector.errors import InvalidRequestError
from headway_collector.export_columns import What
from headway_collector.export_rows import Rows, decode_rows
from headway_collector.routes.access import (
    BUSY,
    REFUSALS,
    Admin,
    CollectorAccess,
    answer_json,
    check_name,
)
from headway_collector.routes.direct import read_body
from headway_collector.schemas.answers import Ingested
from headway_collector.schemas.exports import ImportQuery
from headway_collector.store.audit import save_action
from headway_collector.store.writes import SHOWN_ERRORS

MAX_BATCH_ID_CHARS = 120

router = APIRouter(tags=["exports"])


@router.post(
    "/v1/import",
    responses={200: {"model": Ingested, "description": "committed to disk"}, **REFUSALS, **BUSY},
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "lines of an export in JSONL; gzip and zstd are read",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    },
)
async def post_import(
    request: Request,
    collector: CollectorAccess,
    caller: Admin,
    query: Annotated[ImportQuery, Query()],
    project: Annotated[str | None, Header(alias=PROJECT_HEADER)] = None,
    batch_id: Annotated[str | None, Header(alias=BATCH_HEADER)] = None,
    encoding: Annotated[str, Header(alias="Content-Encoding")] = "",
) -> Response:
    """Store rows as they were, and answer once they are on disk; the arrival alone is another."""
    if project is not None:
        caller.check_project(check_name(project))
    if batch_id is not None and len(batch_id) > MAX_BATCH_ID_CHARS:
        raise InvalidRequestError(
            f"{BATCH_HEADER} has {len(batch_id)} characters; {MAX_BATCH_ID_CHARS} are allowed"
        )
    with collector.budget.hold() as hold:
        body = await read_body(request, hold)
        rows = await asyncio.get_running_loop().run_in_executor(
            collector.decoders,
            _decode,
            body,
            encoding,
            hold,
            query.what,
            project,
            batch_id or None,
            caller,
        )
        note = partial(_note, caller=caller, what=query.what, now_ns=collector.clock_ns())
        batches = [replace(each, note=partial(note, project=each.project)) for each in rows.batches]
        futures = [collector.writer.append(each, hold.size_bytes) for each in batches]
        answers = [await asyncio.wrap_future(future) for future in futures]
    return answer_json(_join(answers, rows.rejects))


def _decode(
    body: bytes,
    encoding: str,
    hold: Hold,
    what: What,
    project: str | None,
    batch_id: str | None,
    caller: Caller,
) -> Rows:
    return decode_rows(
        decompress(body, encoding, hold.grow),
        what,
        project=project,
        batch_id=batch_id,
        check_project=caller.check_project,
    )


def _note(
    connection: duckdb.DuckDBPyConnection,
    accepted: int,
    *,
    caller: Caller,
    project: str,
    what: What,
    now_ns: int,
) -> None:
    save_action(connection, "import", caller, project, {"what": what, "accepted": accepted}, now_ns)


def _join(answers: Sequence[IngestAnswer], rejects: Sequence[Reject]) -> IngestAnswer:
    errors = [error for answer in answers for error in answer.errors]
    errors += [RejectedLine(line=each.line, reason=each.reason) for each in rejects]
    return IngestAnswer(
        accepted=sum(answer.accepted for answer in answers),
        duplicates=sum(answer.duplicates for answer in answers),
        rejected=sum(answer.rejected for answer in answers) + len(rejects),
        is_replay=bool(answers) and all(answer.is_replay for answer in answers),
        errors=sorted(errors, key=lambda error: error.line)[:SHOWN_ERRORS],
    )
