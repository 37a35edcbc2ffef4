"""How the model was asked to answer: temperature, limits and the like, by one name each.

The names are those of OpenTelemetry's GenAI conventions with ``gen_ai.request.`` dropped:

    {"temperature": 0.2, "max_tokens": 300, "stop_sequences": ["END"], "seed": 7}
"""

from typing import Any

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import as_object
from headway_collector.dialects.messages.readings import read_plain
from headway_collector.dialects.models import LOGFIRE_REQUEST, is_logfire_call
from headway_collector.otlp.telemetry import Attributes

# In order of precedence: where two say the same parameter, the first stands. Between the current
# names and the older ones stand the attributes that hold many parameters at once, as JSON.
_CURRENT = {
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.stop_sequences": "stop_sequences",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.choice.count": "choice_count",
    "gen_ai.request.stream": "stream",
    "gen_ai.request.encoding_formats": "encoding_formats",
    "gen_ai.request.reasoning.level": "reasoning_effort",
    "gen_ai.output.type": "output_type",
    "openai.request.service_tier": "service_tier",
}
_OBJECTS = (
    "langfuse.observation.model.parameters",
    "llm.invocation_parameters",
    "embedding.invocation_parameters",
    "braintrust.metadata",
)
_OLDER = {
    "gen_ai.request.max_completion_tokens": "max_completion_tokens",
    "gen_ai.request.reasoning_effort": "reasoning_effort",
    "gen_ai.request.n": "choice_count",
    "gen_ai.request.repetition_penalty": "repetition_penalty",
    "gen_ai.request.structured_output_schema": "structured_output_schema",
    "llm.request.max_tokens": "max_tokens",
    "llm.request.repetition_penalty": "repetition_penalty",
    "llm.temperature": "temperature",
    "llm.top_p": "top_p",
    "llm.top_k": "top_k",
    "llm.frequency_penalty": "frequency_penalty",
    "llm.presence_penalty": "presence_penalty",
    "llm.chat.stop_sequences": "stop_sequences",
    "gen_ai.is_streaming": "stream",
    "llm.is_streaming": "stream",
    "gen_ai.openai.request.seed": "seed",
    "gen_ai.openai.request.response_format": "response_format",
    "gen_ai.openai.request.service_tier": "service_tier",
    "ai.settings.maxTokens": "max_tokens",
    "ai.settings.maxOutputTokens": "max_tokens",
    "ai.settings.temperature": "temperature",
    "ai.settings.topP": "top_p",
    "ai.settings.topK": "top_k",
    "ai.settings.frequencyPenalty": "frequency_penalty",
    "ai.settings.presencePenalty": "presence_penalty",
    "ai.settings.stopSequences": "stop_sequences",
    "ai.settings.seed": "seed",
    "ai.settings.maxRetries": "max_retries",
    "ai.settings.maxSteps": "max_steps",
}
_GENKIT_REQUEST = "genkit:input"
_PARAMS = _CURRENT | _OLDER
_NAMES = Names(*_CURRENT, *_OBJECTS, *_OLDER, LOGFIRE_REQUEST, _GENKIT_REQUEST)
_LIST = "stop_sequences"
_RENAMED = {
    "max_output_tokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "n": "choice_count",
    "stop": _LIST,
    "stopSequences": _LIST,
    "topK": "top_k",
    "topP": "top_p",
}
# Part of a request, but no parameter: they have places of their own, are a secret, or name
# LangChain's class.
_NOT_PARAMS = frozenset(
    (
        "_type",
        "apiKey",
        "contents",
        "functions",
        "input",
        "messages",
        "model",
        "model_name",
        "prompt",
        "provider",
        "system",
        "tools",
    )
)


def find_params(attributes: Attributes, keys: Keys) -> dict[str, Any] | None:
    """Return the parameters of the request by their canonical names; None where none is said."""
    params: dict[str, Any] = {}
    for name in keys[_NAMES]:
        value = attributes[name]
        param = _PARAMS.get(name)
        if param is None:
            if name != LOGFIRE_REQUEST or is_logfire_call(attributes):
                _add_holder(params, name, value)
        elif value is not None:
            params.setdefault(param, value)
    if _LIST in params and type(params[_LIST]) is str:
        params[_LIST] = read_plain(params[_LIST])  # Logfire writes the list as JSON
    return params or None


def _add_holder(params: dict[str, Any], holder: str, held: Any) -> None:
    said = as_object(held) or {}
    if holder == _GENKIT_REQUEST:
        # {"messages": […], "config": {"temperature": 0.2}, "tools": […]}
        said = (as_object(said.get("config")) if "messages" in said else None) or {}
    for name, value in said.items():
        if name not in _NOT_PARAMS and value is not None:
            params.setdefault(_RENAMED.get(name, name), value)
