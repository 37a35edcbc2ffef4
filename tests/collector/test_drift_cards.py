"""Drift over HTTP: asked for once, computed once, kept and read in every form."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.store.connections import Store

NOW_NS = 1_763_800_000_000_000_000
_HOUR_NS = 3_600 * 10**9
_DEADLINE_S = 120.0
# The first 120 calls, of the latest hours, are refused; the 120 before them were answered.
BODY: dict[str, Any] = {
    "reference": {"start": "-10d", "end": "-5d"},
    "current": {"start": ["-5d"]},
    "filters": {"request_model": ["m"]},
    "options": {"metrics": ["answer_chars", "is_refusal"], "seed": 3},
}


def make_call(number: int, hours_ago: int | None = None) -> bytes:
    start_ns = NOW_NS - (hours_ago or number) * _HOUR_NS
    answer = "Sorry, but I cannot help." if number <= 120 else f"No {number} comes at noon. " * 3
    return json.dumps(
        {
            "type": "span",
            "trace_id": f"{number:032x}",
            "span_id": f"{number:016x}",
            "name": "triage",
            "kind": "llm",
            "start_ns": start_ns,
            "end_ns": start_ns + 10**9,
            "request_model": "m",
            "input": {"message": f"<script>Where is parcel {number}?"},
            "output": answer,
        }
    ).encode()


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A collector with calls that drifted five days ago."""
    ids = itertools.count(1)
    store = Store()
    app = create_app(store, clock_ns=lambda: NOW_NS, make_id=lambda: f"job-{next(ids)}")
    with TestClient(app, raise_server_exceptions=False) as client:
        body = b"\n".join(map(make_call, range(1, 241)))
        sent = client.post("/v1/ingest", content=body, headers={"Headway-Project": "shop"})
        assert sent.json()["accepted"] == 240
        yield client
    store.close()


def ask(client: TestClient, body: dict[str, Any], project: str = "shop") -> Any:
    return client.post("/v1/drift", json=body, headers={"Headway-Project": project})


