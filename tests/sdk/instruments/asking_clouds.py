"""Every way in which programs call models through a cloud, each for one answer of ``styles``.

A cloud has clients of its own, paths and frames of its own, names of its own for the models, and
its own prices. The answer is the maker's.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

import anthropic
import openai
import pytest

from tests.sdk.instruments import anthropic_wire, aws_wire, openai_wire, styles
from tests.sdk.instruments.asking import HELPER, PIECES, RAW, WHOLE, Reading, Style
from tests.sdk.instruments.servers import Provider

TOOL = {"name": "track", "input_schema": {"type": "object", "properties": {}}}
CALL = [{"type": "tool_call", "id": "toolu_1", "name": "track", "arguments": {"parcel": "P-9"}}]


class Cloud(NamedTuple):
    """One way to a provider's models."""

    name: str
    plain: str
    """The class of its clients that do not wait; for the others ``Async`` stands before it."""
    provider: str
    """What OpenTelemetry calls it."""
    place: Callable[[str], Mapping[str, Any]]
    """The arguments that lead its client to the address of a server."""
    model: str
    """As it is asked for there."""
    cost_usd: float | None
    """None where the list has no price."""
    library: Any = anthropic
    needs: tuple[str, ...] = ()
    """Packages without which its client does not work."""
    is_framed: bool = False
    """Whether its streams are frames of AWS."""


def _dollars(input_rate: float, output_rate: float) -> float:
    # Of ``styles.MESSAGE``; read from the cache at a tenth, written to it at five quarters.
    return (input_rate * (10 + 100 * 0.1 + 25 * 1.25) + output_rate * 42) / 1e6


def _bedrock(url: str) -> Mapping[str, Any]:
    keys = {"aws_access_key": "k", "aws_secret_key": "s"}
    return {"base_url": url, "aws_region": "us-east-1", **keys}


def _vertex(url: str) -> Mapping[str, Any]:
    where = {"region": "us-east5", "project_id": "p"}
    return {"base_url": f"{url}/v1", "access_token": "t", **where}


def _over_bedrock(url: str) -> Mapping[str, Any]:
    providers = pytest.importorskip("openai.providers", reason="this release has no providers")
    return {"provider": providers.bedrock(base_url=f"{url}/openai/v1", api_key="k")}


def _over_vertex(url: str) -> Mapping[str, Any]:
    providers = pytest.importorskip("openai.providers", reason="this release has no providers")
    place = {"base_url": f"{url}/v1", "token_provider": lambda: "t"}
    return {"provider": providers.vertex(project="p", location="us-east5", **place)}


SONNET = "claude-sonnet-4-5-20250929"
BEDROCK = Cloud(
    "Bedrock",
    "AnthropicBedrock",
    "aws.bedrock",
    _bedrock,
    f"us.anthropic.{SONNET}-v1:0",
    _dollars(3.3, 16.5),
    needs=("botocore", "boto3"),
    is_framed=True,
)
VERTEX = Cloud(
    "Vertex",
    "AnthropicVertex",
    "gcp.vertex_ai",
    _vertex,
    "claude-sonnet-4-5@20250929",
    _dollars(3, 15),
)
FOUNDRY = Cloud(
    "Foundry",
    "AnthropicFoundry",
    "anthropic",
    lambda url: {"base_url": url, "api_key": "k"},
    "claude-sonnet-4-5",
    _dollars(3, 15),
)
OF_ANTHROPIC = (
    BEDROCK,
    # What is asked of all regions at once is cheaper, and the answer does not say which it was.
    BEDROCK._replace(
        name="Bedrock everywhere",
        model=f"global.anthropic.{SONNET}-v1:0",
        cost_usd=_dollars(3, 15),
    ),
    BEDROCK._replace(
        name="Bedrock with a key",
        place=lambda url: {"base_url": url, "aws_region": "eu-west-1", "api_key": "k"},
        model=f"anthropic.{SONNET}-v1:0",
        needs=("botocore",),
    ),
    BEDROCK._replace(
        name="Mantle",
        plain="AnthropicBedrockMantle",
        place=lambda url: {"base_url": url, "aws_region": "us-east-1", "api_key": "k"},
        model=f"anthropic.{SONNET}-v1:0",
        needs=(),
        is_framed=False,
    ),
    VERTEX,
    FOUNDRY,
    FOUNDRY._replace(
        name="Anthropic on AWS",
        plain="AnthropicAWS",
        place=lambda url: {"base_url": url, "api_key": "k", "workspace_id": "w"},
    ),
    FOUNDRY._replace(
        name="Anthropic on Google",
        plain="AnthropicGoogleCloud",
        place=lambda url: {"base_url": url, "skip_auth": True},
    ),
)
AZURE = Cloud(
    "Azure",
    "AzureOpenAI",
    "azure.ai.openai",
    lambda url: {"azure_endpoint": url, "api_version": "2024-10-21", "api_key": "k"},
    "our-chat",
    styles.CHAT.cost_usd,
    openai,
)
BEDROCK_OF_OPENAI = Cloud(
    "Bedrock of OpenAI",
    "BedrockOpenAI",
    "aws.bedrock",
    lambda url: {"base_url": f"{url}/openai/v1", "aws_region": "us-east-1", "api_key": "k"},
    "openai.gpt-5.5",
    (176 * 5.5 + 1024 * 0.55 + 60 * 33) / 1e6,
    openai,
)
OF_OPENAI = (
    BEDROCK_OF_OPENAI,
    BEDROCK_OF_OPENAI._replace(name="OpenAI over Bedrock", plain="OpenAI", place=_over_bedrock),
    BEDROCK_OF_OPENAI._replace(
        name="OpenAI over Vertex",
        plain="OpenAI",
        provider="gcp.vertex_ai",
        place=_over_vertex,
        cost_usd=None,
    ),
    AZURE,
    AZURE._replace(
        name="Azure with a deployment",
        place=lambda url: {**AZURE.place(url), "azure_deployment": "our-chat"},
    ),
)


