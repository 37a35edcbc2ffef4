"""Calls of litellm, as spans; the clients under it add none."""

import asyncio
import os
from typing import Any

import pytest

import headway
from headway.testing import Captured
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_openai_chat import ASKED, DEFINITIONS, INPUT, OUTPUT, TOOLS

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


def test_a_text_completion_is_one_span_whole_and_in_pieces(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.text_completion("On its way."))
    provider.stream(wire.text_chunks("On ", "its way."))
    model = "text-completion-openai/gpt-3.5-turbo-instruct"
    litellm.text_completion("Where is my parcel?", model, suffix="!", **place)
    list(litellm.text_completion(prompt="Where is it?", model=model, stream=True, **place))

    whole, streamed = captured.calls
    assert whole.name == "text_completion gpt-3.5-turbo-instruct"
    assert (whole.provider, whole.params) == ("openai", {"suffix": "!"})
    assert whole.input == INPUT[1:]
    assert [span.output for span in captured.calls] == [OUTPUT, OUTPUT]
    assert (whole.input_tokens, streamed.chunk_count) == (1200, 2)


def test_a_response_is_one_span_whole_and_in_pieces(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    asked: dict[str, Any] = {"model": "openai/gpt-5", "instructions": "Be brief."}
    provider.answer(wire.response(wire.MESSAGE))
    provider.stream(wire.events())
    provider.stream(wire.events())
    litellm.responses("Where is my parcel?", **asked, max_output_tokens=9, **place)
    list(litellm.responses(input="Where is my parcel?", **asked, stream=True, **place))

    async def ask() -> None:
        stream = await litellm.aresponses(input="Where is it?", **asked, stream=True, **place)
        async for _ in stream:
            pass

    asyncio.run(ask())

    whole, streamed, _ = captured.calls
    assert (whole.name, whole.provider) == ("chat gpt-5", "openai")
    assert whole.params == {"max_output_tokens": 9}
    assert [span.input for span in captured.calls[:2]] == [INPUT, INPUT]
    assert [span.output[0]["parts"] for span in captured.calls] == [OUTPUT[0]["parts"]] * 3
    assert [span.input_tokens for span in captured.calls] == [1200, 1200, 1200]
    assert (streamed.chunk_count, streamed.finish_reasons) == (3, ["completed"])


def test_tools_are_defined_in_one_form(
    place: dict[str, Any], provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    litellm.completion("openai/gpt-4o", ASKED, tools=TOOLS, **place)

    (span,) = captured.calls
    assert span.attributes["gen_ai.tool.definitions"] == DEFINITIONS
    assert span.params is None
