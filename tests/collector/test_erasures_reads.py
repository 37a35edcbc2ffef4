"""After the answer to an erasure no read shows what went, nor who it was."""

import json

import pytest
from starlette.testclient import TestClient

from tests.collector.erasure_worlds import MARK, Erase, Ingest, make_erase


@pytest.fixture
def erase(client: TestClient) -> Erase:
    return make_erase(client)


def test_receipt_and_audit_do_not_tell_who_it_was(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(span_line(user_id=MARK, session_id="s-4711"))

    receipt = erase("user", MARK)

    said = json.dumps(receipt) + client.get("/v1/audit").text + client.get("/v1/erasures").text
    assert "erasure.make" in said
    assert MARK not in said
    assert "s-4711" not in said


def test_after_the_answer_no_listing_shows_a_mark(
    client: TestClient,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    erase: Erase,
) -> None:
    marked = span_line(
        name=MARK,
        user_id=MARK,
        session_id=MARK,
        input=MARK,
        tags=[MARK],
        prompt_name=MARK,
        release=MARK,
        request_model=MARK,
    )
    ingest(marked, score_line(name=MARK, span_id=json.loads(marked)["span_id"], comment=MARK))
    ingest(span_line(user_id="b", session_id="s"))
    routes = client.get("/openapi.json").json()["paths"]
    plain = [path for path, verbs in routes.items() if "get" in verbs and "{" not in path]
    needed = {
        "/v1/facets": {"field": ["user_id", "name", "request_model"]},
        "/v1/metrics": {"by": ["user_id"]},
        "/v1/quality": {"score": ["helpful"]},
        "/v1/quality/agreement": {"first": ["a"], "second": ["b"]},
    }

    def read(path: str) -> bytes:
        return client.get(path, params=needed.get(path)).content

    assert [path for path in plain if MARK.encode() in read(path)]
    erase("user", MARK)

    assert [path for path in plain if MARK.encode() in read(path)] == []
    assert client.get("/v1/spans", params={"user_id": "b"}).json()["spans"]


def test_metrics_of_others_are_the_same_bytes(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(*(span_line(user_id=user, input_tokens=n) for n in range(9) for user in ("b", MARK)))
    asked = {"user_id": "b", "measure": ["count", "input_tokens"], "bucket": "minute"}
    before = client.get("/v1/metrics", params=asked).content

    erase("user", MARK)

    assert client.get("/v1/metrics", params=asked).content == before
