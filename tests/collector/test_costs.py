"""Costs agree with the price list, are left out where they cannot be known, and are made anew."""

from datetime import UTC, datetime
from typing import Any

import genai_prices
import pytest

from headway.records import Span
from headway_collector.costs.lists import LIST_VERSION
from headway_collector.costs.pricing import Prices
from headway_collector.store.batches import Derived

START_NS = 1_763_800_000_000_000_000
# What the package calls the counts that have another name there.
THEIR_NAMES = {
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
}


def make_span(provider: str | None, model: str | None, **fields: Any) -> Span:
    known: dict[str, Any] = {
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "name": "n",
        "kind": "llm",
        "start_ns": START_NS,
        "end_ns": START_NS,
        "provider": provider,
        "request_model": model,
    }
    return Span(**known | fields)


def price(span: Span) -> Derived:
    derived = Derived()
    Prices().price([span], [derived])
    return derived


def ask_package(span: Span, counts: dict[str, int]) -> float:
    calculation = genai_prices.calc_price(
        genai_prices.Usage(**{THEIR_NAMES.get(name, name): n for name, n in counts.items()}),
        span.request_model or "",
        provider_id=span.provider,
        genai_request_timestamp=datetime.fromtimestamp(span.start_ns / 1e9, UTC),
    )
    return float(calculation.total_price)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("anthropic", "claude-sonnet-4-5"),  # dearer above 200,000 tokens
        ("deepseek", "deepseek-chat"),  # cheaper at night
        ("perplexity", "sonar"),  # a price for each request
        ("google", "gemini-2.5-pro"),
        ("openai", "gpt-realtime"),  # audio is dearer
        ("openrouter", "perplexity/sonar-deep-research"),  # reasoning has its own price
    ],
)
@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": 0},
        {"input_tokens": 1},
        {"input_tokens": 1000, "cache_read_tokens": 600, "cache_write_tokens": 300},
        {"input_tokens": 200_000},
        {"input_tokens": 200_001},
        {"input_tokens": 1_000_000, "cache_read_tokens": 600, "cache_write_tokens": 300},
        {"input_tokens": 1000, "audio_input_tokens": 0, "audio_output_tokens": 0},
        {"input_tokens": 1000, "reasoning_tokens": 70},
    ],
)
@pytest.mark.parametrize("hours", [0, 12, 24 * 150])
def test_a_cost_is_what_the_price_list_says(
    provider: str, model: str, counts: dict[str, int], hours: int
) -> None:
    counts = counts | {"output_tokens": 77}
    span = make_span(provider, model, start_ns=START_NS + hours * 3_600_000_000_000, **counts)

    derived = price(span)

    assert derived == Derived(price_version=LIST_VERSION, is_usage_inconsistent=False)
    assert span.cost_usd == pytest.approx(ask_package(span, counts))


@pytest.mark.parametrize(
    "counts",
    [
        {"audio_input_tokens": 400, "audio_output_tokens": 30},
        {"audio_input_tokens": 1000, "audio_output_tokens": 70, "reasoning_tokens": 7},
    ],
)
@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-audio"), ("aws", "amazon.nova-sonic-v1:0")]
)
def test_audio_costs_what_the_price_list_says(
    provider: str, model: str, counts: dict[str, int]
) -> None:
    counts = counts | {"input_tokens": 1000, "output_tokens": 77}
    span = make_span(provider, model, **counts)

    price(span)

    assert span.cost_usd == pytest.approx(ask_package(span, counts))


@pytest.mark.parametrize(
    ("provider", "model", "counts"),
    [
        ("openai", "gpt-4o-audio-preview", {"audio_input_tokens": 1}),
        ("openai", "gpt-4o-audio-preview", {"audio_output_tokens": 1}),
        ("google", "gemini-2.5-flash", {"audio_output_tokens": 1}),  # it has one for input alone
        (None, "gpt-4o-mini", {"audio_input_tokens": 1}),
    ],
)
def test_audio_without_a_price_in_the_list_is_not_paid_like_text(
    provider: str | None, model: str, counts: dict[str, int]
) -> None:
    spans = [
        make_span(provider, model, input_tokens=1000, output_tokens=77, **each)
        for each in (counts, dict.fromkeys(counts, 0))
    ]
    versions = [price(span).price_version for span in spans]

    assert (spans[0].cost_usd, versions[0]) == (None, None)
    assert spans[1].cost_usd


