"""Users, sessions and traces erased: what goes with them, and what stays as it was."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.callers import EVERYONE
from headway_collector.describing import Describer, Describing
from headway_collector.jobs import Jobs, Work
from headway_collector.processes import Tell
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import save_card
from headway_collector.store.erasures import Target
from headway_collector.store.jobs import Job, save_job
from headway_collector.writing import Writer

BEFORE_NS = 1_763_700_000_000_000_000
MARK = "mark-4711"
Ingest = Callable[..., Any]


@pytest.fixture
def erase(client: TestClient) -> Callable[..., Any]:
    """Erase somebody of project p, and return the receipt."""

    def send(kind: str, name: str, project: str = "p") -> Any:
        response = client.post(
            "/v1/erasures", json={"kind": kind, "id": name}, headers={"Headway-Project": project}
        )
        assert response.status_code == 200, response.text
        return response.json()

    return send


def trace(number: int) -> str:
    return f"{number:032x}"


def span_id(number: int) -> str:
    return f"{number:016x}"


def names(client: TestClient) -> set[str]:
    spans = client.get("/v1/spans", params={"limit": 1000}).json()["spans"]
    return {span["name"] for span in spans}


def test_of_a_user_go_own_spans_and_nobodys_in_their_traces_while_others_stay_there(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    ingest(
        span_line(name="own", trace_id=trace(1), user_id=MARK),
        span_line(name="nobody's", trace_id=trace(1)),
        span_line(name="another's there", trace_id=trace(1), user_id="b"),
        span_line(name="another's", trace_id=trace(2), user_id="b"),
        span_line(name="nobody's elsewhere", trace_id=trace(3)),
    )
    ingest(span_line(name="elsewhere", user_id=MARK), project="q")

    receipt = erase("user", MARK)

    assert receipt["counts"]["spans"] == 2
    assert names(client) == {"another's there", "another's", "nobody's elsewhere", "elsewhere"}


def test_of_a_session_and_of_a_trace_goes_the_same(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    ingest(
        span_line(name="own", trace_id=trace(1), session_id=MARK),
        span_line(name="nobody's", trace_id=trace(1)),
        span_line(name="another's there", trace_id=trace(1), session_id="s"),
        span_line(name="of the trace", trace_id=trace(2), user_id="u"),
        span_line(name="also", trace_id=trace(2), user_id="v"),
    )

    assert erase("session", MARK)["counts"]["spans"] == 2
    assert names(client) == {"another's there", "of the trace", "also"}
    assert erase("trace", trace(2))["counts"]["spans"] == 2
    assert names(client) == {"another's there"}


def test_scores_go_with_spans_and_with_what_is_gone_entirely_and_authors_are_forgotten(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    erase: Callable[..., Any],
) -> None:
    ingest(
        span_line(trace_id=trace(1), span_id=span_id(1), user_id=MARK, session_id="theirs"),
        span_line(trace_id=trace(2), span_id=span_id(2), user_id=MARK, session_id="shared"),
        span_line(trace_id=trace(2), span_id=span_id(3), user_id="b", session_id="shared"),
        score_line(name="on the span", span_id=span_id(1)),
        score_line(name="on the whole trace", span_id=None, trace_id=trace(1)),
        score_line(name="on the session", span_id=None, session_id="theirs"),
        score_line(name="on the shared trace", span_id=None, trace_id=trace(2)),
        score_line(name="on the shared session", span_id=None, session_id="shared"),
        score_line(name="by the user", span_id=span_id(3), author=MARK),
    )

    receipt = erase("user", MARK)

    assert receipt["counts"]["scores"] == 3
    left = client.get("/v1/scores").json()["scores"]
    assert {each["name"] for each in left} == {
        "on the shared trace",
        "on the shared session",
        "by the user",
    }
    assert MARK not in json.dumps(left)


def test_rejects_that_name_the_user_or_the_spans_go_and_others_stay(
    store: Store, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    ingest(
        span_line(trace_id=trace(7), span_id=f"{0xABCDEF:016x}", user_id=MARK),
        json.dumps({"type": "span", "user_id": MARK}).encode(),
        json.dumps({"type": "score", "span_id": f"{0xABCDEF:016x}"}).encode(),
        json.dumps({"type": "span", "user_id": f"{MARK}0"}).encode(),
    )

    receipt = erase("user", MARK)

    assert receipt["counts"]["rejects"] == 2
    (left,) = store.read("SELECT raw FROM store.rejects")
    assert f"{MARK}0".encode() in left["raw"]


def test_a_short_id_is_found_as_a_whole_string_only(
    store: Store, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
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
    client: TestClient, store: Store, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
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


def make_card(card_id: str, example: str) -> bytes:
    query = {"filters": [], "start_ns": 1, "end_ns": 2}
    card = {
        "card_id": card_id,
        "verdict": "drift",
        "headline": "longer",
        "reference": query,
        "current": query,
        "options": {},
        "fingerprint": "f",
        "versions": [],
        "n_ref": 1,
        "n_cur": 1,
        "findings": [{"examples": [{"span_id": example}]}],
    }
    return json.dumps(card).encode()


def test_nobody_known_is_erased_with_a_receipt_of_zeros_and_what_comes_late_is_refused(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    receipt = erase("user", MARK)

    assert receipt["stage"] == "hidden"
    assert set(receipt["counts"].values()) == {0}
    assert ingest(span_line(user_id=MARK, start_ns=BEFORE_NS))["rejected"] == 1
    assert client.get(f"/v1/erasures/{receipt['receipt_id']}").json() == receipt


def test_receipt_and_audit_do_not_tell_who_it_was(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
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
    erase: Callable[..., Any],
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
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    ingest(*(span_line(user_id=user, input_tokens=n) for n in range(9) for user in ("b", MARK)))
    asked = {"user_id": "b", "measure": ["count", "input_tokens"], "bucket": "minute"}
    before = client.get("/v1/metrics", params=asked).content

    erase("user", MARK)

    assert client.get("/v1/metrics", params=asked).content == before


def test_descriptors_that_were_being_made_do_not_come_back(
    store: Store, ingest: Ingest, span_line: Ingest, client: TestClient, erase: Callable[..., Any]
) -> None:
    collector = client.app.state.collector  # type: ignore[attr-defined]
    ingest(span_line(user_id=MARK, input="hello", output="hi"), span_line(user_id="b", output="x"))
    while collector.describer.describe_next() is not None:
        pass
    assert store.read("SELECT count(*) AS n FROM store.descriptors") == [{"n": 2}]
    # Noted as due again, it is read and saved around the erasure.
    writer = collector.writer
    writer.perform(
        lambda connection: connection.execute(
            "INSERT INTO store.due_descriptors SELECT project, span_key, start_ns FROM store.spans"
        )
    ).result()
    reads, may_save = threading.Event(), threading.Event()

    def load() -> Describing:
        from headway_collector.describing import load_describing
        from headway_collector.own_functions import OwnFunctions

        made = load_describing(OwnFunctions())

        def describe(calls: Any) -> Any:
            reads.set()
            assert may_save.wait(30)
            return made.describe(calls)

        return Describing(made.version, describe)

    slow = Describer(store, writer, load=load)
    collector.eraser._describer = slow
    describing = threading.Thread(target=slow.describe_next)
    describing.start()
    assert reads.wait(30)
    erasing = threading.Thread(target=lambda: erase("user", MARK))
    erasing.start()
    may_save.set()
    describing.join()
    erasing.join()

    assert store.read("SELECT count(*) AS n FROM store.descriptors") == [{"n": 1}]


def test_many_spans_go_in_several_transactions(
    store: Store, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any], client: TestClient
) -> None:
    for _ in range(3):
        ingest(*(span_line(user_id=MARK) for _ in range(4_000)))

    assert erase("user", MARK)["counts"]["spans"] == 12_000
    assert store.read("SELECT count(*) AS n FROM store.spans") == [{"n": 0}]


def test_ids_out_of_reach_are_refused_with_a_reason(client: TestClient) -> None:
    for body in ({"kind": "person", "id": "x"}, {"kind": "user", "id": ""}, {"kind": "user"}):
        answer = client.post("/v1/erasures", json=body)

        assert answer.status_code == 422
        assert answer.json()["message"]
    assert client.get("/v1/erasures/unknown").status_code == 404


def test_a_job_that_read_before_an_erasure_begins_again_and_one_that_is_erased_is_not_kept(
    store: Store, client: TestClient
) -> None:
    writer: Writer = client.app.state.collector.writer  # type: ignore[attr-defined]
    begun: list[str] = []
    has_begun, may_end = threading.Event(), threading.Event()

    def prepare(job: Job, folder: Path, tell: Tell) -> None:
        begun.append(job.job_id)
        has_begun.set()
        assert may_end.wait(30)
        tell("reading", 1, 1)

    ids = iter(("first", "second"))
    work = Work(prepare, "tests.collector.job_computations:add_up", lambda c, job, folder: {})
    jobs = Jobs(store, writer, {"sum": work}, clock_ns=lambda: BEFORE_NS, make_id=lambda: next(ids))
    jobs.start()
    jobs.submit("sum", "p", {"user_id": MARK})
    jobs.submit("sum", "p", {})
    assert has_begun.wait(30)

    with jobs.held():
        delete = "DELETE FROM store.jobs WHERE job_id = 'first'"
        writer.perform(lambda connection: connection.execute(delete).fetchall()).result()
        jobs.drop(["first"])
        may_end.set()
    jobs.close()

    left = [row["job_id"] for row in store.read("SELECT job_id FROM store.jobs")]
    assert left == ["second"]
    assert begun.count("first") == 1


def test_a_target_is_of_one_project_only(
    store: Store, ingest: Ingest, span_line: Ingest, client: TestClient
) -> None:
    ingest(span_line(user_id=MARK), project="q")

    receipt = client.app.state.collector.eraser.erase(  # type: ignore[attr-defined]
        Target("p", "user", MARK), EVERYONE
    )

    assert receipt["project"] == "p"
    assert store.read("SELECT count(*) AS n FROM store.spans") == [{"n": 1}]


def test_cards_and_heat_maps_whose_windows_held_what_went_go_though_they_name_no_id(
    client: TestClient, store: Store, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
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

    assert (receipt["counts"]["drift_cards"], receipt["counts"]["jobs"]) == (2, 1)
    left = {each["card_id"] for each in client.get("/v1/drift").json()["cards"]}
    assert left == {"of another time", "of another model", "of another project"}
    assert [each["job_id"] for each in client.get("/v1/jobs").json()["jobs"]] == ["kept"]


def test_an_erasure_that_was_cut_off_is_ended_with_a_receipt_and_what_came_since_stays(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    erase: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest(*(span_line(user_id=MARK, start_ns=BEFORE_NS + n) for n in range(4)))
    ingest(span_line(user_id="b", start_ns=BEFORE_NS))
    eraser = client.app.state.collector.eraser  # type: ignore[attr-defined]
    clear, calls = eraser._clear, iter((True, False))

    def clear_once(*arguments: Any) -> Any:
        if not next(calls):
            raise OSError("killed")
        return clear(*arguments)

    monkeypatch.setattr("headway_collector.erasing.cut", lambda gone: [gone[:1], gone[1:]])
    monkeypatch.setattr(type(eraser), "_clear", staticmethod(clear_once))
    with pytest.raises(OSError, match="killed"):
        eraser.erase(Target("p", "user", MARK), EVERYONE)
    monkeypatch.undo()
    assert store.read("SELECT count(*) AS n FROM store.spans WHERE user_id = $1", [MARK]) == [
        {"n": 3}
    ]
    assert client.get("/v1/erasures").json()["erasures"] == []
    ingest(span_line(name="since", user_id=MARK))

    assert (eraser.finish(), eraser.finish()) == (1, 0)

    assert names(client) == {"since", "triage"}
    assert len(client.get("/v1/spans", params={"user_id": MARK}).json()["spans"]) == 1
    (receipt,) = client.get("/v1/erasures").json()["erasures"]
    assert (receipt["kind"], receipt["counts"]["spans"]) == ("user", 3)


def test_a_run_that_is_published_later_says_nothing_of_erased_calls(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Callable[..., Any]
) -> None:
    ingest(
        span_line(trace_id=trace(1), span_id=span_id(1), user_id=MARK),
        span_line(trace_id=trace(2), span_id=span_id(2), user_id="b"),
    )
    erase("user", MARK)
    said = {"input": MARK, "output": MARK, "expected": MARK, "error": MARK, "passed": False}
    said["scores"] = {"exact": {"value": 0, "passed": False, "detail": MARK}}
    run = {
        **dict.fromkeys(("run_id", "suite", "suite_version", "model"), "r"),
        **{"started_at": "2025-11-22T08:26:40Z", "ended_at": None, "pass_rate": 0.0},
        **{"case_count": 3, "passed_count": 0},
    }
    places = ({"span_id": span_id(1)}, {"trace_id": trace(1)})
    results = [{"case_id": f"gone {n}", **said, **place} for n, place in enumerate(places)]
    results.append({"case_id": "kept", "input": "asked", "span_id": span_id(2)})

    answer = client.post(
        "/v1/runs", json={"run": run, "results": results}, headers={"Headway-Project": "p"}
    )

    assert answer.status_code == 200, answer.text
    read = client.get("/v1/runs/r")
    assert MARK not in read.text
    kept = read.json()["results"][2]
    assert (kept["input"], kept["span_id"]) == ("asked", span_id(2))
    assert [each["passed"] for each in read.json()["results"]] == [False, False, None]


def test_a_disk_that_takes_no_records_any_more_holds_up_no_erasure(
    client: TestClient,
    ingest: Ingest,
    span_line: Ingest,
    erase: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest(span_line(user_id=MARK))
    writer = client.app.state.collector.writer  # type: ignore[attr-defined]
    monkeypatch.setattr(writer, "_find_lack", lambda: "the disk is nearly full")
    assert client.post("/v1/ingest", content=span_line()).status_code == 503

    assert erase("user", MARK)["counts"]["spans"] == 1
    assert names(client) == set()
