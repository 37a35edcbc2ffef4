"""Counts of every emitter become inclusive ones, and contradictions are flagged, not mended."""

import json
from typing import Any

import pytest

from headway_collector.dialects.mapping import Mapped, map_span
from tests.collector.dialects.examples import make_span

_CLIENT = 3
_INTERNAL = 1
_CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def map_counts(counts: dict[str, Any], kind: int = _INTERNAL) -> Mapped:
    """Return a call of a model with the counts, mapped."""
    return map_span(make_span(_CHAT | counts, kind=kind))


def as_usage(**counts: int) -> dict[str, int]:
    """Return counts by the names of the GenAI conventions."""
    names = {
        "input": "gen_ai.usage.input_tokens",
        "output": "gen_ai.usage.output_tokens",
        "read": "gen_ai.usage.cache_read.input_tokens",
        "written": "gen_ai.usage.cache_creation.input_tokens",
        "reasoning": "gen_ai.usage.reasoning.output_tokens",
        "total": "gen_ai.usage.total_tokens",
        "heard": "gen_ai.usage.audio.input_tokens",
        "spoken": "gen_ai.usage.audio.output_tokens",
    }
    return {names[name]: count for name, count in counts.items()}


@pytest.mark.parametrize(
    ("said", "input_tokens", "is_inconsistent"),
    [
        (as_usage(input=1180, output=42, read=1024, written=64), 1180, False),
        (as_usage(input=1088, output=42, read=1024, written=64), 1088, False),
        (as_usage(input=92, output=42, read=1024, written=64), 1180, True),
        (as_usage(input=92, output=42, read=1024, written=64, total=1222), 1180, False),
        (as_usage(input=2000, output=42, read=1024, written=64, total=3130), 3088, False),
        (as_usage(input=2000, output=42, read=1024, written=64, total=2042), 2000, False),
        (as_usage(input=2000, output=42), 2000, False),
    ],
)
def test_an_input_that_leaves_the_cache_out_is_made_to_include_it(
    said: dict[str, int], input_tokens: int, is_inconsistent: bool
) -> None:
    mapped = map_counts(said)

    assert mapped.span.input_tokens == input_tokens
    assert mapped.derived.is_usage_inconsistent is is_inconsistent


@pytest.mark.parametrize(
    "said",
    [
        as_usage(input=10, output=5, reasoning=6),
        as_usage(input=10, output=5, spoken=6),
        as_usage(input=10, output=5, heard=11),
    ],
)
def test_a_part_larger_than_its_whole_is_flagged_and_left_as_it_is(said: dict[str, int]) -> None:
    mapped = map_counts(said)

    assert mapped.derived.is_usage_inconsistent is True
    assert (mapped.span.input_tokens, mapped.span.output_tokens) == (10, 5)


def test_where_nobody_counted_nothing_is_said_of_consistency() -> None:
    assert map_counts({}).derived.is_usage_inconsistent is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"input": 28, "input_cached_tokens": 128, "output": 26, "output_reasoning": 16},
            (156, 42),
        ),
        ({"input": 156, "output": 42, "total": 198, "input_cached_tokens": 128}, (156, 42)),
        ({"input": 28, "input_cache_creation_5m": 8, "input_cache_creation_1h": 4}, (40, None)),
        ({"prompt_tokens": 156, "completion_tokens": 42, "total_tokens": 198}, (156, 42)),
        ({"input_tokens": 156, "output_tokens": 42}, (156, 42)),
        ({"input": "many"}, (None, None)),
        ({"total": 12}, (None, None)),
    ],
)
def test_langfuse_counts_in_buckets_or_as_its_client_did(
    said: dict[str, Any], expected: tuple[int | None, int | None]
) -> None:
    attributes = {"langfuse.observation.usage_details": json.dumps(said)}

    span = map_counts(attributes).span

    assert (span.input_tokens, span.output_tokens) == expected


def test_cache_writes_of_two_lifetimes_are_added_up() -> None:
    said = {"input": 28, "input_cache_creation_5m": 8, "input_cache_creation_1h": 4}

    mapped = map_counts({"langfuse.observation.usage_details": json.dumps(said)})

    assert mapped.span.cache_write_tokens == 12


