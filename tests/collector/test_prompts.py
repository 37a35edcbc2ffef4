"""Versions of prompts and how their calls went."""

from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def test_each_version_of_a_prompt_is_summed_up(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    def make(version: str | None, after_ns: int, ms: int, **fields: Any) -> bytes:
        start_ns = now_ns + after_ns
        return span_line(
            prompt_name="triage",
            prompt_version=version,
            start_ns=start_ns,
            end_ns=start_ns + ms * 10**6,
            **fields,
        )

    ingest(
        make("v1", 0, 100, input_tokens=3, cost_usd=0.25),
        make("v1", 1, 300, output_tokens=4, status="error"),
        make(None, 2, 50),
        span_line(start_ns=now_ns + 9),
    )

    prompts = client.get("/v1/prompts").json()["prompts"]

    assert [(each["prompt_version"], each["count"]) for each in prompts] == [(None, 1), ("v1", 2)]
    assert prompts[1] == {
        "project": "p",
        "prompt_name": "triage",
        "prompt_version": "v1",
        "count": 2,
        "error_rate": 0.5,
        "latency_p50_ms": 200,
        "latency_p95_ms": 290,
        "input_tokens": 3,
        "output_tokens": 4,
        "cost_usd": 0.25,
        "first_time": "2025-11-22T08:26:40.000000000Z",
        "last_time": "2025-11-22T08:26:40.000000001Z",
        "template": None,
    }


def test_pages_have_every_version_once(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    versions = [None, "", "a", "b", "c"]
    lines = [span_line(prompt_name="x", prompt_version=v, start_ns=now_ns) for v in versions]
    ingest(*lines)
    seen, params = [], {"limit": "2"}
    while True:
        page = client.get("/v1/prompts", params=params).json()
        seen += [each["prompt_version"] for each in page["prompts"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]

    assert seen == ["c", "b", "a", "", None]


def test_prompts_follow_the_filters(client: TestClient, ingest: Ingest, span_line: Lines) -> None:
    ingest(
        span_line(prompt_name="x", environment="prod"),
        span_line(prompt_name="y", environment="test"),
    )

    prompts = client.get("/v1/prompts", params={"environment": "prod"}).json()["prompts"]

    assert [each["prompt_name"] for each in prompts] == ["x"]


def test_a_prompt_is_found_by_any_name_that_was_logged(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    names = {"a\nb": "a%0Ab", "a/b\n": "a/b%0A", "\n": "%0A"}
    ingest(*[span_line(prompt_name=name, prompt_version="v", start_ns=now_ns) for name in names])

    for path in names.values():
        assert client.get(f"/v1/prompts/{path}").status_code == 200
