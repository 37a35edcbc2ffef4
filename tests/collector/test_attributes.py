"""Spans by their attributes, also by those of which only a reference is stored."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from tests.collector.otlp_requests import PROTOBUF, encode, export_spans, make_span

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

LONG = 'where is "my" parcel/order? ' * 8 + "é"
NOTE = "a note that stands in no message, " * 4 + "."
ANSWER = "it is on its way to you, " * 8 + "."


def _write(*messages: tuple[str, str]) -> str:
    said = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in messages]
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False)


FOREIGN = {
    "gen_ai.input.messages": _write(("user", LONG)),
    "gen_ai.output.messages": _write(("assistant", ANSWER)),
    "app.question": LONG,
    "app.answer": ANSWER,
    "app.note": NOTE,
    "app.same_note": NOTE,
    "a/b~c=d": LONG,
    "short": "yes",
}


def names(client: TestClient, **params: Any) -> list[str]:
    response = client.get("/v1/spans", params=params)
    assert response.status_code == 200, response.text
    return [span["name"] for span in response.json()["spans"]]


def spell(key: str) -> str:
    return json.dumps(key) if "=" in key else key


@pytest.fixture
def foreign(client: TestClient) -> None:
    """A span of OpenTelemetry with attributes that repeat its messages, and one of other texts."""
    request = export_spans(
        make_span(1, FOREIGN, name="said"),
        make_span(2, {"app.question": LONG[1:], "short": "no"}, name="other"),
    )
    headers = {"Content-Type": PROTOBUF}
    assert client.post("/v1/traces", content=encode(request, PROTOBUF), headers=headers).is_success


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("key", FOREIGN)
def test_an_attribute_is_found_by_its_text_wherever_that_is_kept(
    client: TestClient, key: str
) -> None:
    pair = f"{spell(key)}={FOREIGN[key]}"

    assert names(client, attribute=pair) == ["said"]
    assert names(client, where=f"attribute:{pair}") == ["said"]
    assert names(client, attribute=pair + "x") == []


def test_instructions_and_messages_that_came_apart_are_found_apart(client: TestClient) -> None:
    parts = json.dumps([{"type": "text", "content": NOTE}], separators=(",", ":"))
    sent = {
        "gen_ai.system_instructions": parts,
        "gen_ai.input.messages": _write(("user", LONG), ("assistant", ANSWER)),
    }
    body = encode(export_spans(make_span(1, sent, name="said")), PROTOBUF)
    client.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})

    for key, text in sent.items():
        assert names(client, attribute=f"{key}={text}") == ["said"]


def test_the_texts_of_these_tests_are_kept_as_references(
    client: TestClient, store: Store, foreign: None
) -> None:
    (row,) = store.read("SELECT attributes FROM store.spans WHERE name = 'said'")
    stored = json.loads(row["attributes"])

    referring = {key for key, value in stored.items() if isinstance(value, dict)}
    assert referring == FOREIGN.keys() - {"app.note", "short"}


@pytest.mark.usefixtures("foreign")
def test_a_long_text_that_differs_passes_not_equal(client: TestClient) -> None:
    assert names(client, where=f"attribute:app.question!={LONG}") == ["other"]


@pytest.mark.usefixtures("foreign")
def test_groups_show_texts_and_no_references(client: TestClient) -> None:
    fields = ["attribute:app.question", "attribute:app.answer", "attribute:short"]
    facets = client.get("/v1/facets", params={"field": fields}).json()["facets"]
    groups = client.get("/v1/metrics", params={"by": "attribute:app.question"}).json()["rows"]

    assert facets == {
        "attribute:app.question": [{"value": LONG[1:], "count": 1}],
        "attribute:app.answer": [],
        "attribute:short": [{"value": "no", "count": 1}, {"value": "yes", "count": 1}],
    }
    assert [row["attribute:app.question"] for row in groups] == [LONG[1:], None]


def test_what_looks_like_a_reference_in_a_span_of_our_own_is_its_value(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line(input="x" * 80, attributes={"schema": {"$ref": "/input"}}))

    facets = client.get("/v1/facets", params={"field": "attribute:schema"}).json()["facets"]

    assert facets["attribute:schema"] == [{"value": '{"$ref":"/input"}', "count": 1}]
    assert names(client, attribute="schema=" + "x" * 80) == []


@pytest.mark.parametrize(
    ("key", "value"), [("a=b", "c=d"), ('say "x"=', "1"), ("a>=b", "2"), ("", "3"), ('"', "4")]
)
def test_a_key_may_be_written_as_a_json_string(
    client: TestClient, ingest: Ingest, span_line: Lines, key: str, value: str
) -> None:
    ingest(span_line(name="has", attributes={key: value}), span_line(attributes={"a": "b"}))
    pair = f"{json.dumps(key)}={value}"

    assert names(client, attribute=pair) == ["has"]
    assert names(client, where=f"attribute:{pair}") == ["has"]


def test_a_quote_in_a_key_needs_no_other_spelling(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line(name="has", attributes={'5" disk': "x=y", '"': "z"}))

    assert names(client, attribute='5" disk=x=y') == ["has"]
    assert names(client, attribute='"=z') == ["has"]
