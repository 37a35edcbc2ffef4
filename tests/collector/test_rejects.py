"""What was refused is listed with its reason and its bytes, within a bound."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.decoding import Reject
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.rejects import PREVIEW_BYTES, RejectsBound
from headway_collector.store.writes import append_batches

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def listed(client: TestClient, **params: Any) -> Any:
    response = client.get("/v1/rejects", params=params)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_refused_line_is_listed_with_its_reason_and_as_it_came(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    bad = span_line(trace_id="no")
    ingest(span_line(), bad, batch_id="b1")

    page = listed(client)

    (reject,) = page["rejects"]
    assert len(reject.pop("reject_id")) == 32
    assert reject == {
        "project": "p",
        "batch_id": "b1",
        "line": 2,
        "time": "2025-11-22T08:26:40.000000000Z",
        "reason": "trace_id is 'no', not 32 lower-case hex digits, or only zeros",
        "form": "record",
        "can_replay": True,
        "size_bytes": len(bad),
        "kept_bytes": len(bad),
        "raw": bad.decode(),
        "raw_base64": None,
    }
    assert page["next_cursor"] is None


def test_a_listing_shows_the_beginning_and_the_reject_itself_all(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    # The cut of the listing lies within a letter of two bytes.
    bad = span_line(trace_id="no", input="é" * 5000)
    ingest(json.dumps(json.loads(bad), ensure_ascii=False).encode())
    (shown,) = listed(client)["rejects"]

    whole = client.get(f"/v1/rejects/{shown['reject_id']}").json()

    assert PREVIEW_BYTES - 1 <= len(shown["raw"].encode()) <= PREVIEW_BYTES
    assert json.loads(whole["raw"]) == json.loads(bad)
    assert whole["raw"].startswith(shown["raw"])


def test_bytes_that_are_no_text_are_told_in_base64(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    bad = b'{"type":"span","name":"\xff"}'
    ingest(span_line(), bad)

    (reject,) = listed(client)["rejects"]

    assert (reject["raw"], base64.b64decode(reject["raw_base64"])) == (None, bad)


@pytest.mark.parametrize(
    ("params", "lines"),
    [
        ({}, [3, 2, 1]),
        ({"project": "p"}, [2, 1]),
        ({"project": ["p", "q"]}, [3, 2, 1]),
        ({"reason": "TRACE_ID"}, [1]),
        ({"reason": "%"}, []),
        ({"start": "2025-11-22T08:26:40.000000002Z"}, [3, 2]),
        ({"end": "2025-11-22T08:26:40.000000002Z"}, [1]),
    ],
)
def test_rejects_can_be_narrowed(
    client: TestClient, store: Store, now_ns: int, params: dict[str, Any], lines: list[int]
) -> None:
    reasons = ("trace_id is 'no'", "not JSON: x", "nested too deeply")
    for line, (project, reason) in enumerate(zip("ppq", reasons, strict=True), start=1):
        batch = Batch(project, rejects=[Reject(line, reason, b"{}")])
        with store.transaction() as connection:
            append_batches(connection, [batch], now_ns + line)

    assert [each["line"] for each in listed(client, **params)["rejects"]] == lines


def test_rejects_are_listed_page_by_page(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(*[span_line(span_id="no") for _ in range(5)])
    pages: list[list[int]] = []
    cursor: dict[str, str] = {}
    while True:
        page = listed(client, limit=2, **cursor)
        pages.append([each["line"] for each in page["rejects"]])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert sorted(line for page in pages for line in page) == [1, 2, 3, 4, 5]
    assert [len(page) for page in pages] == [2, 2, 1]


def test_an_unknown_reject_is_404_and_says_where_there_are_some(client: TestClient) -> None:
    response = client.get("/v1/rejects/nothing")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "GET /v1/rejects lists them" in response.json()["message"]


def test_of_too_much_that_is_refused_the_oldest_goes_and_is_counted(
    store: Store, now_ns: int
) -> None:
    bound = RejectsBound(limit_bytes=10_000)
    for number in range(30):
        batches = [Batch(name, rejects=[Reject(number, "bad", b"x" * 744)]) for name in "pq"]
        batches = batches[: 1 if number % 10 else 2]
        with store.transaction() as connection:
            append_batches(connection, batches, now_ns + number)
            bound.hold(connection, batches, now_ns + number)

    left = {
        project: [
            row["line"]
            for row in store.read(
                "SELECT line FROM store.rejects WHERE project = ? ORDER BY 1", [project]
            )
        ]
        for project in "pq"
    }
    # A row counts 744 bytes and 256 for the rest: ten fit, and after a cut nine are left.
    assert len(left["p"]) in (9, 10)
    assert left["p"] == list(range(30))[-len(left["p"]) :]
    assert left["q"] == [0, 10, 20]
    losses = store.read("SELECT project, reason, count FROM store.losses")
    assert losses == [{"project": "p", "reason": "reject_dropped", "count": 30 - len(left["p"])}]


def test_a_bound_that_starts_over_knows_what_stands_there(store: Store, now_ns: int) -> None:
    def refuse(bound: RejectsBound, line: int) -> None:
        batch = Batch("p", rejects=[Reject(line, "bad", b"x" * 4744)])
        with store.transaction() as connection:
            append_batches(connection, [batch], now_ns + line)
            bound.hold(connection, [batch], now_ns + line)

    for line in range(5):
        refuse(RejectsBound(limit_bytes=10_000), line)

    assert store.read("SELECT count(*) AS n FROM store.rejects") == [{"n": 1}]
