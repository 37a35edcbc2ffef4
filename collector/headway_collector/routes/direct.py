"""Routes that read their requests themselves.

FastAPI's own handling costs a request more than decoding a span and its share of a commit. Such a
route still stands in the schema, through what its ``openapi_extra`` says.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from headway.records import DEFAULT_PROJECT, PROJECT_HEADER
from headway_collector.budgets import Hold
from headway_collector.errors import InvalidRequestError
from headway_collector.limits import MAX_NAME_CHARS
from headway_collector.routes.access import Collector


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and nothing else, and gives back a response."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint as it is."""
        return self.endpoint


def collector_of(request: Request) -> Collector:
    """Return the collector that the application serves."""
    collector: Collector = request.app.state.collector
    return collector


def project_of(request: Request) -> str:
    """Return the project that the header names.

    Raises:
        InvalidRequestError: the name is empty or far too long.
    """
    project = request.headers.get(PROJECT_HEADER, DEFAULT_PROJECT)
    if not 0 < len(project) <= MAX_NAME_CHARS:
        raise InvalidRequestError(
            f"{PROJECT_HEADER} has {len(project)} characters; 1 to {MAX_NAME_CHARS} are allowed"
        )
    return project


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
