"""Tokens to dollars, from the price list inside the ``genai-prices`` package; nothing is fetched.

Asking the package costs 0.2 ms, too much for every span. But within one model, one tier and a
quarter of an hour a price is a straight line in the tokens, so the package is asked once for the
slopes, which are remembered. Costs that the client reported are left alone; unknown models have
none.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import genai_prices
from genai_prices.types import ModelPrice, PriceCalculation, TieredPrices

from headway.records import Span
from headway_collector.store.batches import Derived

PRICE_VERSION = f"genai-prices {genai_prices.__version__}"

# Prices that depend on the time of day change on the half hour.
_SLOT_S = 900
_SLOT_NS = _SLOT_S * 1_000_000_000
# How far from a point a slope is measured; every tier is wider than that.
_STEP = 1000


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a model's price depends on besides the tokens."""

    tier_starts: tuple[int, ...]
    is_timed: bool


@dataclass(frozen=True, slots=True)
class _Rates:
    """Dollars a call and a token. Cached tokens are part of the input, as in ``records.Span``."""

    call: float
    input: float
    output: float
    cache_read: float
    cache_write: float


def price_spans(spans: list[Span]) -> list[Derived]:
    """Fill ``cost_usd`` where it can be known; return the price list's version for those."""
    return [Derived(price_version=_price(span)) for span in spans]


def _price(span: Span) -> str | None:
    model = span.response_model or span.request_model
    if span.cost_usd is not None or model is None or span.provider is None:
        return None
    if span.input_tokens is None and span.output_tokens is None:
        return None
    span.cost_usd = _calculate(span, span.provider, model)
    return None if span.cost_usd is None else PRICE_VERSION


def _calculate(span: Span, provider: str, model: str) -> float | None:
    shape = _find_shape(provider, model)
    if shape is None:
        return None
    total, output = span.input_tokens or 0, span.output_tokens or 0
    read, written = span.cache_read_tokens or 0, span.cache_write_tokens or 0
    if read + written > total:
        return None  # the counts contradict each other: no cost is better than a wrong one
    tier = bisect_left(shape.tier_starts, total)
    least = shape.tier_starts[tier - 1] + 1 if tier else 1
    slot = span.start_ns // _SLOT_NS if shape.is_timed else None
    rates = _find_rates(provider, model, least, slot)
    if rates is None:
        return None
    return (
        rates.call
        + (total - read - written) * rates.input
        + read * rates.cache_read
        + written * rates.cache_write
        + output * rates.output
    )


@lru_cache(maxsize=4096)
def _find_shape(provider: str, model: str) -> _Shape | None:
    try:
        prices = _ask(provider, model, None, input_tokens=1).model.prices
    except (LookupError, ValueError):
        return None
    lists = [prices] if isinstance(prices, ModelPrice) else [each.prices for each in prices]
    starts = {
        tier.start
        for each in lists
        for price in vars(each).values()
        if isinstance(price, TieredPrices)
        for tier in price.tiers
    }
    return _Shape(tuple(sorted(starts)), not isinstance(prices, ModelPrice))


@lru_cache(maxsize=4096)
def _find_rates(provider: str, model: str, least: int, slot: int | None) -> _Rates | None:
    """Return the slopes in the tier whose smallest input is ``least`` tokens."""

    def total(more: int = 0, output: int = 1, **cached: int) -> Decimal:
        tokens = {"input_tokens": least + more, "output_tokens": output, **cached}
        return _ask(provider, model, slot, **tokens).total_price

    try:
        base = total()
        per_input = (total(_STEP) - base) / _STEP
        per_output = (total(output=1 + _STEP) - base) / _STEP
        return _Rates(
            call=float(base - least * per_input - per_output),
            input=float(per_input),
            output=float(per_output),
            cache_read=float((total(_STEP, cache_read_tokens=_STEP) - base) / _STEP),
            cache_write=float((total(_STEP, cache_write_tokens=_STEP) - base) / _STEP),
        )
    except ValueError:
        return None


def _ask(provider: str, model: str, slot: int | None, **tokens: int) -> PriceCalculation:
    moment = None if slot is None else datetime.fromtimestamp(slot * _SLOT_S, UTC)
    return genai_prices.calc_price(
        genai_prices.Usage(**tokens), model, provider_id=provider, genai_request_timestamp=moment
    )
