"""Requests of httpx, requests and urllib3 that tell whose child they are.

The headers are on a request only while it travels: it is not changed for the program, and where it
is redirected the next host gets its own. What the program or OpenTelemetry has set stays.
``requests`` speaks through urllib3, which is where both are met.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from headway.instruments.patches import Patches
from headway.interruptions import is_from_handler
from headway.lifecycle import current_client
from headway.outgoing import headers_for
from headway.propagation import add_baggage

_TRACE = ("traceparent", "tracestate")


def install_httpx(patches: Patches) -> None:
    """Tell what httpx asks."""
    _install_httpx(patches, "httpx")


def install_httpx2(patches: Patches) -> None:
    """Tell what httpx2 asks, which newer clients of model providers are built on."""
    _install_httpx(patches, "httpx2")


def install_urllib3(patches: Patches) -> None:
    """Tell what urllib3 asks, and with it requests."""
    pools: Any = sys.modules["urllib3.connectionpool"]
    patches.wrap(pools.HTTPConnectionPool, "urlopen", _opening)


def _install_httpx(patches: Patches, name: str) -> None:
    httpx: Any = sys.modules[name]
    # Below what follows redirects, and above the transport, of which there are many.
    patches.wrap(httpx.Client, "_send_single_request", _sending)
    patches.wrap(httpx.AsyncClient, "_send_single_request", _sending_async)


def _sending(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(client: Any, request: Any) -> Any:
        with _stamped(request):
            return original(client, request)

    return send


def _sending_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def send(client: Any, request: Any) -> Any:
        with _stamped(request):
            return await original(client, request)

    return send


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    def urlopen(
        pool: Any,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *args: Any,
        **named: Any,
    ) -> Any:
        given = pool.headers if headers is None else headers
        added = _added(given or {}, lambda: _place_of(pool, url))
        if added:
            headers = _joined(given or {}, added)
        return original(pool, method, url, body, headers, *args, **named)

    return urlopen


@contextmanager
def _stamped(request: Any) -> Iterator[None]:
    url, before = request.url, request.headers
    added = _added(before, lambda: (url.scheme, url.host, url.port))
    if added:
        request.headers = type(before)(before)
        request.headers.update(added)
    try:
        yield
    finally:
        if added:
            request.headers = before


def _added(
    given: Mapping[Any, Any], place: Callable[[], tuple[str, str, int | None]]
) -> dict[str, str]:
    """Return the headers to set on a request; whatever goes wrong, it goes on without."""
    try:
        written = headers_for(*place())
        if not written:
            return written
        there = {_text(name).lower(): _text(value) for name, value in given.items()}
        if any(name in there for name in _TRACE):
            for name in _TRACE:
                written.pop(name, None)
        if "baggage" in written and "baggage" in there:
            written["baggage"] = add_baggage(there["baggage"], written["baggage"])
        return written
    except Exception as error:
        if is_from_handler(error):
            raise
        current_client().guard.catch("writing headers", error)
        return {}


def _place_of(pool: Any, url: str) -> tuple[str, str, int | None]:
    if url.startswith(("http://", "https://")):
        # The pool is that of a proxy.
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port
    return pool.scheme, pool.host, pool.port


def _joined(given: Any, added: dict[str, str]) -> Any:
    # Of whatever sort it is: a mapping with several values to a name keeps them.
    joined = given.copy() if hasattr(given, "copy") else dict(given)
    for name in [each for each in joined if _text(each).lower() in added]:
        del joined[name]
    joined.update(added)
    return joined


def _text(given: Any) -> str:
    return given.decode("latin-1") if isinstance(given, bytes) else str(given)
