"""Rejects are read again: what lands is stored and no longer a reject, all else stays."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector import decoding, replaying
from headway_collector.apps import create_app
from headway_collector.limits import Caps
from headway_collector.replaying import guess_form
from headway_collector.store.connections import Store
from tests.collector.conftest import Served
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    encode,
    export_logs,
    export_spans,
    make_log,
    make_span,
)

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def count(store: Store, table: str) -> int:
    (row,) = store.read(f"SELECT count(*) AS n FROM store.{table}")
    return int(row["n"])


def replay(client: TestClient, **params: Any) -> Any:
    response = client.post("/v1/rejects/replay", params=params)
    assert response.status_code == 200, response.text
    return response.json()


def refuse_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the collector of then one that cannot keep a record that it will be able to keep."""
    monkeypatch.setattr(decoding, "find_fault", lambda record: "of another time")
    monkeypatch.setattr(decoding, "are_sound", lambda spans: False)


def test_what_was_refused_by_a_narrower_collector_lands(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    score_line: Lines,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as then:
        refuse_everything(then)
        ingest(span_line(input="hello"), score_line(), batch_id="b1")
    assert (count(store, "spans"), count(store, "rejects")) == (0, 2)

    done = replay(client)

    assert done == {"cursor": None, "rows": 2, "landed": 2, "failed": 0}
    tables = ("spans", "scores", "rejects")
    assert [count(store, table) for table in tables] == [1, 1, 0]
    (span,) = client.get("/v1/spans", params={"project": "p"}).json()["spans"]
    assert span["input"] == "hello"


def test_what_fails_again_stays_with_the_reason_of_today(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as then:
        refuse_everything(then)
        ingest(span_line(end_ns=1), span_line())

    done = replay(client)

    assert (done["landed"], done["failed"]) == (1, 1)
    (kept,) = store.read("SELECT line, reason FROM store.rejects")
    assert kept["line"] == 1
    assert "is before start_ns" in kept["reason"]


def test_a_replay_goes_chunk_by_chunk_past_what_fails_again(
    client: TestClient, ingest: Ingest, span_line: Lines, store: Store
) -> None:
    ingest(*[span_line(span_id="no") for _ in range(5)])
    chunks: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        done = replay(client, limit=2, **cursor)
        chunks.append(done["rows"])
        if done["cursor"] is None:
            break
        cursor = {"cursor": done["cursor"]}

    assert (chunks, count(store, "rejects")) == ([2, 2, 1], 5)


def test_only_the_rejects_that_are_named_are_replayed(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as then:
        refuse_everything(then)
        ingest(span_line(), span_line(), span_line())
    named = [
        each["reject_id"]
        for each in client.get("/v1/rejects").json()["rejects"]
        if each["line"] != 2
    ]

    assert replay(client, reject_id=named)["landed"] == 2
    assert store.read("SELECT line FROM store.rejects") == [{"line": 2}]
    assert replay(client, project="q")["rows"] == 0


def test_a_replay_of_what_is_stored_already_makes_no_second_one(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = span_line()
    with monkeypatch.context() as then:
        refuse_everything(then)
        ingest(line)
    ingest(line)

    assert replay(client)["landed"] == 1
    assert (count(store, "spans"), count(store, "rejects")) == (1, 0)


def test_a_replay_stands_in_the_audit_with_its_counts(
    client: TestClient, ingest: Ingest, span_line: Lines, store: Store
) -> None:
    ingest(span_line(span_id="no"))
    replay(client)

    rows = store.read("SELECT action, project, detail FROM store.audit")
    assert [(row["action"], row["project"]) for row in rows] == [("rejects.replay", "p")]
    assert json.loads(rows[0]["detail"]) == {"landed": 0, "failed": 1}


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_a_foreign_span_that_was_refused_as_it_came_lands_with_its_resource(
    client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch, media_type: str
) -> None:
    module = "protobufs" if media_type == PROTOBUF else "json_bodies"
    with monkeypatch.context() as then:
        then.setattr(
            f"headway_collector.otlp.{module}.find_span_fault", lambda span: "of another time"
        )
        body = encode(export_spans(make_span(1), make_span(2)), media_type)
        client.post("/v1/traces", content=body, headers={"Content-Type": media_type})
    forms = {row["form"] for row in store.read("SELECT form FROM store.rejects")}
    assert forms == {f"{'protobuf' if media_type == PROTOBUF else 'json'}_span"}

    assert replay(client)["landed"] == 2

    spans = client.get("/v1/spans", params={"content": "full"}).json()["spans"]
    assert [span["project"] for span in spans] == ["shop", "shop"]
    assert all(span["otel"]["resource"]["attributes"] for span in spans)


@pytest.mark.parametrize("value", ["text", b"\x00bytes", float("nan")])
def test_a_foreign_span_that_we_failed_on_lands_as_if_it_came_today(
    client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    def fail(otel: Any) -> Any:
        raise ZeroDivisionError

    def send() -> None:
        body = encode(export_spans(make_span(1, attributes={"own.value": value})), PROTOBUF)
        client.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})

    columns = "* EXCLUDE (received_ns, start_time)"
    with monkeypatch.context() as then:
        then.setattr("headway_collector.exports.find_scores", fail)
        send()
    assert count(store, "spans") == 0

    assert replay(client)["landed"] == 1

    replayed = store.read(f"SELECT {columns} FROM store.spans")
    other = Store()
    with TestClient(create_app(other)) as beside:
        body = encode(export_spans(make_span(1, attributes={"own.value": value})), PROTOBUF)
        beside.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})
        sent = other.read(f"SELECT {columns} FROM store.spans")
    other.close()
    assert replayed == sent


def test_an_evaluation_lands_once_its_call_is_there(client: TestClient, store: Store) -> None:
    said = {
        "gen_ai.evaluation.name": "tone",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.response.id": "r-1",
    }
    event = make_log(1, said, event_name="gen_ai.evaluation.result", body=None)
    event.trace_id = event.span_id = b""
    log = encode(export_logs(event), PROTOBUF)
    client.post("/v1/logs", content=log, headers={"Content-Type": PROTOBUF})
    assert replay(client)["failed"] == 1
    span = make_span(1, start_time_unix_nano=event.time_unix_nano)
    span.end_time_unix_nano = event.time_unix_nano + 1
    for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.response.id", "r-1")):
        span.attributes.add(key=key).value.string_value = value
    body = encode(export_spans(span), PROTOBUF)
    client.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})

    assert replay(client)["landed"] == 1
    assert (count(store, "scores"), count(store, "rejects")) == (1, 0)


