"""Content comes from the form that says most, input and output each by themselves."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway.records import Kind
from headway_collector.dialects.contents import Content, find_content
from headway_collector.dialects.keys import recall
from headway_collector.dialects.mapping import is_pending, map_span
from headway_collector.otlp.telemetry import OtelEvent, OtelLog, OtelSpan
from tests.collector.dialects.examples import NAMES, load_example, make_span

GOLDEN = json.loads((Path(__file__).parent / "fixture_contents.json").read_text())


def said(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    """Return a message of one text, in canonical form."""
    return {"role": role, "parts": [{"type": "text", "content": text}], **more}


def find(otel: OtelSpan, kind: Kind) -> Content:
    """Return the content of a span as the mapping finds it."""
    return find_content(otel, kind, recall(otel.attributes))


def read(otel: OtelSpan, kind: Kind = "llm") -> dict[str, Any]:
    """Return the content of a span, decoded."""
    content = find(otel, kind)
    found = {"input": bytes(content.input), "output": bytes(content.output)}
    return {name: json.loads(raw) for name, raw in found.items() if raw}


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_becomes_its_canonical_content(name: str) -> None:
    found = {}
    for otel in load_example(name).spans:
        if not is_pending(otel):
            span = map_span(otel).span
            raw = {"input": bytes(span.input), "output": bytes(span.output)}
            found[otel.span_id] = {key: json.loads(text) for key, text in raw.items() if text}

    assert found == GOLDEN[name]


# Each line names what wins over all the lines below it.
PRECEDENCE: list[tuple[str, Any]] = [
    ("langfuse.observation.input", '[{"role": "user", "content": "langfuse"}]'),
    ("gen_ai.input.messages", json.dumps([said("genai")])),
    ("ai.prompt.messages", '[{"role": "user", "content": "vercel"}]'),
    ("llm.input_messages.0.message.content", "openinference"),
    ("gen_ai.prompt.0.content", "traceloop"),
    ("request_data", '{"messages": [{"role": "user", "content": "logfire"}]}'),
    ("mlflow.spanInputs", '[{"role": "user", "content": "mlflow"}]'),
]


@pytest.mark.parametrize("rank", range(len(PRECEDENCE)))
def test_the_form_that_says_most_wins_and_any_wins_over_generic_text(rank: int) -> None:
    generic = ("input.value", '{"messages": "the whole request"}')
    otel = make_span(dict(reversed([*PRECEDENCE[rank:], generic])))

    name = PRECEDENCE[rank][1]
    assert read(otel)["input"][0]["parts"][0]["content"] in name


def test_input_and_output_may_come_from_different_dialects() -> None:
    otel = make_span({"gen_ai.input.messages": json.dumps([said("hi")]), "output.value": "hello"})

    assert read(otel) == {"input": [said("hi")], "output": "hello"}


def test_empty_content_lets_the_next_form_speak() -> None:
    otel = make_span({"gen_ai.input.messages": "[]", "input.value": "hi", "output.value": ""})

    assert read(otel) == {"input": "hi"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"input.value": '{"a": 1}'}, {"a": 1}),
        ({"input.value": '{"a": 1}', "input.mime_type": "text/plain"}, '{"a": 1}'),
        ({"input.value": '"hi"', "input.mime_type": "application/json"}, "hi"),
        ({"input.value": '"hi"'}, '"hi"'),
        ({"input.value": '{"a": tru'}, '{"a": tru'),
        ({"input.value": '{"a": NaN}', "input.mime_type": "application/json"}, '{"a": NaN}'),
        ({"input.value": {"a": [1, 2.5, None]}}, {"a": [1, 2.5, None]}),
        ({"traceloop.entity.input": '"hi"'}, "hi"),
        ({"braintrust.input_json": '{"q": 1}'}, {"q": 1}),
        ({"genkit:input": '{"q": 1}'}, {"q": 1}),
        ({"lk.user_input": "hi"}, "hi"),
        ({"input": "hi"}, "hi"),
    ],
)
def test_generic_text_is_json_where_its_type_or_itself_says_so(
    attributes: dict[str, Any], expected: Any
) -> None:
    assert read(make_span(attributes), "chain")["input"] == expected


def test_escaped_letters_are_spelled_out_so_that_they_can_be_searched() -> None:
    content = find(make_span({"input.value": '{"q": "M\\u00fcnchen"}'}), "chain")

    assert "München" in bytes(content.input).decode()


def test_json_is_kept_to_the_letter_where_nothing_has_to_change() -> None:
    content = find(make_span({"input.value": '{"price":  1.10}'}), "chain")

    assert bytes(content.input) == b'{"price":  1.10}'


def test_half_characters_become_question_marks() -> None:
    assert read(make_span({"input.value": "a\ud800b"}), "chain") == {"input": "a?b"}


def test_finish_reasons_are_those_of_the_output_messages() -> None:
    messages = [said("a", "assistant", finish_reason="stop"), said("b", "assistant")]

    content = find(make_span({"gen_ai.output.messages": messages}), "llm")

    assert content.finish_reasons == ["stop"]


def test_a_reason_said_beside_the_messages_is_added_and_the_attribute_is_left_alone() -> None:
    attributes = {
        "gen_ai.output.messages": [said("a", "assistant")],
        "gen_ai.response.finish_reasons": ["stop"],
    }
    otel = make_span(attributes)

    assert read(otel)["output"] == [said("a", "assistant", finish_reason="stop")]
    assert "finish_reason" not in otel.attributes["gen_ai.output.messages"][0]


def test_a_root_without_input_of_its_own_takes_that_of_the_trace() -> None:
    attributes = {"langfuse.trace.input": '{"q": 1}'}

    assert read(make_span(attributes), "span") == {"input": {"q": 1}}
    assert read(make_span(attributes, parent_span_id="1" * 16), "span") == {}


@pytest.mark.parametrize(
    ("kind", "attributes", "expected"),
    [
        (
            "tool",
            {"gen_ai.tool.call.arguments": '{"p": 9}', "gen_ai.tool.call.result": "late"},
            {"input": {"p": 9}, "output": "late"},
        ),
        (
            "retriever",
            {
                "gen_ai.retrieval.query.text": "late?",
                "retrieval.documents.10.document.id": "d11",
                "retrieval.documents.2.document.id": "d3",
                "retrieval.documents.2.document.metadata": '{"page": 3}',
            },
            {"input": "late?", "output": [{"id": "d3", "metadata": {"page": 3}}, {"id": "d11"}]},
        ),
        (
            "reranker",
            {
                "reranker.query": "late?",
                "reranker.top_k": 1,
                "reranker.input_documents.0.document.content": "a",
                "reranker.output_documents.0.document.score": 0.9,
            },
            {
                "input": {"query": "late?", "documents": [{"content": "a"}], "top_k": 1},
                "output": [{"score": 0.9}],
            },
        ),
        (
            "embedding",
            {
                "embedding.embeddings.0.embedding.text": "a",
                "embedding.embeddings.0.embedding.vector": [0.1, 0.2, 0.3],
                "output.value": '{"data": [{"embedding": [0.1, 0.2, 0.3]}]}',
            },
            {"input": ["a"], "output": {"count": 1, "dimensions": 3}},
        ),
        (
            "embedding",
            {
                "gen_ai.input.messages": [said("a"), said("b")],
                "gen_ai.embeddings.dimension.count": 8,
            },
            {"input": ["a", "b"], "output": {"count": 2, "dimensions": 8}},
        ),
        ("embedding", {"output.value": '{"data": [[0.1]]}'}, {}),
    ],
)
def test_steps_that_are_no_chat_have_their_own_input_and_output(
    kind: Kind, attributes: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert read(make_span(attributes), kind) == expected


STRANGE: list[Any] = [
    None,
    True,
    7,
    2.5,
    b"bytes",
    "",
    "[",
    "{}",
    "[]",
    "[null, 1, [2]]",
    '[{"role": 7, "content": {"a": 1}}, {"parts": 3, "role": "user"}, {"type": ["x"]}]',
    {"messages": 3, "choices": {"a": 1}},
    {"role": {}, "kwargs": {"content": None}, "id": [{}], "message": {"message": {}}},
    [{"parts": [None, 1, {"type": None}, {"type": "image_url", "image_url": 5}], "role": "user"}],
    [{"event.name": "gen_ai.choice", "index": "x", "message": 5}],
    [{"tool_calls": [1, {"function": 2}, {}], "function_call": {"name": []}, "role": "assistant"}],
    "[" * 900 + "]" * 900,
]
NAMED = [
    "langfuse.observation.input",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "ai.prompt.messages",
    "ai.prompt",
    "ai.response.toolCalls",
    "ai.values",
    "ai.embeddings",
    "llm.input_messages.0.message.content",
    "llm.input_messages.0.message.contents.0.message_content.image",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function",
    "embedding.embeddings.0.embedding",
    "retrieval.documents.0.document",
    "gen_ai.prompt",
    "gen_ai.completion.0",
    "gen_ai.completion.0.content",
    "pydantic_ai.all_messages",
    "all_messages_events",
    "events",
    "request_data",
    "response_data",
    "mlflow.spanOutputs",
    "gcp.vertex.agent.llm_request",
    "gcp.vertex.agent.llm_response",
    "lk.chat_ctx",
    "lk.response.function_calls",
    "tool.parameters",
    "llm.prompts",
    "input.value",
]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:30])
def test_nothing_that_is_sent_makes_reading_fail(name: str, value: Any) -> None:
    kinds: tuple[Kind, ...] = ("llm", "embedding", "retriever", "reranker", "tool")
    event = OtelEvent("gen_ai.choice", attributes={name: value, "message": value})
    log = OtelLog(event_name="gen_ai.client.inference.operation.details", body={name: value})
    for kind in kinds:
        for otel in (make_span({name: value}), make_span(events=[event], logs=[log])):
            content = find(otel, kind)

            for raw in (bytes(content.input), bytes(content.output)):
                assert not raw or msgspec.json.decode(raw) == json.loads(raw)


INSTRUCTIONS = {"gen_ai.system_instructions": '[{"type": "text", "content": "be short"}]'}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.input.messages": json.dumps([said("hi")])},
        {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "hi"},
        {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi"},
        {"pydantic_ai.all_messages": json.dumps([said("hi"), said("so", "assistant")])},
        {"langfuse.observation.input": '[{"role": "user", "content": "hi"}]'},
    ],
)
def test_instructions_stand_before_the_messages_of_any_dialect(attributes: dict[str, Any]) -> None:
    found = read(make_span(INSTRUCTIONS | attributes))

    assert found["input"] == [said("be short", "system"), said("hi")]


@pytest.mark.parametrize("on_event", [True, False])
def test_instructions_stand_before_the_messages_of_events(on_event: bool) -> None:
    messages = {"gen_ai.input.messages": [said("hi")]}
    details = "gen_ai.client.inference.operation.details"
    otel = make_span({} if on_event else INSTRUCTIONS)
    otel.events = [OtelEvent(details, 1, messages | (INSTRUCTIONS if on_event else {}))]

    assert read(otel)["input"] == [said("be short", "system"), said("hi")]


def test_instructions_are_not_said_twice() -> None:
    given = json.dumps([said("be very short", "system"), said("hi")])
    found = read(make_span(INSTRUCTIONS | {"langfuse.observation.input": given}))

    assert found["input"] == [said("be very short", "system"), said("hi")]


def test_instructions_alone_are_all_that_was_given() -> None:
    assert read(make_span(INSTRUCTIONS))["input"] == [said("be short", "system")]


def test_a_value_that_is_no_conversation_stays_as_it_is_beside_instructions() -> None:
    found = read(make_span(INSTRUCTIONS | {"input.value": "where is it?"}), "agent")

    assert found["input"] == "where is it?"