def client_class(cloud: Cloud, *, is_waited: bool) -> Any:
    """Return the class of a cloud's clients; the test is skipped where it does not work."""
    for package in cloud.needs:
        pytest.importorskip(package, reason=f"{cloud.plain} needs {package}")
    name = f"Async{cloud.plain}" if is_waited else cloud.plain
    if not hasattr(cloud.library, name):
        pytest.skip(f"this release of {cloud.library.__name__} has no {name}")
    return getattr(cloud.library, name)


def _styles_of(
    cloud: Cloud,
    name: str,
    said: styles.Said,
    lay_out: Callable[[Provider], None],
    reading: Reading,
    use: Callable[[Any], Any],
    pieces: int | None = None,
) -> Iterator[Style]:
    library = cloud.library

    def ask(url: str) -> Any:
        make = client_class(cloud, is_waited=False)
        # Without TLS, whose certificates take a while to read.
        http_client = library.DefaultHttpxClient(verify=False)
        with make(**cloud.place(url), http_client=http_client, max_retries=0) as client:
            return reading.plain(use(client))

    async def ask_and_wait(url: str) -> Any:
        make = client_class(cloud, is_waited=True)
        http_client = library.DefaultAsyncHttpxClient(verify=False)
        async with make(**cloud.place(url), http_client=http_client, max_retries=0) as client:
            return await reading.waited(use(client))

    for prefix, way in (("", ask), ("async ", lambda url: asyncio.run(ask_and_wait(url)))):
        yield Style(f"{prefix}{cloud.name} {name}", (library.__name__,), said, lay_out, way, pieces)


def _said(cloud: Cloud, said: styles.Said) -> styles.Said:
    return replace(said, model=cloud.model, provider=cloud.provider, cost_usd=cloud.cost_usd)


def lay_call(provider: Provider) -> None:
    """Lay out an answer that calls a tool."""
    told = anthropic_wire.message(anthropic_wire.CALL, stop_reason="tool_use")
    provider.answer(told | {"model": SONNET})


def lay_message_pieces(
    provider: Provider, cloud: Cloud, *content: dict[str, Any], reason: str = "end_turn"
) -> None:
    """Lay out an answer in the events of a cloud; three words by default."""
    text = {"type": "text", "text": "".join(styles.PIECES)}
    begun, *others = anthropic_wire.events(*(content or (text,)), stop_reason=reason)
    begun["message"]["model"] = SONNET
    if cloud.is_framed:
        provider.reply(aws_wire.chunks([begun, *others]), aws_wire.CONTENT_TYPE)
    else:
        provider.stream([begun, *others], last=None)


