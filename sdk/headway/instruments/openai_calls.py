"""``openai``: chats, responses, texts, embeddings; of OpenAI, Azure and servers like theirs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from headway.instruments.messages import (
    chat_message,
    prompt_messages,
    response_messages,
    text_part,
)
from headway.instruments.model_calls import Fields, ModelCall, Operation, open_call
from headway.instruments.openai_answers import (
    CompletionReader,
    ResponseReader,
    read_completion,
    read_embeddings,
    read_response,
    read_texts,
)
from headway.instruments.patches import Patches
from headway.instruments.stainless import Streams, address_of, follow_requests
from headway.instruments.streams import Reader
from headway.instruments.tools import DEFINITIONS, tool_definitions

Body = Mapping[str, Any]

_TOOLS = frozenset(("tools", "functions"))
_PROVIDERS = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}
"""By the client's name for the cloud that runs the model, and has prices of its own for it."""
_SAID = {"prediction": "content", "prompt": "variables"}
"""Parameters in which something is said, and where: that is content, which may be off."""


class Endpoint(NamedTuple):
    """One path of OpenAI's interface."""

    operation: Operation
    api: str | None
    """What OpenTelemetry calls ``openai.api.type``."""
    contents: frozenset[str]
    """What of the body is input; all else are parameters."""
    read_input: Callable[[Body], Any]
    read: Callable[[Body], Fields]
    reader: Callable[[int], Reader]

    def open(self, client: Any, body: Body, /) -> ModelCall | None:
        """Open the span of a call."""
        conversation, prompt = body.get("conversation"), body.get("prompt")
        call = open_call(
            operation=self.operation,
            provider=_provider_of(client),
            model=body.get("model"),
            read_input=lambda: self.read_input(body),
            params={
                name: _parameter(name, value)
                for name, value in body.items()
                if name not in self.contents | _TOOLS
            },
            attributes={
                **address_of(client),
                DEFINITIONS: tool_definitions(body.get("tools"), body.get("functions")),
                "openai.api.type": self.api,
                "gen_ai.conversation.id": conversation if isinstance(conversation, str) else None,
            },
        )
        if call is not None and isinstance(prompt, Mapping):
            call.set(lambda: {"prompt_variables": prompt.get("variables")})
        return call


def install(patches: Patches) -> None:
    """Follow the requests of the clients."""
    from openai import AsyncOpenAI, AsyncStream, OpenAI, Stream

    for client in (OpenAI, AsyncOpenAI):
        follow_requests(patches, client, Streams(Stream, AsyncStream), ENDPOINTS)


def read_chat_input(body: Body) -> list[dict[str, Any]]:
    """Return the messages of a request to chat completions."""
    return [chat_message(each) for each in body.get("messages") or ()]


def read_response_input(body: Body) -> list[dict[str, Any]]:
    """Return the instructions and the input of a request to the Responses interface."""
    instructions = body.get("instructions")
    first = [{"role": "system", "parts": [text_part(instructions)]}] if instructions else []
    return first + response_messages(body.get("input"))


def _parameter(name: str, value: Any) -> Any:
    if name not in _SAID or not isinstance(value, Mapping):
        return value
    return {key: each for key, each in value.items() if key != _SAID[name]}


def _provider_of(client: Any) -> str:
    if any(base.__name__ == "BaseAzureClient" for base in type(client).__mro__):
        return "azure.ai.openai"
    # A client of OpenAI's own can be led to a cloud; older releases have no such thing.
    runtime = getattr(client, "_provider_runtime", None)
    return _PROVIDERS.get(getattr(runtime, "name", ""), "openai")


ENDPOINTS = {
    "/chat/completions": Endpoint(
        "chat",
        "chat_completions",
        frozenset(("model", "messages")),
        read_chat_input,
        read_completion,
        CompletionReader,
    ),
    "/completions": Endpoint(
        "text_completion",
        None,
        frozenset(("model", "prompt")),
        lambda body: prompt_messages(body.get("prompt")),
        read_texts,
        CompletionReader,
    ),
    "/responses": Endpoint(
        "chat",
        "responses",
        frozenset(("model", "input", "instructions")),
        read_response_input,
        read_response,
        ResponseReader,
    ),
    "/embeddings": Endpoint(
        "embeddings",
        None,
        frozenset(("model", "input")),
        lambda body: body.get("input"),
        read_embeddings,
        CompletionReader,
    ),
}
