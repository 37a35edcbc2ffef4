"""Made-up traffic for the dashboard's tests, sent through the collector's own API.

Four projects: ``support-bot`` is rich (a fortnight, a shift in the mix, a worse model, errors,
scores, evals), ``one-call`` has one span and nothing else, ``lossy`` has one span and clients that
lost calls, ``nobody`` does not exist.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from headway.apis import ApiClient
from headway.records import Loss, Record, Score, Span, encode_record, encode_value

RICH, SINGLE, LOSSY, EMPTY = "support-bot", "one-call", "lossy", "nobody"
TRACE_ID = f"{1:032x}"
LLM_SPAN_ID = f"{1:08x}{3:08x}"
FAILED_TRACE_ID = f"{2:032x}"
QUESTION = "Where is my parcel A48213? It should have been here on Tuesday."
ANSWER = '{"kind": "delivery", "urgency": "high", "order": "A48213"}'
BROKEN = "{'kind': 'refund', 'urgency': 'high', 'order': 'A48213'"
HOSTILE = "![x](https://example.com/spy.png) <script>alert(1)</script> :red[x] $a$ `b`"
COMPARISON_ID, RUN_ID = "cmp-1", "run-v3"
_SYSTEM = "You sort customer mail. Answer with one line of JSON."
_KINDS = ("delivery", "refund", "damage", "invoice", "account")
_DAYS = 14
_REQUESTS = 280


def send_everything(api: ApiClient, now: datetime | None = None) -> None:
    """Fill the collector with all the projects' worth."""
    now = now or datetime.now(UTC)
    rng = random.Random(20261122)
    records: list[Record] = []
    ages = sorted((timedelta(days=_DAYS) * rng.random() for _ in range(_REQUESTS)), reverse=True)
    for number, age in enumerate(ages, start=1):
        records += _request(rng, number, now - age)
    api.ingest([encode_record(each) for each in records], project=RICH, batch_id="rich")
    api.ingest([encode_record(_lonely(now))], project=SINGLE, batch_id="single")
    lossy: list[Record | Loss] = [_lonely(now), *make_losses(now)]
    api.ingest([encode_record(each) for each in lossy], project=LOSSY, batch_id="lossy")
    api.post("/v1/runs", {"run": _run(now), "results": _results()}, project=RICH)
    api.post("/v1/comparisons", make_comparison(now), project=RICH)


def make_losses(now: datetime) -> list[Loss]:
    """Return what three processes lost, one of them 20 days ago."""
    lost = (("a", "journal_full", 1200, 0), ("b", "too_large", 4, 1), ("c", "exit", 30, 20))
    return [
        Loss(
            client_id=letter * 32,
            reason=reason,
            count=count,
            time_ns=_ns(now - timedelta(days=days, minutes=5)),
            host=f"web-{letter}",
            pid=4711,
        )
        for letter, reason, count, days in lost
    ]


def make_comparison(now: datetime) -> dict[str, Any]:
    """Return a verdict as the evals publish it: passed overall, regressed on one slice."""
    slices = [
        {"slice": "kind:refund", "p_value": 1e-6, "q_value": 4e-6}
        | _outcome("regressed", 24, 0.917, 0.083, -0.95, -0.62),
        {"slice": "kind:delivery", "p_value": 0.5, "q_value": 0.6}
        | _outcome("passed", 80, 0.9, 0.91, -0.05, 0.07),
    ]
    return {
        "comparison_id": COMPARISON_ID,
        "suite": "triage",
        "suite_version": "4f1c9a",
        "baseline_run_id": "run-base",
        "candidate_run_id": RUN_ID,
        "baseline_model": "triage-base",
        "candidate_model": "triage-v3",
        "created_at": _text(now),
        "verdict": "regressed",
        "exit_code": 1,
        "margin": 0.05,
        "alpha": 0.05,
        "overall": _outcome("passed", 480, 0.902, 0.917, -0.014, 0.044),
        "slices": slices,
        "flips": [_flip(number) for number in range(6)],
    }


