"""Each dialect's own way to say what was given to a model and what it gave."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from headway.records import Kind
from headway_collector.dialects.mapping import map_span
from headway_collector.otlp.telemetry import OtelEvent, OtelLog, OtelSpan
from tests.collector.dialects.examples import make_span

CALL = {"gen_ai.operation.name": "chat"}
DETAILS = "gen_ai.client.inference.operation.details"
TOOL_CALL = {"type": "tool_call", "id": "c1", "name": "track", "arguments": {"p": 9}}
VERCEL_CALL = {"toolCallType": "function", "toolCallId": "c1", "toolName": "track"}
RESPONSE = {"type": "tool_call_response", "id": "c1", "response": "late"}


def text(content: str, role: str = "user", **more: Any) -> dict[str, Any]:
    """Return a message of one text, in canonical form."""
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


def read(otel: OtelSpan) -> dict[str, Any]:
    """Return the content of a span, mapped and decoded."""
    span = map_span(otel).span
    raw = {"input": bytes(span.input), "output": bytes(span.output)}
    return {name: json.loads(said) for name, said in raw.items() if said}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # GenAI, 1.37 and later
        ({"gen_ai.input.messages": [{"content": "hi"}]}, {"input": [text("hi")]}),
        (
            {"gen_ai.output.messages": [{"content": "hi"}]},
            {"output": [text("hi", "assistant")]},
        ),
        # Vercel
        ({"ai.prompt.messages": '[{"content": "hi"}]'}, {"input": [text("hi")]}),
        ({"ai.prompt": "hi"}, {"input": [text("hi")]}),
        ({"ai.prompt": '{"content": "hi"}'}, {"input": [text("hi")]}),
        (
            {"ai.prompt": '{"system": "be short", "prompt": "hi"}'},
            {"input": [text("be short", "system"), text("hi")]},
        ),
        (
            {"ai.prompt": '{"system": "be short", "messages": [{"content": "hi"}]}'},
            {"input": [text("be short", "system"), text("hi")]},
        ),
        (
            {"ai.response.text": "so", "ai.response.finishReason": "stop"},
            {"output": [text("so", "assistant", finish_reason="stop")]},
        ),
        ({"ai.result.text": "so"}, {"output": [text("so", "assistant")]}),
        ({"ai.response.object": '{"a": 1}'}, {"output": [text('{"a": 1}', "assistant")]}),
        (
            {"ai.response.reasoning": "hm"},
            {"output": [{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]}]},
        ),
        *(
            (
                {name: json.dumps([VERCEL_CALL | {arguments: {"p": 9}}])},
                {"output": [{"role": "assistant", "parts": [TOOL_CALL]}]},
            )
            for name in ("ai.response.toolCalls", "ai.result.toolCalls")
            for arguments in ("args", "input")
        ),
        # OpenInference
        (
            {"llm.input_messages.0.message.content": "hi"},
            {"input": [text("hi")]},
        ),
        (
            {"llm.output_messages.0.message.content": "so"},
            {"output": [text("so", "assistant")]},
        ),
        (
            {
                "llm.input_messages.0.message.content": "the same once more",
                "llm.input_messages.0.message.contents.0.message_content.type": "text",
                "llm.input_messages.0.message.contents.0.message_content.text": "look",
                "llm.input_messages.0.message.contents.1.message_content.type": "image",
                "llm.input_messages.0.message.contents.1.message_content.image.image.url": "x:y",
            },
            {
                "input": [
                    {
                        "role": "user",
                        "parts": [
                            {"type": "text", "content": "look"},
                            {"type": "uri", "modality": "image", "uri": "x:y"},
                        ],
                    }
                ]
            },
        ),
        (
            {
                "llm.output_messages.0.message.function_call_name": "track",
                "llm.output_messages.0.message.function_call_arguments_json": '{"p": 9}',
            },
            {
                "output": [
                    {
                        "role": "assistant",
                        "parts": [{"type": "tool_call", "name": "track", "arguments": {"p": 9}}],
                    }
                ]
            },
        ),
        ({"llm.prompts.0.prompt.text": "hi"}, {"input": [text("hi")]}),
        ({"llm.choices.0.completion.text": "so"}, {"output": [text("so", "assistant")]}),
        # Traceloop, and what LangSmith says bare
        ({"gen_ai.prompt.0.content": "hi"}, {"input": [text("hi")]}),
        ({"gen_ai.completion.0.content": "so"}, {"output": [text("so", "assistant")]}),
        ({"llm.prompts.0.content": "hi"}, {"input": [text("hi")]}),
        ({"llm.completions.0.content": "so"}, {"output": [text("so", "assistant")]}),
        ({"gen_ai.prompt": "hi"}, {"input": [text("hi")]}),
        ({"gen_ai.completion": "so"}, {"output": [text("so", "assistant")]}),
        # Logfire and pydantic-ai
        ({"prompt": "hi"}, {"input": [text("hi")]}),
        ({"final_result": "so"}, {"output": "so"}),
        (
            {"response_data": '{"message": {"content": "so"}}'},
            {"output": [text("so", "assistant")]},
        ),
        (
            {"response_data": '{"combined_chunk_content": "so"}'},
            {"output": [text("so", "assistant")]},
        ),
        (
            {"request_data": '{"messages": [{"role": "user", "content": "hi"}]}'},
            {"input": [text("hi")]},
        ),
        (
            {"pydantic_ai.all_messages": [text("hi"), text("so", "assistant")]},
            {"input": [text("hi")], "output": [text("so", "assistant")]},
        ),
        # Others
        ({"mlflow.spanInputs": '"hi"'}, {"input": "hi"}),
        ({"mlflow.spanOutputs": '"so"'}, {"output": "so"}),
        (
            {"gcp.vertex.agent.llm_request": '{"contents": [{"parts": [{"text": "hi"}]}]}'},
            {"input": [text("hi")]},
        ),
        (
            {"gcp.vertex.agent.llm_response": '{"content": {"parts": [{"text": "so"}]}}'},
            {"output": [text("so", "assistant")]},
        ),
        ({"gcp.vertex.agent.tool_call_args": '{"p": 9}'}, {"input": {"p": 9}}),
        ({"gcp.vertex.agent.tool_response": '{"late": true}'}, {"output": {"late": True}}),
        (
            {"lk.chat_ctx": '{"items": [{"type": "message", "content": ["hi"]}]}'},
            {"input": [text("hi")]},
        ),
        ({"lk.response.text": "so"}, {"output": [text("so", "assistant")]}),
        (
            {
                "lk.response.function_calls": '[{"id": "c1", "function": {"name": "track", '
                '"arguments": {"p": 9}}}]'
            },
            {"output": [{"role": "assistant", "parts": [TOOL_CALL]}]},
        ),
        ({"lk.user_input": "hi"}, {"input": "hi"}),
        ({"lk.input_text": "hi"}, {"input": "hi"}),
        ({"lk.user_transcript": "so"}, {"output": "so"}),
        ({"lk.function_tool.arguments": '{"p": 9}'}, {"input": {"p": 9}}),
        ({"lk.function_tool.output": "late"}, {"output": "late"}),
        ({"genkit:input": "hi"}, {"input": "hi"}),
        ({"genkit:output": "so"}, {"output": "so"}),
        ({"braintrust.input_json": '"hi"'}, {"input": "hi"}),
        ({"braintrust.output_json": '{"a": 1}'}, {"output": {"a": 1}}),
    ],
)
def test_a_dialect_says_what_was_given_or_what_came(
    attributes: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert read(make_span(CALL | attributes)) == expected


@pytest.mark.parametrize(
    ("kind", "attributes", "expected"),
    [
        ("tool", {"ai.toolCall.args": '{"p": 9}'}, {"input": {"p": 9}}),
        ("tool", {"ai.toolCall.result": "late"}, {"output": "late"}),
        ("tool", {"tool_arguments": '{"p": 9}'}, {"input": {"p": 9}}),
        ("tool", {"tool_response": "late"}, {"output": "late"}),
        ("tool", {"traceloop.entity.input": '{"p": 9}'}, {"input": {"p": 9}}),
        ("tool", {"traceloop.entity.output": '"late"'}, {"output": "late"}),
        ("retriever", {"gen_ai.retrieval.documents": '[{"id": "d"}]'}, {"output": [{"id": "d"}]}),
        (
            "embedding",
            {"ai.values": ['"a"', '"b"'], "ai.embeddings": ["[0.1, 0.2]", "[0.3, 0.4]"]},
            {"input": ["a", "b"], "output": {"count": 2, "dimensions": 2}},
        ),
        (
            "embedding",
            {"ai.value": '"a"', "ai.embedding": "[0.1, 0.2]"},
            {"input": ["a"], "output": {"count": 1, "dimensions": 2}},
        ),
        (
            "chain",
            {"ai.value": '"a"', "ai.embedding": "[0.1, 0.2]"},
            {"input": ["a"], "output": {"count": 1, "dimensions": 2}},
        ),
    ],
)
def test_a_step_of_a_dialect_says_what_was_given_or_what_came(
    kind: Kind, attributes: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert read(make_span({"openinference.span.kind": kind} | attributes)) == expected


@pytest.mark.parametrize(
    ("event_name", "attributes"), [(DETAILS, {}), ("", {"event.name": DETAILS})]
)
@pytest.mark.parametrize("is_body", [True, False])
def test_details_of_a_call_may_come_as_a_log_event(
    event_name: str, attributes: dict[str, Any], is_body: bool
) -> None:
    said = {
        "gen_ai.system_instructions": [{"type": "text", "content": "be short"}],
        "gen_ai.input.messages": [{"content": "hi"}],
        "gen_ai.output.messages": [{"content": "so"}],
    }
    log = OtelLog(
        event_name=event_name,
        body=said if is_body else None,
        attributes=attributes | ({} if is_body else said),
    )

    assert read(make_span(CALL, logs=[log])) == {
        "input": [text("be short", "system"), text("hi")],
        "output": [text("so", "assistant")],
    }


def test_details_of_a_call_may_come_as_an_event_of_the_span() -> None:
    event = OtelEvent(DETAILS, 1, {"gen_ai.input.messages": '[{"content": "hi"}]'})

    assert read(make_span(CALL, events=[event])) == {"input": [text("hi")]}


@pytest.mark.parametrize(
    "log",
    [
        OtelLog(event_name="gen_ai.user.message", body={"content": "hi"}),
        OtelLog(event_name="gen_ai.user.message", body="hi"),
        OtelLog(attributes={"event.name": "gen_ai.user.message"}, body={"content": "hi"}),
        OtelLog(event_name="gen_ai.user.message", attributes={"content": "hi"}),
        OtelLog(
            event_name="gen_ai.user.message",
            attributes={"gen_ai.event.content": '{"content": "hi"}'},
        ),
    ],
    ids=["body", "text", "name in an attribute", "attributes", "content in an attribute"],
)
def test_a_message_may_stand_in_any_part_of_its_event(log: OtelLog) -> None:
    assert read(make_span(CALL, logs=[log])) == {"input": [text("hi")]}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("gen_ai.system.message", "system"),
        ("gen_ai.user.message", "user"),
        ("gen_ai.assistant.message", "assistant"),
    ],
)
def test_the_name_of_an_event_is_the_role(name: str, role: str) -> None:
    event = OtelEvent(name, 1, {"content": "hi"})

    assert read(make_span(CALL, events=[event])) == {"input": [text("hi", role)]}


def test_the_event_of_a_tool_answers_its_call() -> None:
    log = OtelLog(event_name="gen_ai.tool.message", body={"id": "c1", "content": "late"})

    assert read(make_span(CALL, logs=[log])) == {"input": [{"role": "tool", "parts": [RESPONSE]}]}


def test_choices_come_by_their_index_whenever_they_were_made() -> None:
    choices = [
        OtelLog(
            time_ns=moment,
            event_name="gen_ai.choice",
            body={"index": index, "finish_reason": "stop", "message": {"content": f"{index}"}},
        )
        for moment, index in enumerate((2, 0, 1))
    ]

    assert read(make_span(CALL, logs=choices))["output"] == [
        text(f"{index}", "assistant", finish_reason="stop") for index in range(3)
    ]


def test_a_choice_may_say_its_calls_beside_the_message() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": '{"p": 9}'}}
    body = {"index": 0, "message": {"role": "assistant"}, "tool_calls": [call]}
    log = OtelLog(event_name="gen_ai.choice", body=body)

    assert read(make_span(CALL, logs=[log])) == {
        "output": [{"role": "assistant", "parts": [TOOL_CALL]}]
    }


def test_the_oldest_events_hold_the_texts_in_an_attribute() -> None:
    events = [
        OtelEvent("gen_ai.content.prompt", 1, {"gen_ai.prompt": '[{"content": "hi"}]'}),
        OtelEvent("gen_ai.content.completion", 2, {"gen_ai.completion": '[{"content": "so"}]'}),
    ]

    assert read(make_span(CALL, events=events)) == {
        "input": [text("hi")],
        "output": [text("so", "assistant")],
    }


def by_log(name: str, body: dict[str, Any]) -> Callable[[OtelSpan], None]:
    """Return what adds a log event to a span."""
    return lambda otel: otel.logs.append(OtelLog(event_name=name, body=body))


def by_event(name: str, attributes: dict[str, Any]) -> Callable[[OtelSpan], None]:
    """Return what adds an event to a span."""
    return lambda otel: otel.events.append(OtelEvent(name, 1, attributes))


def by_attribute(name: str, value: Any) -> Callable[[OtelSpan], None]:
    """Return what adds an attribute to a span."""
    return lambda otel: otel.attributes.__setitem__(name, value)


# What wins over all that stands below it, by the specification's section on content.
WAYS = {
    "langfuse": by_attribute("langfuse.observation.input", '[{"content": "langfuse"}]'),
    "span": by_attribute("gen_ai.input.messages", [text("span")]),
    "details": by_log(DETAILS, {"gen_ai.input.messages": [text("details")]}),
    "vercel": by_attribute("ai.prompt.messages", '[{"content": "vercel"}]'),
    "message events": by_log("gen_ai.user.message", {"content": "message events"}),
    "content events": by_event("gen_ai.content.prompt", {"gen_ai.prompt": "content events"}),
    "openinference": by_attribute("llm.input_messages.0.message.content", "openinference"),
    "traceloop": by_attribute("gen_ai.prompt.0.content", "traceloop"),
    "logfire": by_attribute(
        "request_data", '{"messages": [{"role": "user", "content": "logfire"}]}'
    ),
    "mlflow": by_attribute("mlflow.spanInputs", '[{"role": "user", "content": "mlflow"}]'),
    "generic": by_attribute("input.value", "generic"),
}


@pytest.mark.parametrize("rank", range(len(WAYS)))
def test_the_way_that_says_most_wins_events_among_them(rank: int) -> None:
    otel = make_span(CALL | {})
    for add in reversed(list(WAYS.values())[rank:]):
        add(otel)

    said = json.dumps(read(otel)["input"])
    assert list(WAYS)[rank] in said
    assert not any(name in said for name in list(WAYS)[rank + 1 :])
