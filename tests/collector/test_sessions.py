"""Sessions: which there are, the latest active first, and what each adds up to."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

HOUR_NS = 3600 * 10**9


def read(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    response = client.get("/v1/sessions", params=params)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["sessions"]
    return found


def test_a_session_adds_up_its_spans(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    ingest(
        span_line(session_id="s", user_id="u2", start_ns=now_ns, input_tokens=5, cost_usd=0.5),
        span_line(session_id="s", user_id="u1", start_ns=now_ns + 1, trace_id="a" * 32),
        span_line(session_id="s", start_ns=now_ns + 2, trace_id="a" * 32, status="error"),
        span_line(start_ns=now_ns + 3),
    )

    assert read(client) == [
        {
            "project": "p",
            "session_id": "s",
            "user_ids": ["u1", "u2"],
            "first_time": "2025-11-22T08:26:40.000000000Z",
            "last_time": "2025-11-22T08:26:40.000000002Z",
            "trace_count": 2,
            "span_count": 3,
            "error_count": 1,
            "input_tokens": 5,
            "output_tokens": None,
            "cost_usd": 0.5,
        }
    ]


def test_the_latest_active_comes_first_and_projects_are_apart(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    ingest(
        span_line(session_id="long", start_ns=now_ns - 500 * HOUR_NS),
        span_line(session_id="short", start_ns=now_ns - HOUR_NS),
        span_line(session_id="long", start_ns=now_ns),
    )
    ingest(span_line(session_id="long", start_ns=now_ns - 2 * HOUR_NS), project="q")

    found = [(each["project"], each["session_id"], each["span_count"]) for each in read(client)]

    assert found == [("p", "long", 2), ("p", "short", 1), ("q", "long", 1)]


def test_filters_choose_the_spans_that_count(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(
        span_line(session_id="a", kind="llm", name="Größe"),
        span_line(session_id="a", kind="tool"),
        span_line(session_id="b", kind="tool"),
    )

    assert [(each["session_id"], each["span_count"]) for each in read(client, kind="llm")] == [
        ("a", 1)
    ]
    assert [each["session_id"] for each in read(client, q="grosse")] == ["a"]
    assert read(client, kind="agent") == []


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_have_every_session_once(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int, limit: int
) -> None:
    starts = [0, 0, 1, 70, 71, 2000, 2000]
    for number, hours in enumerate(starts):
        ingest(
            span_line(session_id=f"s{number}", start_ns=now_ns - hours * HOUR_NS),
            span_line(session_id=f"s{number}", start_ns=now_ns - (hours + 90) * HOUR_NS),
        )
    seen, params = [], {"limit": str(limit)}
    while True:
        page = client.get("/v1/sessions", params=params).json()
        seen += [each["session_id"] for each in page["sessions"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]

    assert seen == ["s1", "s0", "s2", "s3", "s4", "s6", "s5"]
