"""Refused lines, cards and jobs that name or may quote what was erased."""

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
    trace_of,
)


@pytest.fixture
def erase(client: TestClient) -> Erase:
    return make_erase(client)


def test_rejects_that_name_the_user_or_the_spans_go_and_others_stay(
    store: Store, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(
        span_line(trace_id=trace_of(7), span_id=f"{0xABCDEF:016x}", user_id=MARK),
        json.dumps({"type": "span", "user_id": MARK}).encode(),
        json.dumps({"type": "score", "span_id": f"{0xABCDEF:016x}"}).encode(),
        json.dumps({"type": "span", "user_id": f"{MARK}0"}).encode(),
    )

    receipt = erase("user", MARK)

    assert receipt["counts"]["rejects"] == 2
    (left,) = store.read("SELECT raw FROM store.rejects")
    assert f"{MARK}0".encode() in left["raw"]


def test_a_short_id_is_found_by_its_field_only(
    store: Store, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(
        span_line(user_id="1"),
        json.dumps({"type": "span", "user_id": "1"}).encode(),
        json.dumps({"type": "span", "start_ns": 1}).encode(),
    )

    assert erase("user", "1")["counts"]["rejects"] == 1
    (left,) = store.read("SELECT raw FROM store.rejects")
    assert b"start_ns" in left["raw"]


def test_cards_and_jobs_that_name_what_went_go_and_others_stay(
    client: TestClient, store: Store, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(span_line(span_id=f"{0xABCDEF:016x}", user_id=MARK))
    writer = client.app.state.collector.writer  # type: ignore[attr-defined]
    for card_id, example in (("theirs", f"{0xABCDEF:016x}"), ("kept", "b" * 16)):
        card = make_card(card_id, example)
        writer.perform(lambda c, card=card: save_card(c, "p", card, 1)).result()
    for job_id, request in (("theirs", {"user_id": [MARK]}), ("kept", {"user_id": ["b"]})):
        job = Job("p", job_id, "drift", 1, json.dumps(request), state="done", ended_ns=2)
        writer.perform(lambda c, job=job: save_job(c, job)).result()

    receipt = erase("user", MARK)

    assert (receipt["counts"]["drift_cards"], receipt["counts"]["jobs"]) == (1, 1)
    assert [each["card_id"] for each in client.get("/v1/drift").json()["cards"]] == ["kept"]
    assert [each["job_id"] for each in client.get("/v1/jobs").json()["jobs"]] == ["kept"]


def test_cards_and_heat_maps_whose_windows_held_what_went_go_though_they_name_no_id(
    client: TestClient, store: Store, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(span_line(user_id=MARK, start_ns=BEFORE_NS, request_model="m"))
    writer = client.app.state.collector.writer  # type: ignore[attr-defined]
    around = {"start_ns": BEFORE_NS - 1, "end_ns": BEFORE_NS + 1}
    earlier = {"start_ns": 1, "end_ns": 2}
    theirs = [["project", ["p"]], ["q", ["a word that is not there now"]]]
    cards = {
        "held": ("p", earlier, around, theirs),
        "of several": ("", around, earlier, [["project", ["p", "q"]]]),
        "of another time": ("p", earlier, {"start_ns": 3, "end_ns": 4}, theirs),
        "of another model": ("p", earlier, around, [["project", ["p"]], ["request_model", ["n"]]]),
        "of another project": ("q", earlier, around, [["project", ["q"]]]),
    }
    for card_id, (project, before, after, filters) in cards.items():
        sides = {
            "reference": {"filters": filters, **before},
            "current": {"filters": filters, **after},
        }
        card = json.dumps(json.loads(make_card(card_id, "b" * 16)) | sides).encode()
        writer.perform(lambda c, p=project, card=card: save_card(c, p, card, 1)).result()
    for job_id, times in (("held", around), ("kept", earlier)):
        window = {"filters": theirs, **times}
        request = {"window": window, "bucket_ns": 1, "baseline": None, "options": {}}
        job = Job("p", job_id, "heatmap", 1, json.dumps(request), "done", ended_ns=2, result="{}")
        writer.perform(lambda c, job=job: save_job(c, job)).result()

    receipt = erase("user", MARK)

    assert (receipt["counts"]["drift_cards"], receipt["counts"]["jobs"]) == (1, 1)
    left = {each["card_id"] for each in client.get("/v1/drift").json()["cards"]}
    assert left == {"of another time", "of another model", "of another project"}
    assert [each["job_id"] for each in client.get("/v1/jobs").json()["jobs"]] == ["kept"]
