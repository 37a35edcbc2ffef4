"""Calls of litellm, as spans; the clients under it add none."""

import asyncio
import os
from typing import Any

import pytest

import headway
from headway.testing import Captured
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_openai_chat import ASKED, INPUT, OUTPUT

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm: Any = pytest.importorskip("litellm")
# Of its own, for example on how it uses Pydantic.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def place(provider: Provider, captured: Captured) -> dict[str, Any]:
    """Where litellm is to ask; both libraries are instrumented."""
    headway.instrument("openai", "litellm")
    return {"api_base": f"{provider.url}/v1", "api_key": "not to be logged", "max_retries": 0}


def test_a_completion_is_one_span_with_the_provider_that_litellm_found(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    with headway.span("request") as outer:
        answer = litellm.completion("openai/gpt-4o", ASKED, temperature=0.2, **place)

    inner, _ = captured.calls
    assert type(answer) is litellm.ModelResponse
    assert answer.choices[0].message.content == "On its way."
    assert inner.parent_span_id == outer.span_id
    assert (inner.kind, inner.provider, inner.request_model) == ("llm", "openai", "gpt-4o")
    assert (inner.input, inner.output, inner.finish_reasons) == (INPUT, OUTPUT, ["stop"])
    assert inner.params == {"temperature": 0.2}
    assert (inner.input_tokens, inner.output_tokens) == (1200, 60)
    assert (inner.cache_read_tokens, inner.reasoning_tokens) == (1024, 40)
    assert inner.attributes["litellm.model"] == "openai/gpt-4o"


def test_a_completion_that_is_waited_for_is_one_span(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    asyncio.run(litellm.acompletion(model="openai/gpt-4o", messages=ASKED, **place))

    (span,) = captured.calls
    assert (span.output, span.provider) == (OUTPUT, "openai")


def test_a_stream_is_one_span_and_keeps_its_type(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())
    stream = litellm.completion(
        "openai/gpt-4o", ASKED, stream=True, stream_options={"include_usage": True}, **place
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    (span,) = captured.calls
    assert type(stream) is litellm.CustomStreamWrapper
    assert text == "On its way."
    assert span.output == OUTPUT
    assert (span.chunk_count, span.input_tokens) == (3, 1200)
    assert span.ttft_ms is not None


def test_a_stream_that_is_waited_for_is_one_span(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())

    async def ask() -> None:
        stream = await litellm.acompletion("openai/gpt-4o", ASKED, stream=True, **place)
        async for _ in stream:
            pass

    asyncio.run(ask())

    (span,) = captured.calls
    assert (span.output, span.chunk_count, span.is_abandoned) == (OUTPUT, 3, None)


def test_a_stream_that_is_closed_early_is_abandoned(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())
    stream = litellm.completion("openai/gpt-4o", ASKED, stream=True, **place)
    next(stream)
    stream.close()

    assert captured.calls[0].is_abandoned


def test_an_error_is_that_of_litellm_and_on_the_span(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.answer({"error": {"message": "Who are you?"}}, 401)
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion("openai/gpt-4o", ASKED, **place)

    (span,) = captured.calls
    assert span.status == "error"
    assert span.attributes["http.response.status_code"] == 401


def test_embeddings_are_counted_and_not_kept(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.EMBEDDINGS)
    litellm.embedding("openai/text-embedding-3-small", ["one", "two"], **place)

    (span,) = captured.calls
    assert (span.kind, span.input, span.input_tokens) == ("embedding", ["one", "two"], 7)
    assert span.output == {"count": 2, "dimensions": 3}


def test_no_key_is_logged(place: dict[str, Any], provider: Provider, captured: Captured) -> None:
    provider.answer(wire.completion())
    litellm.completion("openai/gpt-4o", ASKED, extra_headers={"x": "not to be logged"}, **place)

    assert "not to be logged" not in str(captured.calls)
