from typing import Any

import pytest

from headway_collector.schemas.queries import SpanQuery
from headway_evals.errors import ModelError
from headway_evals.models.logs import FILTERS, Log
from headway_evals.models.requests import Completion, Generate, Request
from headway_evals.models.specs import ModelOptions, make_model


def span(value: Any, output: Any, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "span_id": f"{number:016x}",
        "trace_id": f"{number:032x}",
        "input": value,
        "output": output,
        "request_model": "m",
        "status": "ok",
        "status_message": None,
        "error_type": None,
        "duration_ms": 12.5,
        "input_tokens": 3,
        "output_tokens": 4,
        **fields,
    }


def find(spans: list[dict[str, Any]], asked: Any, spec: str = "name=f") -> Completion:
    model = Log(spec, fetch=lambda query: spans)
    requests = [Request("c", asked, f"Prompt: {asked}", Generate(8))]
    (completion,) = model.generate(requests, lambda index, completion: None)
    return completion


def test_the_keys_are_the_collectors_span_filters() -> None:
    assert set(FILTERS) == set(SpanQuery.model_fields)


def test_a_logged_answer_comes_with_its_tokens_its_latency_and_its_span() -> None:
    assert find([span("hi", "hello", 7)], "hi") == Completion(
        text="hello",
        input_tokens=3,
        output_tokens=4,
        latency_ms=12.5,
        span_id=f"{7:016x}",
        trace_id=f"{7:032x}",
    )


def test_the_latest_of_several_answers_counts() -> None:
    latest_first = [span("hi", "new", 2), span("hi", "old", 1)]

    assert find(latest_first, "hi").text == "new"


@pytest.mark.parametrize(
    ("logged", "asked", "spec"),
    [
        ({"message": "hi"}, "hi", "name=f"),
        ({"message": "hi", "k": 3}, "hi", "name=f,input_field=message"),
        ({"message": "hi", "k": 3}, {"k": 3, "message": "hi"}, "name=f"),
        ([{"role": "user", "content": "hi"}], [{"role": "user", "content": "hi"}], "name=f"),
        ("Prompt: hi", "hi", "name=f"),
    ],
)
def test_a_case_meets_its_call_however_the_input_was_logged(
    logged: Any, asked: Any, spec: str
) -> None:
    assert find([span(logged, "yes")], asked, spec).text == "yes"


def test_a_case_without_a_logged_answer_is_missing() -> None:
    completion = find([span("hi", "hello")], "bye")

    assert completion.is_missing
    assert completion.error == "no logged call has this input"


def test_a_logged_failure_is_an_error_and_not_missing() -> None:
    failed = span("hi", None, status="error", status_message="timed out")

    completion = find([failed], "hi")

    assert (completion.text, completion.is_missing) == (None, False)
    assert completion.error == "the logged call failed: timed out"


def test_an_answer_that_was_logged_as_json_is_its_text() -> None:
    assert find([span("hi", {"kind": "refund"})], "hi").text == '{"kind":"refund"}'


def test_the_digest_follows_which_calls_were_read() -> None:
    one = Log("name=f", fetch=lambda query: [span("hi", "a", 1)])
    other = Log("name=f", fetch=lambda query: [span("hi", "a", 2)])

    assert one.digest != other.digest


def test_spans_are_read_page_by_page_with_the_filters_of_the_spec(collector: Any) -> None:
    collector.spans = [span(f"q{i}", f"a{i}", i) for i in range(250)]
    collector.spans += [span("q7", "other", 999, request_model="n")]
    model = make_model(
        "log:request_model=m,attribute=team=a,b,tag=x,tag=y",
        ModelOptions(url=collector.url, project="p"),
    )

    (completion,) = model.generate(
        [Request("c", "q7", "q7", Generate(8))], lambda index, completion: None
    )

    assert completion.text == "a7"
    assert len(collector.queries) == 3
    query = collector.queries[0]
    assert (query["attribute"], query["tag"]) == (["team=a,b"], ["x", "y"])
    assert (query["content"], query["order"], query["project"]) == (["full"], ["desc"], ["p"])


@pytest.mark.parametrize(
    ("url", "message"),
    [(None, "matches no logged call"), ("http://127.0.0.1:1", "no collector answers")],
)
def test_nothing_logged_and_nobody_there_are_errors(
    collector: Any, url: str | None, message: str
) -> None:
    model = make_model("log:request_model=m", ModelOptions(url=url or collector.url))

    with pytest.raises(ModelError, match=message):
        model.generate([Request("c", "q", "q", Generate(8))], lambda index, completion: None)
