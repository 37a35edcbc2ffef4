"""Chat completions that the real client gives in pieces or raw: followed as far as it is read."""

import asyncio
from collections.abc import Iterator

import openai
import pytest

import headway
from headway.testing import Captured, FrozenClock, capture
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_openai_chat import (
    ASKED,
    CALL_PART,
    OUTPUT,
    TOOLS,
    has_all,
    only,
    openai_client,
)


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


def test_a_stream_keeps_its_type_and_is_timed_by_what_says_something(provider: Provider) -> None:
    headway.instrument("openai")
    clock = FrozenClock()
    provider.stream(wire.chunks())
    with capture(clock_ns=clock) as captured, openai_client(provider) as client:
        stream = client.chat.completions.create(
            model="gpt-4o",
            messages=ASKED,
            stream=True,
            stream_options={"include_usage": True},
        )
        seen = []
        for chunk in stream:
            seen.append(chunk)
            clock.tick(0.1)

    span = only(captured)
    assert type(stream) is openai.Stream
    assert [type(chunk) for chunk in seen] == [openai.types.chat.ChatCompletionChunk] * 6
    assert has_all(span)
    # The chunk with the role came first and says nothing.
    assert (span.ttft_ms, span.chunk_count) == (100.0, 3)
    assert (span.chunk_p50_ms, span.chunk_p95_ms) == (100.0, 100.0)
    assert span.params["stream"] is True
    assert not span.is_abandoned


def test_a_stream_without_usage_has_no_tokens(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks(usage=False))
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))

    assert only(captured).output == OUTPUT
    assert only(captured).input_tokens is None


def test_a_stream_that_is_waited_for_is_the_same_span(
    waited: openai.AsyncOpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())

    async def ask() -> int:
        async with waited:
            stream = await waited.chat.completions.create(
                model="gpt-4o", messages=ASKED, stream=True
            )
            assert type(stream) is openai.AsyncStream
            return len([chunk async for chunk in stream])

    assert asyncio.run(ask()) == 6
    assert has_all(only(captured))
    assert only(captured).chunk_count == 3


def test_the_tool_calls_of_a_stream_are_put_together(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.tool_chunks())
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True, tools=TOOLS))

    assert only(captured).output[0]["parts"] == [CALL_PART]
    assert only(captured).finish_reasons == ["tool_calls"]


def test_the_stream_helper_is_followed_inside(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())
    with client.chat.completions.stream(model="gpt-4o", messages=ASKED) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == "On its way."
    assert has_all(only(captured))


def test_a_stream_that_is_closed_early_is_abandoned_with_what_came(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())
    with client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True) as stream:
        next(stream), next(stream)

    span = only(captured)
    assert (span.is_abandoned, span.status) == (True, "ok")
    assert span.output[0]["parts"] == [{"type": "text", "content": "On "}]


def test_a_stream_that_breaks_off_is_an_error_with_what_came(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks(usage=False), is_dropped=True)
    stream = client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
    with pytest.raises(openai.APIConnectionError):
        list(stream)

    span = only(captured)
    assert (span.status, span.error_type) == ("error", "openai.APIConnectionError")
    assert span.output == OUTPUT


def test_a_raw_response_is_logged_and_parsed_as_ever(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=ASKED)

    assert has_all(only(captured))
    assert raw.parse().choices[0].message.content == "On its way."


def test_the_stream_of_a_raw_response_is_followed(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=ASKED, stream=True
    )
    chunks = list(raw.parse())

    assert len(chunks) == 6
    assert has_all(only(captured))


@pytest.mark.parametrize("way", ["parse", "json", "read"])
def test_a_response_that_the_program_reads_itself_is_logged_when_it_has(
    client: openai.OpenAI, provider: Provider, captured: Captured, way: str
) -> None:
    provider.answer(wire.completion())
    streaming = client.chat.completions.with_streaming_response
    with streaming.create(model="gpt-4o", messages=ASKED) as response:
        getattr(response, way)()

    assert has_all(only(captured))


def test_a_response_that_nobody_reads_is_a_call_without_output(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    streaming = client.chat.completions.with_streaming_response
    with streaming.create(model="gpt-4o", messages=ASKED):
        pass

    assert (only(captured).status, only(captured).output) == ("ok", None)


def test_a_streaming_response_that_is_waited_for_is_logged_when_it_is_parsed(
    waited: openai.AsyncOpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())

    async def ask() -> None:
        streaming = waited.chat.completions.with_streaming_response
        async with waited, streaming.create(model="gpt-4o", messages=ASKED) as response:
            await response.parse()

    asyncio.run(ask())

    assert has_all(only(captured))
