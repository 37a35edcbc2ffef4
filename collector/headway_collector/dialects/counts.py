"""The token counts that a span states, under whichever names: attributes, or objects of counts.

Here they are only read and, where they are parts without a whole, added up. What they mean beside
each other is for ``usage`` to say.
"""

from typing import Any

import msgspec

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import Fields, as_count, as_object, find_count, find_object
from headway_collector.limits import MAX_COUNT
from headway_collector.otlp.telemetry import Attributes

_COUNTS = Fields(
    as_count,
    {
        "input": (
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "ai.usage.promptTokens",
            "ai.usage.inputTokens",
            "llm.usage.prompt_tokens",
        ),
        "output": (
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "ai.usage.completionTokens",
            "ai.usage.outputTokens",
            "llm.usage.completion_tokens",
        ),
        "total": (
            "gen_ai.usage.total_tokens",
            "llm.usage.total_tokens",
            "llm.token_count.total",
            "ai.usage.totalTokens",
            "ai.usage.tokens",
        ),
        "cache_read": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
            "gen_ai.usage.cache_read_tokens",
            "gen_ai.usage.input_cached_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
            "ai.usage.cachedInputTokens",
            "ai.usage.inputTokenDetails.cacheReadTokens",
        ),
        "cache_write": (
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
            "llm.token_count.prompt_details.cache_write",
            "ai.usage.inputTokenDetails.cacheWriteTokens",
        ),
        "reasoning": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
            "ai.usage.reasoningTokens",
            "ai.usage.outputTokenDetails.reasoningTokens",
        ),
        "audio_input": (
            "gen_ai.usage.audio.input_tokens",
            "gen_ai.usage.input_audio_tokens",
            "llm.token_count.prompt_details.audio",
        ),
        "audio_output": (
            "gen_ai.usage.audio.output_tokens",
            "gen_ai.usage.output_audio_tokens",
            "llm.token_count.completion_details.audio",
        ),
    },
)

# Objects of counts, as the providers' clients and the other dialects name them.
LANGFUSE_USAGE = "langfuse.observation.usage_details"
_OBJECTS = Names(LANGFUSE_USAGE, "mlflow.chat.tokenUsage", "braintrust.metrics")
_OBJECT_COUNTS = Fields(
    as_count,
    {
        "input": ("input", "input_tokens", "prompt_tokens", "promptTokens", "inputTokens"),
        "output": (
            "output",
            "output_tokens",
            "completion_tokens",
            "completionTokens",
            "outputTokens",
        ),
        "total": ("total", "total_tokens", "tokens", "totalTokens"),
        "cache_read": (
            "input_cached_tokens",
            "input_cache_read",
            "input_cache_read_input_tokens",
            "cache_read_input_tokens",
            "prompt_cached_tokens",
            "cachedContentTokens",
        ),
        "cache_write": (
            "input_cache_creation",
            "input_cache_creation_input_tokens",
            "cache_creation_input_tokens",
            "prompt_cache_creation_tokens",
        ),
        "reasoning": (
            "output_reasoning_tokens",
            "output_reasoning",
            "completion_reasoning_tokens",
            "thoughtsTokens",
        ),
        "audio_input": ("input_audio_tokens", "input_audio", "prompt_audio_tokens"),
        "audio_output": ("output_audio_tokens", "output_audio", "completion_audio_tokens"),
    },
)
_CACHE_WRITE_PARTS = ("input_cache_creation_5m", "input_cache_creation_1h")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")
_DETAIL_CACHE_READ = ("cache_read", "cached_tokens", "cache_read_tokens")
_DETAIL_CACHE_WRITE = ("cache_creation", "cache_write", "cache_creation_tokens")
_DETAIL_REASONING = ("reasoning", "reasoning_tokens")
_DETAIL_AUDIO = ("audio", "audio_tokens")

_METADATA = "ai.response.providerMetadata"
# What Logfire and Genkit say of an answer holds the provider's counts as its "usage"; LiveKit's
# metrics are such counts.
_GENKIT_ANSWER = "genkit:output"
_METRICS = "lk.llm_metrics"
_ANSWERS = ("response_data", _GENKIT_ANSWER, _METRICS)
# What not every dialect says beside the plain counts.
_INPUT_PARTS = "gen_ai.usage.input_token_details"
_OUTPUT_PARTS = "gen_ai.usage.output_token_details"
_BESIDE = Names(_INPUT_PARTS, _OUTPUT_PARTS, _METADATA, *_ANSWERS)
_ANTHROPIC_CACHE = ("cache_read_input_tokens", "cache_creation_input_tokens")


