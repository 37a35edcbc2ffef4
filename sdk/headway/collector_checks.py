"""What only the collector can answer: is it there, does it take our records, what was lost."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import urllib3

from headway.apis import ApiClient
from headway.client_settings import ClientSettings
from headway.deadlines import PunctualTransport, within
from headway.errors import ApiError
from headway.findings import Finding
from headway.transports import Batch, HttpTransport, Reply, address_of, read_answer

_TIMEOUT_S = 5.0
_SKEW_S = 5.0
_SINCE = "-7d"
_OK = 200
_EMPTY_CODE = "not_ndjson"


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at the collector."""

    findings: list[Finding]
    is_taking: bool
    """Whether it is there, ready, and takes what we send."""


def visit(
    settings: ClientSettings,
    *,
    clock_s: Callable[[], float] = time.time,
    timeout_s: float = _TIMEOUT_S,
) -> Visit:
    """Ask the collector in force all that it can be asked without writing anything.

    Args:
        settings: in force.
        clock_s: seconds since the Unix epoch.
        timeout_s: how long to wait for each of its answers.
    """
    url = address_of(settings.url)
    try:
        began_s = clock_s()
        health = _get(f"{url}/healthz", timeout_s)
        ended_s = clock_s()
        ready = _get(f"{url}/readyz", timeout_s)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        message = f"nobody answers at {url} ({type(error).__name__})"
        advice = "start one with `headway up`, or set HEADWAY_URL; calls wait in the journal"
        return Visit([Finding("warn", "collector", message, advice, {"url": url})], False)
    body = _decode(health.content)
    if health.status != _OK or "version" not in body:
        message = f"{url} answers {health.status}, and is no Headway collector"
        return Visit([Finding("fail", "collector", message, "set HEADWAY_URL")], False)
    label = f", {body['label']}" if body.get("label") else ""
    version = str(body["version"])
    findings = [
        Finding(
            "ok",
            "collector",
            f"{url} is there: version {version}{label}",
            data={"url": url, **body},
        ),
        _readiness(ready.status, _decode(ready.content)),
        _key(settings, timeout_s),
        *_clock(health.date, (began_s + ended_s) / 2),
        *_losses(settings, timeout_s),
    ]
    return Visit(findings, all(each.level == "ok" for each in findings[:3]))


class _Page(msgspec.Struct, frozen=True):
    status: int
    date: str | None
    content: bytes


def _get(url: str, timeout_s: float) -> _Page:
    def get() -> _Page:
        pool = urllib3.PoolManager(timeout=timeout_s, retries=False)
        response = pool.request("GET", url, redirect=False, preload_content=False)
        content = read_answer(response, time.monotonic() + timeout_s)
        return _Page(response.status, response.headers.get("Date"), content)

    return within(timeout_s, get)


def _readiness(status: int, body: dict[str, Any]) -> Finding:
    if status == _OK:
        return Finding("ok", "ready", "it takes records")
    reason = body.get("message") or body.get("reason") or f"HTTP {status}"
    return Finding("warn", "ready", f"it takes none now: {reason}", "look at its log")


def _key(settings: ClientSettings, timeout_s: float) -> Finding:
    # A batch of nothing: the key is looked at first, and nothing is stored.
    transport = PunctualTransport(HttpTransport(settings.url, settings.api_key))
    reply = transport.send(Batch(settings.project, "doctor", [], timeout_s))
    held = "the key" if settings.api_key else "no key"
    if reply.answer is not None or reply.code == _EMPTY_CODE:
        return Finding("ok", "key", f"{held} is good for the project {settings.project}")
    if reply.is_forbidden:
        return _refused_key(settings, reply)
    return Finding("warn", "key", reply.message, "look at the collector's log")


def _refused_key(settings: ClientSettings, reply: Reply) -> Finding:
    if not settings.api_key:
        return Finding("fail", "key", "the collector wants a key", "set HEADWAY_API_KEY")
    if reply.status == 401:
        return Finding(
            "fail", "key", "the collector does not know the key", "set another HEADWAY_API_KEY"
        )
    return Finding(
        "fail",
        "key",
        f"the key may not write to the project {settings.project}",
        "set HEADWAY_PROJECT, or take a key for it",
    )


def _clock(date: str | None, now_s: float) -> list[Finding]:
    try:
        skew_s = now_s - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError):
        return [Finding("ok", "clock", "the collector does not say what time it has")]
    if abs(skew_s) <= _SKEW_S:
        return [Finding("ok", "clock", "agrees with the collector's", data={"skew_s": skew_s})]
    way = "ahead of" if skew_s > 0 else "behind"
    return [
        Finding(
            "warn",
            "clock",
            f"this machine's is {abs(skew_s):,.0f} s {way} the collector's",
            "set the clocks: times of calls are this machine's",
            {"skew_s": skew_s},
        )
    ]


def _losses(settings: ClientSettings, timeout_s: float) -> list[Finding]:
    try:
        counts = within(timeout_s, lambda: _count_losses(settings, timeout_s))
    except TimeoutError:
        message = f"what was lost was not told within {timeout_s:g} s"
        return [Finding("warn", "losses", message, "look at the collector's log")]
    except (ApiError, KeyError, TypeError) as error:
        return [Finding("warn", "losses", f"what was lost cannot be read: {error}")]
    if not counts:
        return [Finding("ok", "losses", f"no process of {settings.project} lost any in 7 days")]
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
    return [
        Finding(
            "warn",
            "losses",
            f"processes of {settings.project} lost {counts.total():,} calls ({reasons}), 7 days",
            "look at GET /v1/losses for which and when",
            {"total": counts.total(), "reasons": dict(counts)},
        )
    ]


def _count_losses(settings: ClientSettings, timeout_s: float) -> Counter[str]:
    api = ApiClient(settings.url, api_key=settings.api_key, timeout_s=timeout_s)
    counts: Counter[str] = Counter()
    query = {"project": settings.project, "start": _SINCE}
    for loss in api.pages("/v1/losses", "losses", query):
        counts[loss["reason"]] += loss["count"]
    return counts


def _decode(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
