"""An erasure touches its own project alone, and takes no word for a person."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import SEVERAL, save_card
from headway_collector.store.jobs import Job, save_job
from tests.collector.erasure_worlds import (
    BEFORE_NS,
    MARK,
    Erase,
    Ingest,
    make_card,
    make_erase,
    trace_of,
)
from tests.collector.otlp_requests import PROTOBUF, export_spans, make_span
from tests.collector.permission_worlds import FOREIGN, OWN, World, open_world

AROUND = {"start_ns": BEFORE_NS - 1, "end_ns": BEFORE_NS + 1}


@pytest.fixture
def erase(client: TestClient) -> Erase:
    return make_erase(client)


@pytest.fixture
def world() -> Iterator[World]:
    with open_world(OWN, FOREIGN) as opened:
        yield opened


def erase_own(world: World, name: str, kind: str = "user") -> Any:
    """Erase somebody with the key of one project alone."""
    answer = world.ask(f"{OWN}-admin", "POST", "/v1/erasures", json={"kind": kind, "id": name})
    assert answer.status_code == 200, answer.text
    return answer.json()


def keep_card(world: World, project: str, card_id: str, *filters: list[Any]) -> None:
    window = {"filters": filters, **AROUND}
    card = json.loads(make_card(card_id, "b" * 16)) | {"reference": window, "current": window}
    said = json.dumps(card).encode()
    writer = world.client.app.state.collector.writer  # type: ignore[attr-defined]
    writer.perform(lambda connection: save_card(connection, project, said, 1)).result()


def read_table(world: World, table: str, name: str) -> set[tuple[str, str]]:
    rows = world.store.read(f"SELECT project, {name} AS name FROM store.{table}")
    return {(row["project"], row["name"]) for row in rows}


def test_nothing_of_another_project_goes_or_is_counted_whatever_name_is_tried(
    world: World,
) -> None:
    keep_card(world, FOREIGN, "theirs", ["project", [FOREIGN]], ["user_id", ["bob"]])
    keep_card(world, SEVERAL, "of others", ["project", [FOREIGN, "pear"]], ["user_id", ["bob"]])
    job = Job(FOREIGN, "theirs", "drift", 1, json.dumps({"user_id": ["bob"]}), "done", ended_ns=2)
    writer = world.client.app.state.collector.writer  # type: ignore[attr-defined]
    writer.perform(lambda connection: save_job(connection, job)).result()
    before = [
        read_table(world, *each)
        for each in (("drift_cards", "card_id"), ("jobs", "job_id"), ("rejects", "reject_id"))
    ]

    for name in ("bob", FOREIGN, "llm", "user", "drift", f"{FOREIGN}-user", "project"):
        assert set(erase_own(world, name)["counts"].values()) == {0}, name

    assert before == [
        read_table(world, *each)
        for each in (("drift_cards", "card_id"), ("jobs", "job_id"), ("rejects", "reject_id"))
    ]


def test_a_card_of_several_projects_goes_where_the_target_is_among_them_and_is_not_counted(
    world: World,
) -> None:
    both = ["project", [OWN, FOREIGN]]
    keep_card(world, SEVERAL, "named", both, ["user_id", ["bob"]])
    keep_card(world, SEVERAL, "of all", ["user_id", ["bob"]])
    keep_card(world, SEVERAL, "of another", both, ["user_id", ["alice"]])
    keep_card(world, OWN, "named", ["project", [OWN]], ["user_id", ["bob"]])
    keep_card(world, FOREIGN, "named", ["project", [FOREIGN]], ["user_id", ["bob"]])

    assert erase_own(world, "bob")["counts"]["drift_cards"] == 1

    left = read_table(world, "drift_cards", "card_id")
    assert {(FOREIGN, "named"), (SEVERAL, "of another")} <= left
    assert left.isdisjoint({(OWN, "named"), (SEVERAL, "named"), (SEVERAL, "of all")})


def test_a_refused_line_that_has_the_users_id_as_another_word_keeps_reason_bytes_and_replay(
    client: TestClient, ingest: Ingest, erase: Erase
) -> None:
    line = {"type": "span", "status": "ok", "user_id": "b", "attributes": {"role": "user"}}
    ingest(json.dumps(line).encode())
    (before,) = client.get("/v1/rejects").json()["rejects"]

    for name in ("ok", "user", "span", "role"):
        assert erase("user", name)["counts"]["rejects"] == 0, name
        assert erase("session", name)["counts"]["rejects"] == 0, name
    ingest(json.dumps(line | {"user_id": "ok"}).encode(), json.dumps(line).encode())

    late, theirs, early = sorted(
        client.get("/v1/rejects").json()["rejects"], key=lambda each: (each["raw"], each["time"])
    )
    assert (late["reason"], late["raw"], late["can_replay"]) == ("erased", "", False)
    for each in (theirs, early):
        assert (each["reason"], each["raw"]) == (before["reason"], before["raw"])
        assert each["can_replay"]


@pytest.mark.parametrize("is_late", [False, True])
def test_an_item_of_otlp_is_told_by_its_attributes(
    client: TestClient, store: Store, erase: Erase, is_late: bool
) -> None:
    # Their ids are too short, so that they are refused.
    spans = [
        make_span(number, {"user.id": user, "note": "bob"}, span_id=b"1234")
        for number, user in ((1, "bob"), (2, "alice"))
    ]
    headers = {"Headway-Project": "p", "Content-Type": PROTOBUF}
    body = export_spans(*spans).SerializeToString()

    def send() -> None:
        assert client.post("/v1/traces", content=body, headers=headers).status_code == 200

    if not is_late:
        send()
    assert erase("user", "bob")["counts"]["rejects"] == (0 if is_late else 1)
    if is_late:
        send()

    kept = [row["raw"] for row in store.read("SELECT raw FROM store.rejects") if row["raw"]]
    assert len(kept) == 1
    assert b"alice" in kept[0]


@pytest.mark.parametrize("is_late", [False, True])
def test_in_bytes_that_cannot_be_read_fields_and_long_words_count(
    store: Store, ingest: Ingest, erase: Erase, span_line: Ingest, is_late: bool
) -> None:
    lines = [
        b'{"type":"span","user_id":"bob","input":"cut',
        b'{"type":"span","name":"bob","input":"cut',
        b'{"type":"span","name":"%s","input":"cut' % MARK.encode(),
    ]
    if not is_late:
        ingest(span_line(), *lines)
    for name in ("bob", MARK):
        erase("user", name)
    if is_late:
        ingest(span_line(), *lines)

    kept = [row["raw"] for row in store.read("SELECT raw FROM store.rejects") if row["raw"]]
    assert kept == [lines[1]]


def test_a_refused_line_of_others_in_an_erased_users_trace_stays(
    store: Store, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(span_line(trace_id=trace_of(1), user_id=MARK, start_ns=BEFORE_NS))
    erase("user", MARK)

    said = {"type": "span", "trace_id": trace_of(1)}
    ingest(json.dumps(said).encode(), json.dumps(said | {"user_id": "b"}).encode())

    reasons = [
        row["reason"] for row in store.read("SELECT reason FROM store.rejects ORDER BY line")
    ]
    assert reasons[0] == "erased"
    assert reasons[1] != "erased"


def test_erased_records_are_told_by_their_lines(
    ingest: Ingest, span_line: Ingest, score_line: Ingest, erase: Erase
) -> None:
    ingest(span_line(trace_id=trace_of(1), span_id="a" * 16, user_id=MARK, start_ns=BEFORE_NS))
    erase("user", MARK)
    gone = span_line(user_id=MARK, start_ns=BEFORE_NS)
    kept = span_line(user_id="b")
    score = score_line(span_id="a" * 16)

    def list_lines(*lines: bytes) -> list[tuple[int, bool]]:
        errors = ingest(*lines)["errors"]
        return [(each["line"], each["reason"] == "erased") for each in errors]

    assert list_lines(kept, gone, b"", score, kept) == [(2, True), (4, True)]
    assert list_lines(gone, b"{}", kept, score) == [(1, True), (2, False), (4, True)]


def test_an_import_of_an_export_names_the_lines_of_erased_rows(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    users = ["b", MARK, "b", MARK]
    ingest(*(span_line(user_id=user, start_ns=BEFORE_NS + at) for at, user in enumerate(users)))
    exported = client.get("/v1/export", params={"format": "jsonl", "project": "p"}).content
    erase("user", MARK)

    answer = client.post("/v1/import", content=exported).json()

    theirs = [at for at, line in enumerate(exported.splitlines(), 1) if MARK.encode() in line]
    assert len(theirs) == 2
    assert answer["errors"] == [{"line": line, "reason": "erased"} for line in theirs]
