"""Routes whose body is JSON: what it takes is held, and what is large is decoded in a thread.

FastAPI reads a body whole, parses it and checks it on the event loop, where a large one keeps all
others waiting for seconds.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from headway_collector.bodies import BODY_LIMIT_BYTES
from headway_collector.budgets import Hold
from headway_collector.errors import BodyTooLargeError
from headway_collector.piecewise import decode_pieces, find_lists
from headway_collector.routes.direct import collector_of

SMALL_LIMIT_BYTES = 1024 * 1024
"""Of a body that has no long list in it."""

MAX_VALUES = 2_000_000
"""Of a body of JSON: as objects, the smallest take forty times their bytes."""

# Of each value as an object, beside the bytes that it was read from. The most that one body can
# hold, with its bytes, is less than the whole budget.
_VALUE_BYTES = 64
# As many of these bytes as there are, so many values are in some JSON at most.
_MARKS = (b",", b"[", b"{")
# Below this, handing the body to a thread costs more than decoding it.
_INLINE_BYTES = 32 * 1024


class PostedRoute(APIRoute):
    """A route of FastAPI with a body of JSON, if any."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind a reader of our own."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        model: type[BaseModel] = self.body_field.field_info.annotation  # type: ignore[assignment]
        limit_bytes = BODY_LIMIT_BYTES if find_lists(model) else SMALL_LIMIT_BYTES

        async def read_and_handle(request: Request) -> Response:
            collector = collector_of(request)
            with collector.budget.hold() as hold:
                body = await _read(request, hold, limit_bytes)
                decoded: BaseModel | None = None
                if len(body) > _INLINE_BYTES and _is_json(request):
                    loop = asyncio.get_running_loop()
                    decoded = await loop.run_in_executor(
                        collector.decoders, decode_pieces, body, model, hold.grow
                    )
                return await handle(_ReadRequest(request, body, decoded))

        return read_and_handle


class _ReadRequest(Request):
    """A request whose body has been read, and made into its model where that was much work."""

    def __init__(self, request: Request, body: bytes, decoded: BaseModel | None) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body
        self._decoded = decoded

    async def json(self) -> Any:
        """Return the model, which FastAPI takes as it is, or else plain data."""
        return await super().json() if self._decoded is None else self._decoded


async def _read(request: Request, hold: Hold, limit_bytes: int) -> bytes:
    """Return the body, and hold what it and its values take.

    Raises:
        BodyTooLargeError: there is more of it than this path reads.
        QueueFullError: other requests hold too much for that.
    """
    chunks, size_bytes, values, is_json = [], 0, 0, _is_json(request)
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise BodyTooLargeError(
                f"the body is over {limit_bytes} bytes, the most that this path reads"
            )
        found = sum(map(chunk.count, _MARKS)) if is_json else 0
        values += found
        if values > MAX_VALUES:
            raise BodyTooLargeError(
                f"the body holds more than {MAX_VALUES} values: send fewer at a time"
            )
        hold.grow(len(chunk) + _VALUE_BYTES * found)
        chunks.append(chunk)
    return b"".join(chunks)


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # FastAPI takes a body without a type for JSON, too.
    return not media_type or media_type == "application/json" or media_type.endswith("+json")
