"""Every word of a dialect for a count, a kind or a provider is known."""

import json
from typing import Any

import pytest

from headway.records import Span
from headway_collector.dialects.mapping import map_span
from tests.collector.dialects.examples import make_span

_CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}

# Of objects of counts, as Langfuse, the providers' clients, MLflow and Braintrust write them.
OBJECT_COUNTS = {
    "input_tokens": ("input", "input_tokens", "prompt_tokens", "promptTokens", "inputTokens"),
    "output_tokens": (
        "output",
        "output_tokens",
        "completion_tokens",
        "completionTokens",
        "outputTokens",
    ),
    "cache_read_tokens": (
        "input_cached_tokens",
        "input_cache_read",
        "input_cache_read_input_tokens",
        "cache_read_input_tokens",
        "prompt_cached_tokens",
        "cachedContentTokens",
    ),
    "cache_write_tokens": (
        "input_cache_creation",
        "input_cache_creation_input_tokens",
        "input_cache_creation_5m",
        "input_cache_creation_1h",
        "cache_creation_input_tokens",
        "prompt_cache_creation_tokens",
    ),
    "reasoning_tokens": (
        "output_reasoning_tokens",
        "output_reasoning",
        "completion_reasoning_tokens",
        "thoughtsTokens",
    ),
    "audio_input_tokens": ("input_audio_tokens", "input_audio", "prompt_audio_tokens"),
    "audio_output_tokens": ("output_audio_tokens", "output_audio", "completion_audio_tokens"),
}
OBJECT_DETAILS = {
    "cache_read_tokens": ("cache_read", "cached_tokens", "cache_read_tokens"),
    "cache_write_tokens": ("cache_creation", "cache_write", "cache_creation_tokens"),
    "audio_input_tokens": ("audio", "audio_tokens"),
}
OUTPUT_DETAILS = {
    "reasoning_tokens": ("reasoning", "reasoning_tokens"),
    "audio_output_tokens": ("audio", "audio_tokens"),
}
# Beside those of the specification, which test_precedence has.
OTHER_COUNTS = {
    "input_tokens": ("llm.usage.prompt_tokens",),
    "output_tokens": ("llm.usage.completion_tokens",),
    "cache_read_tokens": (
        "gen_ai.usage.input_cached_tokens",
        "ai.usage.inputTokenDetails.cacheReadTokens",
    ),
    "audio_input_tokens": ("gen_ai.usage.input_audio_tokens",),
    "audio_output_tokens": ("gen_ai.usage.output_audio_tokens",),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.details.reasoning_tokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
    ),
}
TOTALS = (
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "ai.usage.totalTokens",
    "ai.usage.tokens",
)
KINDS = {
    "llm": (
        ("langfuse.observation.type", "generation"),
        ("openinference.span.kind", "LLM"),
        ("langsmith.span.kind", "llm"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.operation.name", "text_completion"),
        ("gen_ai.operation.name", "generate_content"),
        ("gen_ai.operation.name", "completion"),
        ("gen_ai.operation.name", "generate"),
        ("llm.request.type", "completion"),
        ("llm.request.type", "chat"),
        ("ai.operationId", "ai.generateText.doGenerate"),
        ("ai.operationId", "ai.generateObject.doGenerate"),
        ("ai.operationId", "ai.streamText.doStream"),
        ("ai.operationId", "ai.streamObject.doStream"),
        ("mlflow.spanType", "CHAT_MODEL"),
        ("genkit:metadata:subtype", "model"),
    ),
    "embedding": (
        ("langfuse.observation.type", "embedding"),
        ("openinference.span.kind", "EMBEDDING"),
        ("gen_ai.operation.name", "embeddings"),
        ("llm.request.type", "embedding"),
        ("ai.operationId", "ai.embed.doEmbed"),
        ("ai.operationId", "ai.embedMany.doEmbed"),
        ("genkit:metadata:subtype", "embedder"),
    ),
    "retriever": (
        ("langfuse.observation.type", "retriever"),
        ("openinference.span.kind", "RETRIEVER"),
        ("gen_ai.operation.name", "retrieval"),
    ),
    "reranker": (
        ("openinference.span.kind", "RERANKER"),
        ("llm.request.type", "rerank"),
        ("ai.operationId", "ai.rerank.doRerank"),
    ),
    "tool": (
        ("langfuse.observation.type", "tool"),
        ("openinference.span.kind", "TOOL"),
        ("gen_ai.operation.name", "execute_tool"),
        ("traceloop.span.kind", "tool"),
        ("ai.operationId", "ai.toolCall"),
        ("gen_ai.tool.call.id", "call_1"),
        ("lk.function_tool.name", "track"),
        ("genkit:metadata:subtype", "tool.v2"),
    ),
    "agent": (
        ("langfuse.observation.type", "agent"),
        ("openinference.span.kind", "AGENT"),
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.operation.name", "create_agent"),
        ("traceloop.span.kind", "agent"),
        ("agent_name", "support"),
        ("lk.generation_id", "speech_1_1"),
    ),
    "chain": (
        ("langfuse.observation.type", "chain"),
        ("openinference.span.kind", "CHAIN"),
        ("gen_ai.operation.name", "invoke_workflow"),
        ("gen_ai.operation.name", "plan"),
        ("traceloop.span.kind", "workflow"),
        ("ai.operationId", "ai.generateText"),
        ("ai.operationId", "ai.generateObject"),
        ("ai.operationId", "ai.streamText"),
        ("ai.operationId", "ai.streamObject"),
        ("ai.operationId", "ai.embed"),
        ("ai.operationId", "ai.embedMany"),
        ("ai.operationId", "ai.rerank"),
        ("genkit:metadata:subtype", "flow"),
        ("genkit:metadata:subtype", "util"),
        ("genkit:metadata:subtype", "executable-prompt"),
    ),
    "guardrail": (
        ("langfuse.observation.type", "guardrail"),
        ("openinference.span.kind", "GUARDRAIL"),
    ),
    "evaluator": (
        ("langfuse.observation.type", "evaluator"),
        ("openinference.span.kind", "EVALUATOR"),
    ),
}
# Words that say no more than that there is a step, even where the span names a model.
PLAIN_STEPS = (
    ("langfuse.observation.type", "span"),
    ("langfuse.observation.type", "event"),
    ("openinference.span.kind", "PROMPT"),
    ("traceloop.span.kind", "task"),
    ("mlflow.spanType", "PARSER"),
    ("mlflow.spanType", "MEMORY"),
    ("genkit:metadata:subtype", "indexer"),
)
PROVIDERS = {
    "amazon-bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
    "googleai": "gcp.gemini",
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
}


def map_attributes(attributes: dict[str, Any]) -> Span:
    """Return the span of one second with the attributes, mapped."""
    return map_span(make_span(attributes)).span


def spread(table: dict[str, tuple[Any, ...]]) -> list[tuple[str, Any]]:
    """Return every field with every word for it."""
    return [(field, word) for field, words in table.items() for word in words]


@pytest.mark.parametrize(
    "holder",
    ["langfuse.observation.usage_details", "mlflow.chat.tokenUsage", "braintrust.metrics"],
)
@pytest.mark.parametrize(("field", "word"), spread(OBJECT_COUNTS))
def test_a_count_is_read_from_an_object_of_counts(holder: str, field: str, word: str) -> None:
    span = map_attributes(_CALL | {holder: json.dumps({word: 12})})

    assert getattr(span, field) == 12


@pytest.mark.parametrize("holder", ["prompt_tokens_details", "input_tokens_details"])
@pytest.mark.parametrize(("field", "word"), spread(OBJECT_DETAILS))
def test_details_of_the_input_stand_inside_an_object_of_counts(
    holder: str, field: str, word: str
) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 5, holder: {word: 12}}

    span = map_attributes(_CALL | {"langfuse.observation.usage_details": json.dumps(usage)})

    assert (getattr(span, field), span.input_tokens) == (12, 20)


