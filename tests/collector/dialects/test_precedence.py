"""Every spelling of every field is read, and where two contradict the first of the table wins."""

from itertools import pairwise
from typing import Any

import pytest

from headway.records import Span
from headway_collector.dialects.mapping import map_span
from headway_collector.otlp.telemetry import Resource
from tests.collector.dialects.examples import make_span

# By field, the attributes of the specification in their order of precedence.
TEXTS: dict[str, tuple[str, ...]] = {
    "request_model": (
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.model_name",
        "ai.model.id",
        "gen_ai.request_model",
    ),
    "response_model": (
        "langfuse.observation.model.name",
        "gen_ai.response.model",
        "llm.response.model_name",
        "llm.response.model",
    ),
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "ai.model.provider",
    ),
    "response_id": ("gen_ai.response.id", "ai.response.id"),
    "session_id": (
        "langfuse.session.id",
        "session.id",
        "gen_ai.conversation.id",
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "langsmith.metadata.conversation_id",
        "traceloop.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
        "wandb.thread_id",
        "thread_id",
    ),
    "user_id": (
        "langfuse.user.id",
        "user.id",
        "enduser.id",
        "traceloop.association.properties.user_id",
        "gen_ai.user",
        "llm.user",
        "ai.telemetry.metadata.userId",
    ),
    "environment": (
        "langfuse.environment",
        "deployment.environment.name",
        "deployment.environment",
    ),
    "release": ("langfuse.release", "langfuse.version", "service.version"),
    "prompt_name": (
        "langfuse.observation.prompt.name",
        "gen_ai.prompt.name",
        "prompt.id",
        "traceloop.prompt.key",
    ),
    "prompt_version": (
        "langfuse.observation.prompt.version",
        "gen_ai.prompt.version",
        "llm.prompt_template.version",
        "traceloop.prompt.version",
        "traceloop.prompt.version_name",
        "traceloop.prompt.version_hash",
    ),
}
COUNTS: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.promptTokens",
        "ai.usage.inputTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.completionTokens",
        "ai.usage.outputTokens",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
    "audio_input_tokens": (
        "gen_ai.usage.audio.input_tokens",
        "llm.token_count.prompt_details.audio",
    ),
    "audio_output_tokens": (
        "gen_ai.usage.audio.output_tokens",
        "llm.token_count.completion_details.audio",
    ),
}
LISTS: dict[str, tuple[str, ...]] = {
    "tags": (
        "langfuse.trace.tags",
        "tag.tags",
        "logfire.tags",
        "langsmith.span.tags",
        "ai.telemetry.metadata.tags",
    ),
    "finish_reasons": (
        "gen_ai.response.finish_reasons",
        "gen_ai.response.finish_reason",
        "gen_ai.response.stop_reason",
        "llm.finish_reason",
        "ai.response.finishReason",
    ),
}
KINDS = (
    ("langfuse.observation.type", "guardrail", "guardrail"),
    ("openinference.span.kind", "RERANKER", "reranker"),
    ("langsmith.span.kind", "retriever", "retriever"),
    ("gen_ai.operation.name", "embeddings", "embedding"),
    ("traceloop.span.kind", "workflow", "chain"),
    ("llm.request.type", "rerank", "reranker"),
    ("ai.operationId", "ai.toolCall", "tool"),
    ("gen_ai.tool.name", "find_parcel", "tool"),
    ("gen_ai.request.model", "gpt-4.1", "llm"),
    ("gen_ai.agent.name", "support", "agent"),
)


def map_attributes(attributes: dict[str, Any]) -> Span:
    """Return the span of one second with the attributes, mapped."""
    return map_span(make_span(attributes)).span


