"""Keys made, listed and revoked by an administrator, of the projects that are its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Annotated, TypeVar

import duckdb
from fastapi import APIRouter, Query, Response

from headway_collector.granting import Granted, grant, revoke
from headway_collector.routes.access import (
    BUSY,
    NOT_FOUND,
    REFUSALS,
    Admin,
    Collector,
    CollectorAccess,
    answer_json,
)
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.keys import (
    KeyBody,
    KeyMade,
    Keys,
    KeyShown,
    show_key,
)
from headway_collector.schemas.queries import PageQuery
from headway_collector.store.keys import Key, list_keys

T = TypeVar("T")

router = APIRouter(tags=["keys"], responses=REFUSALS, route_class=PostedRoute)

# It is shown once, and should not lie in the cache of whoever passes it on.
_UNCACHED = {"Cache-Control": "no-store"}


@router.post("/v1/keys", status_code=201, responses={201: {"model": KeyMade}, **BUSY})
async def post_key(collector: CollectorAccess, caller: Admin, body: KeyBody) -> Response:
    """Make a key, and say it whole, this once."""
    now_ns = collector.clock_ns()
    task = partial(grant, wish=body.to_wish(now_ns), caller=caller, now_ns=now_ns)
    granted = await _perform(collector, task, _key_of)
    answer = answer_json({**show_key(granted.key, now_ns), "key": granted.text})
    answer.status_code = 201
    answer.headers.update(_UNCACHED)
    return answer


@router.get("/v1/keys", responses={200: {"model": Keys}})
def get_keys(
    collector: CollectorAccess, caller: Admin, query: Annotated[PageQuery, Query()]
) -> Response:
    """List the keys that are good for no other projects than the caller's, the newest first."""
    page = list_keys(collector.store, caller, caller.narrow(query.project), query.to_page())
    now_ns = collector.clock_ns()
    shown = [show_key(key, now_ns) for key in page.keys]
    return answer_json({"keys": shown, "next_cursor": page.next_cursor})


@router.delete("/v1/keys/{key_id}", responses={200: {"model": KeyShown}, **NOT_FOUND, **BUSY})
async def delete_key(collector: CollectorAccess, caller: Admin, key_id: str) -> Response:
    """Revoke a key at once and for ever; it stays in the list."""
    now_ns = collector.clock_ns()
    task = partial(revoke, key_id=key_id, caller=caller, now_ns=now_ns)
    key = await _perform(collector, task, lambda key: key)
    return answer_json(show_key(key, now_ns))


async def _perform(
    collector: Collector,
    task: Callable[[duckdb.DuckDBPyConnection], T],
    key_in: Callable[[T], Key],
) -> T:
    """Have it written; the keyring learns of it with the commit, whether we still wait or not."""

    def learn(done: "Future[T]") -> None:
        if not done.cancelled() and done.exception() is None:
            collector.keyring.put(key_in(done.result()))

    written = collector.writer.perform(task)
    written.add_done_callback(learn)
    return await asyncio.wrap_future(written)


def _key_of(granted: Granted) -> Key:
    return granted.key
