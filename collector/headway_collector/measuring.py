"""What is counted of requests: how many, how long, how many bytes, and what was refused.

A layer around the whole application, in the one thread of the event loop, so that adding needs no
lock. Labels are templates of routes and never paths, methods and statuses that HTTP knows, and the
codes of our own errors: nobody who asks can make more of them.
"""

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram; whatever takes longer is in none of them."""

UNKNOWN_ROUTE = "unknown"
CODE = "headway.code"
"""Where in the scope of a request the code of its refusal stands."""

_CALLER = "headway.caller"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_access = logging.getLogger("headway_collector.access")


@dataclass(slots=True)
class Timing:
    """How long requests took; ``counts`` has one more item than there are buckets."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a request."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


@dataclass(slots=True)
class RequestTally:
    """What came since the start.

    Args:
        requests: by route, method and status.
        timings: by route and method.
        received_bytes: of bodies as they came, by route.
        refusals: by the code of the error.
        under_way: requests that were not answered yet.
    """

    requests: dict[tuple[str, str, int], int] = field(default_factory=dict)
    timings: dict[tuple[str, str], Timing] = field(default_factory=dict)
    received_bytes: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    under_way: int = 0

    def add(self, route: str, method: str, status: int, seconds: float, size_bytes: int) -> None:
        """Count a request that was answered."""
        key = (route, method, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        timing = self.timings.get((route, method))
        if timing is None:
            timing = self.timings[route, method] = Timing()
        timing.add(seconds)
        if size_bytes:
            self.received_bytes[route] = self.received_bytes.get(route, 0) + size_bytes


class Counting:
    """Middleware that counts requests, and writes a line of each where that is asked for.

    Args:
        app: what answers.
        tally: where they are counted.
        direct_paths: of routes that are their own templates, asked before FastAPI looks for any.
        has_access_log: whether each request is a line in the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        tally: RequestTally,
        direct_paths: Iterable[str] = (),
        has_access_log: bool = False,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._tally = tally
        self._direct_paths = frozenset(direct_paths)
        self._has_access_log = has_access_log
        self._clock_s = clock_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it once it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock_s()
        status, size_bytes, sent_bytes = 0, 0, 0

        async def count_in() -> Message:
            nonlocal size_bytes
            message = await receive()
            size_bytes += len(message.get("body", b""))
            return message

        async def count_out(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent_bytes += len(message.get("body", b""))
            await send(message)

        self._tally.under_way += 1
        try:
            await self._app(scope, count_in, count_out)
        except Exception:
            # What stands around this layer answers it so, unless the answer has begun.
            status = status or 500
            raise
        finally:
            self._tally.under_way -= 1
            # Nobody is there any more to hear an answer that never began.
            self._end(scope, status or 499, self._clock_s() - began_s, size_bytes, sent_bytes)

    def _end(
        self, scope: Scope, status: int, seconds: float, size_bytes: int, sent_bytes: int
    ) -> None:
        path, method = scope["path"], scope["method"]
        route = path if path in self._direct_paths else find_template(scope)
        method = method if method in _METHODS else "other"
        self._tally.add(route, method, status, seconds, size_bytes)
        code = scope.get(CODE)
        if code is not None:
            self._tally.refusals[code] = self._tally.refusals.get(code, 0) + 1
        if self._has_access_log:
            caller = scope.get(_CALLER)
            said: dict[str, Any] = {
                "route": route,
                "method": method,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "key_id": None if caller is None else caller.key_id,
                "bytes_in": size_bytes,
                "bytes_out": sent_bytes,
            }
            _access.info("%s %s %d", method, route, status, extra={"fields": said})


def find_template(scope: Scope) -> str:
    """Return the path of the route as it was declared, such as ``/v1/traces/{trace_id}``."""
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else UNKNOWN_ROUTE
