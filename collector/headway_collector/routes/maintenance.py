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
from headway_collector.routes.access import BUSY, REFUSALS, Collector, CollectorAccess, answer_json
from headway_collector.schemas.maintenance import ChunkDone, RemapQuery, RepriceQuery

router = APIRouter(tags=["maintenance"], responses={200: {"model": ChunkDone}, **BUSY, **REFUSALS})


@router.post("/v1/remap")
async def remap(collector: CollectorAccess, query: Annotated[RemapQuery, Query()]) -> Response:
    """Map the next chunk of foreign spans again, from their originals."""
    task = partial(
        Remapper(collector.prices).remap,
        selection=query.to_selection(collector.clock_ns()),
        page=query.to_page(),
        is_all=query.all,
    )
    return await _perform(collector, task, query.limit, REMAPPED_BYTES)


@router.post("/v1/reprice")
async def reprice(collector: CollectorAccess, query: Annotated[RepriceQuery, Query()]) -> Response:
    """Give the next chunk of spans, other than those that reported theirs, the costs of today."""
    task = partial(
        Remapper(collector.prices).reprice,
        selection=query.to_selection(collector.clock_ns()),
        page=query.to_page(),
    )
    # It writes three narrow columns: a small part of what as many new rows are.
    return await _perform(collector, task, query.limit // 10, 0)


async def _perform(
    collector: Collector,
    task: Callable[[duckdb.DuckDBPyConnection], Progress],
    rows: int,
    size_bytes: int,
) -> Response:
    done = collector.writer.perform(task, size_bytes, rows)
    return answer_json(await asyncio.wrap_future(done))
