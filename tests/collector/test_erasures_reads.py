"""After the answer to an erasure no read shows what went, nor who it was."""

import json

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import save_card
from headway_collector.store.jobs import Job, save_job
from tests.collector.erasure_worlds import (
    BEFORE_NS,
    MARK,
    Erase,
    Ingest,
    make_card,
    make_erase,
    span_of,
    trace_of,
)


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


def test_after_the_answer_no_path_and_no_posted_question_shows_a_mark(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    erase: Erase,
) -> None:
    ingest(
        span_line(
            trace_id=trace_of(1),
            span_id=span_of(1),
            start_ns=BEFORE_NS,
            user_id=MARK,
            session_id=MARK,
            input=MARK,
            prompt_name="greeting",
            prompt_version=MARK,
        ),
        span_line(user_id="b", prompt_name="greeting", prompt_version="1"),
        score_line(name="helpful", span_id=span_of(1), trace_id=trace_of(1)),
        json.dumps({"type": "span", "user_id": MARK}).encode(),
    )
    writer = client.app.state.collector.writer  # type: ignore[attr-defined]
    window = {"filters": [["project", ["p"]]], "start_ns": BEFORE_NS, "end_ns": BEFORE_NS + 1}
    said = {"reference": window, "current": window, "headline": MARK}
    card = json.dumps(json.loads(make_card("card", span_of(9))) | said).encode()
    writer.perform(lambda c: save_card(c, "p", card, 1)).result()
    job = Job("p", "job", "drift", 1, "{}", state="failed", error=f"no calls of {MARK!r}")
    writer.perform(lambda c: save_job(c, job)).result()
    result = {"case_id": "a", "input": MARK, "trace_id": trace_of(1), "passed": False}
    run = {
        **dict.fromkeys(("run_id", "suite", "suite_version", "model"), "r"),
        **{"started_at": "2025-11-22T08:26:40Z", "ended_at": None, "pass_rate": 0.0},
        **{"case_count": 1, "passed_count": 0},
    }
    posted = {"run": run, "results": [result]}
    client.post("/v1/runs", json=posted, headers={"Headway-Project": "p"})
    (reject,) = client.get("/v1/rejects").json()["rejects"]
    paths = [
        f"/v1/traces/{trace_of(1)}",
        "/v1/prompts/greeting",
        "/v1/runs/r",
        "/v1/runs/r/results",
        "/v1/drift/card",
        "/v1/jobs/job",
        f"/v1/rejects/{reject['reject_id']}",
        "/v1/export?format=jsonl",
    ]
    asked = [
        ("/v1/sql", {"sql": "SELECT user_id, input FROM spans"}),
        ("/v1/sql", {"sql": "SELECT project, input FROM results"}),
    ]

    def read() -> dict[str, str]:
        said = {path: client.get(path).text for path in paths}
        return said | {body["sql"]: client.post(path, json=body).text for path, body in asked}

    before = read()
    assert [each for each, text in before.items() if MARK not in text] == []
    erase("user", MARK)

    assert [each for each, text in read().items() if MARK in text] == []


def test_cohorts_count_as_if_the_erased_had_never_been(
    client: TestClient, ingest: Ingest, span_line: Ingest, score_line: Ingest, erase: Erase
) -> None:
    def send(user: str, first: int) -> None:
        for number in range(first, first + 6):
            line = span_line(trace_id=trace_of(number), span_id=span_of(number), user_id=user)
            score = score_line(
                trace_id=trace_of(number), span_id=span_of(number), value=number % 2 == 0
            )
            ingest(line, score)

    asked = {"score": "helpful", "reference": {"prompt_name": []}, "current": {}}
    send("b", 1)
    alone = client.post("/v1/quality/cohorts", json=asked).json()
    send(MARK, 101)
    assert client.post("/v1/quality/cohorts", json=asked).json() != alone

    erase("user", MARK)

    assert client.post("/v1/quality/cohorts", json=asked).json() == alone
