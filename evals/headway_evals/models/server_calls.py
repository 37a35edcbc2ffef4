"""One request to a model server and what may come of it: an answer, another try, or the end.

Faults that pass (429, 5xx, a broken connection, an answer that is not JSON) are tried again after
a while. A refused key, an unknown model or a server that is gone end the run, for what they say of
one case they would say of all. Every other refusal is that of the one case.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from headway._version import __version__
from headway_evals.errors import ModelError
from headway_evals.models.deadlines import UNREACHABLE, fault_words, make_pool
from headway_evals.models.paces import Pace, Wait
from headway_measures.scores import shortened

_CONNECT_TIMEOUT_S = 10.0
_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_LONGEST_RETRY_AFTER_S = 300.0
# So many given up one after another, and it is the server that is ill and not a case.
_ILL_AFTER = 10
_LONGEST_MESSAGE = 300

_PASSING = frozenset({408, 425, 429})
_FINAL = {
    401: "set OPENAI_API_KEY to a key of this server",
    402: "the account has no credit",
    403: "the key may not do this: see OPENAI_API_KEY",
    404: "check the model's name, and the address, which often ends in /v1; "
    "?api=chat or ?api=completions behind the spec chooses the other of the two",
}
_FINAL_CODES = {
    "model_not_found": "check the model's name",
    "insufficient_quota": "the account has no credit",
    "invalid_api_key": "set OPENAI_API_KEY to a key of this server",
}


class CallFault(Exception):
    """One request has no answer; the message says why."""


class Stopped(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered.

    Args:
        data: the JSON.
        latency_ms: of the try that brought it.
    """

    data: dict[str, Any]
    latency_ms: float


@dataclass(frozen=True, slots=True)
class _Passing:
    """A fault that may be gone with the next try.

    Args:
        reason: what it was.
        wait_s: how long the server wants to be left alone; None where it does not say.
        is_unreachable: whether nobody was there at all.
    """

    reason: str
    wait_s: float | None = None
    is_unreachable: bool = False


