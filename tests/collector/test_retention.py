"""Rules of retention: which one holds, and what is past it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.retention import Rule, find_rule

DAY_NS = 86_400 * 10**9
Ingest = Callable[..., Any]


@pytest.fixture
def keep(client: TestClient) -> Callable[..., None]:
    """Keep a rule."""

    def put(**rule: Any) -> None:
        response = client.put("/v1/retention", json=rule)
        assert response.status_code == 200, response.text

    return put


def apply(client: TestClient) -> list[dict[str, Any]]:
    answer = client.post("/v1/retention/apply").json()
    assert answer["is_done"]
    terms: list[dict[str, Any]] = answer["terms"]
    return terms


def names(store: Store) -> set[str]:
    return {row["name"] for row in store.read("SELECT name FROM store.spans")}


def test_the_most_exact_rule_holds() -> None:
    rules = [
        Rule(None, None, 1.0),
        Rule(None, "llm", 2.0),
        Rule("p", None, 3.0),
        Rule("p", "llm", 4.0),
        Rule(None, "rejects", 5.0),
    ]

    def days(project: str, kind: str) -> float | None:
        rule = find_rule(rules, project, kind)
        return None if rule is None else rule.days

    assert [days("p", "llm"), days("p", "tool"), days("q", "llm"), days("q", "tool")] == [
        4,
        3,
        2,
        1,
    ]
    assert days("p", "rejects") == 5
    assert days("p", "audit") is None


def test_spans_past_their_days_go_with_what_hangs_on_them_and_may_come_again(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    keep: Callable[..., None],
    now_ns: int,
) -> None:
    old = span_line(name="old", span_id=f"{1:016x}", start_ns=now_ns - 3 * DAY_NS)
    ingest(
        old,
        span_line(name="new", span_id=f"{2:016x}", start_ns=now_ns - DAY_NS),
        score_line(span_id=f"{1:016x}", time_ns=now_ns - DAY_NS),
        score_line(span_id=f"{2:016x}", time_ns=now_ns - DAY_NS),
        score_line(span_id=None, session_id="gone", time_ns=now_ns - 3 * DAY_NS),
    )
    ingest(span_line(name="of another", start_ns=now_ns - 3 * DAY_NS), project="q")
    keep(project="p", days=2)

    assert apply(client) == [
        {"project": "p", "table": "spans", "kind": "llm", "work": "days", "count": 1}
    ]
    assert names(store) == {"new", "of another"}
    assert store.read("SELECT span_id FROM store.scores") == [{"span_id": f"{2:016x}"}]
    assert ingest(old)["accepted"] == 1


def test_content_goes_before_figures_which_stay_the_same(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    keep: Callable[..., None],
    now_ns: int,
) -> None:
    ingest(
        span_line(
            span_id=f"{1:016x}",
            start_ns=now_ns - 3 * DAY_NS,
            user_id="u",
            input_tokens=7,
            input="asked",
            output="answered",
            attributes={"mail": "x@example.org"},
            status_message="failed for x",
        ),
        span_line(span_id=f"{2:016x}", start_ns=now_ns - DAY_NS, input="asked lately"),
        score_line(span_id=f"{1:016x}", time_ns=now_ns - 3 * DAY_NS, comment="x said so"),
    )
    asked = {"measure": ["count", "input_tokens", "score:helpful"], "by": ["user_id"]}
    before = client.get("/v1/metrics", params=asked).content
    keep(kind="llm", content_days=2)

    due = client.get("/v1/retention/due").json()["terms"]

    assert [(term["table"], term["work"], term["count"]) for term in due] == [
        ("spans", "content_days", 1),
        ("scores", "content_days", 1),
    ]
    assert apply(client) == due
    assert client.get("/v1/metrics", params=asked).content == before
    spans = client.get("/v1/spans", params={"content": "full"}).json()["spans"]
    assert [each["input"] for each in spans] == ["asked lately", None]
    left = json.dumps([spans[1], client.get("/v1/scores").json()])
    assert not any(text in left for text in ("asked", "answered", "x@example.org", "failed for x"))
    assert "x said so" not in left
    assert apply(client) == []


def test_a_dry_run_counts_and_takes_nothing(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    keep: Callable[..., None],
    now_ns: int,
) -> None:
    ingest(*(span_line(name=f"{n}", start_ns=now_ns - n * DAY_NS) for n in range(5)))
    keep(days=2.5)

    due = client.get("/v1/retention/due").json()["terms"]

    assert [(term["table"], term["count"]) for term in due] == [("spans", 2)]
    assert len(names(store)) == 5
    assert apply(client) == due


def test_more_than_a_chunk_goes_to_the_last_row(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    keep: Callable[..., None],
    now_ns: int,
) -> None:
    ingest(*(span_line(start_ns=now_ns - 9 * DAY_NS, input="x") for _ in range(4_500)))
    keep(content_days=1, days=8)

    assert sum(term["count"] for term in apply(client) if term["work"] == "days") == 4_500
    assert names(store) == set()


def test_rejects_are_kept_for_thirty_days_and_as_a_rule_says(
    client: TestClient, store: Store, ingest: Ingest, keep: Callable[..., None], now_ns: int
) -> None:
    ingest(b'{"type": "span"}', b'{"type": "score"}')
    store._connection.execute("UPDATE store.rejects SET received_ns = $1", [now_ns - 9 * DAY_NS])

    assert apply(client) == []
    keep(kind="rejects", days=7)
    assert [(term["table"], term["count"]) for term in apply(client)] == [("rejects", 2)]


def test_a_rule_is_replaced_shown_and_removed(
    client: TestClient, keep: Callable[..., None]
) -> None:
    keep(project="p", days=9)
    keep(project="p", days=5, content_days=1)

    assert client.get("/v1/retention").json()["rules"] == [
        {"project": "p", "kind": None, "days": 5.0, "content_days": 1.0}
    ]
    assert client.delete("/v1/retention", params={"project": "p"}).status_code == 200
    assert client.get("/v1/retention").json()["rules"] == []
    assert client.delete("/v1/retention", params={"project": "p"}).status_code == 404
    actions = [each["action"] for each in client.get("/v1/audit").json()["actions"]]
    assert sorted(actions) == ["retention.remove", "retention.set", "retention.set"]


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({}, "say days"),
        ({"days": 1, "content_days": 2}, "content_days=2 is more than days=1"),
        ({"days": -1}, "days"),
        ({"days": 0}, "greater than or equal to 1"),
        ({"content_days": 0.5}, "greater than or equal to 1"),
        ({"kind": "model", "days": 1}, "kind='model'"),
        ({"kind": "rejects", "content_days": 1}, "say days alone"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_the_reason(
    client: TestClient, rule: dict[str, Any], word: str
) -> None:
    answer = client.put("/v1/retention", json=rule)

    assert answer.status_code == 422
    assert word in answer.json()["message"]


def test_of_calls_whose_contents_went_descriptors_stay_without_words_also_described_anew(
    client: TestClient,
    store: Store,
    ingest: Ingest,
    span_line: Ingest,
    keep: Callable[..., None],
    now_ns: int,
) -> None:
    describer = client.app.state.collector.describer  # type: ignore[attr-defined]
    writer = client.app.state.collector.writer  # type: ignore[attr-defined]
    ingest(span_line(input="hello you", output="Sorry but no.", start_ns=now_ns - 3 * DAY_NS))
    while describer.describe_next() is not None:
        pass
    own = """UPDATE store.descriptors SET own = '{"mood": "so sad", "length": 2, "ok": true}'"""
    writer.perform(lambda c: c.execute(own).fetchall()).result()
    read = "SELECT opener, prompt_chars, answer_chars, own FROM store.descriptors"
    (before,) = store.read(read)
    assert before["opener"]
    keep(project="p", content_days=2)

    apply(client)
    note = "INSERT INTO store.due_descriptors SELECT project, span_key, start_ns FROM store.spans"
    writer.perform(lambda c: c.execute(note).fetchall()).result()
    while describer.describe_next() is not None:
        pass

    (after,) = store.read(read)
    assert json.loads(after.pop("own")) == {"length": 2, "ok": True}
    assert after == {
        "opener": None,
        "prompt_chars": before["prompt_chars"],
        "answer_chars": before["answer_chars"],
    }
    assert store.read("SELECT count(*) AS n FROM store.due_descriptors") == [{"n": 0}]


@pytest.mark.parametrize("place", ["span", "trace", "session", "no span", "no session"])
def test_what_scores_say_goes_after_its_days_wherever_they_are_and_figures_stay(
    client: TestClient,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    keep: Callable[..., None],
    now_ns: int,
    place: str,
) -> None:
    ingest(
        span_line(
            span_id=f"{1:016x}",
            trace_id=f"{1:032x}",
            session_id="there",
            start_ns=now_ns - 9 * DAY_NS,
        )
    )
    places: dict[str, dict[str, Any]] = {
        "span": {"span_id": f"{1:016x}"},
        "trace": {"span_id": None, "trace_id": f"{1:032x}"},
        "session": {"span_id": None, "session_id": "there"},
        "no span": {"span_id": f"{2:016x}"},
        "no session": {"span_id": None, "session_id": "nowhere"},
    }
    old = {"time_ns": now_ns - 3 * DAY_NS, **places[place]}
    # The call's own texts went long before these were said.
    keep(project="p", content_days=2)
    apply(client)
    ingest(
        score_line(score_id="text", name="said", value="old words", is_text=True, **old),
        score_line(score_id="category", name="c", value="good", comment="old words", **old),
        score_line(score_id="number", name="n", value=0.5, comment="old words", **old),
        score_line(score_id="late", comment="new words", **(old | {"time_ns": now_ns - DAY_NS})),
    )

    due = client.get("/v1/retention/due").json()["terms"]

    assert [(term["table"], term["count"]) for term in due] == [("scores", 3)]
    assert apply(client) == due
    left = {each["score_id"]: each for each in client.get("/v1/scores").json()["scores"]}
    assert {name: each["comment"] for name, each in left.items()} == {
        "text": None,
        "category": None,
        "number": None,
        "late": "new words",
    }
    assert [left[name]["value"] for name in ("text", "category", "number")] == ["", "good", 0.5]
    assert apply(client) == []


def test_a_rule_for_one_kind_leaves_what_scores_of_others_say(
    client: TestClient,
    ingest: Ingest,
    span_line: Ingest,
    score_line: Ingest,
    keep: Callable[..., None],
    now_ns: int,
) -> None:
    old_ns = now_ns - 9 * DAY_NS
    ingest(
        span_line(span_id=f"{1:016x}", kind="llm", start_ns=old_ns),
        span_line(span_id=f"{2:016x}", kind="tool", start_ns=old_ns),
        *(
            score_line(score_id=f"{n}", span_id=f"{n:016x}", time_ns=old_ns, comment="said")
            for n in (1, 2, 3)
        ),
    )
    keep(project="p", kind="llm", content_days=2)
    apply(client)

    scores = client.get("/v1/scores").json()["scores"]
    assert {each["score_id"]: each["comment"] for each in scores} == {
        "1": None,
        "2": "said",
        "3": "said",
    }
