"""Chat completions of the real client, as spans: what is asked, said and refused."""

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

import headway
from headway.testing import Captured, CapturedCall
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider

ASKED: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is my parcel?"},
]
INPUT = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]},
]
OUTPUT = [
    {
        "role": "assistant",
        "parts": [{"type": "text", "content": "On its way."}],
        "finish_reason": "stop",
    }
]
CALL_PART = {"type": "tool_call", "id": "call_1", "name": "track", "arguments": {"parcel": "P-9"}}
DEFINITIONS = [{"type": "function", "name": "track", "parameters": {}}]
TOOLS: list[Any] = [{"type": "function", "function": {"name": "track", "parameters": {}}}]


class Verdict(pydantic.BaseModel):
    text: str


@pytest.fixture
def client(provider: Provider, captured: Captured) -> Iterator[openai.OpenAI]:
    headway.instrument("openai")
    with openai_client(provider) as client:
        yield client


@pytest.fixture
def waited(provider: Provider, captured: Captured) -> openai.AsyncOpenAI:
    headway.instrument("openai")
    # Without TLS, whose certificates take a while to read.
    http_client = openai.DefaultAsyncHttpxClient(verify=False)
    return openai.AsyncOpenAI(
        api_key="k", base_url=f"{provider.url}/v1", max_retries=0, http_client=http_client
    )


def openai_client(provider: Provider) -> openai.OpenAI:
    http_client = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(
        api_key="k", base_url=f"{provider.url}/v1", max_retries=0, http_client=http_client
    )


def only(captured: Captured) -> CapturedCall:
    (span,) = captured.calls
    return span


def has_all(span: CapturedCall) -> bool:
    """Whether the usual answer stands in a span, however it came."""
    assert (span.kind, span.status, span.name) == ("llm", "ok", "chat gpt-4o")
    assert (span.provider, span.request_model) == ("openai", "gpt-4o")
    assert (span.response_model, span.response_id) == ("gpt-4o-2024-08-06", "chatcmpl-1")
    assert span.input == INPUT
    assert span.output == OUTPUT
    assert span.finish_reasons == ["stop"]
    assert (span.input_tokens, span.output_tokens) == (1200, 60)
    assert (span.cache_read_tokens, span.reasoning_tokens) == (1024, 40)
    assert (span.audio_input_tokens, span.audio_output_tokens) == (8, 4)
    return True


def test_a_completion_is_an_llm_span_with_all_that_is_known(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    with headway.span("request") as outer:
        answer = client.chat.completions.create(
            model="gpt-4o", messages=ASKED, temperature=0.2, top_p=0.9, seed=7, max_tokens=50
        )

    span = captured.call("chat gpt-4o")
    attributes = span.attributes
    assert type(answer) is openai.types.chat.ChatCompletion
    assert answer.choices[0].message.content == "On its way."
    assert has_all(span)
    assert (span.parent_span_id, span.trace_id) == (outer.span_id, outer.trace_id)
    assert span.params == {
        "temperature": 0.2,
        "top_p": 0.9,
        "seed": 7,
        "max_tokens": 50,
    }
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "openai.api.type": "chat_completions",
        "openai.response.service_tier": "default",
        "openai.response.system_fingerprint": "fp_1",
        "server.address": "127.0.0.1",
        "server.port": provider.port,
    }


def test_a_completion_that_is_waited_for_is_the_same_span(
    waited: openai.AsyncOpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())

    async def ask() -> None:
        async with waited:
            await waited.chat.completions.create(model="gpt-4o", messages=ASKED)

    asyncio.run(ask())

    assert has_all(only(captured))


def test_tools_choices_and_images_are_parts_of_messages(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(
        wire.completion({"tool_calls": [wire.TOOL_CALL]}, {"refusal": "No."}, reason="tool_calls")
    )
    url = "https://example.org/a.png"
    asked: list[Any] = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]},
        {"role": "assistant", "tool_calls": [wire.TOOL_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Leipzig"},
    ]
    client.chat.completions.create(model="gpt-4o", messages=asked, n=2, tools=TOOLS)

    span = only(captured)
    assert [message["parts"] for message in span.input] == [
        [{"type": "uri", "modality": "image", "uri": url}],
        [CALL_PART],
        [{"type": "tool_call_response", "id": "call_1", "response": "Leipzig"}],
    ]
    assert [message["parts"] for message in span.output] == [
        [CALL_PART],
        [{"type": "refusal", "content": "No."}],
    ]
    assert span.finish_reasons == ["tool_calls", "tool_calls"]
    assert span.params == {"n": 2}
    assert span.attributes["gen_ai.tool.definitions"] == DEFINITIONS


def test_a_parsed_completion_keeps_its_type_and_logs_the_schema(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion({"content": '{"text":"late"}'}))
    answer = client.chat.completions.parse(model="gpt-4o", messages=ASKED, response_format=Verdict)

    span = only(captured)
    schema = span.params["response_format"]["json_schema"]
    assert answer.choices[0].message.parsed == Verdict(text="late")
    assert schema["name"] == "Verdict"
    assert span.output[0]["parts"] == [{"type": "text", "content": '{"text":"late"}'}]


def test_an_error_reaches_the_program_and_the_span(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer({"error": {"message": "Slow down.", "code": "rate_limit"}}, 429)
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=ASKED)

    span = only(captured)
    assert raised.value.status_code == 429
    assert (span.status, span.error_type) == ("error", "openai.RateLimitError")
    assert "Slow down." in (span.status_message or "")
    assert span.attributes["http.response.status_code"] == 429
    assert span.input == INPUT


def test_retries_are_inside_of_one_span(provider: Provider, captured: Captured) -> None:
    headway.instrument("openai")
    provider.answer({"error": {}}, 500, **{"retry-after-ms": "1"})
    provider.answer(wire.completion())
    with openai_client(provider) as client:
        client.with_options(max_retries=1).chat.completions.create(model="gpt-4o", messages=ASKED)

    assert len(provider.asked) == 2
    assert has_all(only(captured))
