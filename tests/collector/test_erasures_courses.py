"""An erasure beside other work, in several transactions, cut off, and with a full disk."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.callers import EVERYONE
from headway_collector.describing import Describer, Describing
from headway_collector.jobs import Jobs
from headway_collector.processes import Tell
from headway_collector.running import Work
from headway_collector.store.connections import Store
from headway_collector.store.jobs import Job
from headway_collector.store.targets import Target
from headway_collector.writing import Writer
from tests.collector.erasure_worlds import BEFORE_NS, MARK, Erase, Ingest, list_names, make_erase


@pytest.fixture
def erase(client: TestClient) -> Erase:
    return make_erase(client)


def test_descriptors_that_were_being_made_do_not_come_back(
    store: Store, ingest: Ingest, span_line: Ingest, client: TestClient, erase: Erase
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
    store: Store, ingest: Ingest, span_line: Ingest, erase: Erase, client: TestClient
) -> None:
    for _ in range(3):
        ingest(*(span_line(user_id=MARK) for _ in range(4_000)))

    assert erase("user", MARK)["counts"]["spans"] == 12_000
    assert store.read("SELECT count(*) AS n FROM store.spans") == [{"n": 0}]


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


def test_an_erasure_that_was_cut_off_is_ended_with_a_receipt_and_what_came_since_stays(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    erase: Erase,
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

    assert list_names(client) == {"since", "triage"}
    assert len(client.get("/v1/spans", params={"user_id": MARK}).json()["spans"]) == 1
    (receipt,) = client.get("/v1/erasures").json()["erasures"]
    assert (receipt["kind"], receipt["counts"]["spans"]) == ("user", 3)


def test_a_disk_that_takes_no_records_any_more_holds_up_no_erasure(
    client: TestClient,
    ingest: Ingest,
    span_line: Ingest,
    erase: Erase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest(span_line(user_id=MARK))
    writer = client.app.state.collector.writer  # type: ignore[attr-defined]
    monkeypatch.setattr(writer, "_find_lack", lambda: "the disk is nearly full")
    assert client.post("/v1/ingest", content=span_line()).status_code == 503

    assert erase("user", MARK)["counts"]["spans"] == 1
    assert list_names(client) == set()


def test_an_erasure_that_was_cut_off_is_ended_where_no_call_is_left_to_tell_who_it_was(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest(
        span_line(name="another's", span_id="1" * 16, user_id="b"),
        json.dumps({"type": "span", "user_id": MARK}).encode(),
        score_line(span_id="1" * 16, author=MARK, comment="said", time_ns=BEFORE_NS),
    )
    eraser = client.app.state.collector.eraser  # type: ignore[attr-defined]

    def be_killed(*arguments: Any) -> None:
        raise OSError("killed")

    monkeypatch.setattr(type(eraser), "_delete", be_killed)
    for kind, name in (("user", MARK), ("session", "nobody's")):
        with pytest.raises(OSError, match="killed"):
            eraser.erase(Target("p", kind, name), EVERYONE)  # type: ignore[arg-type]
    monkeypatch.undo()

    assert (eraser.finish(), eraser.finish()) == (2, 0)

    receipts = client.get("/v1/erasures").json()["erasures"]
    counts = {each["kind"]: each["counts"] for each in receipts}
    assert (counts["user"]["rejects"], counts["user"]["authored_scores"]) == (1, 1)
    assert set(counts["session"].values()) == {0}
    assert store.read("SELECT count(*) AS n FROM store.rejects") == [{"n": 0}]
    (score,) = client.get("/v1/scores").json()["scores"]
    assert (score["author"], score["comment"]) == (None, None)
    # Once it is signed, nothing tells whom it was about.
    assert store.read("SELECT DISTINCT identity FROM store.erasures") == [{"identity": None}]