@pytest.mark.parametrize("holder", ["completion_tokens_details", "output_tokens_details"])
@pytest.mark.parametrize(("field", "word"), spread(OUTPUT_DETAILS))
def test_details_of_the_output_stand_inside_an_object_of_counts(
    holder: str, field: str, word: str
) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 15, holder: {word: 12}}

    span = map_attributes(_CALL | {"langfuse.observation.usage_details": json.dumps(usage)})

    assert (getattr(span, field), span.output_tokens) == (12, 15)


@pytest.mark.parametrize(
    ("holder", "field", "word"),
    [
        *(("gen_ai.usage.input_token_details", *each) for each in spread(OBJECT_DETAILS)),
        *(("gen_ai.usage.output_token_details", *each) for each in spread(OUTPUT_DETAILS)),
    ],
)
def test_details_of_langsmith_stand_beside_the_counts(holder: str, field: str, word: str) -> None:
    said = {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 20}

    span = map_attributes(_CALL | said | {holder: json.dumps({word: 12})})

    assert getattr(span, field) == 12


@pytest.mark.parametrize(
    ("field", "metadata"),
    [
        ("reasoning_tokens", {"openai": {"reasoningTokens": 12}}),
        ("cache_write_tokens", {"bedrock": {"usage": {"cacheWriteInputTokens": 12}}}),
        ("cache_write_tokens", {"anthropic": {"usage": {"cache_creation_input_tokens": 12}}}),
        ("cache_write_tokens", {"anthropic": {"cacheCreationInputTokens": 12}}),
    ],
)
def test_the_vercel_sdk_keeps_other_counts_of_the_provider_too(
    field: str, metadata: dict[str, Any]
) -> None:
    said = {"ai.usage.inputTokens": 20, "ai.usage.outputTokens": 20}

    span = map_attributes(said | {"ai.response.providerMetadata": json.dumps(metadata)})

    assert getattr(span, field) == 12