def _request(rng: random.Random, number: int, start: datetime) -> list[Record]:
    progress = number / _REQUESTS
    is_new_model = progress > 0.6
    weights = (2, 3, 2, 1, 1) if progress < 0.4 else (10, 3, 2, 1, 1)
    (kind,) = rng.choices(_KINDS, weights)
    model = "triage-v3" if is_new_model else "triage-base"
    is_valid = not (is_new_model and kind == "refund")
    has_failed = number == 2 or rng.random() < 0.03
    took = rng.gammavariate(4, 60)
    common: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "user_id": f"u{number % 40}",
        "session_id": f"s{number // 3}",
        "tags": [f"kind:{kind}", f"channel:{rng.choice(['mail', 'chat'])}"],
        "environment": "production",
        "status": "error" if has_failed else "ok",
    }
    if has_failed:
        common |= {"error_type": "TimeoutError", "status_message": "no answer within 2 s"}
    ids = [f"{number:08x}{step:08x}" for step in range(5)]
    question = HOSTILE if number == 3 else QUESTION
    root = Span(
        name="handle_message",
        kind="chain",
        span_id=ids[0],
        input=encode_value({"message": question}),
        **common,
        **_times(start, 0, took + 60),
    )
    search = Span(
        name="search_handbook",
        kind="retriever",
        span_id=ids[1],
        parent_span_id=ids[0],
        output=encode_value([{"id": "delivery", "score": 3}]),
        **(common | {"status": "ok"}),
        **_times(start, 3, 30),
    )
    answer = Span(
        name="triage",
        kind="llm",
        span_id=ids[3],
        parent_span_id=ids[0],
        request_model=model,
        provider="local",
        input=encode_value(
            {
                "messages": [
                    {"role": "system", "content": _SYSTEM},
                    {"role": "user", "content": question},
                ]
            }
        ),
        output=encode_value(None if has_failed else ANSWER if is_valid else BROKEN),
        input_tokens=rng.randint(40, 90),
        output_tokens=rng.randint(12, 30),
        cost_usd=rng.uniform(0.0001, 0.0006),
        ttft_ms=took / 4,
        prompt_name="triage",
        prompt_version="9f3a1c" if progress < 0.5 else "b77e02",
        params=encode_value({"temperature": 0, "max_tokens": 64}),
        attributes=encode_value({"deployment": {"zone": "eu-1"}}),
        error_stack='File "app.py", line 31, in triage\nTimeoutError' if has_failed else None,
        **common,
        **_times(start, 35, 35 + took),
    )
    score = Score(
        score_id=f"valid-{number}",
        name="valid_json",
        value=is_valid,
        time_ns=_ns(start),
        trace_id=common["trace_id"],
        span_id=ids[3],
    )
    return [root, search, answer, *([] if has_failed else [score])]


def _lonely(now: datetime) -> Span:
    start = now - timedelta(minutes=5)
    return Span(trace_id="f" * 32, span_id="f" * 16, name="only", **_times(start, 0, 0.4))


def _run(now: datetime) -> dict[str, Any]:
    return {
        "run_id": RUN_ID,
        "suite": "triage",
        "suite_version": "4f1c9a",
        "model": "triage-v3",
        "started_at": _text(now),
        "case_count": 40,
        "passed_count": 35,
        "pass_rate": 0.875,
        "scores": {"exact": {"mean": 0.875, "count": 40}},
        "settings": {"max_new_tokens": 64},
    }


def _results() -> list[dict[str, Any]]:
    return [
        {
            "case_id": f"triage-{number:04d}",
            "input": QUESTION,
            "output": ANSWER if number % 8 else BROKEN,
            "expected": {"kind": "delivery"},
            "tags": ["kind:delivery" if number % 2 else "kind:refund"],
            "passed": number % 8 != 0,
            "scores": {"exact": {"value": float(number % 8 != 0), "passed": number % 8 != 0}},
            "latency_ms": 81.5,
            "trace_id": TRACE_ID,
            "span_id": LLM_SPAN_ID,
        }
        for number in range(40)
    ]


def _outcome(
    verdict: str, n: int, baseline: float, candidate: float, lower: float, upper: float
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "n": n,
        "baseline": baseline,
        "candidate": candidate,
        "difference": candidate - baseline,
        "lower": lower,
        "upper": upper,
        "flips_to_fail": 5,
        "flips_to_pass": 1,
        "note": "",
    }


def _flip(number: int) -> dict[str, Any]:
    is_worse = number != 5
    return {
        "case_id": f"triage-{number:04d}",
        "direction": "to_fail" if is_worse else "to_pass",
        "tags": ["kind:refund"],
        "input": QUESTION,
        "expected": {"kind": "delivery"},
        "baseline_output": ANSWER if is_worse else BROKEN,
        "candidate_output": BROKEN if is_worse else ANSWER,
    }


def _times(start: datetime, begin_ms: float, end_ms: float) -> dict[str, Any]:
    return {
        "start_ns": _ns(start) + int(begin_ms * 1e6),
        "end_ns": _ns(start) + int(end_ms * 1e6),
    }


def _ns(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000) * 1000


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
