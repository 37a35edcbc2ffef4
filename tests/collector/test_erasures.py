"""Users, sessions and traces erased: what goes with them, and what stays as it was."""

import json

import pytest
from starlette.testclient import TestClient

from headway_collector.callers import EVERYONE
from headway_collector.store.connections import Store
from headway_collector.store.targets import Target
from tests.collector.erasure_worlds import (
    BEFORE_NS,
    MARK,
    Erase,
    Ingest,
    list_names,
    make_erase,
    span_of,
    trace_of,
)


@pytest.fixture
def erase(client: TestClient) -> Erase:
    return make_erase(client)


def test_of_a_user_go_own_spans_and_nobodys_in_their_traces_while_others_stay_there(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(
        span_line(name="own", trace_id=trace_of(1), user_id=MARK),
        span_line(name="nobody's", trace_id=trace_of(1)),
        span_line(name="another's there", trace_id=trace_of(1), user_id="b"),
        span_line(name="another's", trace_id=trace_of(2), user_id="b"),
        span_line(name="nobody's elsewhere", trace_id=trace_of(3)),
    )
    ingest(span_line(name="elsewhere", user_id=MARK), project="q")

    receipt = erase("user", MARK)

    assert receipt["counts"]["spans"] == 2
    assert list_names(client) == {"another's there", "another's", "nobody's elsewhere", "elsewhere"}


def test_of_a_session_and_of_a_trace_goes_the_same(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(
        span_line(name="own", trace_id=trace_of(1), session_id=MARK),
        span_line(name="nobody's", trace_id=trace_of(1)),
        span_line(name="another's there", trace_id=trace_of(1), session_id="s"),
        span_line(name="of the trace", trace_id=trace_of(2), user_id="u"),
        span_line(name="also", trace_id=trace_of(2), user_id="v"),
    )

    assert erase("session", MARK)["counts"]["spans"] == 2
    assert list_names(client) == {"another's there", "of the trace", "also"}
    assert erase("trace", trace_of(2))["counts"]["spans"] == 2
    assert list_names(client) == {"another's there"}


def test_scores_go_with_spans_and_with_what_is_gone_entirely_and_authors_are_forgotten(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    erase: Erase,
) -> None:
    ingest(
        span_line(trace_id=trace_of(1), span_id=span_of(1), user_id=MARK, session_id="theirs"),
        span_line(trace_id=trace_of(2), span_id=span_of(2), user_id=MARK, session_id="shared"),
        span_line(trace_id=trace_of(2), span_id=span_of(3), user_id="b", session_id="shared"),
        score_line(name="on the span", span_id=span_of(1)),
        score_line(name="on the whole trace", span_id=None, trace_id=trace_of(1)),
        score_line(name="on the session", span_id=None, session_id="theirs"),
        score_line(name="on the shared trace", span_id=None, trace_id=trace_of(2)),
        score_line(name="on the shared session", span_id=None, session_id="shared"),
        score_line(name="by the user", span_id=span_of(3), author=MARK, comment=MARK, value=True),
        score_line(name="text", span_id=span_of(3), author=MARK, value=MARK, is_text=True),
        score_line(name="by another", span_id=span_of(3), author="b", comment="theirs"),
    )
    asked = {"measure": ["count", "score:by the user"], "by": ["user_id"], "user_id": "b"}
    before = client.get("/v1/metrics", params=asked).json()

    receipt = erase("user", MARK)

    assert receipt["counts"]["scores"] == 3
    assert receipt["counts"]["authored_scores"] == 2
    assert client.get("/v1/metrics", params=asked).json() == before
    left = client.get("/v1/scores").json()["scores"]
    assert {each["name"] for each in left} == {
        "on the shared trace",
        "on the shared session",
        "by the user",
        "text",
        "by another",
    }
    assert MARK not in json.dumps(left)
    said = {each["name"]: (each["value"], each["author"], each["comment"]) for each in left}
    assert said["by the user"] == (True, None, None)
    assert said["text"] == ("", None, None)
    assert said["by another"][1:] == ("b", "theirs")


def test_nobody_known_is_erased_with_a_receipt_of_zeros_and_what_comes_late_is_refused(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    receipt = erase("user", MARK)

    assert receipt["stage"] == "hidden"
    assert set(receipt["counts"].values()) == {0}
    assert ingest(span_line(user_id=MARK, start_ns=BEFORE_NS))["rejected"] == 1
    assert client.get(f"/v1/erasures/{receipt['receipt_id']}").json() == receipt


def test_ids_out_of_reach_are_refused_with_a_reason(client: TestClient) -> None:
    for body in ({"kind": "person", "id": "x"}, {"kind": "user", "id": ""}, {"kind": "user"}):
        answer = client.post("/v1/erasures", json=body)

        assert answer.status_code == 422
        assert answer.json()["message"]
    assert client.get("/v1/erasures/unknown").status_code == 404


def test_a_target_is_of_one_project_only(
    store: Store, ingest: Ingest, span_line: Ingest, client: TestClient
) -> None:
    ingest(span_line(user_id=MARK), project="q")

    receipt = client.app.state.collector.eraser.erase(  # type: ignore[attr-defined]
        Target("p", "user", MARK), EVERYONE
    )

    assert receipt["project"] == "p"
    assert store.read("SELECT count(*) AS n FROM store.spans") == [{"n": 1}]