def spread(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Return every field with every name."""
    return [(field, name) for field, names in table.items() for name in names]


def pair(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str, str]]:
    """Return every field with every two names that follow each other."""
    return [(field, *two) for field, names in table.items() for two in pairwise(names)]


@pytest.mark.parametrize(("field", "name"), spread(TEXTS))
def test_a_text_is_read_by_any_of_its_names(field: str, name: str) -> None:
    assert getattr(map_attributes({name: "word"}), field) == "word"


@pytest.mark.parametrize(("field", "first", "second"), pair(TEXTS))
def test_the_first_of_two_texts_wins(field: str, first: str, second: str) -> None:
    assert getattr(map_attributes({second: "late", first: "early"}), field) == "early"


@pytest.mark.parametrize(("field", "first", "second"), pair(TEXTS))
def test_an_empty_or_strange_text_leaves_its_place(field: str, first: str, second: str) -> None:
    assert getattr(map_attributes({first: "", second: "word"}), field) == "word"
    assert getattr(map_attributes({first: {"a": 1}, second: "word"}), field) == "word"


@pytest.mark.parametrize(("field", "name"), spread(COUNTS))
def test_a_count_is_read_by_any_of_its_names(field: str, name: str) -> None:
    assert getattr(map_attributes({name: 12}), field) == 12
    assert getattr(map_attributes({name: "12"}), field) == 12
    assert getattr(map_attributes({name: 12.0}), field) == 12


@pytest.mark.parametrize(("field", "first", "second"), pair(COUNTS))
def test_the_first_of_two_counts_wins(field: str, first: str, second: str) -> None:
    assert getattr(map_attributes({second: 9, first: 8}), field) == 8


@pytest.mark.parametrize("strange", [True, "a lot", -1, 1.5, [3], {"n": 3}, b"3", float("nan")])
@pytest.mark.parametrize(("field", "first", "second"), pair(COUNTS))
def test_what_is_no_count_leaves_its_place(
    field: str, first: str, second: str, strange: object
) -> None:
    assert getattr(map_attributes({first: strange, second: 12}), field) == 12


@pytest.mark.parametrize("value", [["a", "b"], '["a", "b"]', "a, b", '"a,b"'])
@pytest.mark.parametrize(("field", "name"), spread(LISTS))
def test_a_list_is_read_as_a_list_json_or_words(field: str, name: str, value: object) -> None:
    assert getattr(map_attributes({name: value}), field) == ["a", "b"]


@pytest.mark.parametrize(("field", "first", "second"), pair(LISTS))
def test_the_first_of_two_lists_wins(field: str, first: str, second: str) -> None:
    assert getattr(map_attributes({second: ["late"], first: ["early"]}), field) == ["early"]


@pytest.mark.parametrize(("name", "word", "kind"), KINDS)
def test_a_kind_is_read_from_any_dialect(name: str, word: str, kind: str) -> None:
    assert map_attributes({name: word}).kind == kind


@pytest.mark.parametrize(("first", "second"), list(pairwise(KINDS)))
def test_the_first_dialect_that_tells_decides_the_kind(
    first: tuple[str, str, str], second: tuple[str, str, str]
) -> None:
    both = {second[0]: second[1], first[0]: first[1]}

    assert map_attributes(both).kind == first[2]


def test_a_word_for_a_kind_that_nobody_knows_leaves_it_to_the_next() -> None:
    attributes = {"langfuse.observation.type": "novelty", "openinference.span.kind": "UNKNOWN"}

    assert map_attributes(attributes).kind == "span"
    assert map_attributes(attributes | {"gen_ai.operation.name": "chat"}).kind == "llm"


@pytest.mark.parametrize(
    ("field", "name"),
    [("environment", "deployment.environment.name"), ("release", "service.version")],
)
def test_the_resource_says_what_the_span_does_not(field: str, name: str) -> None:
    resource = Resource({name: "of the resource"})

    assert getattr(map_span(make_span(resource=resource)).span, field) == "of the resource"
    span = map_span(make_span({name: "of the span"}, resource=resource)).span
    assert getattr(span, field) == "of the span"


@pytest.mark.parametrize(
    ("name", "said", "provider"),
    [
        ("ai.model.provider", "openai.chat", "openai"),
        ("ai.model.provider", "google.generative-ai", "gcp.gemini"),
        ("ai.model.provider", "google.vertex.chat", "gcp.vertex_ai"),
        ("ai.model.provider", "amazon-bedrock", "aws.bedrock"),
        ("gen_ai.system", "az.ai.openai", "azure.ai.openai"),
        ("gen_ai.system", "Anthropic", "anthropic"),
        ("gen_ai.provider.name", "aws.bedrock", "aws.bedrock"),
        ("llm.system", "vertexai", "gcp.vertex_ai"),
    ],
)
def test_a_provider_has_one_name_in_all_dialects(name: str, said: str, provider: str) -> None:
    assert map_attributes({name: said}).provider == provider
