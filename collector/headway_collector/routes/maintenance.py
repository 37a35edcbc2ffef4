"""Stored rows made anew, one chunk a request: by the mapping or by the prices of today.

A chunk is a task of the writer, committed before it is answered. Whoever asks comes back with the
cursor; between two chunks the writer takes what has gathered meanwhile.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated

import duckdb
from fastapi import APIRouter, Query, Response

from headway_collector.remapping import REMAPPED_BYTES, Progress, Remapper
from headway_collector.routes.access import (
    BUSY,
    REFUSALS,
    Admin,
    Collector,
    CollectorAccess,
    answer_json,
)
from headway_collector.schemas.maintenance import ChunkDone, RemapQuery, RepriceQuery
from headway_collector.store.audit import Act, save_act
from headway_collector.store.paging import Page

_Chunk = Callable[[duckdb.DuckDBPyConnection], Progress]

router = APIRouter(tags=["maintenance"], responses={200: {"model": ChunkDone}, **BUSY, **REFUSALS})


@router.post("/v1/remap")
async def remap(
    collector: CollectorAccess, caller: Admin, query: Annotated[RemapQuery, Query()]
) -> Response:
    """Map the next chunk of foreign spans again, from their originals."""
    now_ns, page = collector.clock_ns(), query.to_page()
    selection = query.to_selection(now_ns, caller)
    remap_chunk = partial(
        Remapper(collector.prices).remap, selection=selection, page=page, is_all=query.all
    )
    task = _note(remap_chunk, Act("spans.remap", caller, selection.project, now_ns), page)
    return await _perform(collector, task, query.limit, REMAPPED_BYTES)


@router.post("/v1/reprice")
async def reprice(
    collector: CollectorAccess, caller: Admin, query: Annotated[RepriceQuery, Query()]
) -> Response:
    """Give the next chunk of spans, other than those that reported theirs, the costs of today."""
    now_ns, page = collector.clock_ns(), query.to_page()
    selection = query.to_selection(now_ns, caller)
    reprice_chunk = partial(Remapper(collector.prices).reprice, selection=selection, page=page)
    task = _note(reprice_chunk, Act("spans.reprice", caller, selection.project, now_ns), page)
    # It writes three narrow columns: a small part of what as many new rows are.
    return await _perform(collector, task, query.limit // 10, 0)


def _note(task: _Chunk, act: Act, page: Page) -> _Chunk:
    """Have the audit say that a chunk was made anew; of those that change nothing the first."""

    def perform(connection: duckdb.DuckDBPyConnection) -> Progress:
        done = task(connection)
        if done.changed or page.cursor is None:
            save_act(connection, act, {"rows": done.rows, "changed": done.changed})
        return done

    return perform


async def _perform(
    collector: Collector,
    task: _Chunk,
    rows: int,
    size_bytes: int,
) -> Response:
    done = collector.writer.perform(task, size_bytes, rows)
    return answer_json(await asyncio.wrap_future(done))
