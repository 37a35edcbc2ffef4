"""Routes that read their requests themselves, and a shortcut to them.

FastAPI's own handling costs a request more than decoding a span and its share of a commit. Such a
route still stands in the schema, through what its ``openapi_extra`` says.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from headway.records import DEFAULT_PROJECT, PROJECT_HEADER
from headway_collector.budgets import Hold
from headway_collector.routes.access import Collector, check_project

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and nothing else, and gives back a response."""

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint as it is."""
        endpoint: Endpoint = self.endpoint
        return endpoint


class Shortcut:
    """Middleware that answers requests for direct routes without asking any other route.

    Args:
        app: answers all other requests, and all faults that have no handler.
        routers: whose direct routes they are.
    """

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        routes = [each for router in routers for each in router.routes]
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            (method, route.path): route.endpoint
            for route in routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        is_http = scope["type"] == "http"
        endpoint = self._endpoints.get((scope["method"], scope["path"])) if is_http else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Exception as error:
            handlers = scope["app"].exception_handlers
            kinds = type(error).__mro__[: -len(Exception.__mro__)]
            handler = next((handlers[kind] for kind in kinds if kind in handlers), None)
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)


def collector_of(request: Request) -> Collector:
    """Return the collector that the application serves."""
    collector: Collector = request.app.state.collector
    return collector


def project_of(request: Request) -> str:
    """Return the project that the header names.

    Raises:
        InvalidRequestError: the name is empty or far too long.
    """
    return check_project(request.headers.get(PROJECT_HEADER, DEFAULT_PROJECT))


async def read_body(request: Request, hold: Hold) -> bytes:
    """Return the body as it came, and hold as much memory.

    Raises:
        QueueFullError: other requests hold too much for that.
    """
    chunks = []
    async for chunk in request.stream():
        hold.grow(len(chunk))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def header(name: str, description: str) -> dict[str, Any]:
    """Return the declaration of a header for ``openapi_extra``."""
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }
