"""What LiveKit, Genkit, Logfire and OpenInference's tools say in ways that are all their own."""

import json
from typing import Any

import pytest

from headway.records import Span
from headway_collector.dialects.mapping import map_span
from headway_collector.otlp.telemetry import OtelEvent, Scope
from headway_collector.soundness import find_span_fault
from tests.collector.dialects.examples import make_span

MODEL = {"genkit:metadata:subtype": "model", "genkit:name": "googleai/gemini-2.5-flash"}
STRANGE = ("messages", "message", "candidates", "input", "embeddings", "usage")
TOOL = {"openinference.span.kind": "TOOL"}
TOOL_CALL = {"type": "tool_call", "id": "c1", "name": "track", "arguments": {"p": 9}}


def map_attributes(attributes: dict[str, Any], **fields: Any) -> Span:
    """Return the span of one second with the attributes, mapped."""
    return map_span(make_span(attributes, **fields)).span


def read(attributes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the content of a span, mapped and decoded."""
    span = map_attributes(attributes, **fields)
    raw = {"input": bytes(span.input), "output": bytes(span.output)}
    return {name: json.loads(said) for name, said in raw.items() if said}


def text(content: str, role: str = "user", **more: Any) -> dict[str, Any]:
    """Return a message of one text, in canonical form."""
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


# LiveKit


@pytest.mark.parametrize("prefix", ["lk.", "lk.pii."])
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("user_input", "hi", {"input": "hi"}),
        ("user_transcript", "so", {"output": "so"}),
        ("function_tool.arguments", '{"p": 9}', {"input": {"p": 9}}),
        ("function_tool.output", "late", {"output": "late"}),
        ("response.text", "so", {"output": [text("so", "assistant")]}),
        ("chat_ctx", '{"items": [{"content": ["hi"]}]}', {"input": [text("hi")]}),
    ],
)
def test_livekit_says_the_same_where_it_marks_what_people_said(
    prefix: str, name: str, value: str, expected: dict[str, Any]
) -> None:
    assert read({prefix + name: value}) == expected


def test_a_handoff_in_the_context_is_no_message() -> None:
    items = [{"type": "agent_handoff", "new_agent_id": "b"}, {"type": "message", "content": ["hi"]}]

    assert read({"lk.chat_ctx": json.dumps({"items": items})}) == {"input": [text("hi")]}


def test_a_call_of_livekit_has_the_id_that_its_result_answers_to() -> None:
    call = {"id": "item_1/fnc_0", "call_id": "c1", "name": "track", "arguments": '{"p": 9}'}
    said = {"lk.response.text": "", "lk.response.function_calls": json.dumps([call])}

    assert read(said) == {"output": [{"role": "assistant", "parts": [TOOL_CALL]}]}


def test_an_answer_without_text_and_calls_is_none() -> None:
    assert read({"lk.response.text": "", "lk.response.function_calls": "[]"}) == {}


def test_calls_in_an_attribute_of_an_event_are_json_texts() -> None:
    call = json.dumps({"id": "c1", "function": {"name": "track", "arguments": '{"p": 9}'}})
    event = OtelEvent("gen_ai.choice", 1, {"role": "assistant", "tool_calls": [call]})

    found = read({"gen_ai.request.model": "m"}, events=[event])

    assert found == {"output": [{"role": "assistant", "parts": [TOOL_CALL]}]}


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"lk.function_tools": []}, "chain"),
        ({"lk.tts.label": "cartesia"}, "span"),
        ({"lk.response.ttfb": 0.2}, "span"),
        ({}, "llm"),
        ({"lk.generation_id": "speech_1"}, "llm"),
        ({"lk.function_tools": [], "gen_ai.operation.name": "chat"}, "llm"),
    ],
)
def test_a_node_of_livekit_is_no_second_call_of_its_model(
    attributes: dict[str, Any], kind: str
) -> None:
    assert map_attributes({"gen_ai.request.model": "m"} | attributes).kind == kind


@pytest.mark.parametrize(("is_error", "status"), [(True, "error"), (False, "unset"), (1, "unset")])
def test_a_tool_of_livekit_says_whether_it_failed(is_error: object, status: str) -> None:
    assert map_attributes({"lk.function_tool.is_error": is_error}).status == status


def test_the_first_token_and_the_cache_stand_in_what_livekit_measured() -> None:
    metrics = {"prompt_tokens": 156, "completion_tokens": 42, "prompt_cached_tokens": 128}

    span = map_attributes({"lk.response.ttft": 0.25, "lk.llm_metrics": json.dumps(metrics)})

    assert (span.ttft_ms, span.cache_read_tokens) == (250.0, 128)
    assert (span.input_tokens, span.output_tokens) == (156, 42)


# Genkit


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("googleai/gemini-2.5-flash", "gcp.gemini", "gemini-2.5-flash"),
        ("vertexai/gemini-2.5-pro", "gcp.vertex_ai", "gemini-2.5-pro"),
        ("support-7b", None, "support-7b"),
    ],
)
def test_a_model_of_genkit_is_named_behind_its_plugin(
    name: str, provider: str | None, model: str
) -> None:
    span = map_attributes(MODEL | {"genkit:name": name})

    assert (span.provider, span.request_model) == (provider, model)


def test_a_flow_of_genkit_has_no_model() -> None:
    flow = {"genkit:metadata:subtype": "flow", "genkit:name": "shop/support"}

    assert map_attributes(flow).request_model is None


@pytest.mark.parametrize(("total", "output_tokens"), [(212, 56), (180, 24), (None, 24)])
def test_thoughts_are_added_where_the_total_proves_that_the_output_leaves_them_out(
    total: int | None, output_tokens: int
) -> None:
    usage = {"inputTokens": 156, "outputTokens": 24, "thoughtsTokens": 32, "totalTokens": total}

    span = map_attributes(MODEL | {"genkit:output": json.dumps({"usage": usage})})

    assert (span.input_tokens, span.output_tokens) == (156, output_tokens)


def test_what_a_tool_gives_is_no_usage() -> None:
    said = {"genkit:metadata:subtype": "tool", "genkit:output": '{"usage": {"input": 9}}'}

    assert map_attributes(said).input_tokens is None


@pytest.mark.parametrize("is_list", [True, False])
def test_a_model_of_genkit_answers_alone_or_in_candidates(is_list: bool) -> None:
    message = {"role": "model", "content": [{"toolRequest": {"ref": "c1", "name": "track"}}]}
    answer = {"message": message, "finishReason": "stop"}
    said = MODEL | {"genkit:output": json.dumps({"candidates": [answer]} if is_list else answer)}

    part = {"type": "tool_call", "id": "c1", "name": "track"}
    expected = [{"role": "assistant", "parts": [part], "finish_reason": "stop"}]
    assert read(said) == {"output": expected}
    assert map_attributes(said).finish_reasons == ["stop"]


def test_a_secret_in_the_settings_of_genkit_is_no_parameter() -> None:
    request = {"messages": [], "config": {"apiKey": "k", "topP": 0.5}}

    span = map_attributes(MODEL | {"genkit:input": json.dumps(request)})

    assert json.loads(bytes(span.params)) == {"top_p": 0.5}


@pytest.mark.parametrize(
    "strange",
    [None, 7, [], "", "null", "[", "[7]", '"hi"', '{"message": {"content": 7}}', '{"config": []}']
    + [f'{{"{name}": {odd}}}' for name in STRANGE for odd in ("null", "[null, 7]", "{}", '"x"')],
)
@pytest.mark.parametrize("step", ["model", "embedder", "util", "tool", 7])
def test_nothing_that_genkit_says_makes_reading_fail(step: object, strange: object) -> None:
    said = MODEL | {"genkit:metadata:subtype": step}

    span = map_attributes(said | {"genkit:input": strange, "genkit:output": strange})

    assert find_span_fault(span) is None


# Logfire


@pytest.mark.parametrize("tags", [None, "LLM", ["shop"]])
def test_request_data_of_any_other_program_is_no_call_of_a_model(tags: Any) -> None:
    said = {"request_data": '{"model": "m", "seats": 5}', "logfire.tags": tags}

    span = map_attributes(said)

    assert (span.kind, span.request_model, bytes(span.params)) == ("span", None, b"")


def test_request_data_of_a_clients_call_says_all_of_it() -> None:
    said = {"request_data": '{"model": "m", "seed": 5}', "logfire.tags": ["LLM"]}

    span = map_attributes(said, scope=Scope("logfire.openai"))

    assert (span.kind, span.request_model, span.provider) == ("llm", "m", "openai")
    assert json.loads(bytes(span.params)) == {"seed": 5}


def test_instructions_of_anthropic_stand_before_the_messages() -> None:
    request = {"model": "m", "system": "be short", "messages": [{"role": "user", "content": "hi"}]}

    found = read({"request_data": json.dumps(request)})

    assert found["input"] == [text("be short", "system"), text("hi")]


@pytest.mark.parametrize(
    ("scope", "arguments"), [("logfire.anthropic", {"p": 9}), ("logfire.openai", {"input": "x"})]
)
def test_arguments_come_wrapped_from_anthropic_alone(scope: str, arguments: Any) -> None:
    wrapped = {"input": arguments} if scope == "logfire.anthropic" else arguments
    call = {"id": "c1", "function": {"name": "track", "arguments": json.dumps(wrapped)}}
    answer = {"message": {"role": "assistant", "tool_calls": [call]}}

    found = read({"response_data": json.dumps(answer)}, scope=Scope(scope))

    assert found["output"][0]["parts"][0]["arguments"] == arguments


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ({"usage": {"prompt_tokens": 9}}, None),
        ({"message": None, "usage": None}, None),
        ({"text": "so", "usage": {}}, [text("so", "assistant")]),
        ({"text": "so"}, {"text": "so"}),
        ({"images": []}, {"images": []}),
    ],
)
def test_an_answer_says_a_message_a_text_or_nothing(answer: Any, output: Any) -> None:
    assert read({"response_data": json.dumps(answer)}).get("output") == output


@pytest.mark.parametrize(
    ("usage", "input_tokens"),
    [
        ({"input_tokens": 500, "cache_read_input_tokens": 128}, 628),
        ({"input_tokens": 500, "input_tokens_details": {"cached_tokens": 128}}, 500),
    ],
)
def test_the_cache_of_an_answer_is_added_to_the_input_of_anthropic_alone(
    usage: dict[str, Any], input_tokens: int
) -> None:
    said = {"gen_ai.usage.input_tokens": 500, "response_data": json.dumps({"usage": usage})}

    mapped = map_span(make_span(said))

    assert (mapped.span.input_tokens, mapped.span.cache_read_tokens) == (input_tokens, 128)
    assert mapped.derived.is_usage_inconsistent is False


def test_stop_sequences_that_logfire_writes_as_json_are_a_list() -> None:
    span = map_attributes({"gen_ai.request.stop_sequences": '["END"]'})

    assert json.loads(bytes(span.params)) == {"stop_sequences": ["END"]}


# OpenInference


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"p": 9}, {"p": 9}),
        ({"type": "express"}, {"type": "express"}),
        ({"type": "object", "properties": {"p": {"type": "integer"}}}, None),
        ({"p": {"type": "integer"}}, None),
        ({}, None),
        (["p"], None),
    ],
)
def test_parameters_of_a_tool_are_its_input_where_they_are_no_schema(
    parameters: Any, expected: Any
) -> None:
    assert read(TOOL | {"tool.parameters": json.dumps(parameters)}).get("input") == expected


def test_any_other_input_of_a_tool_says_more_than_its_parameters() -> None:
    assert read(TOOL | {"tool.parameters": '{"p": 9}', "input.value": "P-9"}) == {"input": "P-9"}


def test_parameters_are_nobodys_input_but_a_tools() -> None:
    assert read({"openinference.span.kind": "CHAIN", "tool.parameters": '{"p": 9}'}) == {}


def test_prompts_of_the_first_release_are_a_plain_list() -> None:
    assert read({"llm.prompts": ["hi", "so"]}) == {"input": [text("hi"), text("so")]}
