"""How fast a key may be: requests a second and bytes a second, each a bucket that fills again.

A bucket holds what comes in ten seconds, so that who was quiet may hurry for a moment. A request
takes one of the first. Its body is counted in the second as it comes, and may leave it in debt: the
next request waits until the debt is paid, and a body that would owe more than the largest one is
cut. Nothing is queued: whoever is too fast is told when to come back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway_collector.bodies import BODY_LIMIT_BYTES
from headway_collector.errors import RateLimitedError, RequestError
from headway_collector.gates import caller_in

SAVED_S = 10.0
"""For so long a bucket fills; a second more saves up nothing."""


class Rated(Protocol):
    """Whatever says how fast it may be."""

    @property
    def key_id(self) -> str:
        """The id of the key."""

    @property
    def requests_per_s(self) -> float | None:
        """Of requests; None means any."""

    @property
    def bytes_per_s(self) -> float | None:
        """Of the bytes of bodies; None means any."""


class Bucket:
    """A number that grows with time up to a limit. For the event loop alone.

    Args:
        rate_per_s: how fast it grows, above 0.
        capacity: where it ends, and what it begins with.
        clock_s: the monotonic time.
    """

    def __init__(self, rate_per_s: float, capacity: float, clock_s: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._capacity = capacity
        self._clock_s = clock_s
        self._level = capacity
        self._seen_s = clock_s()

    def take(self, amount: float, floor: float = 0.0) -> float:
        """Take an amount, where that leaves at least ``floor``.

        Returns:
            0, or in how many seconds there will be as much; then nothing is taken.
        """
        now_s = self._clock_s()
        gained = (now_s - self._seen_s) * self._rate_per_s
        self._level = min(self._capacity, self._level + gained)
        self._seen_s = now_s
        lacking = floor + amount - self._level
        if lacking > 0:
            return lacking / self._rate_per_s
        self._level -= amount
        return 0.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """Both buckets of a key; None where nothing bounds it."""

    key_id: str
    requests: Bucket | None = None
    body_bytes: Bucket | None = None

    @classmethod
    def of(cls, key: Rated, clock_s: Callable[[], float]) -> "Allowance":
        """Return full buckets of a key."""
        requests = body_bytes = None
        if key.requests_per_s is not None:
            most = max(1.0, key.requests_per_s * SAVED_S)
            requests = Bucket(key.requests_per_s, most, clock_s)
        if key.bytes_per_s is not None:
            body_bytes = Bucket(key.bytes_per_s, key.bytes_per_s * SAVED_S, clock_s)
        return cls(key.key_id, requests, body_bytes)

    @property
    def is_bounded(self) -> bool:
        """Whether there is anything to keep to."""
        return self.requests is not None or self.body_bytes is not None

    def begin(self) -> None:
        """Take what a request takes.

        Raises:
            RateLimitedError: there were too many, or their bodies too large.
        """
        if self.requests is not None and (wait_s := self.requests.take(1.0)):
            raise RateLimitedError(f"key {self.key_id} sends too many requests", round_up(wait_s))
        if self.body_bytes is not None and (wait_s := self.body_bytes.take(0.0)):
            raise RateLimitedError(f"key {self.key_id} sends too many bytes", round_up(wait_s))

    def go_on(self, size_bytes: int) -> float:
        """Take what a piece of a body takes; return 0, or in how many seconds that will do."""
        if self.body_bytes is None:
            return 0.0
        return self.body_bytes.take(size_bytes, -float(BODY_LIMIT_BYTES))


class Allowances(Protocol):
    """Whatever knows how fast a key may be."""

    def find_allowance(self, key_id: str | None) -> Allowance | None:
        """Return what a key is allowed; None where nothing bounds it."""


class Paced:
    """Middleware that holds every key to its rates. It stands behind the gate."""

    def __init__(self, app: ASGIApp, allowances: Allowances) -> None:
        self._app = app
        self._allowances = allowances

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a body that is counted, or answer that it came too fast."""
        caller = caller_in(scope)
        allowance = self._allowances.find_allowance(caller.key_id) if caller else None
        if allowance is None:
            await self._app(scope, receive, send)
            return
        try:
            allowance.begin()
        except RateLimitedError as error:
            refuse = scope["app"].exception_handlers[RequestError]
            response = await refuse(Request(scope), error)
            await response(scope, receive, send)
            return

        async def receive_counted() -> Message:
            message = await receive()
            wait_s = allowance.go_on(len(message.get("body", b"")))
            if wait_s:
                # An HTTPException, since FastAPI turns every other one into "cannot be parsed".
                text = f"key {allowance.key_id} sends too many bytes: try again later"
                raise HTTPException(429, text, {"Retry-After": str(round_up(wait_s))})
            return message

        await self._app(scope, receive_counted, send)


def round_up(wait_s: float) -> int:
    """Return whole seconds, which is what ``Retry-After`` takes, and no fewer."""
    return max(1, math.ceil(wait_s))