def wait(client: TestClient, job_id: str) -> Any:
    deadline_s = time.monotonic() + _DEADLINE_S
    pause = threading.Event()
    while (job := client.get(f"/v1/jobs/{job_id}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < deadline_s, job
        pause.wait(0.05)
    return job


@pytest.fixture(scope="module")
def card_id(client: TestClient) -> str:
    """The card of ``BODY``, computed."""
    answer = ask(client, BODY)
    assert answer.status_code == 202, answer.text
    asked: dict[str, str] = answer.json()
    job = wait(client, asked["job_id"])
    assert job["state"] == "done", job["error"]
    assert job["result"] == {"card_id": asked["card_id"], "verdict": "drift"}
    return asked["card_id"]


def test_a_card_says_what_drifted(client: TestClient, card_id: str) -> None:
    answer = client.get(f"/v1/drift/{card_id}")

    card = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (card["card_id"], card["verdict"]) == (card_id, "drift")
    assert (card["n_ref"], card["n_cur"]) == (120, 120)
    found = {finding["evidence"]["metric"] for finding in card["findings"]}
    assert "answer_chars" in found
    assert card["options"]["seed"] == 3
    assert [name for name, _ in card["versions"]][:2] == ["headway", "descriptors"]


def test_a_card_that_is_kept_is_answered_at_once(client: TestClient, card_id: str) -> None:
    answer = ask(client, BODY)

    assert (answer.status_code, answer.json()) == (200, {"job_id": None, "card_id": card_id})


@pytest.mark.parametrize(
    "changed",
    [
        {"options": {**BODY["options"], "seed": 4}},
        {"current": {"start": "-4d"}},
        {"filters": {"request_model": ["other"]}},
    ],
)
def test_another_question_is_another_card(
    client: TestClient, card_id: str, changed: dict[str, Any]
) -> None:
    answer = ask(client, BODY | changed)

    asked = answer.json()
    client.delete(f"/v1/jobs/{asked['job_id']}")
    assert answer.status_code == 202
    assert asked["card_id"] != card_id


def test_a_card_is_listed_with_what_it_was_asked_for(client: TestClient, card_id: str) -> None:
    listed = client.get("/v1/drift", params={"project": "shop"}).json()["cards"]

    (card,) = [each for each in listed if each["card_id"] == card_id]
    assert (card["project"], card["verdict"]) == ("shop", "drift")
    assert card["finding_count"] >= 1
    assert card["headline"]
    both = {"kind": ["llm"], "project": ["shop"], "request_model": ["m"]}
    assert card["reference"] == both | {
        "start": ["2025-11-12T08:26:40.000000000Z"],
        "end": ["2025-11-17T08:26:40.000000000Z"],
    }
    assert card["current"]["end"] == ["2025-11-22T08:26:40.000000000Z"]
    assert client.get("/v1/drift", params={"project": "other"}).json()["cards"] == []


def test_what_is_listed_can_be_asked_again(client: TestClient, card_id: str) -> None:
    (card,) = client.get("/v1/drift", params={"limit": 1}).json()["cards"]

    again = {name: card[name] for name in ("reference", "current")}
    answer = ask(client, {**again, "options": BODY["options"]}, project="another")

    assert answer.json() == {"job_id": None, "card_id": card_id}


def test_a_card_is_read_as_markdown_and_as_a_page_that_runs_nothing(
    client: TestClient, card_id: str
) -> None:
    markdown = client.get(f"/v1/drift/{card_id}", params={"format": "markdown"})
    page = client.get(f"/v1/drift/{card_id}", params={"format": "html"})

    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.text.startswith("#")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script>Where" not in page.text


def test_a_replay_says_the_same_bytes_and_what_else_differs(
    client: TestClient, card_id: str
) -> None:
    kept = client.get(f"/v1/drift/{card_id}").content
    replayed = replay(client, card_id)

    late = make_call(300, hours_ago=130)
    client.post("/v1/ingest", content=late, headers={"Headway-Project": "shop"})

    assert replayed == {"card_id": card_id, "is_same": True, "differs": [], "changes": []}
    assert replay(client, card_id) == {
        "card_id": card_id,
        "is_same": False,
        "differs": ["data"],
        "changes": ["calls before: 120 then, 121 now"],
    }
    assert client.get(f"/v1/drift/{card_id}").content == kept


def replay(client: TestClient, card_id: str) -> Any:
    answer = client.post(f"/v1/drift/{card_id}/replay")
    assert answer.status_code == 202, answer.text
    return wait(client, answer.json()["job_id"])["result"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"options": {"seed": -1}}, "seed"),
        ({"options": {"alpha": 0}}, "alpha"),
        ({"options": {"alpha": 1}}, "alpha"),
        ({"options": {"luck": 1}}, "luck"),
        ({"options": {"segment_by": ["colour"]}}, "'colour' is not a dimension"),
        ({"options": {"segment_by": ["descriptor:opener"]}}, "descriptors are no segments"),
        ({"reference": {"modle": ["m"]}}, "modle is unknown"),
        ({"reference": {"start": "yesterday"}}, "start"),
        ({"reference": {"start": ["-1d", "-2d"]}}, "start has 2 values; it takes one"),
        ({"reference": {"start": "-1d", "end": "-2d"}}, "its start is not before its end"),
        ({"current": {"start": "2030-01-01"}}, "its start is not before now"),
        ({"current": BODY["reference"]}, "are the same window"),
        ({"reference": {"start": "-14d"}}, "current lies within reference"),
        ({"reference": {}}, "choose two apart, such as start=-14d&end=-7d and start=-7d"),
        ({"current": {"start": "-20d"}}, "reference lies within current"),
        ({"options": {"segment_by": ["provider", "provider"]}}, "'provider' stands twice"),
        ({"options": {"metrics": "answer_chars"}}, "options.metrics"),
        ({"options": {"metrics": [f"score:{n}" for n in range(1_001)]}}, "at most 1000 items"),
        (
            {"options": {"metrics": ["answer_chars", "wit"]}},
            "metrics='wit': there is no such metric; there are answer_chars, ",
        ),
        ({"reference": {"where": ["cost"]}}, "cost"),
        ({"reference": {"attribute": ["team"]}}, "is not of the form key=value"),
        ({"reference": {"is_root": "perhaps"}}, "is_root"),
        ({"current": {"request_model": ["m"]}}, "request_model stands in current and in filters"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(
    client: TestClient, changed: dict[str, Any], reason: str
) -> None:
    answer = ask(client, BODY | changed)

    assert answer.status_code == 422
    assert reason in answer.json()["message"]


def test_metrics_that_calls_may_have_are_not_refused(client: TestClient) -> None:
    names = ["score:wit", "tag:kind", "own:tone", "answer_chars:missing"]

    asked = ask(client, BODY | {"options": {"metrics": names}})

    assert asked.status_code == 202
    assert wait(client, asked.json()["job_id"])["state"] == "done"


def test_half_a_character_is_refused(client: TestClient) -> None:
    body = b'{"reference": {"request_model": "\\ud800"}, "current": {}}'

    answer = client.post("/v1/drift", content=body, headers={"Headway-Project": "shop"})

    assert answer.status_code == 422
    assert "\\ud800, half a character" in answer.json()["message"]


def test_a_card_says_what_was_wrong_with_the_question(client: TestClient) -> None:
    changed = {"current": {"start": "-126h"}, "options": {"metrics": ["answer_chars"]}}

    asked = ask(client, BODY | changed).json()
    wait(client, asked["job_id"])

    notes = client.get(f"/v1/drift/{asked['card_id']}").json()["notes"]
    assert any(note.startswith("6 calls are in both windows") for note in notes)


def test_other_words_for_the_same_calls_give_no_card(client: TestClient) -> None:
    sides = {
        "reference": {"start": "-31d", "end": "2030-01-01"},
        "current": {"start": "-30d", "end": "2031-01-01"},
    }

    asked = ask(client, BODY | sides).json()

    error = wait(client, asked["job_id"])["error"]
    assert error.startswith("both windows hold the same ")
    assert "so that nothing can differ: choose windows of other times" in error


@pytest.mark.parametrize(
    ("sides", "counts"),
    [
        ([{"span_id": f"{1:016x}"}, {"span_id": f"{130:016x}"}], (1, 1)),
        ([{"name": "nobody"}, {"name": "nothing"}], (0, 0)),
        ([{"start": "-10d", "end": "-9d"}, {"start": "2030-01-01", "end": "2031-01-01"}], (24, 0)),
    ],
)
def test_windows_of_next_to_nothing_are_not_enough_data(
    client: TestClient, sides: list[dict[str, str]], counts: tuple[int, int]
) -> None:
    windows = dict(zip(("reference", "current"), sides, strict=True))
    asked = ask(client, windows | {"options": {"metrics": ["answer_chars"]}}).json()
    job = wait(client, asked["job_id"])

    card = client.get(f"/v1/drift/{asked['card_id']}").json()
    assert (job["state"], card["verdict"]) == ("done", "not_enough_data")
    assert (card["n_ref"], card["n_cur"]) == counts


def test_unknown_cards_and_jobs_are_not_found(client: TestClient) -> None:
    asked: list[Callable[[], Any]] = [
        lambda: client.get("/v1/drift/none"),
        lambda: client.post("/v1/drift/none/replay"),
        lambda: client.get("/v1/jobs/none"),
        lambda: client.delete("/v1/jobs/none"),
    ]

    answers = [each() for each in asked]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert answers[0].json()["message"].endswith("GET /v1/drift lists them")


def test_jobs_are_listed_and_belong_to_a_project(client: TestClient, card_id: str) -> None:
    jobs = client.get("/v1/jobs", params={"project": "shop"}).json()["jobs"]

    assert {"drift", "done", "shop"} <= {
        value for job in jobs for value in (job["kind"], job["state"], job["project"])
    }
    assert client.get("/v1/jobs", params={"project": "other"}).json()["jobs"] == []


def test_a_map_of_days_shows_when_it_began(client: TestClient) -> None:
    body = {"filters": {"start": "-10d"}, "bucket": "day", "metrics": ["answer_chars"]}

    answer = client.post("/v1/drift/heatmap", json=body, headers={"Headway-Project": "shop"})

    assert answer.status_code == 202
    job = wait(client, answer.json()["job_id"])
    assert job["state"] == "done", job["error"]
    heat = job["result"]
    named = {"name": "answer_chars", "label": "length of answers", "side": "answer"}
    assert heat["metrics"] == [named]
    assert heat["baseline"]["start"] == heat["buckets"][0] == "2025-11-12T00:00:00.000000000Z"
    assert len(heat["buckets"]) == 11
    (late,) = [cell for cell in heat["cells"] if cell["time"] == "2025-11-19T00:00:00.000000000Z"]
    assert (late["metric"], late["n"]) == ("answer_chars", 24)
    assert {"state", "q_value", "effect", "baseline_n"} <= late.keys()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bucket": "minute"}, "bucket"),
        ({"baseline": {"start": "-1d", "end": "-2d"}}, "its start is not before its end"),
        ({"filters": {"modle": "m"}}, "modle is unknown"),
        ({"metrics": ["wit"]}, "metrics='wit': there is no such metric; there are "),
    ],
)
def test_what_cannot_be_mapped_is_refused(
    client: TestClient, changed: dict[str, Any], reason: str
) -> None:
    answer = client.post("/v1/drift/heatmap", json={"filters": {"start": "-10d"}} | changed)

    assert answer.status_code == 422
    assert reason in answer.json()["message"]


def test_a_map_of_too_many_buckets_says_so(client: TestClient) -> None:
    body = {"filters": {"start": "-10d"}, "bucket": "hour"}

    answer = client.post("/v1/drift/heatmap", json=body, headers={"Headway-Project": "shop"})

    job = wait(client, answer.json()["job_id"])
    assert job["state"] == "failed"
    assert "choose longer buckets" in job["error"]


def test_metrics_have_names_for_people(client: TestClient) -> None:
    metrics = client.get("/v1/drift/metrics").json()["metrics"]

    named = {each["name"]: each for each in metrics}
    assert named["is_json"]["label"] == "answers that are JSON"
    assert (named["prompt_text"]["side"], named["prompt_text"]["kind"]) == ("prompt", "text")
