"""Costs agree with the price list, and are left out where they cannot be known."""

from datetime import UTC, datetime
from typing import Any

import genai_prices
import pytest

from headway.records import Span
from headway_collector.pricing import PRICE_VERSION, price_spans
from headway_collector.store.batches import Derived

START_NS = 1_763_800_000_000_000_000


def make_span(provider: str | None, model: str | None, **fields: Any) -> Span:
    return Span(
        trace_id="a" * 32,
        span_id="b" * 16,
        name="n",
        start_ns=START_NS,
        end_ns=START_NS,
        provider=provider,
        request_model=model,
        **fields,
    )


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("anthropic", "claude-sonnet-4-5"),  # dearer above 200,000 tokens
        ("deepseek", "deepseek-chat"),  # cheaper at night
        ("perplexity", "sonar"),  # a price for each request
        ("google", "gemini-2.5-pro"),
    ],
)
@pytest.mark.parametrize(
    ("input_tokens", "read", "written"),
    [
        (0, 0, 0),
        (1, 0, 0),
        (1000, 600, 300),
        (200_000, 0, 0),
        (200_000, 199_000, 1000),
        (200_001, 0, 0),
        (1_000_000, 600, 300),
    ],
)
def test_a_cost_is_what_the_price_list_says(
    provider: str, model: str, input_tokens: int, read: int, written: int
) -> None:
    tokens = {
        "input_tokens": input_tokens,
        "output_tokens": 77,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }
    span = make_span(provider, model, **tokens)
    expected = genai_prices.calc_price(
        genai_prices.Usage(**tokens),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromtimestamp(START_NS / 1e9, UTC),
    )

    derived = price_spans([span])

    assert derived == [Derived(price_version=PRICE_VERSION)]
    assert span.cost_usd == pytest.approx(float(expected.total_price))


@pytest.mark.parametrize(
    "span",
    [
        make_span("openai", "support-7b", input_tokens=5),
        make_span("nobody", "gpt-4o", input_tokens=5),
        make_span(None, "gpt-4o", input_tokens=5),
        make_span("openai", None, input_tokens=5),
        make_span("openai", "gpt-4o"),
        make_span("openai", "gpt-4o", input_tokens=5, cache_read_tokens=6),
    ],
)
def test_what_cannot_be_known_is_left_out(span: Span) -> None:
    assert price_spans([span]) == [Derived()]
    assert span.cost_usd is None


def test_a_reported_cost_is_left_alone() -> None:
    span = make_span("openai", "gpt-4o", input_tokens=5, cost_usd=0.0)

    assert price_spans([span]) == [Derived()]
    assert span.cost_usd == 0.0


def test_the_model_that_answered_is_priced() -> None:
    span = make_span("openai", "gpt-4o", response_model="gpt-4o-mini", output_tokens=1_000_000)

    price_spans([span])

    assert span.cost_usd == pytest.approx(0.6)
