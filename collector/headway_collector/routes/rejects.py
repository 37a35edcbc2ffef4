"""What was refused, with its reasons, and a way to replay it once its cause is mended."""

import asyncio
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Response

from headway_collector.replaying import Replayer, make_task
from headway_collector.routes.access import (
    BUSY,
    NOT_FOUND,
    REFUSALS,
    Admin,
    CollectorAccess,
    Reader,
    answer_json,
)
from headway_collector.schemas.queries import ProjectQuery
from headway_collector.schemas.rejects import (
    Reject,
    RejectListQuery,
    RejectPage,
    ReplayDone,
    ReplayQuery,
)
from headway_collector.store.calls import find_calls
from headway_collector.store.rejects import list_rejects, read_chunk, read_reject

router = APIRouter(tags=["rejects"], responses=REFUSALS)


@router.get("/v1/rejects", responses={200: {"model": RejectPage}})
def get_rejects(
    collector: CollectorAccess, caller: Reader, query: Annotated[RejectListQuery, Query()]
) -> Response:
    """List what was refused, page by page, the latest first."""
    filters = query.to_filters(collector.clock_ns(), caller)
    return answer_json(list_rejects(collector.store, filters, query.to_page()))


@router.get("/v1/rejects/{reject_id}", responses={200: {"model": Reject}, **NOT_FOUND})
def get_reject(
    collector: CollectorAccess,
    caller: Reader,
    reject_id: str,
    query: Annotated[ProjectQuery, Query()],
) -> Response:
    """Return one reject with all of its bytes that were kept."""
    return answer_json(read_reject(collector.store, reject_id, caller.narrow(query.project)))


@router.post("/v1/rejects/replay", responses={200: {"model": ReplayDone}, **BUSY})
async def replay(
    collector: CollectorAccess, caller: Admin, query: Annotated[ReplayQuery, Query()]
) -> Response:
    """Read the next chunk of rejects again; what lands is stored, and no longer a reject."""
    now_ns = collector.clock_ns()
    filters = query.to_filters(now_ns, caller)
    find = partial(find_calls, collector.store)
    replayer = Replayer(collector.prices, find, collector.caps)
    chunk = await anyio.to_thread.run_sync(read_chunk, collector.store, filters, query.to_page())
    loop = asyncio.get_running_loop()
    reread = await loop.run_in_executor(collector.decoders, replayer.reread, chunk.rejects)
    task = make_task(
        chunk.rejects,
        reread,
        append=collector.writer.append_within,
        caller=caller,
        cursor=chunk.cursor,
        time_ns=now_ns,
    )
    size_bytes = sum(len(each.raw) for each in chunk.rejects)
    done = collector.writer.perform(task, size_bytes, max(1, len(chunk.rejects)))
    return answer_json(await asyncio.wrap_future(done))
