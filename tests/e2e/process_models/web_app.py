"""A web application that logs when it is imported, for each request, and until it is told to end.

``app`` speaks ASGI, ``application`` WSGI.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import headway
from tests.e2e.process_models.ledgers import call

call("import")


async def answer(request: Request) -> PlainTextResponse:
    call(request.url.path)
    return PlainTextResponse(str(os.getpid()))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    call("start")
    yield
    call("stop")
    await asyncio.to_thread(headway.flush)


app = Starlette(routes=[Route("/{path}", answer)], lifespan=lifespan)


def application(
    environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    call(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