class Calls:
    """Requests to one server. Safe to share between threads.

    Args:
        base_url: what paths are put behind.
        api_key: sent as a bearer token where given.
        concurrency: how many connections are kept.
        retries: how often a request is tried again.
        timeout_s: the longest wait for a whole answer, each try by itself.
        pace: when requests may leave.
        clock: seconds.
        wait: between tries.
        chance: from 0 to 1; spreads the tries, so that they do not come all at once.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        concurrency: int = 16,
        retries: int = 5,
        timeout_s: float = 300.0,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = threading.Event.wait,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._retries = retries
        self._pace = pace or Pace(clock=clock, wait=wait)
        self._clock = clock
        self._wait = wait
        self._chance = chance
        self._lock = threading.Lock()
        self._given_up_in_a_row = 0
        headers = {"User-Agent": f"headway/{__version__}", "Content-Type": "application/json"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._timeout_s = timeout_s
        self._pool = make_pool(
            headers, connect_s=_CONNECT_TIMEOUT_S, timeout_s=timeout_s, size=concurrency
        )

    def post(self, path: str, body: Mapping[str, Any], stop: threading.Event) -> Reply:
        """Send a request, again where that may help, and return what was answered.

        Raises:
            CallFault: this request has no answer.
            ModelError: none will have one.
            Stopped: ``stop`` was set.
        """
        try:
            content = msgspec.json.encode(body)
        except UnicodeEncodeError as error:
            raise CallFault("the prompt holds half a surrogate pair, which is no text") from error
        outcome = self._try(path, content, stop)
        for attempt in range(self._retries):
            if isinstance(outcome, Reply):
                break
            self._rest(outcome, attempt, stop)
            outcome = self._try(path, content, stop)
        if isinstance(outcome, Reply):
            self._count(is_given_up=False)
            return outcome
        tries = f"{self._retries + 1} tries" if self._retries else "one try"
        if outcome.is_unreachable:
            raise ModelError(
                f"no server answers at {self._base_url}, after {tries} ({outcome.reason}): is it "
                "running? The answers that came are kept; the same command goes on from there"
            )
        if self._count(is_given_up=True) >= _ILL_AFTER:
            raise ModelError(
                f"{self._base_url} failed {_ILL_AFTER} requests in a row, each after {tries}; the "
                f"last: {outcome.reason}. Ask for less at once (--concurrency, --rate); the "
                "answers that came are kept"
            )
        raise CallFault(f"{outcome.reason}, after {tries}")

    def close(self) -> None:
        """Let go of the connections that nobody uses."""
        self._pool.clear()

    def _try(self, path: str, content: bytes, stop: threading.Event) -> Reply | _Passing:
        if not self._pace.enter(stop):
            raise Stopped
        started = self._clock()
        try:
            response = self._pool.request(
                "POST", self._base_url + path, body=content, retries=False, redirect=False
            )
        except HTTPError as error:
            words = self._clean(fault_words(error, self._base_url, self._timeout_s))
            return _Passing(words, is_unreachable=isinstance(error, UNREACHABLE))
        latency_ms = round((self._clock() - started) * 1000, 3)
        data = _decode(response.data)
        if response.status < 300:
            if not isinstance(data, dict):
                return _Passing("the server answered with something that is not JSON")
            if not data.get("error"):
                return Reply(data, latency_ms)
        return self._refusal(path, response, data)

    def _refusal(self, path: str, response: urllib3.BaseHTTPResponse, data: Any) -> _Passing:
        """Return a fault that passes, and raise the others."""
        said = _Said.of(data)
        # Gateways pass on a fault under the status 200, with its own inside.
        status = response.status if response.status >= 300 else said.status
        message = self._clean(said.message) or "no reason given"
        reason = f"HTTP {status}: {message}"
        if status < 400:
            place = response.headers.get("Location", "")
            raise ModelError(f"{self._base_url} sends elsewhere (HTTP {status}): {place or reason}")
        advice = _FINAL_CODES.get(said.code) or _FINAL.get(status)
        if advice is None and said.is_about_model:
            advice = _FINAL_CODES["model_not_found"]
        if advice is not None:
            raise ModelError(f"{self._base_url}{path} answered {reason}: {advice}")
        if status not in _PASSING and status < 500:
            self._count(is_given_up=False)
            raise CallFault(reason)
        wait_s = _retry_after(response.headers)
        if wait_s is not None and wait_s > _LONGEST_RETRY_AFTER_S:
            raise ModelError(
                f"{self._base_url} answered {reason}, and wants to be left alone for {wait_s:,.0f} "
                "seconds: run the same command then, the answers that came are kept"
            )
        return _Passing(reason, wait_s)

    def _rest(self, fault: _Passing, attempt: int, stop: threading.Event) -> None:
        pause_s = min(_SHORTEST_PAUSE_S * 2.0 ** min(attempt, 10), _LONGEST_PAUSE_S)
        pause_s *= 0.5 + self._chance() / 2
        if fault.wait_s is not None:
            # It is the same server for all: the others need not hear it one by one.
            self._pace.hold(fault.wait_s)
            pause_s = fault.wait_s * (1 + self._chance() / 10)
        if self._wait(stop, pause_s):
            raise Stopped

    def _count(self, *, is_given_up: bool) -> int:
        with self._lock:
            self._given_up_in_a_row = self._given_up_in_a_row + 1 if is_given_up else 0
            return self._given_up_in_a_row

    def _clean(self, message: str) -> str:
        if self._api_key:
            message = message.replace(self._api_key, "…")
        return shortened(" ".join(message.split()), _LONGEST_MESSAGE)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a server says of a fault: each in its own form, so nothing is taken for granted."""

    message: str
    code: str = ""
    status: int = 400
    is_about_model: bool = False

    @classmethod
    def of(cls, data: Any) -> "_Said":
        if not isinstance(data, dict):
            return cls("")
        error = data.get("error") or data
        if not isinstance(error, dict):
            return cls(str(error))
        message = error.get("message") or error.get("detail") or ""
        code = error.get("code")
        return cls(
            message if isinstance(message, str) else msgspec.json.encode(message).decode(),
            code if isinstance(code, str) else str(error.get("type") or ""),
            code if isinstance(code, int) and 400 <= code < 600 else 400,
            is_about_model=error.get("param") == "model",
        )


def _decode(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks for; a date counts from the server's own."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        until, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one with a zone and one without
        return None
