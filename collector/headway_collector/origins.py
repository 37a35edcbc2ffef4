"""Whom a collector without keys answers on loopback: programs and pages of this machine.

Nobody else can reach it. A browser can, and takes any page along: every page may post to it, and
one whose own name comes to mean 127.0.0.1 (DNS rebinding) may read what it answers. But the browser
names the page, in ``Origin`` or in ``Host``. No page has a key, so with keys both are let be.
"""

import ipaddress
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from headway_collector.errors import ForeignOriginError, RequestError

_TELLING = (b"host", b"origin")
_SHOWN_CHARS = 80


class HasKeys(Protocol):
    """Whatever knows whether there are keys."""

    @property
    def has_keys(self) -> bool:
        """Whether a key was ever made."""


class LocalOrigins:
    """Middleware that refuses requests whose ``Host`` or ``Origin`` is not this machine.

    Args:
        keyring: once it has keys, everyone is let through to the gate.
    """

    def __init__(self, app: ASGIApp, keyring: HasKeys) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the application's handler of refusals."""
        if scope["type"] == "http" and not self._keyring.has_keys:
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
        "use http://127.0.0.1 or http://localhost, or make keys (`headway keys create`)"
    )