@pytest.mark.parametrize(
    "metadata",
    [
        {"openai": {"cachedPromptTokens": 128}},
        {"bedrock": {"usage": {"cacheReadInputTokens": 128}}},
        {"anthropic": {"usage": {"cache_read_input_tokens": 128}}},
        {"anthropic": {"cacheReadInputTokens": 128}},
    ],
)
def test_the_vercel_sdk_keeps_the_providers_cache_counts_in_its_metadata(
    metadata: dict[str, Any],
) -> None:
    said = {"ai.usage.inputTokens": 156, "ai.response.providerMetadata": json.dumps(metadata)}

    assert map_counts(said).span.cache_read_tokens == 128


def test_an_input_that_equals_anthropics_own_leaves_the_cache_out() -> None:
    usage = {"input_tokens": 500, "cache_read_input_tokens": 128}
    metadata = json.dumps({"anthropic": {"usage": usage}})

    mapped = map_counts({"ai.usage.inputTokens": 500, "ai.response.providerMetadata": metadata})

    assert mapped.span.input_tokens == 628
    assert mapped.derived.is_usage_inconsistent is False


@pytest.mark.parametrize(
    ("operation", "kind", "input_tokens"),
    [
        ("invoke_agent", _INTERNAL, None),
        ("invoke_workflow", _INTERNAL, None),
        ("invoke_agent", _CLIENT, 100),
        ("chat", _INTERNAL, 100),
    ],
)
def test_a_sum_over_the_calls_below_is_not_counted_again(
    operation: str, kind: int, input_tokens: int | None
) -> None:
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cost": 0.5,
    }

    span = map_span(make_span(attributes, kind=kind)).span

    assert span.input_tokens == input_tokens
    assert span.cost_usd == (None if input_tokens is None else 0.5)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (as_usage(input=10, total=15), (10, 5)),
        (as_usage(output=5, total=15), (10, 5)),
        (as_usage(output=20, total=15), (None, 20)),
        (as_usage(total=15), (None, None)),
        ({"gen_ai.operation.name": "embeddings", "ai.usage.tokens": 15}, (15, None)),
    ],
)
def test_a_side_that_nobody_counted_is_what_the_total_leaves(
    said: dict[str, Any], expected: tuple[int | None, int | None]
) -> None:
    span = map_counts(said).span

    assert (span.input_tokens, span.output_tokens) == expected


@pytest.mark.parametrize(
    ("attributes", "cost_usd"),
    [
        ({"langfuse.observation.cost_details": '{"total": 0.5}', "gen_ai.usage.cost": 9.0}, 0.5),
        ({"langfuse.observation.cost_details": '{"input": 0.25, "output": 0.5}'}, 0.75),
        ({"langfuse.observation.cost_details": "{}", "gen_ai.usage.cost": "0.5"}, 0.5),
        ({"gen_ai.usage.cost": 0.5, "llm.cost.total": 9.0}, 0.5),
        ({"llm.cost.total": 0.5}, 0.5),
        ({"llm.cost.total": 0.5, "llm.cost.prompt": 0.25, "llm.cost.completion": 9.0}, 0.5),
        ({"llm.cost.prompt": 0.25, "llm.cost.completion": 0.5}, 0.75),
        ({"llm.cost.prompt": 0.25, "llm.cost.completion": 0}, 0.25),
        ({"llm.cost.prompt": 0.25}, None),
        ({"llm.cost.completion": 0.5}, None),
        ({"llm.cost.prompt": 0.25, "llm.cost.completion": -1}, None),
        ({"mlflow.llm.cost": '{"total_cost": 0.5}'}, 0.5),
        ({"gen_ai.usage.cost": -1}, None),
        ({"gen_ai.usage.cost": float("inf")}, None),
    ],
)
def test_a_cost_that_was_reported_is_kept(
    attributes: dict[str, Any], cost_usd: float | None
) -> None:
    assert map_counts(attributes).span.cost_usd == cost_usd
