"""What is shown of a span: a preview in a list, all of it in its trace, with the scores on it."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def test_a_preview_is_text_of_at_most_300_characters(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line(input="ä\n" * 400, output={"long": ["x" * 400]}))

    (span,) = client.get("/v1/spans").json()["spans"]

    assert span["input"] == "ä\n" * 150
    assert span["output"] == ('{"long": ["' + "x" * 400)[:300]


def test_content_can_be_left_out(client: TestClient, ingest: Ingest, span_line: Lines) -> None:
    ingest(span_line(input="i", output="o", params={"n": 1}))

    (span,) = client.get("/v1/spans", params={"content": "none"}).json()["spans"]

    assert span.keys().isdisjoint({"input", "output"})
    assert span["params"] == {"n": 1}


def test_attributes_are_whole_where_the_content_is(
    client: TestClient, ingest: Ingest, span_line: Lines, store: Store
) -> None:
    text = "where is my parcel? " * 10
    ingest(span_line(input=text, trace_id="a" * 32))
    store.read(
        "UPDATE store.spans SET mapper_version = 7, otel = '{\"kind\": 3}', "
        """attributes = '{"llm.input": {"$ref": "/input"}, "shop": "x"}'"""
    )

    (preview,) = client.get("/v1/spans").json()["spans"]
    (full,) = client.get("/v1/spans", params={"content": "full"}).json()["spans"]
    (traced,) = client.get("/v1/traces/" + "a" * 32).json()["spans"]

    assert full["attributes"] == traced["attributes"] == {"llm.input": text, "shop": "x"}
    assert (full["mapper_version"], full["otel"]) == (7, {"kind": 3})
    assert preview["attributes"]["shop"] == "x"
    assert "otel" not in preview


def test_a_trace_has_its_spans_by_start_and_the_scores_on_them(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines
) -> None:
    trace = "a" * 32
    ingest(
        span_line(name="second", trace_id=trace, span_id="b" * 16, input={"deep": [1]}),
        score_line(name="on the span", span_id="b" * 16),
        score_line(name="on the trace", span_id=None, trace_id=trace),
        score_line(name="elsewhere", span_id="c" * 16),
        span_line(name="other trace"),
    )
    ingest(span_line(name="first", trace_id=trace, start_ns=1), batch_id="late")

    answer = client.get(f"/v1/traces/{trace}").json()

    assert (answer["trace_id"], answer["project"]) == (trace, "p")
    assert [span["name"] for span in answer["spans"]] == ["first", "second"]
    assert answer["spans"][1]["input"] == {"deep": [1]}
    assert [score["name"] for score in answer["scores"]] == ["on the span", "on the trace"]


@pytest.mark.parametrize(
    ("trace_id", "hours"),
    [
        ("019aaa7bed007abc8000000000000001", [-20, 0, 900]),
        # It seems to be of the year 2100, and is random.
        ("03bb2cc3d8007abc8000000000000001", [-1, 0]),
        ("a" * 12 + "7bcd8" + "0" * 15, [0]),
        ("not hex at a7bcd8" + "0" * 15, [0]),
    ],
)
def test_a_trace_is_whole_whatever_time_its_id_seems_to_carry(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    now_ns: int,
    store: Store,
    trace_id: str,
    hours: list[int],
) -> None:
    ingest(*[span_line(name=f"{h}", start_ns=now_ns + h * 3600 * 10**9) for h in hours])
    store.read(f"UPDATE store.spans SET trace_id = '{trace_id}'")

    spans = client.get(f"/v1/traces/{trace_id}").json()["spans"]

    assert [span["name"] for span in spans] == [f"{h}" for h in hours]


def test_a_trace_that_is_not_there_is_404(client: TestClient, ingest: Ingest) -> None:
    response = client.get("/v1/traces/" + "f" * 32, params={"project": "p"})

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "in project p" in response.json()["message"]