def _anthropic_styles(cloud: Cloud) -> Iterator[Style]:
    body = {**styles.AS_MESSAGE, "model": cloud.model}
    asking = {**body, "tools": [TOOL]}
    said = _said(cloud, styles.MESSAGE)
    calling = replace(said, output=CALL, reasons=("tool_use",))
    create = attrgetter("messages.create")

    def lay_pieces(provider: Provider) -> None:
        lay_message_pieces(provider, cloud)

    def lay_call_pieces(provider: Provider) -> None:
        lay_message_pieces(provider, cloud, anthropic_wire.CALL, reason="tool_use")

    whole = said, styles.lay_message
    in_pieces = said, lay_pieces
    yield from _styles_of(cloud, "message", *whole, WHOLE, lambda c: create(c)(**body))
    if cloud not in (BEDROCK, VERTEX, FOUNDRY):
        return
    yield from _styles_of(
        cloud, "stream", *in_pieces, PIECES, lambda c: create(c)(**body, stream=True), 2
    )
    yield from _styles_of(
        cloud, "helper", *in_pieces, HELPER, lambda c: c.messages.stream(**body), 2
    )
    if cloud is FOUNDRY:
        return
    yield from _styles_of(
        cloud, "beta", *whole, WHOLE, lambda c: c.beta.messages.create(**body, betas=["b-1"])
    )
    yield from _styles_of(
        cloud, "raw", *whole, RAW, lambda c: c.messages.with_raw_response.create(**body)
    )
    yield from _styles_of(cloud, "tool", calling, lay_call, WHOLE, lambda c: create(c)(**asking))
    yield from _styles_of(
        cloud,
        "tool helper",
        calling,
        lay_call_pieces,
        HELPER,
        lambda c: c.messages.stream(**asking),
        2,
    )


def lay_azure_pieces(provider: Provider) -> None:
    """Lay out an answer in pieces as Azure filters it: what it found has no model and no text."""
    filtered = {"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
    unnamed = {"id": "", "object": "", "created": 0, "model": ""}
    asked = {**unnamed, "choices": [], "prompt_filter_results": [{"prompt_index": 0, **filtered}]}
    checked = {"index": 0, "finish_reason": None, "delta": {}, **filtered}
    counted = openai_wire.chunk(usage=styles.USAGE)
    begun, *others = openai_wire.chunks(*styles.PIECES, usage=False)
    last = {**unnamed, "choices": [checked]}
    provider.stream([asked, begun, *others, counted, last])


def _openai_styles(cloud: Cloud) -> Iterator[Style]:
    create, said = attrgetter("chat.completions.create"), _said(cloud, styles.CHAT)
    body = {**styles.AS_CHAT, "model": cloud.model}
    whole = said, styles.lay_chat
    yield from _styles_of(cloud, "chat", *whole, WHOLE, lambda c: create(c)(**body))
    if cloud is not AZURE:
        return
    yield from _styles_of(
        cloud, "stream", said, lay_azure_pieces, PIECES, lambda c: create(c)(**body, stream=True), 3
    )
    yield from _styles_of(
        cloud,
        "helper",
        said,
        styles.lay_chunks,
        HELPER,
        lambda c: c.chat.completions.stream(**body),
        3,
    )
    cloud = cloud._replace(cost_usd=styles.RESPONSE.cost_usd)
    asking = {**styles.AS_RESPONSE, "model": cloud.model}
    answered = _said(cloud, styles.RESPONSE)
    whole, in_pieces = (answered, styles.lay_response), (answered, styles.lay_events)
    yield from _styles_of(cloud, "response", *whole, WHOLE, lambda c: c.responses.create(**asking))
    yield from _styles_of(
        cloud,
        "response stream",
        *in_pieces,
        PIECES,
        lambda c: c.responses.create(**asking, stream=True),
        3,
    )
    cloud = cloud._replace(cost_usd=styles.VECTORS.cost_usd)
    vectors = {**styles.AS_VECTORS, "model": cloud.model}
    yield from _styles_of(
        cloud,
        "embeddings",
        _said(cloud, styles.VECTORS),
        styles.lay_vectors,
        WHOLE,
        lambda c: c.embeddings.create(**vectors),
    )


CLOUD_STYLES = [
    *(style for cloud in OF_ANTHROPIC for style in _anthropic_styles(cloud)),
    *(style for cloud in OF_OPENAI for style in _openai_styles(cloud)),
]