@pytest.mark.parametrize("model", ["gemini-2.5-flash-image", "gemini-omni-flash-preview"])
def test_output_that_may_be_a_picture_is_not_paid_like_text(model: str) -> None:
    spans = [make_span("google", model, input_tokens=1000, output_tokens=n) for n in (1290, 0)]
    for span in spans:
        price(span)

    assert spans[0].cost_usd is None
    assert spans[1].cost_usd


@pytest.mark.parametrize(
    ("provider", "listed", "model"),
    [
        ("x_ai", "x-ai", "grok-3"),
        ("gcp.gen_ai", "google", "gemini-2.5-pro"),
        ("gcp.vertex_ai", "google", "gemini-2.5-pro"),
        ("aws.bedrock", "aws", "amazon.nova-pro-v1:0"),
        ("azure.ai.inference", "azure", "gpt-4o"),
        ("azure.ai.openai", "azure", "gpt-4o"),
        ("mistral_ai", "mistral", "mistral-large-latest"),
        ("moonshot_ai", "moonshotai", "kimi-k2-0711-preview"),
    ],
)
def test_providers_may_go_by_the_names_that_opentelemetry_has_for_them(
    provider: str, listed: str, model: str
) -> None:
    counts = {"input_tokens": 1000, "output_tokens": 10}
    spans = [make_span(name, model, **counts) for name in (provider, listed)]

    Prices().price(spans, [Derived(), Derived()])

    assert spans[0].cost_usd
    assert spans[0].cost_usd == spans[1].cost_usd


@pytest.mark.parametrize(
    ("maker", "model"),
    [
        ("openai", "gpt-4o-mini-2024-07-18"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-pro"),
        ("x-ai", "Grok-3"),
    ],
)
def test_a_name_that_has_one_price_with_all_providers_needs_none(maker: str, model: str) -> None:
    counts = {"input_tokens": 250_000, "cache_read_tokens": 100, "output_tokens": 77}
    spans = [make_span(provider, model, **counts) for provider in (None, maker)]
    versions = [price(span).price_version for span in spans]

    assert spans[0].cost_usd == spans[1].cost_usd
    assert spans[0].cost_usd is not None
    assert versions == [LIST_VERSION] * 2


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5-20250929",  # dearer on AWS
        "gpt-oss-20b",  # each asks what he likes
        "deepseek-r1",  # may run on one's own machines, for nothing
        "mistral-7b-support",
        "gpt-2",
        "my-claude",
    ],
)
def test_a_name_that_does_not_tell_the_price_has_none_without_a_provider(model: str) -> None:
    span = make_span(None, model, input_tokens=5, output_tokens=5)
    price(span)

    assert span.cost_usd is None


def test_the_provider_behind_litellm_is_priced() -> None:
    span = make_span("litellm", "openai/gpt-4o", input_tokens=1_000_000, output_tokens=0)

    price(span)

    assert span.cost_usd == pytest.approx(2.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "support-7b", "input_tokens": 5, "output_tokens": 5},
        {"provider": "nobody", "input_tokens": 5, "output_tokens": 5},
        {"provider": "litellm", "input_tokens": 5, "output_tokens": 5},
        {"model": None, "input_tokens": 5, "output_tokens": 5},
        {},
        {"output_tokens": 5},  # the input is unknown, not nothing
        {"input_tokens": 5},
        {"model": "whisper-1", "input_tokens": 5, "output_tokens": 5},  # is paid by the hour
        {"model": "text-embedding-3-small", "input_tokens": 5, "output_tokens": 5},
        # How much of the cached input was audio, nobody says.
        {
            "model": "gpt-realtime",
            "input_tokens": 90,
            "cache_read_tokens": 50,
            "audio_input_tokens": 50,
            "output_tokens": 1,
        },
    ],
)
def test_what_cannot_be_known_is_left_out(fields: dict[str, Any]) -> None:
    span = make_span(**{"provider": "openai", "model": "gpt-4o"} | fields)

    derived = price(span)

    assert (span.cost_usd, derived.price_version) == (None, None)
    assert not derived.is_usage_inconsistent


def test_an_embedding_needs_no_output() -> None:
    span = make_span("openai", "text-embedding-3-small", kind="embedding", input_tokens=1_000_000)

    price(span)

    assert span.cost_usd == pytest.approx(0.02)


def test_a_doubt_of_the_mapping_stays_and_leaves_the_cost_out() -> None:
    span = make_span("openai", "gpt-4o", input_tokens=9, output_tokens=5, cache_read_tokens=6)
    derived = Derived(is_usage_inconsistent=True)

    Prices().price([span], [derived])

    assert derived == Derived(is_usage_inconsistent=True)
    assert span.cost_usd is None


