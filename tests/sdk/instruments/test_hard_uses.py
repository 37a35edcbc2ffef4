"""What programs do with a client beside the plain call: helpers, retries, media, forks, tokens."""

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import headway
from headway.client_settings import read_settings
from headway.clients import Client
from headway.instruments.model_calls import COVERING, ModelSpan, open_call
from headway.settings import Sources
from headway.testing import Captured, capture
from tests.sdk.instruments import anthropic_wire
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_openai_chat import ASKED, DEFINITIONS, OUTPUT, openai_client

HELLO = {
    "type": "bytes",
    "size": 5,
    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
}


@pytest.fixture
def client(provider: Provider, captured: Captured) -> Iterator[openai.OpenAI]:
    headway.instrument("openai")
    with openai_client(provider) as client:
        yield client


@pytest.mark.parametrize("interface", ["chat", "responses"])
def test_a_helper_that_is_left_early_is_abandoned_at_once(
    client: openai.OpenAI, provider: Provider, captured: Captured, interface: str
) -> None:
    # The helpers close the response, and not the stream around it.
    provider.stream(wire.chunks() if interface == "chat" else wire.events())
    helper: Any = (
        client.chat.completions.stream(model="gpt-4o", messages=ASKED)
        if interface == "chat"
        else client.responses.stream(model="gpt-4o", input="Where is it?")
    )
    with helper as stream:
        next(iter(stream))

    assert [span.is_abandoned for span in captured.calls] == [True]


def test_a_helper_that_is_waited_for_and_left_early_is_abandoned_at_once(
    provider: Provider, captured: Captured
) -> None:
    headway.instrument("openai")
    provider.stream(wire.chunks())

    async def ask() -> int:
        http_client = openai.DefaultAsyncHttpxClient(verify=False)
        async with openai.AsyncOpenAI(
            api_key="k", base_url=f"{provider.url}/v1", http_client=http_client
        ) as client:
            helper = client.chat.completions.stream(model="gpt-4o", messages=ASKED)
            async with helper as stream:
                await anext(aiter(stream))
            return len(captured.calls)

    assert asyncio.run(ask()) == 1
    assert captured.calls[0].is_abandoned


@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_retries_are_counted(provider: Provider, captured: Captured, library: str) -> None:
    headway.instrument(library)
    for _ in range(2):
        provider.answer({"error": {}}, 429, **{"retry-after-ms": "1"})
    if library == "openai":
        provider.answer(wire.completion())
        with openai_client(provider).with_options(max_retries=2) as client:
            client.chat.completions.create(model="gpt-4o", messages=ASKED)
    else:
        provider.answer(anthropic_wire.message())
        with anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=2) as other:
            other.messages.create(
                model="claude-test", max_tokens=9, messages=[{"role": "user", "content": "Hm?"}]
            )

    (span,) = captured.calls
    assert len(provider.asked) == 3
    assert span.status == "ok"
    assert span.attributes["http.request.resend_count"] == 2


def test_an_image_in_a_message_is_described_and_not_copied(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    url = "data:image/png;base64,aGVsbG8="
    content: list[Any] = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": url}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}},
    ]
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])

    (span,) = captured.calls
    blob = {"type": "blob", "content": HELLO}
    assert provider.asked[0].body["messages"][0]["content"] == content
    assert span.input[0]["parts"] == [
        {**blob, "modality": "image", "mime_type": "image/png"},
        {**blob, "modality": "audio", "mime_type": "audio/wav"},
        {**blob, "modality": "document", "mime_type": "image/png"},
        {"type": "uri", "modality": "image", "uri": "data:image/svg+xml,<svg/>"},
    ]


def test_an_image_is_kept_where_the_program_asked_for_bytes(provider: Provider) -> None:
    headway.instrument("openai")
    provider.answer(wire.completion())
    image: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
    with capture() as captured, openai_client(provider) as client:
        headway.init(capture_data=True)
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": [image]}]
        )

    assert captured.calls[0].input[0]["parts"][0]["content"] == {**HELLO, "data": "aGVsbG8="}


def test_tools_of_all_interfaces_are_defined_in_one_form_without_tokens_of_access(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.response())
    provider.answer(wire.completion())
    server = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example"}
    secret = {"authorization": "tok-1", "headers": {"X-Key": "tok-2"}}
    tools: list[Any] = [*DEFINITIONS, {**server, **secret}]
    client.responses.create(model="gpt-5", input="Hm?", tools=tools)
    functions: list[Any] = [{"name": "track", "parameters": {}}]
    client.chat.completions.create(model="gpt-4o", messages=ASKED, functions=functions)

    response, chat = captured.calls
    assert provider.asked[0].body["tools"][1]["authorization"] == "tok-1"
    assert response.attributes["gen_ai.tool.definitions"] == [*DEFINITIONS, server]
    assert chat.attributes["gen_ai.tool.definitions"] == DEFINITIONS
    assert (response.params, chat.params) == (None, None)


