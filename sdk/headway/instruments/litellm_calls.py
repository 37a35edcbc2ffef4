"""``litellm``: chats, texts, responses, embeddings, waited for or not, whoever answers them.

Model and provider are those that litellm resolves (``anthropic/claude-…``). The clients that it
uses for a call add no span of their own.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from headway.instruments.litellm_streams import follow, follow_streams
from headway.instruments.messages import chat_message, prompt_messages
from headway.instruments.model_calls import Fields, ModelCall, Operation, attempt, open_call
from headway.instruments.openai_answers import (
    CompletionReader,
    ResponseReader,
    read_completion,
    read_embeddings,
    read_response,
    read_texts,
)
from headway.instruments.openai_calls import read_response_input
from headway.instruments.patches import Patches
from headway.instruments.plain import plain
from headway.instruments.streams import Reader
from headway.instruments.tools import DEFINITIONS, tool_definitions
from headway.wrapping import is_coroutine_function

Given = Mapping[str, Any]


class Function(NamedTuple):
    """One function of the package, and how its requests and answers are read."""

    operation: Operation
    places: tuple[str, str]
    """The names of the arguments that are given by place."""
    read_input: Callable[[Given], Any]
    read: Callable[[Mapping[str, Any]], Fields]
    reader: Callable[[int], Reader]


# What OpenTelemetry calls them, where it is another word than litellm's.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}

# By name, since keys, headers, clients and callbacks stand beside them.
_PARAMS = [
    "audio",
    "background",
    "best_of",
    "dimensions",
    "echo",
    "encoding_format",
    "frequency_penalty",
    "function_call",
    "include",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "modalities",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "text",
    "thinking",
    "tool_choice",
    "top_k",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "verbosity",
]


def install(patches: Patches) -> None:
    """Follow the functions of the package, and its streams."""
    import litellm

    for name, function in _FUNCTIONS.items():
        for each in (name, f"a{name}"):
            patches.wrap(litellm, each, _maker(function))
    follow_streams(patches)


def read_chat(answer: Mapping[str, Any]) -> Fields:
    """Return what an answer says; what was written to a cache has a name of litellm's own."""
    details = (answer.get("usage") or {}).get("prompt_tokens_details") or {}
    written = details.get("cache_creation_tokens")
    fields = read_completion(answer)
    return fields if written is None else {**fields, "cache_write_tokens": written}


_FUNCTIONS = {
    "completion": Function(
        "chat",
        ("model", "messages"),
        lambda given: [chat_message(each) for each in plain(given["messages"])],
        read_chat,
        CompletionReader,
    ),
    "text_completion": Function(
        "text_completion",
        ("prompt", "model"),
        lambda given: prompt_messages(given["prompt"]),
        read_texts,
        CompletionReader,
    ),
    "responses": Function(
        "chat",
        ("input", "model"),
        lambda given: read_response_input(plain(given)),
        read_response,
        ResponseReader,
    ),
    "embedding": Function(
        "embeddings",
        ("model", "input"),
        lambda given: given["input"],
        read_embeddings,
        CompletionReader,
    ),
}


def _maker(function: Function) -> Callable[[Any], Callable[..., Any]]:
    return lambda original: _followed(original, function)


def _followed(original: Any, function: Function) -> Callable[..., Any]:
    if is_coroutine_function(original):

        async def waited(*args: Any, **kwargs: Any) -> Any:
            call = _open(function, args, kwargs)
            if call is None:
                return await original(*args, **kwargs)
            with call.running():
                result = await original(*args, **kwargs)
            _settle(call, result, function)
            return result

        return waited

    def plainly(*args: Any, **kwargs: Any) -> Any:
        call = _open(function, args, kwargs)
        if call is None:
            return original(*args, **kwargs)
        with call.running():
            result = original(*args, **kwargs)
        _settle(call, result, function)
        return result

    return plainly


def _open(function: Function, args: Any, kwargs: Given) -> ModelCall | None:
    def begin() -> ModelCall | None:
        given = {**dict(zip(function.places, args, strict=False)), **kwargs}
        model, provider = _resolved(given)
        return open_call(
            operation=function.operation,
            provider=provider,
            model=model,
            read_input=lambda: function.read_input(given),
            params={name: given[name] for name in _PARAMS if name in given},
            attributes={
                "litellm.model": given.get("model"),
                DEFINITIONS: tool_definitions(given.get("tools"), given.get("functions")),
            },
        )

    return attempt("reading a request", begin)


def _resolved(given: Given) -> tuple[str | None, str | None]:
    import litellm

    try:
        model, provider, *_ = litellm.get_llm_provider(
            model=given["model"],
            custom_llm_provider=given.get("custom_llm_provider"),
            api_base=given.get("api_base") or given.get("base_url"),
        )
    except Exception:
        # litellm will say itself what it does not know.
        return given.get("model"), given.get("custom_llm_provider")
    # A provider whose texts have an interface of their own is the same provider.
    provider = str(provider).removeprefix("text-completion-")
    return model, _PROVIDERS.get(provider, provider)


def _settle(call: ModelCall, result: Any, function: Function) -> None:
    if not attempt("following an answer", lambda: follow(result, call, function.reader)):
        call.finish(lambda: function.read(plain(result)))
