"""Responses and embeddings of the real OpenAI client, as spans."""

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

import headway
from headway.testing import Captured
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_openai_chat import CALL_PART, openai_client

OUTPUT = [
    {"role": "assistant", "parts": [{"type": "reasoning", "content": "A parcel."}]},
    {"role": "assistant", "parts": [{"type": "text", "content": "On its way."}]},
]


class Verdict(pydantic.BaseModel):
    text: str


@pytest.fixture
def client(provider: Provider, captured: Captured) -> Iterator[openai.OpenAI]:
    with openai_client(provider) as client:
        # A client that is there already is followed too.
        _ = client.responses, client.embeddings
        headway.instrument("openai")
        yield client


@pytest.fixture
def waited(provider: Provider, captured: Captured) -> openai.AsyncOpenAI:
    headway.instrument("openai")
    return openai.AsyncOpenAI(
        api_key="k",
        base_url=f"{provider.url}/v1",
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(verify=False),
    )


def test_a_response_is_an_llm_span_with_all_that_is_known(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.response())
    answer = client.responses.create(
        model="gpt-5",
        instructions="Be brief.",
        input="Where is my parcel?",
        previous_response_id="resp_0",
        max_output_tokens=50,
        reasoning={"effort": "low"},
    )

    (span,) = captured.calls
    assert answer.output_text == "On its way."
    assert (span.kind, span.name, span.provider) == ("llm", "chat gpt-5", "openai")
    assert span.input == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]},
    ]
    assert (span.output, span.finish_reasons) == (OUTPUT, ["completed"])
    assert (span.response_model, span.response_id) == ("gpt-5-2025-08-07", "resp_1")
    assert (span.input_tokens, span.output_tokens) == (1200, 60)
    assert (span.cache_read_tokens, span.reasoning_tokens) == (1024, 40)
    assert span.params == {
        "max_output_tokens": 50,
        "previous_response_id": "resp_0",
        "reasoning": {"effort": "low"},
    }
    assert span.attributes["openai.api.type"] == "responses"


def test_items_of_tools_are_messages_too(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.response(wire.FUNCTION_CALL))
    given: list[Any] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
        {k: v for k, v in wire.FUNCTION_CALL.items() if k != "status"},
        {"type": "function_call_output", "call_id": "call_1", "output": "Leipzig"},
    ]
    client.responses.create(model="gpt-5", input=given)

    (span,) = captured.calls
    assert [message["role"] for message in span.input] == ["user", "assistant", "tool"]
    assert [message["parts"] for message in span.input] == [
        [{"type": "text", "content": "Where?"}],
        [CALL_PART],
        [{"type": "tool_call_response", "id": "call_1", "response": "Leipzig"}],
    ]
    assert span.output == [{"role": "assistant", "parts": [CALL_PART]}]


def test_a_parsed_response_keeps_its_type(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    said = {"type": "output_text", "text": '{"text":"late"}', "annotations": []}
    provider.answer(wire.response({**wire.MESSAGE, "content": [said]}))
    answer = client.responses.parse(model="gpt-5", input="?", text_format=Verdict)

    (span,) = captured.calls
    assert answer.output_parsed == Verdict(text="late")
    assert span.output[0]["parts"] == [{"type": "text", "content": '{"text":"late"}'}]
    assert span.params["text"]["format"]["name"] == "Verdict"


def test_a_response_that_failed_or_was_cut_says_why(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    error = {"code": "server_error", "message": "Try again."}
    provider.answer(wire.response(status="failed", error=error))
    provider.answer(
        wire.response(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    )
    client.responses.create(model="gpt-5", input="?")
    client.responses.create(model="gpt-5", input="?")

    failed, cut = captured.calls
    assert (failed.status, failed.status_message) == ("error", "Try again.")
    assert failed.attributes["error.type"] == "server_error"
    assert (cut.status, cut.finish_reasons) == ("ok", ["max_output_tokens"])


def test_the_events_of_a_response_are_put_together(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.events(), last=None)
    stream = client.responses.create(model="gpt-5", input="?", stream=True)
    seen = [event.type for event in stream]

    (span,) = captured.calls
    assert type(stream) is openai.Stream
    assert len(seen) == 8
    assert (span.output, span.chunk_count) == (OUTPUT[1:], 3)
    assert (span.input_tokens, span.reasoning_tokens) == (1200, 40)
    assert span.ttft_ms is not None


def test_the_events_that_are_waited_for_are_put_together(
    waited: openai.AsyncOpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.events(), last=None)

    async def ask() -> None:
        async with waited:
            stream = await waited.responses.create(model="gpt-5", input="?", stream=True)
            async for _ in stream:
                pass

    asyncio.run(ask())

    (span,) = captured.calls
    assert (span.output, span.response_id) == (OUTPUT[1:], "resp_1")


def test_the_stream_helper_of_responses_is_followed_inside(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.events(), last=None)
    with client.responses.stream(model="gpt-5", input="?") as stream:
        final = stream.get_final_response()

    (span,) = captured.calls
    assert final.output_text == "On its way."
    assert (span.output, span.output_tokens) == (OUTPUT[1:], 60)


def test_a_response_that_is_left_keeps_what_came(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.events(), last=None)
    with client.responses.create(model="gpt-5", input="?", stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break

    (span,) = captured.calls
    assert (span.is_abandoned, span.response_id, span.chunk_count) == (True, "resp_1", 1)
    assert span.output == [{"role": "assistant", "parts": [{"type": "text", "content": "On "}]}]


def test_embeddings_are_counted_and_not_kept(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.EMBEDDINGS)
    answer = client.embeddings.create(
        model="text-embedding-3-small", input=["one", "two"], dimensions=3
    )

    (span,) = captured.calls
    assert answer.data[1].embedding == [0.1, 0.2, 0.3]
    assert (span.kind, span.name) == ("embedding", "embeddings text-embedding-3-small")
    assert (span.input, span.output) == (["one", "two"], {"count": 2, "dimensions": 3})
    assert (span.input_tokens, span.params["dimensions"]) == (7, 3)


def test_other_requests_are_no_calls_of_a_model(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer({"id": "m", "results": [], "model": "omni"})
    client.moderations.create(input="?")

    assert captured.calls == []