def test_what_is_said_in_a_parameter_is_content(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    provider.answer(wire.response())
    client.chat.completions.create(
        model="gpt-4o", messages=ASKED, prediction={"type": "content", "content": "On its way."}
    )
    client.responses.create(
        model="gpt-5", prompt={"id": "pmpt_1", "version": "2", "variables": {"parcel": "P-9"}}
    )

    chat, response = captured.calls
    assert provider.asked[0].body["prediction"]["content"] == "On its way."
    assert chat.params == {"prediction": {"type": "content"}}
    assert response.params == {"prompt": {"id": "pmpt_1", "version": "2"}}
    assert response.prompt_variables == {"parcel": "P-9"}


@pytest.mark.parametrize("is_off", [False, True])
def test_nothing_planted_in_a_call_reaches_the_journal(
    provider: Provider, make_client: Callable[..., Client], tmp_path: Path, is_off: bool
) -> None:
    mail = "ada@example.com"
    choice: Any = {"capture_content": False} if is_off else {"redact": "email"}
    make_client(choices=read_settings(Sources({}, {}), **choice).choices)
    headway.instrument("openai")
    called = {"function": {"name": "find", "arguments": f'{{"who": "{mail}"}}'}}
    provider.answer(wire.completion({"content": f"Hi {mail}", "tool_calls": [called]}))
    provider.stream(wire.chunks("Hi ada@exam", "ple.com"))
    provider.answer({"error": {"message": f"No {mail} here."}}, 404)
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": f"I am {mail}"}]}]
    with openai_client(provider) as asking:
        asking.chat.completions.create(
            model="gpt-4o",
            messages=messages,
            prediction={"type": "content", "content": f"Hi {mail}"},
        )
        list(asking.chat.completions.create(model="gpt-4o", messages=messages, stream=True))
        with pytest.raises(openai.NotFoundError):
            asking.chat.completions.create(model="gpt-4o", messages=messages)

    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert kept.count(b"chat gpt-4o") == 3
    assert b"ada@" not in kept
    assert b"ple.com" not in kept
    assert (b"[not kept: " if is_off else b"[email]") in kept


def test_legacy_completions_are_texts_whole_and_in_pieces(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.text_completion("On its way."))
    provider.stream(wire.text_chunks("On ", "its way."))
    model = "gpt-3.5-turbo-instruct"
    client.completions.create(model=model, prompt=["Where?", "When?"], best_of=2)
    list(client.completions.create(model=model, prompt="Where?", stream=True))

    whole, streamed = captured.calls
    assert whole.name == f"text_completion {model}"
    assert [message["parts"][0]["content"] for message in whole.input] == ["Where?", "When?"]
    assert (whole.params, whole.input_tokens) == ({"best_of": 2}, 1200)
    assert [span.output for span in captured.calls] == [OUTPUT, OUTPUT]
    assert streamed.chunk_count == 2


def test_a_fork_leaves_the_streams_of_its_parent_to_it(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.stream(wire.chunks())
    stream = client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
    next(stream)
    child = os.fork()
    if child == 0:
        vars(stream).clear()
        gc.collect()
        os._exit(len(captured.calls))
    _, status = os.waitpid(child, 0)
    list(stream)

    assert os.waitstatus_to_exitcode(status) == 0
    assert [span.output for span in captured.calls] == [OUTPUT]


def test_a_call_under_a_span_of_opentelemetry_is_its_child(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    tracer = TracerProvider().get_tracer("shop")
    with tracer.start_as_current_span("request") as outer:
        client.chat.completions.create(model="gpt-4o", messages=ASKED)

    (span,) = captured.calls
    context = outer.get_span_context()
    assert span.trace_id == f"{context.trace_id:032x}"
    assert span.parent_span_id == f"{context.span_id:016x}"


def test_a_call_that_an_outer_library_covers_is_recorded_by_that_alone_until_it_ends(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    provider.answer(wire.completion())
    provider.answer(wire.completion())
    outer = open_call(operation="chat", provider="outer", model="gpt-4o")
    assert outer is not None
    token = COVERING.set(outer.span)
    client.chat.completions.create(model="gpt-4o", messages=ASKED)
    outer.finish(dict)
    client.chat.completions.create(model="gpt-4o", messages=ASKED)
    COVERING.reset(token)

    assert isinstance(outer.span, ModelSpan)
    assert [span.provider for span in captured.calls] == ["outer", "openai"]


def test_azure_is_its_own_provider(provider: Provider, captured: Captured) -> None:
    headway.instrument("openai")
    provider.answer(wire.completion())
    with openai.AzureOpenAI(
        api_key="k",
        azure_endpoint=provider.url,
        api_version="2024-10-21",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(verify=False),
    ) as client:
        client.chat.completions.create(model="our-deployment", messages=ASKED)

    (span,) = captured.calls
    assert provider.asked[0].path.startswith("/openai/deployments/our-deployment/")
    assert (span.provider, span.request_model) == ("azure.ai.openai", "our-deployment")
    assert (span.response_model, span.input_tokens) == ("gpt-4o-2024-08-06", 1200)


def test_what_a_server_like_theirs_adds_is_no_obstacle(
    client: openai.OpenAI, provider: Provider, captured: Captured
) -> None:
    answer = wire.completion({"content": "Hm.", "reasoning_content": "A parcel?"})
    answer["usage"] = {"prompt_tokens": "many", "completion_tokens": 3}
    provider.answer(answer)
    with capture(is_raising=False) as lenient:
        client.chat.completions.create(
            model="support-7b", messages=ASKED, extra_body={"top_k": 40, "guided_choice": ["a"]}
        )

    (span,) = lenient.calls
    assert span.params == {"top_k": 40, "guided_choice": ["a"]}
    assert span.output[0]["parts"] == [
        {"type": "reasoning", "content": "A parcel?"},
        {"type": "text", "content": "Hm."},
    ]
    assert (span.input_tokens, span.output_tokens) == (None, 3)