@pytest.mark.parametrize(("field", "word"), spread(OTHER_COUNTS))
def test_a_count_is_read_by_names_beyond_the_specification(field: str, word: str) -> None:
    assert getattr(map_attributes(_CALL | {word: 12}), field) == 12


@pytest.mark.parametrize("word", TOTALS)
def test_a_total_is_read_by_any_of_its_names(word: str) -> None:
    assert map_attributes(_CALL | {"gen_ai.usage.input_tokens": 10, word: 15}).output_tokens == 5


@pytest.mark.parametrize("word", ["total", "total_tokens", "tokens", "totalTokens"])
def test_a_total_is_read_from_an_object_of_counts(word: str) -> None:
    said = {"langfuse.observation.usage_details": json.dumps({"input": 10, word: 15})}

    assert map_attributes(_CALL | said).output_tokens == 5


@pytest.mark.parametrize("side", ["input", "output"])
def test_buckets_of_one_side_alone_are_added_up(side: str) -> None:
    said = json.dumps({side: 10, f"{side}_audio": 5})

    span = map_attributes(_CALL | {"langfuse.observation.usage_details": said})

    assert getattr(span, f"{side}_tokens") == 15


@pytest.mark.parametrize(("kind", "said"), spread(KINDS))
def test_a_kind_has_many_words(kind: str, said: tuple[str, str]) -> None:
    name, word = said

    assert map_attributes({name: word}).kind == kind


@pytest.mark.parametrize(("name", "word"), PLAIN_STEPS)
def test_a_plain_step_stays_one_where_a_model_is_named(name: str, word: str) -> None:
    assert map_attributes({name: word, "gen_ai.request.model": "m"}).kind == "span"


@pytest.mark.parametrize("word", ["unknown", "UNKNOWN"])
@pytest.mark.parametrize("name", ["openinference.span.kind", "traceloop.span.kind"])
def test_an_unknown_kind_is_left_to_the_model(name: str, word: str) -> None:
    assert map_attributes({name: word, "gen_ai.request.model": "m"}).kind == "llm"


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.request.model",
        "gen_ai.response.model",
        "llm.model_name",
        "ai.model.id",
        "langfuse.observation.model.name",
        "llm.invocation_parameters",
    ],
)
def test_whatever_names_a_model_or_its_settings_is_a_call(name: str) -> None:
    assert map_attributes({name: "{}"}).kind == "llm"


@pytest.mark.parametrize(("word", "provider"), PROVIDERS.items())
def test_a_provider_goes_by_the_name_of_the_conventions(word: str, provider: str) -> None:
    assert map_attributes({"gen_ai.system": word}).provider == provider


@pytest.mark.parametrize(
    "name", ["embedding.model_name", "reranker.model_name", "llm.request.model", "mlflow.llm.model"]
)
def test_a_model_has_names_beyond_the_specification(name: str) -> None:
    assert map_attributes({name: "m"}).request_model == "m"


@pytest.mark.parametrize("name", ["llm.vendor", "mlflow.llm.provider"])
def test_a_provider_has_names_beyond_the_specification(name: str) -> None:
    assert map_attributes({name: "acme"}).provider == "acme"
