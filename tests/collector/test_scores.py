"""Scores one by one."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

SPAN = "a" * 16


def post(client: TestClient, **fields: Any) -> Any:
    body = {"name": "helpful", "value": True, "span_id": SPAN} | fields
    return client.post("/v1/scores", json=body, headers={"Headway-Project": "p"})


def test_a_posted_score_is_listed_with_the_collectors_time_and_id(client: TestClient) -> None:
    answer = post(client, source="human", comment="good", author="ann")

    assert (answer.status_code, answer.json()) == (200, {"score_id": "made-id"})
    assert client.get("/v1/scores").json() == {
        "scores": [
            {
                "project": "p",
                "score_id": "made-id",
                "name": "helpful",
                "value": True,
                "is_text": False,
                "source": "human",
                "time": "2025-11-22T08:26:40.000000000Z",
                "trace_id": None,
                "span_id": SPAN,
                "session_id": None,
                "comment": "good",
                "author": "ann",
            }
        ],
        "next_cursor": None,
    }


@pytest.mark.parametrize("value", [True, False, 0, 7, 0.25, -1e290, "good", ""])
def test_a_value_keeps_its_type(client: TestClient, value: object) -> None:
    post(client, value=value)

    (score,) = client.get("/v1/scores").json()["scores"]

    assert (score["value"], type(score["value"])) == (value, type(value))


def test_a_score_posted_again_changes_nothing(client: TestClient) -> None:
    for value in (True, False):
        answer = post(client, score_id="s1", value=value, time=f"2025-01-0{value + 1}T00:00:00Z")

        assert answer.json() == {"score_id": "s1"}
    assert [score["value"] for score in client.get("/v1/scores").json()["scores"]] == [True]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"span_id": None}, "one of trace_id, span_id and session_id"),
        ({"span_id": "A1"}, "span_id is 'A1'"),
        ({"name": ""}, "name"),
        ({"value": None}, "value"),
        ({"value": 1e308}, "value is 1e+308, not a number between"),
        ({"source": "robot"}, "'human', 'code', 'judge' or 'eval'"),
        ({"time": "yesterday"}, "'yesterday' is not a time such as"),
        ({"is_text": True}, "is_text is set"),
        ({"colour": "red"}, "colour"),
        ({"score_id": ""}, "score_id"),
    ],
)
def test_a_score_that_cannot_be_kept_is_refused(
    client: TestClient, fields: dict[str, Any], message: str
) -> None:
    answer = post(client, **fields)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert message in answer.json()["message"]


def test_scores_are_listed_newest_first_page_by_page_and_narrowed(
    client: TestClient, ingest: Ingest, score_line: Lines
) -> None:
    ingest(
        score_line(score_id="a", name="x", source="human", time_ns=10**18),
        score_line(score_id="b", name="x", source="code", time_ns=2 * 10**18),
        score_line(score_id="c", name="y", span_id=None, session_id="s", time_ns=10**18 + 1),
    )

    def listed(**params: Any) -> list[str]:
        return [
            each["score_id"] for each in client.get("/v1/scores", params=params).json()["scores"]
        ]

    assert listed() == ["b", "c", "a"]
    assert listed(name="x") == ["b", "a"]
    assert listed(source="human") == ["a"]
    assert listed(session_id="s") == ["c"]
    assert listed(project="q") == []
    assert listed(start="2002-01-01T00:00:00Z") == ["b"]
    first = client.get("/v1/scores", params={"limit": 2}).json()
    assert listed(limit=2, cursor=first["next_cursor"]) == ["a"]
