"""Who a request is, found out before anything of it is read.

Nobody without a good key makes the collector read a body, look up a path or touch the database.
"""

from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from headway_collector.callers import Caller
from headway_collector.errors import RequestError

PUBLIC = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})
"""What is told to everyone: whether the collector lives, and what it could be asked."""

_CALLER = "headway.caller"


class Identifies(Protocol):
    """Whatever knows the keys."""

    def identify(self, authorization: str | None) -> Caller:
        """Return who came with this ``Authorization`` header, None where there was none.

        Raises:
            RequestError: nobody who may ask.
        """


class Gate:
    """Middleware that lets in whoever the keys know."""

    def __init__(self, app: ASGIApp, keyring: Identifies) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller, or answer it with the handler of refusals."""
        if scope["type"] == "http" and scope["path"] not in PUBLIC:
            try:
                authorization = Headers(scope=scope).get("authorization")
                scope[_CALLER] = self._keyring.identify(authorization)
            except RequestError as error:
                refuse = scope["app"].exception_handlers[RequestError]
                response = await refuse(Request(scope), error)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def caller_of(request: Request) -> Caller:
    """Return who the gate let in."""
    caller: Caller = request.scope[_CALLER]
    return caller


def caller_in(scope: Scope) -> Caller | None:
    """Return who the gate let in; None for what is told to everyone."""
    caller: Caller | None = scope.get(_CALLER)
    return caller
