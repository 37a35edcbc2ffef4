"""What was erased does not come back, by whichever way it comes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.tombstones import Tombstones
from tests.collector.otlp_requests import PROTOBUF, encode, export_spans, make_span

BEFORE_NS = 1_763_700_000_000_000_000
MARK = "mark-4711"
Ingest = Callable[..., Any]


@pytest.fixture
def erase(client: TestClient) -> Callable[..., Any]:
    """Erase somebody of project p."""

    def send(kind: str, name: str) -> Any:
        response = client.post(
            "/v1/erasures", json={"kind": kind, "id": name}, headers={"Headway-Project": "p"}
        )
        assert response.status_code == 200, response.text
        return response.json()

    return send


def trace(number: int) -> str:
    return f"{number:032x}"


def test_a_users_calls_from_before_are_refused_and_new_ones_are_welcome(
    ingest: Ingest, span_line: Ingest, erase: Callable[..., Any], now_ns: int, store: Store
) -> None:
    erase("user", MARK)

    answer = ingest(
        span_line(user_id=MARK, start_ns=now_ns),
        span_line(user_id=MARK, start_ns=now_ns + 1),
        span_line(user_id="b", start_ns=BEFORE_NS),
    )

    assert (answer["accepted"], answer["rejected"]) == (2, 1)
    assert answer["errors"] == [{"line": 1, "reason": "erased"}]
    assert [row["raw"] for row in store.read("SELECT raw FROM store.rejects")] == [b""]


def test_rows_that_were_built_ahead_are_sifted_too(
    ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    erase("user", MARK)
    mixed = [span_line(user_id=user, start_ns=BEFORE_NS) for user in ("b", MARK) for _ in range(60)]
    theirs = [span_line(user_id=MARK, start_ns=BEFORE_NS) for _ in range(60)]

    answer = ingest(*mixed)
    assert answer["accepted"] == 60
    assert [each["line"] for each in answer["errors"]] == list(range(61, 81))
    assert ingest(*theirs) == {
        "accepted": 0,
        "duplicates": 0,
        "rejected": 60,
        "is_replay": False,
        "errors": [{"line": line, "reason": "erased"} for line in range(1, 21)],
    }


def test_of_an_erased_users_trace_only_others_spans_may_still_come(
    ingest: Ingest, span_line: Ingest, erase: Callable[..., Any], now_ns: int
) -> None:
    ingest(span_line(trace_id=trace(1), user_id=MARK, start_ns=BEFORE_NS))
    erase("user", MARK)

    assert ingest(span_line(trace_id=trace(1)))["rejected"] == 1
    assert ingest(span_line(trace_id=trace(1), user_id=MARK))["rejected"] == 1
    assert ingest(span_line(trace_id=trace(1), user_id="b"))["accepted"] == 1


def test_of_an_erased_trace_nothing_may_come_and_of_another_project_all(
    ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    erase("trace", trace(9))

    assert ingest(span_line(trace_id=trace(9), user_id="b"))["rejected"] == 1
    assert ingest(span_line(trace_id=trace(9)), project="q")["accepted"] == 1


def test_scores_of_erased_spans_sessions_and_whole_traces_are_refused(
    client: TestClient,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    erase: Callable[..., Any],
) -> None:
    ingest(
        span_line(trace_id=trace(1), span_id=f"{1:016x}", user_id=MARK, session_id="s"),
        span_line(trace_id=trace(2), span_id=f"{2:016x}", user_id=MARK, session_id="shared"),
        span_line(trace_id=trace(2), span_id=f"{3:016x}", user_id="b", session_id="shared"),
    )
    erase("user", MARK)

    answer = ingest(
        score_line(span_id=f"{1:016x}"),
        score_line(span_id=None, trace_id=trace(1)),
        score_line(span_id=None, session_id="s"),
        score_line(span_id=None, trace_id=trace(2)),
        score_line(span_id=None, session_id="shared"),
        score_line(span_id=f"{3:016x}"),
    )

    assert (answer["accepted"], answer["rejected"]) == (3, 3)


def test_a_refused_line_that_names_the_user_is_not_kept(
    store: Store, ingest: Ingest, erase: Callable[..., Any]
) -> None:
    erase("user", MARK)

    answer = ingest(
        json.dumps({"type": "span", "user_id": MARK}).encode(), b'{"type": "span", "name": "b"}'
    )

    assert answer["rejected"] == 2
    kept = [row["raw"] for row in store.read("SELECT raw FROM store.rejects ORDER BY line")]
    assert kept == [b"", b'{"type": "span", "name": "b"}']


@pytest.mark.parametrize(
    ("attributes", "number"),
    [({"user.id": MARK}, 5), ({}, 1), ({"user.id": "b"}, 5)],
    ids=["user", "ids", "another"],
)
def test_a_refused_span_in_protobuf_that_names_the_user_or_the_trace_is_not_kept(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    erase: Callable[..., Any],
    attributes: dict[str, str],
    number: int,
) -> None:
    ingest(span_line(trace_id=trace(1), span_id=f"{1:016x}", user_id=MARK, start_ns=BEFORE_NS))
    erase("user", MARK)
    span = make_span(number, attributes, end_time_unix_nano=1)

    client.post(
        "/v1/traces",
        content=encode(export_spans(span), PROTOBUF),
        headers={"Content-Type": PROTOBUF, "Headway-Project": "p"},
    )

    (kept,) = store.read("SELECT reason, raw, context FROM store.rejects")
    is_another = attributes.get("user.id") == "b"
    assert (kept["reason"] != "erased") == is_another
    assert (kept["raw"] == span.SerializeToString()) == is_another
    assert bool(kept["context"]) == is_another


def test_otlp_is_told_by_partial_success(
    client: TestClient, erase: Callable[..., Any], store: Store
) -> None:
    erase("user", MARK)

    def make(number: int, user: str) -> dict[str, Any]:
        return {
            "traceId": trace(number),
            "spanId": f"{number:016x}",
            "name": "chat",
            "startTimeUnixNano": str(BEFORE_NS),
            "endTimeUnixNano": str(BEFORE_NS + 1),
            "attributes": [{"key": "user.id", "value": {"stringValue": user}}],
        }

    body = {"resourceSpans": [{"scopeSpans": [{"spans": [make(1, MARK), make(2, "b")]}]}]}
    answer = client.post("/v1/traces", json=body, headers={"Headway-Project": "p"})

    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert int(partial["rejectedSpans"]) == 1
    assert "erased" in partial["errorMessage"]
    assert [row["user_id"] for row in store.read("SELECT user_id FROM store.spans")] == ["b"]


def test_log_events_of_erased_spans_are_refused(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any], store: Store
) -> None:
    ingest(span_line(trace_id=trace(1), span_id=f"{1:016x}", user_id=MARK))
    erase("user", MARK)

    record = {
        "timeUnixNano": str(BEFORE_NS),
        "eventName": "gen_ai.user.message",
        "body": {"stringValue": "secret"},
        "traceId": trace(1),
        "spanId": f"{1:016x}",
    }
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    answer = client.post("/v1/logs", json=body, headers={"Headway-Project": "p"})

    assert int(answer.json()["partialSuccess"]["rejectedLogRecords"]) == 1
    assert store.read("SELECT count(*) AS n FROM store.late_events") == [{"n": 0}]


def test_the_table_holds_neither_names_nor_digests_that_can_be_tried_without_the_salt(
    client: TestClient, store: Store, erase: Callable[..., Any]
) -> None:
    erase("user", MARK)

    (row,) = store.read("SELECT project, kind, digest FROM store.tombstones")
    (salt,) = store.read("SELECT salt FROM store.salts")
    assert MARK not in str(row)
    assert len(salt["salt"]) == 32
    assert row["digest"] != Tombstones().digest("p", "user", MARK)


def test_tombstones_outlive_the_process(
    store: Store, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any], client: TestClient
) -> None:
    erase("user", MARK)
    collector = client.app.state.collector  # type: ignore[attr-defined]
    collector.writer._tombstones = Tombstones()

    assert ingest(span_line(user_id=MARK, start_ns=BEFORE_NS))["rejected"] == 1


def test_what_a_transaction_that_failed_buried_is_not_refused(
    store: Store, ingest: Ingest, span_line: Ingest, client: TestClient
) -> None:
    writer = client.app.state.collector.writer  # type: ignore[attr-defined]

    def bury_and_fail(connection: Any) -> None:
        writer.tombstones.bury(connection, "p", {"user": [MARK]}, BEFORE_NS * 2)
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        writer.perform(bury_and_fail).result()

    assert ingest(span_line(user_id=MARK, start_ns=BEFORE_NS))["accepted"] == 1


def test_a_score_that_an_erased_user_gave_before_is_refused_and_a_later_one_is_welcome(
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    erase: Callable[..., Any],
    now_ns: int,
    store: Store,
) -> None:
    ingest(span_line(span_id=f"{1:016x}", user_id="b"))
    erase("user", MARK)

    answer = ingest(
        score_line(span_id=f"{1:016x}", author=MARK, comment="secret", time_ns=now_ns),
        score_line(span_id=f"{1:016x}", author="b", time_ns=now_ns),
        score_line(span_id=f"{1:016x}", author=MARK, time_ns=now_ns + 1),
    )

    assert (answer["accepted"], answer["errors"]) == (2, [{"line": 1, "reason": "erased"}])
    assert store.read("SELECT count(*) AS n FROM store.scores WHERE comment IS NOT NULL") == [
        {"n": 0}
    ]


def test_a_posted_score_of_what_was_erased_is_answered_as_an_error(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    ingest(span_line(span_id=f"{1:016x}", user_id=MARK))
    erase("user", MARK)

    answer = client.post(
        "/v1/scores",
        json={"name": "helpful", "value": True, "span_id": f"{1:016x}"},
        headers={"Headway-Project": "p"},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "erased")
    assert MARK not in answer.text
    assert client.get("/v1/scores").json()["scores"] == []
