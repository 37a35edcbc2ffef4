import socket

import msgspec
import pytest

from headway.apis import ApiClient
from headway.errors import ApiError, SettingsError, UnreachableError
from tests.sdk.conftest import Answer, StandIn

LINE = b'{"type":"score","score_id":"1","name":"n","value":true,"time_ns":1,"session_id":"s"}'


def test_ingest_sends_one_batch_and_returns_its_receipt(collector: StandIn) -> None:
    answer = ApiClient(collector.url, api_key="k").ingest([LINE], project="shop", batch_id="b1")

    assert (answer.accepted, answer.duplicates) == (1, 0)
    assert collector.requests[0].batch_id == "b1"
    assert collector.requests[0].headers["Authorization"] == "Bearer k"


def test_a_refusal_carries_the_collectors_words(collector: StandIn) -> None:
    body = msgspec.json.encode({"code": "not_ndjson", "message": "no line is JSON"})
    collector.answers.append(Answer(400, body))

    with pytest.raises(ApiError, match="POST /v1/ingest: no line is JSON") as raised:
        ApiClient(collector.url).ingest([b"x"], project="shop", batch_id="b")

    assert (raised.value.status, raised.value.code) == (400, "not_ndjson")


def test_an_answer_that_is_not_json_is_not_taken_for_a_collectors(collector: StandIn) -> None:
    collector.answers.append(Answer(200, b"<html>"))

    with pytest.raises(ApiError, match="is that a Headway collector"):
        ApiClient(collector.url).post("/v1/scores", {})


@pytest.mark.parametrize("answer", [{"foo": 1}, [1], None, {"spans": []}])
def test_an_answer_of_another_shape_is_not_taken_for_a_collectors(answer: object) -> None:
    client = ApiClient("http://127.0.0.1:9")

    with pytest.raises(ApiError, match="without spans and next_cursor: is that a Headway"):
        client.expect(answer, "/v1/spans", "spans", "next_cursor")


def test_who_does_not_answer_in_time_is_not_taken_for_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = ApiClient(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05)

        with pytest.raises(UnreachableError, match="did not answer GET /v1/spans in time"):
            client.get("/v1/spans")


def test_nobody_at_the_address_is_told_with_what_to_do() -> None:
    with pytest.raises(UnreachableError, match="start one with `headway up`"):
        ApiClient("http://127.0.0.1:9", timeout_s=1).get("/healthz")


def test_a_busy_collector_is_heard_at_once_and_not_taken_for_none(collector: StandIn) -> None:
    busy = Answer(429, b'{"code":"queue_full","message":"try again"}', {"Retry-After": "30"})
    collector.answers.extend([busy] * 3)

    with pytest.raises(ApiError, match="try again") as refusal:
        ApiClient(collector.url).ingest([b"{}"], project="p", batch_id="b")

    assert (refusal.value.status, refusal.value.code) == (429, "queue_full")


def test_what_cannot_stand_in_a_header_is_told_in_one_line(collector: StandIn) -> None:
    with pytest.raises(SettingsError, match=r"API key has .* as character 1"):
        ApiClient(collector.url, api_key="ключ")
    with pytest.raises(ApiError, match="POST /v1/ingest cannot be sent"):
        ApiClient(collector.url).ingest([LINE], project="лавка", batch_id="b")
