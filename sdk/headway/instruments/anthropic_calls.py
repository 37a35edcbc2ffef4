"""``anthropic``: messages, whole and streamed, of its own service, Bedrock, Vertex and Foundry."""

from collections.abc import Mapping
from typing import Any

from headway.instruments.anthropic_answers import AnswerReader, read_answer
from headway.instruments.anthropic_messages import request_messages
from headway.instruments.model_calls import Fields, ModelCall, open_call
from headway.instruments.patches import Patches
from headway.instruments.plain import plain
from headway.instruments.stainless import Streams, address_of, follow_requests
from headway.instruments.streams import Reader
from headway.instruments.tools import DEFINITIONS, tool_definitions

Body = Mapping[str, Any]

_NO_PARAMS = frozenset(
    ("messages", "model", "system", "tools", "metadata", "mcp_servers", "fallback_credit_token")
)
"""What is kept elsewhere, and the last two, which are or hold tokens of access."""
_PROVIDERS = {
    "BaseBedrockClient": "aws.bedrock",
    "BaseMantleClient": "aws.bedrock",
    "BaseVertexClient": "gcp.vertex_ai",
}
"""By class: who runs the model, and has prices of its own for it."""
_NOT_GIVEN = frozenset(("Omit", "NotGiven"))


class Messages:
    """The path ``/v1/messages``, of the beta too."""

    def open(self, client: Any, body: Body, /) -> ModelCall | None:
        """Open the span of a call."""
        body = {name: each for name, each in body.items() if type(each).__name__ not in _NOT_GIVEN}
        call = open_call(
            operation="chat",
            provider=_provider_of(client),
            model=body.get("model"),
            read_input=lambda: request_messages(body),
            params={name: plain(each) for name, each in body.items() if name not in _NO_PARAMS},
            attributes={
                **address_of(client),
                DEFINITIONS: tool_definitions(body.get("tools")),
            },
        )
        metadata = body.get("metadata")
        if call is not None and isinstance(metadata, Mapping) and not call.span.record.user_id:
            call.set(lambda: {"user_id": metadata.get("user_id")})
        return call

    def read(self, answer: Body, /) -> Fields:
        """Return what an answer says."""
        return read_answer(answer)

    def reader(self, room: int, /) -> Reader:
        """Return what puts a stream together."""
        return AnswerReader(room)


def install(patches: Patches) -> None:
    """Follow the requests of the clients."""
    from anthropic import AsyncStream, Stream
    from anthropic._base_client import AsyncAPIClient, SyncAPIClient

    # Those of Bedrock, Vertex and Foundry do not inherit from ``Anthropic``.
    for client in (SyncAPIClient, AsyncAPIClient):
        follow_requests(patches, client, Streams(Stream, AsyncStream), ENDPOINTS)


def _provider_of(client: Any) -> str:
    names = (base.__name__ for base in type(client).__mro__)
    return next((_PROVIDERS[name] for name in names if name in _PROVIDERS), "anthropic")


ENDPOINTS = {"/v1/messages": Messages(), "/v1/messages?beta=true": Messages()}