class Counts(msgspec.Struct, gc=False):
    """Tokens of one call, by the fields of ``records.Span``.

    Args:
        total: of input and output, as stated.
        is_exclusive: whether the input is known to leave the cache out.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    total: int | None = None
    is_exclusive: bool = False


def read_counts(attributes: Attributes, keys: Keys) -> Counts:
    """Return the counts as they are stated."""
    counts = Counts()
    for field, count in _COUNTS.find(attributes, keys).items():
        setattr(counts, field, count)
    for name in keys[_BESIDE]:
        _add_beside(counts, name, attributes)
    if counts.input is None and counts.output is None:
        said = find_object(attributes, keys[_OBJECTS])
        if said is not None:
            _add_object(counts, said)
    return counts


def add_counts(*counts: int | None) -> int | None:
    """Return the sum of those that are known; None where none is."""
    known = [count for count in counts if count is not None]
    return min(sum(known), MAX_COUNT) if known else None


def _add_beside(counts: Counts, name: str, attributes: Attributes) -> None:
    said = as_object(attributes[name]) or {}
    # What LangSmith writes: {"cache_read": 128, "audio": 0} and {"reasoning": 16}.
    if name == _INPUT_PARTS:
        _add_input_details(counts, said)
    elif name == _OUTPUT_PARTS:
        _add_output_details(counts, said)
    elif name == _METADATA:
        _add_provider_metadata(counts, said)
    elif name == _METRICS:
        _add_answer(counts, said)
    elif name != _GENKIT_ANSWER or attributes.get("genkit:metadata:subtype") == "model":
        _add_answer(counts, as_object(said.get("usage")) or {})


def _fill(counts: Counts, said: dict[str, Any], **names: tuple[str, ...]) -> None:
    for field, candidates in names.items():
        if getattr(counts, field) is None:
            setattr(counts, field, find_count(said, candidates))


def _add_input_details(counts: Counts, said: dict[str, Any] | None) -> None:
    _fill(
        counts,
        said or {},
        cache_read=_DETAIL_CACHE_READ,
        cache_write=_DETAIL_CACHE_WRITE,
        audio_input=_DETAIL_AUDIO,
    )


def _add_output_details(counts: Counts, said: dict[str, Any] | None) -> None:
    _fill(counts, said or {}, reasoning=_DETAIL_REASONING, audio_output=_DETAIL_AUDIO)


def _add_provider_metadata(counts: Counts, metadata: dict[str, Any]) -> None:
    """Add what the Vercel AI SDK copies from the provider."""
    openai = as_object(metadata.get("openai")) or {}
    _fill(counts, openai, cache_read=("cachedPromptTokens",), reasoning=("reasoningTokens",))
    bedrock = as_object((as_object(metadata.get("bedrock")) or {}).get("usage")) or {}
    _fill(
        counts,
        bedrock,
        cache_read=("cacheReadInputTokens",),
        cache_write=("cacheWriteInputTokens",),
    )
    anthropic = as_object(metadata.get("anthropic")) or {}
    raw = as_object(anthropic.get("usage")) or {}
    _fill(
        counts,
        {**anthropic, **raw},
        cache_read=("cache_read_input_tokens", "cacheReadInputTokens"),
        cache_write=("cache_creation_input_tokens", "cacheCreationInputTokens"),
    )
    # Anthropic's own input leaves the cache out, and so does one that equals it.
    raw_input = find_count(raw, ("input_tokens",))
    counts.is_exclusive = raw_input is not None and raw_input == counts.input


def _add_answer(counts: Counts, usage: dict[str, Any]) -> None:
    """Add what a provider's client counted, as it came."""
    _add_whole(counts, usage)
    if any(name in usage for name in _ANTHROPIC_CACHE):
        raw_input = find_count(usage, ("input_tokens",))
        counts.is_exclusive = raw_input is not None and raw_input == counts.input
    thoughts, output = find_count(usage, ("thoughtsTokens",)), counts.output
    if thoughts and counts.total == add_counts(counts.input, output, thoughts):
        # Gemini's output leaves the thoughts out.
        counts.output = add_counts(output, thoughts)


def _add_whole(counts: Counts, said: dict[str, Any]) -> None:
    for field, count in _OBJECT_COUNTS.find(said, Keys(tuple(said))).items():
        if getattr(counts, field) is None:
            setattr(counts, field, count)
    _add_input_details(counts, find_object(said, _INPUT_DETAILS))
    _add_output_details(counts, find_object(said, _OUTPUT_DETAILS))


def _add_object(counts: Counts, said: dict[str, Any]) -> None:
    _add_whole(counts, said)
    if counts.cache_write is None:
        counts.cache_write = add_counts(*(find_count(said, (name,)) for name in _CACHE_WRITE_PARTS))
    if _are_buckets(counts, said):
        _add_up(counts, said)


def _are_buckets(counts: Counts, said: dict[str, Any]) -> bool:
    """Whether these are Langfuse's, which do not overlap, and not two wholes with their parts."""
    if "input" not in said and "output" not in said:
        return False
    return counts.total is None or counts.total != add_counts(counts.input, counts.output)


def _add_up(counts: Counts, said: dict[str, Any]) -> None:
    # Every bucket is named after its side: input_cached_tokens, output_reasoning_tokens.
    for field in ("input", "output"):
        buckets = [name for name in said if name == field or name.startswith(field + "_")]
        setattr(counts, field, add_counts(*(find_count(said, (name,)) for name in buckets)))