@pytest.mark.parametrize("reported", [None, 0.25])
@pytest.mark.parametrize(
    ("counts", "is_inconsistent"),
    [
        ({}, None),
        ({"cache_read_tokens": 5}, None),
        ({"input_tokens": 10, "output_tokens": 5}, False),
        ({"input_tokens": 10, "cache_read_tokens": 7, "cache_write_tokens": 3}, False),
        ({"input_tokens": 10, "cache_read_tokens": 7, "cache_write_tokens": 4}, True),
        ({"input_tokens": 10, "audio_input_tokens": 11}, True),
        ({"output_tokens": 12, "reasoning_tokens": 6, "audio_output_tokens": 6}, False),
        ({"output_tokens": 11, "reasoning_tokens": 6, "audio_output_tokens": 6}, True),
        ({"output_tokens": 10, "reasoning_tokens": 11}, True),
        ({"output_tokens": 10, "audio_output_tokens": 11}, True),
        ({"input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 1}, True),
    ],
)
def test_counts_that_contradict_each_other_are_flagged_and_kept(
    counts: dict[str, int], is_inconsistent: bool | None, reported: float | None
) -> None:
    span = make_span("openai", "gpt-4o", cost_usd=reported, **counts)

    derived = price(span)

    assert derived.is_usage_inconsistent is is_inconsistent
    assert {name: getattr(span, name) for name in counts} == counts


def test_contradicting_counts_give_no_cost() -> None:
    span = make_span("openai", "gpt-4o", input_tokens=5, output_tokens=5, cache_read_tokens=6)

    assert price(span) == Derived(is_usage_inconsistent=True)
    assert span.cost_usd is None


def test_a_reported_cost_is_left_alone() -> None:
    span = make_span("openai", "gpt-4o", input_tokens=5, output_tokens=5, cost_usd=0.0)

    assert price(span).price_version is None
    assert span.cost_usd == 0.0


def test_the_model_that_answered_is_priced() -> None:
    counts = {"input_tokens": 0, "output_tokens": 1_000_000}
    span = make_span("openai", "gpt-4o", response_model="gpt-4o-mini", **counts)

    price(span)

    assert span.cost_usd == pytest.approx(0.6)


def test_no_cost_is_beyond_what_the_store_takes() -> None:
    span = make_span("openai", "o1-pro", input_tokens=0, output_tokens=10**13)

    price(span)

    assert span.cost_usd is None


def test_what_else_is_derived_of_a_span_stays() -> None:
    derived = Derived(mapper_version=3, otel=b"{}")

    Prices().price([make_span("openai", "gpt-4o")], [derived])

    assert derived == Derived(mapper_version=3, otel=b"{}")


def test_repricing_changes_what_was_calculated_and_says_where() -> None:
    counts = {"input_tokens": 1_000_000, "output_tokens": 0}
    spans = [
        make_span("openai", "gpt-4o", cost_usd=9.0, **counts),  # reported
        make_span("openai", "gpt-4o", cost_usd=9.0, **counts),  # calculated once, by other prices
        make_span("openai", "gpt-4o", **counts),  # had no price then
        make_span("openai", "gone", cost_usd=9.0, **counts),  # has no price now
        make_span("openai", "gone", **counts),
    ]
    derived = [
        Derived(price_version=version, is_usage_inconsistent=False)
        for version in (None, "genai-prices 0", None, "genai-prices 0", None)
    ]

    changed = Prices().reprice(spans, derived)
    costs = [span.cost_usd for span in spans]
    versions = [found.price_version for found in derived]

    assert changed == [1, 2, 3]
    assert list(zip(costs, versions, strict=True)) == [
        (9.0, None),
        (pytest.approx(2.5), LIST_VERSION),
        (pytest.approx(2.5), LIST_VERSION),
        (None, None),
        (None, None),
    ]


def test_repricing_at_the_same_prices_changes_nothing() -> None:
    spans = [make_span("openai", "gpt-4o", input_tokens=n, output_tokens=n) for n in range(9)]
    derived = [Derived() for _ in spans]
    prices = Prices()
    prices.price(spans, derived)

    assert prices.reprice(spans, derived) == []


def test_repricing_flags_rows_from_before_there_was_a_flag() -> None:
    span = make_span("openai", "gpt-4o", input_tokens=1, cache_read_tokens=2, cost_usd=1.0)
    derived = Derived()

    assert Prices().reprice([span], [derived]) == [0]
    assert derived.is_usage_inconsistent
    assert span.cost_usd == 1.0
