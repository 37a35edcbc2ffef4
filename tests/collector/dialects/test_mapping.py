"""What is read from a span beside its plain fields, and that nothing in it can stop the mapping."""

import json
from typing import Any

import pytest

from headway.records import Span
from headway_collector.dialects.mapping import is_pending, map_span, project_of
from headway_collector.limits import MAX_LIST_TEXT_CHARS, MAX_LIST_TEXTS, MAX_TEXT_CHARS
from headway_collector.otlp.telemetry import OtelEvent, Resource
from headway_collector.soundness import find_span_fault
from tests.collector.dialects.examples import NAMES, load_example, make_span

_STRANGE = [
    True,
    -1,
    1.5,
    10**18,
    float("nan"),
    float("-inf"),
    None,
    "",
    " ",
    "a lot",
    '"',
    "[",
    "{",
    "[1, [2]]",
    '{"input": {"input": -1}, "model": 7, "type": []}',
    "9" * 400,
    '{"n": 1' + "0" * 400 + ', "type": "llm"}',
    '{"n":' * 2000,
    '{"n":' * 500 + "1" + "}" * 500,
    "x" * 5000,
    b"\xff\x00",
    [],
    [None, 1, "a", ["b"], {"c": 1}],
    ["y" * 5000] * 200,
    {},
    {"total": "much", "model": {"deep": [1]}, "type": None, "input": "NaN"},
]
_KNOWN = sorted(
    {key for name in NAMES for span in load_example(name).spans for key in span.attributes}
)


def map_attributes(attributes: dict[str, Any], **fields: Any) -> Span:
    """Return the span of one second with the attributes, mapped."""
    return map_span(make_span(attributes, **fields)).span


@pytest.mark.parametrize("strange", _STRANGE, ids=lambda value: repr(value)[:20])
def test_no_value_of_any_attribute_stops_the_mapping(strange: object) -> None:
    for key in _KNOWN:
        assert find_span_fault(map_attributes({key: strange})) is None
    assert find_span_fault(map_attributes(dict.fromkeys(_KNOWN, strange))) is None


def test_long_texts_and_lists_are_cut_and_stay_whole_in_the_attributes() -> None:
    name = "n" * 3000
    attributes = {"gen_ai.request.model": name, "tag.tags": ["t" * 400] * 100}

    span = map_attributes(attributes, name=name)

    assert (span.name, span.request_model) == (name[:MAX_TEXT_CHARS], name[:MAX_TEXT_CHARS])
    assert span.tags == ["t" * MAX_LIST_TEXT_CHARS] * MAX_LIST_TEXTS
    assert json.loads(bytes(span.attributes)) == attributes


def test_parameters_have_one_name_whoever_says_them() -> None:
    attributes = {
        "llm.invocation_parameters": '{"model": "m", "temperature": 0.9, "stop": ["END"], "n": 2}',
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 300,
        "llm.top_k": 40,
    }

    params = json.loads(bytes(map_attributes(attributes).params))

    assert params == {
        "temperature": 0.2,
        "max_tokens": 300,
        "top_k": 40,
        "stop_sequences": ["END"],
        "choice_count": 2,
    }


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.25}, ()),
        ({"langfuse.observation.completion_start_time": '"2026-11-22T20:00:00.250Z"'}, ()),
        ({"langfuse.observation.completion_start_time": "2026-11-22T21:00:00.25+01:00"}, ()),
        ({}, ("First Token Stream Event",)),
        ({}, ("new_token", "new_token")),
        ({"ai.response.msToFirstChunk": 250}, ()),
        ({"braintrust.metrics": '{"time_to_first_token": 0.25}'}, ()),
    ],
)
def test_the_time_to_the_first_token_is_read_from_any_clue(
    attributes: dict[str, Any], events: tuple[str, ...]
) -> None:
    otel = make_span(attributes)
    otel.events = [
        OtelEvent(name, otel.start_ns + (number + 1) * 250_000_000)
        for number, name in enumerate(events)
    ]

    assert map_span(otel).span.ttft_ms == 250.0


@pytest.mark.parametrize(
    "attributes",
    [
        {"langfuse.observation.completion_start_time": "1999-01-01T00:00:00Z"},
        {"langfuse.observation.completion_start_time": "soon"},
        {"gen_ai.response.time_to_first_chunk": -1},
        {"ai.response.msToFirstChunk": "fast"},
    ],
)
def test_a_first_token_before_the_start_or_unreadable_is_none(attributes: dict[str, Any]) -> None:
    assert map_attributes(attributes).ttft_ms is None


@pytest.mark.parametrize(
    ("code", "attributes", "status"),
    [
        (0, {}, "unset"),
        (1, {"error.type": "timeout"}, "ok"),
        (2, {}, "error"),
        (0, {"error.type": "timeout"}, "error"),
        (0, {"langfuse.observation.level": "ERROR"}, "error"),
        (0, {"langfuse.observation.level": "WARNING"}, "unset"),
        (0, {"logfire.level_num": 17}, "error"),
        (0, {"logfire.level_num": 9}, "unset"),
    ],
)
def test_a_status_that_otlp_leaves_unset_is_read_from_the_attributes(
    code: int, attributes: dict[str, Any], status: str
) -> None:
    assert map_attributes(attributes, status_code=code).status == status


def test_the_last_exception_names_what_ended_the_span() -> None:
    events = [
        OtelEvent("exception", 1, {"exception.type": "KeyError", "exception.stacktrace": "first"}),
        OtelEvent(
            "exception",
            2,
            {
                "exception.type": "TimeoutError",
                "exception.message": "3 s",
                "exception.stacktrace": "last",
            },
        ),
        OtelEvent("retry", 3),
    ]

    span = map_attributes({}, status_code=2, events=events)

    assert (span.error_type, span.status_message) == ("TimeoutError", "3 s")
    assert span.error_stack == "last"


def test_an_exception_that_was_survived_gives_no_message_to_the_status() -> None:
    events = [OtelEvent("exception", 1, {"exception.type": "KeyError", "exception.message": "k"})]

    span = map_attributes({}, status_code=1, events=events)

    assert (span.status, span.status_message, span.error_type) == ("ok", None, "KeyError")


def test_variables_of_a_prompt_are_gathered_from_single_attributes() -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.prompt.variable.shop": "berlin"}

    assert json.loads(bytes(map_attributes(attributes).prompt_variables)) == {"shop": "berlin"}


def test_a_span_that_announces_another_is_pending() -> None:
    assert is_pending(make_span({"logfire.span_type": "pending_span"}))
    assert not is_pending(make_span({"logfire.span_type": "span"}))
    assert not is_pending(make_span())


@pytest.mark.parametrize(
    ("header", "resource", "attributes", "project"),
    [
        ("ours", {"service.name": "shop"}, {}, "ours"),
        (None, {"service.name": "shop", "openinference.project.name": "phoenix"}, {}, "phoenix"),
        (None, {"service.name": "shop"}, {"langsmith.trace.session_name": "smith"}, "smith"),
        (None, {"service.name": "shop"}, {}, "shop"),
        (None, {"service.name": "unknown_service:python"}, {}, "default"),
        (None, {"service.name": 7.5}, {}, "7.5"),
        (None, {"service.name": "s" * 900}, {}, "s" * 200),
        (None, {}, {}, "default"),
    ],
)
def test_the_project_is_the_headers_or_what_the_sender_calls_itself(
    header: str | None, resource: dict[str, Any], attributes: dict[str, Any], project: str
) -> None:
    assert project_of(Resource(resource), header, attributes) == project
