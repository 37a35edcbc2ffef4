"""How the model was asked to answer: temperature, limits and the like, by one name each.

The names are those of OpenTelemetry's GenAI conventions with ``gen_ai.request.`` dropped:

    {"temperature": 0.2, "max_tokens": 300, "stop_sequences": ["END"], "seed": 7}
"""

from typing import Any

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import as_object
from headway_collector.otlp.telemetry import Attributes

# In order of precedence: where two say the same parameter, the first stands.
_PARAMS = {
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
    "gen_ai.request.max_completion_tokens": "max_completion_tokens",
    "gen_ai.request.reasoning_effort": "reasoning_effort",
    "gen_ai.request.n": "choice_count",
    "gen_ai.request.repetition_penalty": "repetition_penalty",
    "gen_ai.request.structured_output_schema": "structured_output_schema",
    "llm.request.max_tokens": "max_tokens",
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
    "openai.request.service_tier": "service_tier",
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
_NAMES = Names(*_PARAMS)
# Attributes that hold many parameters at once, as JSON.
_OBJECTS = Names(
    "langfuse.observation.model.parameters",
    "llm.invocation_parameters",
    "embedding.invocation_parameters",
    "braintrust.metadata",
)
_RENAMED = {
    "max_output_tokens": "max_tokens",
    "n": "choice_count",
    "stop": "stop_sequences",
}
# Part of a request, but no parameter: they have places of their own.
_NOT_PARAMS = frozenset(
    (
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
        if value is not None:
            params.setdefault(_PARAMS[name], value)
    for holder in keys[_OBJECTS]:
        _add_object(params, as_object(attributes[holder]))
    return params or None


def _add_object(params: dict[str, Any], said: dict[str, Any] | None) -> None:
    for name, value in (said or {}).items():
        if name not in _NOT_PARAMS and value is not None:
            params.setdefault(_RENAMED.get(name, name), value)
