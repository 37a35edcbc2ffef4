"""Routes that read their requests themselves, and an application that asks them first.

FastAPI's own handling costs a request more than decoding a span and its share of a commit. Such a
route still stands in the schema, through what its ``openapi_extra`` says.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway.records import PROJECT_HEADER
from headway_collector.budgets import Hold
from headway_collector.callers import Caller
from headway_collector.gates import caller_of
from headway_collector.routes.access import Collector, choose_project

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and nothing else, and gives back a response."""

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint as it is."""
        endpoint: Endpoint = self.endpoint
        return endpoint


class DirectRoutes:
    """An application of direct routes alone.

    Args:
        routers: whose direct routes they are.
    """

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        routes = [each for router in routers for each in router.routes]
        self._routes: dict[tuple[str, str], DirectRoute] = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    def take(self, scope: Scope) -> bool:
        """Whether the request is for one of them."""
        return scope["type"] == "http" and (scope["method"], scope["path"]) in self._routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; a fault is answered by the handlers of the whole application."""
        request = Request(scope, receive)
        route = scope["route"] = self._routes[scope["method"], scope["path"]]
        try:
            response = await route.endpoint(request)
        except Exception as error:
            handlers = scope["app"].exception_handlers
            handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
            response = await handler(request, error)
        await response(scope, receive, send)


class DirectApp(FastAPI):
    """An application that answers requests for its direct routes before all else."""

    _direct: DirectRoutes
    _entrance: ASGIApp

    def put_first(
        self, routers: Iterable[APIRouter], layers: Iterable[Callable[[ASGIApp], ASGIApp]]
    ) -> None:
        """Take the direct routes of these routers; the last layer sees a request first."""
        self._direct = DirectRoutes(routers)
        self._entrance = self._direct
        for layer in layers:
            self._entrance = layer(self._entrance)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if self._direct.take(scope):
            scope["app"] = self
            await self._entrance(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_whole = False

        async def watch(message: Message) -> None:
            nonlocal is_whole
            await send(message)
            is_body = message["type"] == "http.response.body"
            is_whole = is_body and not message.get("more_body", False)

        try:
            await super().__call__(scope, receive, watch)
        except Exception:
            # Starlette answers and logs a fault of ours, and raises it all the same; the server
            # would log it once more and cut a connection on which the next request may be coming.
            if not is_whole:
                raise


def collector_of(request: Request) -> Collector:
    """Return the collector that the application serves."""
    collector: Collector = request.app.state.collector
    return collector


def ingester_of(request: Request) -> Caller:
    """Return who posts what it logged.

    Raises:
        ForbiddenError: its key is not for that.
    """
    caller = caller_of(request)
    caller.check_scope("ingest")
    return caller


def project_of(request: Request, caller: Caller) -> str:
    """Return the project that the header names, or else the caller's.

    Raises:
        InvalidRequestError: the name is empty or far too long.
        ForbiddenError: the project is not the caller's.
    """
    return choose_project(caller, request.headers.get(PROJECT_HEADER))


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