def test_what_was_refused_for_its_size_is_cut_and_cannot_be_replayed(
    store: Store, span_line: Lines
) -> None:
    with TestClient(create_app(store, caps=Caps(field_bytes=100_000))) as client:
        body = b"\n".join([span_line(), span_line(input="x" * 200_000)])
        client.post("/v1/ingest", content=body)
        (reject,) = client.get("/v1/rejects").json()["rejects"]

        assert (reject["can_replay"], reject["kept_bytes"]) == (False, 65_536)
        assert reject["size_bytes"] > 200_000
        assert replay(client) == {"cursor": None, "rows": 0, "landed": 0, "failed": 0}


def test_a_reject_that_breaks_the_reader_does_not_hold_up_the_others(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as then:
        refuse_everything(then)
        ingest(span_line(name="odd"), span_line())

    def fail_on_odd(raw: bytes, caps: Caps) -> Any:
        if b"odd" in raw:
            raise ZeroDivisionError
        return decoding.decode_records(raw, caps)

    monkeypatch.setattr(replaying, "decode_records", fail_on_odd)

    assert (replay(client)["landed"], count(store, "spans")) == (1, 1)
    (kept,) = store.read("SELECT reason FROM store.rejects")
    assert kept["reason"] == "the collector failed on it again: ZeroDivisionError"


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        (b'{"type":"span","name":1}', "record"),
        (b'{"broken', "record"),
        (b'{"trace_id":"","span_id":"","start_ns":1,"end_ns":2,"resource":{}}', "span"),
        (b'{"event_name":"gen_ai.x","resource":{}}', "log"),
        (b'{"traceId":"","name":"x"}', "cut"),
        (b"\x0a\x10", "cut"),
    ],
)
def test_rejects_of_older_collectors_are_told_apart(raw: bytes, form: str) -> None:
    assert guess_form(raw) == form


def test_the_command_lists_and_replays(
    serve: Callable[..., Served], tmp_path: Path, span_line: Lines
) -> None:
    served = serve(tmp_path / "a.duckdb")
    body = b"\n".join([span_line(), span_line(span_id="no")])
    urllib.request.urlopen(f"{served.url}/v1/ingest", data=body).close()

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "headway", "rejects", *arguments, "--url", served.url]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    listing = run("list", "--reason", "span_id")

    assert "line 2: span_id is 'no'" in listing
    reject_id = listing.split()[0]
    assert run("replay", reject_id) == "0 rejects are stored now, 1 are refused again\n"
