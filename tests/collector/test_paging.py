"""Cursors, which lead on in the listing and the order that gave them, and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

LISTINGS = (
    "/v1/spans?order=desc",
    "/v1/spans?order=asc",
    "/v1/sessions?",
    "/v1/prompts?",
    "/v1/scores?",
    "/v1/losses?",
)


@pytest.fixture
def cursors(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines, loss_line: Lines
) -> dict[str, str]:
    """The cursor after the first row of each listing of two."""
    for name in "ab":
        span = span_line(session_id=name, prompt_name=name)
        ingest(span, score_line(name=name), loss_line(client_id=name * 32))
    pages = {path: client.get(f"{path}&limit=1").json() for path in LISTINGS}
    return {path: page["next_cursor"] for path, page in pages.items()}


@pytest.mark.parametrize("path", LISTINGS)
def test_a_cursor_is_taken_only_where_it_was_given(
    client: TestClient, cursors: dict[str, str], path: str
) -> None:
    for origin, cursor in cursors.items():
        answer = client.get(f"{path}&limit=1&cursor={cursor}")

        assert answer.status_code == (200 if origin == path else 422), answer.text
        if origin != path:
            assert "is not one that this listing gave" in answer.json()["message"]


def test_a_cursor_of_one_kind_of_work_is_not_taken_by_the_other(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ids = [{"traceId": "a" * 32, "spanId": f"{n:016x}"} for n in (1, 2)]
    spans = [
        {**each, "name": "chat", "startTimeUnixNano": "1", "endTimeUnixNano": "2"} for each in ids
    ]
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    assert client.post("/v1/traces", json=body).status_code == 200
    paths = ("/v1/remap?all=true&limit=1", "/v1/reprice?limit=1")
    cursors = {path: client.post(path).json()["cursor"] for path in paths}

    for path in paths:
        for origin, cursor in cursors.items():
            answer = client.post(f"{path}&cursor={cursor}")

            assert answer.status_code == (200 if origin == path else 422), answer.text


@pytest.mark.parametrize(
    "cursor", ["", "é", "W10", "bnVsbA", "WyJzcGFucyBkZXNjIl0", "WyJzcGFucyBkZXNjIiwxXQ"]
)
def test_what_was_never_given_is_no_cursor(client: TestClient, cursor: str) -> None:
    assert client.get("/v1/spans", params={"cursor": cursor}).status_code == 422
