"""Whom a collector answers that listens on loopback: programs and pages of this machine.

It asks nobody for a key, since nobody else can reach it. A browser can, and takes any page along:
every page may post to it, and one whose own name comes to mean 127.0.0.1 (DNS rebinding) may read
what it answers. But the browser names the page, in ``Origin`` or in ``Host``.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from headway_collector.errors import ForeignOriginError, RequestError

_TELLING = (b"host", b"origin")
_SHOWN_CHARS = 80


class LocalOrigins:
    """Middleware that refuses requests whose ``Host`` or ``Origin`` is not this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the application's handler of refusals."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name in _TELLING and not _is_of_this_machine(value):
                    refuse = scope["app"].exception_handlers[RequestError]
                    error = ForeignOriginError(_explain(name, value))
                    response = await refuse(Request(scope), error)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the host's name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# Clients say the same few over and over; what browsers bring besides is not kept for long.
@lru_cache(maxsize=256)
def _is_of_this_machine(value: bytes) -> bool:
    text = value.decode("latin-1")
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError:
        return False
    host = host.removesuffix(".")
    # Whoever connects to "any address" reaches his own machine, and so do names below localhost.
    return is_loopback(host) or host in ("0.0.0.0", "::") or host.endswith(".localhost")


def _explain(name: bytes, value: bytes) -> str:
    shown = value.decode("latin-1")[:_SHOWN_CHARS]
    return (
        f"{name.decode().title()} is {shown!r}, and this collector answers its own machine alone: "
        "use http://127.0.0.1 or http://localhost, or start it with --insecure behind a proxy"
    )
