"""``litellm``: completion and embedding, waited for or not, whichever provider is behind them.

Model and provider are those that litellm resolves (``anthropic/claude-…``). The clients that it
uses for a call add no span of their own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from headway.instruments.messages import chat_message
from headway.instruments.model_calls import Fields, ModelCall, Operation, attempt, open_call
from headway.instruments.openai_answers import CompletionReader, read_completion, read_embeddings
from headway.instruments.patches import Patches
from headway.instruments.plain import plain
from headway.instruments.streams import Following
from headway.wrapping import is_coroutine_function

_FOLLOWING = "_headway_following"
"""The attribute of a stream that says who follows it."""

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
    "dimensions",
    "encoding_format",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "modalities",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
]


def install(patches: Patches) -> None:
    """Follow the functions of the package, and its streams."""
    import litellm

    for name in ("completion", "acompletion"):
        patches.wrap(litellm, name, lambda function: _followed(function, "chat", read_chat))
    for name in ("embedding", "aembedding"):
        patches.wrap(
            litellm, name, lambda function: _followed(function, "embeddings", read_embeddings)
        )
    patches.wrap(litellm.CustomStreamWrapper, "__next__", _step)
    patches.wrap(litellm.CustomStreamWrapper, "__anext__", _step_waited)
    patches.wrap(litellm.CustomStreamWrapper, "close", _close)
    patches.wrap(litellm.CustomStreamWrapper, "aclose", _close_waited)


def read_chat(answer: Mapping[str, Any]) -> Fields:
    """Return what an answer says; what was written to a cache has a name of litellm's own."""
    details = (answer.get("usage") or {}).get("prompt_tokens_details") or {}
    written = details.get("cache_creation_tokens")
    fields = read_completion(answer)
    return fields if written is None else {**fields, "cache_write_tokens": written}


def _followed(
    function: Any, operation: Operation, read: Callable[[Mapping[str, Any]], Fields]
) -> Callable[..., Any]:
    if is_coroutine_function(function):

        async def waited(*args: Any, **kwargs: Any) -> Any:
            call = _open(operation, args, kwargs)
            if call is None:
                return await function(*args, **kwargs)
            with call.running():
                result = await function(*args, **kwargs)
            _settle(call, result, read)
            return result

        return waited

    def plainly(*args: Any, **kwargs: Any) -> Any:
        call = _open(operation, args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        with call.running():
            result = function(*args, **kwargs)
        _settle(call, result, read)
        return result

    return plainly


def _open(operation: Operation, args: Any, kwargs: Mapping[str, Any]) -> ModelCall | None:
    def begin() -> ModelCall | None:
        key = "messages" if operation == "chat" else "input"
        given = {**dict(zip(("model", key), args, strict=False)), **kwargs}
        model, provider = _resolved(given)
        return open_call(
            operation=operation,
            provider=provider,
            model=model,
            read_input=lambda: _input(operation, given[key]),
            params={name: given[name] for name in _PARAMS if name in given},
            attributes={"litellm.model": given.get("model")},
        )

    return attempt("reading a request", begin)


def _resolved(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
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
    return model, _PROVIDERS.get(provider, provider)


def _input(operation: Operation, given: Any) -> Any:
    return [chat_message(each) for each in plain(given)] if operation == "chat" else given


def _settle(call: ModelCall, result: Any, read: Callable[[Mapping[str, Any]], Fields]) -> None:
    import litellm

    if not isinstance(result, litellm.CustomStreamWrapper):
        call.finish(lambda: read(plain(result)))
        return
    reader = CompletionReader(call.span.limits.max_bytes)
    setattr(result, _FOLLOWING, Following(call, reader))


def _step(original: Any) -> Any:
    def step(stream: Any) -> Any:
        following = vars(stream).get(_FOLLOWING)
        return following.step(lambda: original(stream)) if following else original(stream)

    return step


def _step_waited(original: Any) -> Any:
    async def step(stream: Any) -> Any:
        following = vars(stream).get(_FOLLOWING)
        if following is None:
            return await original(stream)
        return await following.step_waited(lambda: original(stream))

    return step


def _close(original: Any) -> Any:
    def close(stream: Any) -> None:
        try:
            original(stream)
        finally:
            _leave(stream)

    return close


def _close_waited(original: Any) -> Any:
    async def aclose(stream: Any) -> None:
        try:
            await original(stream)
        finally:
            _leave(stream)

    return aclose


def _leave(stream: Any) -> None:
    following = vars(stream).get(_FOLLOWING)
    if following is not None:
        following.leave()
