"""Models that are called through Azure, Bedrock, Vertex and Foundry, by the clients for them."""

from collections.abc import Callable
from typing import Any

import anthropic
import pytest

import headway
from headway.clients import Client
from headway.testing import Captured
from tests.sdk.instruments import anthropic_wire, aws_wire, styles, test_styles
from tests.sdk.instruments.asking import Style
from tests.sdk.instruments.asking_clouds import (
    BEDROCK,
    CLOUD_STYLES,
    SONNET,
    VERTEX,
    Cloud,
    client_class,
)
from tests.sdk.instruments.servers import Asked, Provider

each_style = pytest.mark.parametrize(
    "style", CLOUD_STYLES, ids=[style.name for style in CLOUD_STYLES]
)
# What is sent does not depend on how the answer is read.
FIRST = [style for style in CLOUD_STYLES if style.name.endswith((" message", " stream", " chat"))]
pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")


@each_style
def test_a_call_says_all_that_is_known(style: Style, provider: Provider) -> None:
    test_styles.test_a_call_says_all_that_is_known(style, provider)


@each_style
def test_the_answer_is_what_it_is_without_us_also_with_the_collector_down(
    style: Style, provider: Provider, make_client: Callable[..., Client]
) -> None:
    test_styles.test_the_answer_is_what_it_is_without_us_also_with_the_collector_down(
        style, provider, make_client
    )


@each_style
def test_an_error_is_what_it_is_without_us_also_with_the_collector_down(
    style: Style, provider: Provider, make_client: Callable[..., Client]
) -> None:
    test_styles.test_an_error_is_what_it_is_without_us_also_with_the_collector_down(
        style, provider, make_client
    )


@pytest.mark.parametrize("style", FIRST, ids=[style.name for style in FIRST])
def test_the_request_is_what_it_is_without_us(
    style: Style, provider: Provider, captured: Captured
) -> None:
    for libraries in ((), style.libraries):
        if libraries:
            headway.instrument(*libraries)
        style.lay_out(provider)
        style.ask(provider.url)

    alone, logged = map(sent, provider.asked)
    assert logged == alone
    assert len(captured.calls) == 1


def sent(asked: Asked) -> tuple[object, ...]:
    """What a request is, without the signature, which is of its second."""
    return asked.path, asked.body, sorted(asked.headers)


def open_client(cloud: Cloud, provider: Provider) -> Any:
    make = client_class(cloud, is_waited=False)
    http_client = anthropic.DefaultHttpxClient(verify=False)
    return make(**cloud.place(provider.url), http_client=http_client, max_retries=0)


def ask(cloud: Cloud) -> dict[str, Any]:
    return {**styles.AS_MESSAGE, "model": cloud.model}


def broken(*, is_framed: bool, provider: Provider) -> None:
    """Lay out a stream that ends with an error after its first words."""
    begun = list(anthropic_wire.events(is_whole=False))
    if is_framed:
        end = aws_wire.failure("throttlingException", "Slow down.")
        provider.reply(aws_wire.chunks(begun) + end, aws_wire.CONTENT_TYPE)
    else:
        provider.stream([*begun, test_styles.REFUSED], last=None)


@pytest.mark.parametrize("cloud", [BEDROCK, VERTEX], ids=lambda cloud: cloud.name)
@pytest.mark.parametrize("is_instrumented", [False, True])
def test_a_stream_that_fails_in_the_middle_keeps_what_was_said(
    cloud: Cloud, is_instrumented: bool, provider: Provider, captured: Captured
) -> None:
    if is_instrumented:
        headway.instrument("anthropic")
    broken(is_framed=cloud.is_framed, provider=provider)
    heard = []
    with open_client(cloud, provider) as client:
        stream = client.messages.create(**ask(cloud), stream=True)
        with pytest.raises(anthropic.APIStatusError, match="Slow down") as raised:
            heard += [event.type for event in stream]

    assert not heard
    if not is_instrumented:
        assert not captured.calls
        return
    (span,) = captured.calls
    assert (span.status, span.error_type) == (
        "error",
        f"{type(raised.value).__module__}.{type(raised.value).__qualname__}",
    )
    assert span.output[0]["parts"] == [{"type": "text", "content": "On its way."}]
    assert (span.input_tokens, span.chunk_count) == (135, 2)


@pytest.mark.parametrize("cloud", [BEDROCK, VERTEX], ids=lambda cloud: cloud.name)
def test_a_stream_that_is_left_is_abandoned_with_what_came(
    cloud: Cloud, provider: Provider, captured: Captured
) -> None:
    headway.instrument("anthropic")
    events = list(anthropic_wire.events())
    if cloud.is_framed:
        provider.reply(aws_wire.chunks(events), aws_wire.CONTENT_TYPE)
    else:
        provider.stream(events, last=None)
    with (
        open_client(cloud, provider) as client,
        client.messages.create(**ask(cloud), stream=True) as stream,
    ):
        next(event for event in stream if event.type == "content_block_delta")

    (span,) = captured.calls
    assert span.is_abandoned
    assert span.output[0]["parts"] == [{"type": "text", "content": "On it"}]


def test_the_tools_of_a_call_through_a_cloud_are_told(
    provider: Provider, captured: Captured
) -> None:
    headway.instrument("anthropic")
    tool = {"name": "track", "description": "Find it.", "input_schema": {"type": "object"}}
    provider.answer(anthropic_wire.message() | {"model": SONNET})
    with open_client(VERTEX, provider) as client:
        client.messages.create(**ask(VERTEX), tools=[tool])

    (span,) = captured.calls
    assert "track" in str(span.attributes["gen_ai.tool.definitions"])
    assert span.attributes["server.port"] == provider.port
