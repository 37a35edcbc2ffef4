"""``POST /v1/ingest``: what lands, what is refused, and that nothing lands twice."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.bodies import BODY_LIMIT_BYTES
from headway_collector.budgets import ByteBudget
from headway_collector.limits import MAX_REJECTS
from headway_collector.store.connections import Store

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def count_rows(store: Store, table: str) -> int:
    count = store.read(f"SELECT count(*) AS n FROM store.{table}")[0]["n"]
    return int(count)


def test_a_batch_is_answered_with_its_counts(
    ingest: Ingest, span_line: Lines, score_line: Lines, store: Store
) -> None:
    answer = ingest(span_line(), span_line(), score_line())

    assert answer == {
        "accepted": 3,
        "duplicates": 0,
        "rejected": 0,
        "is_replay": False,
        "errors": [],
    }
    assert (count_rows(store, "spans"), count_rows(store, "scores")) == (2, 1)


def test_every_field_of_a_span_comes_back_as_it_was_sent(
    ingest: Ingest, span_line: Lines, client: TestClient
) -> None:
    fields = {
        "parent_span_id": "00000000000000aa",
        "status": "error",
        "status_message": "timed out",
        "error_type": "TimeoutError",
        "error_stack": "Traceback …",
        "input": {"message": "wo ist mein Päckchen?", "n": [1, 2.5, None, True]},
        "output": 'a "quoted"\nline',
        "provider": "acme",
        "request_model": "support-7b",
        "response_model": "support-7b-0613",
        "response_id": "r-1",
        "finish_reasons": ["stop", "length"],
        "params": {"temperature": 0.1},
        "input_tokens": 31,
        "output_tokens": 17,
        "cache_read_tokens": 3,
        "cache_write_tokens": 2,
        "reasoning_tokens": 5,
        "audio_input_tokens": 2,
        "audio_output_tokens": 1,
        "cost_usd": 0.25,
        "ttft_ms": 12.5,
        "chunk_count": 4,
        "chunk_p50_ms": 1.5,
        "chunk_p95_ms": 2.5,
        "is_abandoned": True,
        "user_id": "u1",
        "session_id": "s1",
        "tags": ["beta", "vip"],
        "environment": "prod",
        "release": "1.2",
        "prompt_name": "triage",
        "prompt_version": "v3",
        "prompt_variables": {"tone": "kind"},
        "attributes": {"gen_ai.system": "acme"},
    }
    ingest(span_line(**fields, start_ns=1_763_800_000_123_456_789))

    (span,) = client.get("/v1/spans", params={"content": "full"}).json()["spans"]

    assert {name: span[name] for name in fields} == fields
    assert span["start_time"] == "2025-11-22T08:26:40.123456789Z"
    assert span["end_time"] == "2025-11-22T08:26:40.373456789Z"
    assert span["duration_ms"] == 250.0
    assert (span["project"], span["price_version"]) == ("p", None)


def test_a_field_that_was_not_sent_is_null(
    ingest: Ingest, span_line: Lines, client: TestClient
) -> None:
    ingest(span_line(input=None))

    (span,) = client.get("/v1/spans", params={"content": "full"}).json()["spans"]

    absent = ("input", "output", "params", "attributes", "cost_usd", "user_id", "parent_span_id")
    assert [span[name] for name in absent] == [None] * len(absent)
    assert (span["tags"], span["status"]) == ([], "unset")


def test_a_bad_line_is_refused_alone_and_kept_with_its_reason(
    ingest: Ingest, span_line: Lines, store: Store
) -> None:
    bad = span_line(kind="llmm")

    answer = ingest(span_line(), b"", bad, b"{broken", span_line(), batch_id="b1")

    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert [error["line"] for error in answer["errors"]] == [3, 4]
    assert "'llmm'" in answer["errors"][0]["reason"]
    assert "allowed are llm, embedding" in answer["errors"][0]["reason"]
    kept = store.read("SELECT project, batch_id, line, raw FROM store.rejects ORDER BY line")
    assert kept == [
        {"project": "p", "batch_id": "b1", "line": 3, "raw": bad},
        {"project": "p", "batch_id": "b1", "line": 4, "raw": b"{broken"},
    ]


def test_the_answer_shows_twenty_errors_and_counts_all(ingest: Ingest, span_line: Lines) -> None:
    answer = ingest(span_line(), *[b"{}"] * 30)

    assert answer["rejected"] == 30
    assert len(answer["errors"]) == 20


def test_of_very_many_bad_lines_all_are_counted_and_some_are_kept(
    ingest: Ingest, span_line: Lines, store: Store
) -> None:
    answer = ingest(span_line(), *[b"{}"] * (MAX_REJECTS + 30))

    assert (answer["accepted"], answer["rejected"]) == (1, MAX_REJECTS + 30)
    assert count_rows(store, "rejects") == MAX_REJECTS + 1


def test_a_second_batch_of_the_same_id_is_answered_from_the_first(
    ingest: Ingest, span_line: Lines, store: Store
) -> None:
    first = ingest(span_line(), b"{}", batch_id="b1")
    second = ingest(span_line(), span_line(), batch_id="b1")

    assert second == first | {"is_replay": True}
    assert (count_rows(store, "spans"), count_rows(store, "rejects")) == (1, 1)


def test_a_batch_id_belongs_to_its_project(ingest: Ingest, span_line: Lines) -> None:
    line = span_line()

    answers = [ingest(line, project=project, batch_id="b1") for project in ("p", "q")]

    assert [(each["accepted"], each["is_replay"]) for each in answers] == [(1, False), (1, False)]


def test_a_span_that_comes_in_another_batch_is_a_duplicate(
    ingest: Ingest, span_line: Lines, score_line: Lines, store: Store
) -> None:
    span, score = span_line(), score_line()
    ingest(span, score, batch_id="b1")

    answer = ingest(span, score, span_line(), batch_id="b2")

    assert (answer["accepted"], answer["duplicates"]) == (1, 2)
    assert (count_rows(store, "spans"), count_rows(store, "scores")) == (2, 1)


def test_a_span_twice_in_one_batch_is_stored_once(
    ingest: Ingest, span_line: Lines, score_line: Lines, store: Store
) -> None:
    span, score = span_line(), score_line()

    answer = ingest(span, span, score, score, span)

    assert (answer["accepted"], answer["duplicates"]) == (2, 3)
    assert (count_rows(store, "spans"), count_rows(store, "scores")) == (1, 1)


def test_duplicates_are_found_among_spans_of_many_years(
    ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    year_ns = 365 * 86_400 * 1_000_000_000
    spans = [span_line(start_ns=now_ns - year_ns * years) for years in range(12)]
    ingest(*spans)

    answer = ingest(*spans, span_line(start_ns=now_ns - 5))

    assert (answer["accepted"], answer["duplicates"]) == (1, 12)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("zstd", lambda body: pa.compress(body, "zstd", asbytes=True))],
)
def test_a_compressed_body_is_read(
    client: TestClient, span_line: Lines, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    response = client.post(
        "/v1/ingest", content=compress(span_line()), headers={"Content-Encoding": encoding}
    )

    assert response.json()["accepted"] == 1


def test_a_large_body_is_read(ingest: Ingest, span_line: Lines) -> None:
    answer = ingest(*[span_line(input="x" * 2000) for _ in range(500)])

    assert answer["accepted"] == 500


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "not_ndjson"),
        (b"hello\nworld", {}, 400, "not_ndjson"),
        (b"\xff\xfe", {}, 400, "not_ndjson"),
        (b"hello", {"Content-Encoding": "gzip"}, 400, "not_ndjson"),
        (gzip.compress(b"{}" * 99, mtime=0)[:-9], {"Content-Encoding": "gzip"}, 400, "not_ndjson"),
        (b"{}", {"Content-Encoding": "br"}, 422, "invalid_request"),
        (b"{}", {"Headway-Batch-Id": "b" * 129}, 422, "invalid_request"),
        (b"{}", {"Headway-Project": ""}, 422, "invalid_request"),
    ],
)
def test_a_body_or_header_that_cannot_be_read_is_refused(
    client: TestClient, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response = client.post("/v1/ingest", content=body, headers=headers)

    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_bomb_is_refused_before_it_is_inflated(client: TestClient) -> None:
    bomb = gzip.compress(b" " * (BODY_LIMIT_BYTES + 1))

    response = client.post("/v1/ingest", content=bomb, headers={"Content-Encoding": "gzip"})

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert len(bomb) < 100_000


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    response = client.post("/v1/ingest", content=b" " * (BODY_LIMIT_BYTES + 1))

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_requests_over_the_memory_budget_are_told_to_come_back(span_line: Lines) -> None:
    store = Store()
    with TestClient(create_app(store, budget=ByteBudget(limit_bytes=100))) as client:
        response = client.post("/v1/ingest", content=span_line())
    store.close()

    assert (response.status_code, response.json()["code"]) == (429, "queue_full")
    assert response.headers["Retry-After"] == "1"


def test_text_that_was_escaped_is_found_as_it_reads(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    line = span_line(input="Größe 你好")
    assert b"\\u4f60" in line
    ingest(line)

    found = [client.get("/v1/spans", params={"q": q}).json()["spans"] for q in ("gRÖße", "你好")]

    assert [len(spans) for spans in found] == [1, 1]


def test_a_value_of_null_characters_and_every_script_survives(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    text = "a\x00b \U0001f9ed \u202e é"
    ingest(span_line(input=text, output={text: text}, name=text, attributes={text: text}))

    (span,) = client.get("/v1/spans", params={"content": "full"}).json()["spans"]

    assert (span["input"], span["output"], span["name"]) == (text, {text: text}, text)
    assert client.get("/v1/spans", params={"attribute": f"{text}={text}"}).json()["spans"]


def test_an_unknown_model_has_no_cost_and_a_known_one_has(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    tokens = {"input_tokens": 1000, "output_tokens": 100}
    ingest(
        span_line(name="known", provider="openai", request_model="gpt-4o", **tokens),
        span_line(name="unknown", provider="openai", request_model="support-7b", **tokens),
        span_line(name="reported", provider="openai", request_model="gpt-4o", cost_usd=9, **tokens),
    )

    spans = client.get("/v1/spans", params={"order": "asc"}).json()["spans"]

    assert [span["cost_usd"] for span in spans] == [pytest.approx(0.0035), None, 9.0]
    assert spans[0]["price_version"].startswith("genai-prices ")
    assert [span["price_version"] for span in spans[1:]] == [None, None]


def test_the_answer_to_one_batch_is_json_with_the_contracts_fields(
    client: TestClient, span_line: Lines
) -> None:
    response = client.post("/v1/ingest", content=span_line())

    assert response.headers["Content-Type"] == "application/json"
    fields = {"accepted", "duplicates", "rejected", "is_replay", "errors"}
    assert json.loads(response.content).keys() == fields
