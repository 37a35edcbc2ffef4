"""The price list inside the ``genai-prices`` package; nothing is fetched.

Looking a model up there takes a tenth of a millisecond, too much for every span. But its prices
depend on three things only: the tier of the input, the day, and for a few models the quarter of an
hour. Each such set of prices is looked up once and remembered.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import genai_prices
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices, TimeOfDateConstraint

from headway_collector.costs.rates import Rates, TokenRates

LIST_VERSION = f"genai-prices {genai_prices.__version__}"

_SECOND_NS = 1_000_000_000
_QUARTER_HOUR_NS = 900 * _SECOND_NS
_DAY_NS = 86_400 * _SECOND_NS
_MILLION = 1_000_000
_DRAWN = ("output_image_mtok", "output_video_mtok")

# What the OpenTelemetry conventions and some frameworks call a provider that the list knows by
# another name, and does not recognise or takes for another.
_PROVIDERS = {
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "fireworks_ai": "fireworks",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "xai.chat": "x-ai",
}

_BEDROCK = "aws"

# Whose models nobody else runs on machines of his own, so that a name tells who was paid. Open
# weights bear the same names where they cost nothing.
_CLOSED = frozenset({"anthropic", "google", "openai", "x-ai"})


@dataclass(frozen=True, slots=True)
class _Listed:
    """A model in the list, and what its prices depend on besides the sort of token."""

    info: ModelInfo
    tier_starts: tuple[int, ...]
    slot_ns: int


def find_listed_rates(provider: str, model: str, input_tokens: int, start_ns: int) -> Rates | None:
    """Return the list's prices for a call of that input at that time; None where it has none."""
    listed = _find_model(provider, model)
    if listed is None:
        return None
    tier = bisect_left(listed.tier_starts, input_tokens)
    return _find_rates(provider, model, tier, start_ns // listed.slot_ns)


def choose_model(provider: str | None, asked: str | None, answered: str | None) -> str | None:
    """Return which name of a call's model its price goes by: that which answered, as a rule.

    On Bedrock what was asked for says by which regions it is served, which has a price of its own:
    ``global.anthropic.claude-...`` is cheaper than ``us.anthropic.claude-...``. Both are answered
    by ``claude-...``.
    """
    if provider and asked and answered and _is_bedrock(provider):
        return asked if _find_model(provider, asked) is not None else answered
    return answered or asked


def find_rates_by_name(model: str, input_tokens: int, start_ns: int) -> Rates | None:
    """Return the list's prices where nobody says who the provider was and all ask the same."""
    rates = {
        find_listed_rates(seller, model, input_tokens, start_ns) for seller in _find_sellers(model)
    }
    rates.discard(None)
    return rates.pop() if len(rates) == 1 else None


@lru_cache(maxsize=256)
def _is_bedrock(provider: str) -> bool:
    found = find_provider_by_id(get_snapshot().providers, provider.lower().strip())
    return found is not None and found.id == _BEDROCK


@lru_cache(maxsize=4096)
def _find_sellers(model: str) -> tuple[str, ...]:
    """Return all who sell a model of that name, if it is one of the closed ones."""
    model = model.lower()
    providers = get_snapshot().providers
    makers = [each for each in providers if each.model_match and each.model_match.is_match(model)]
    if len(makers) != 1 or makers[0].id not in _CLOSED or _find_model(makers[0].id, model) is None:
        return ()
    return tuple(each.id for each in providers if _find_model(each.id, model) is not None)


# Not through the package's own search, which remembers every name it was ever asked for.
@lru_cache(maxsize=4096)
def _find_model(provider: str, model: str) -> _Listed | None:
    provider = provider.lower().strip()
    if provider == "litellm":
        provider, _, model = model.partition("/")
    providers = get_snapshot().providers
    found = find_provider_by_id(providers, _PROVIDERS.get(provider, provider))
    info = None if found is None else found.find_model(model, all_providers=providers)
    if info is None:
        return None
    dated = [] if isinstance(info.prices, ModelPrice) else info.prices
    lists = [info.prices] if isinstance(info.prices, ModelPrice) else [d.prices for d in dated]
    starts = {
        tier.start
        for each in lists
        for price in vars(each).values()
        if isinstance(price, TieredPrices)
        for tier in price.tiers
    }
    is_hourly = any(isinstance(each.constraint, TimeOfDateConstraint) for each in dated)
    return _Listed(info, tuple(sorted(starts)), _QUARTER_HOUR_NS if is_hourly else _DAY_NS)


@lru_cache(maxsize=16_384)
def _find_rates(provider: str, model: str, tier: int, slot: int) -> Rates | None:
    listed = _find_model(provider, model)
    if listed is None:
        return None
    prices = listed.info.get_prices(
        datetime.fromtimestamp(slot * listed.slot_ns // _SECOND_NS, UTC)
    )
    least_input = listed.tier_starts[tier - 1] + 1 if tier else 0

    def get(key: str, whole: float | None = None, per: int = _MILLION) -> float | None:
        price = getattr(prices, key, None)
        return whole if price is None else float(_pick(price, least_input)) / per

    text, answer = get("input_mtok"), get("output_mtok")
    if text is None and answer is None:
        # By the hour, the page or the character, which no span counts; or nobody knows.
        return None
    # A model that draws or films is mostly paid for that, and no span counts those tokens.
    is_drawn = any(get(key) not in (None, answer) for key in _DRAWN)
    tokens = TokenRates(
        input=text,
        output=None if is_drawn else answer,
        cache_read=get("cache_read_mtok", text) or 0.0,
        cache_write=get("cache_write_mtok", text) or 0.0,
        audio_input=get("input_audio_mtok"),
        reasoning=get("output_reasoning_mtok", answer) or 0.0,
        audio_output=get("output_audio_mtok"),
    )
    return Rates(LIST_VERSION, tokens, call=get("requests_kcount", per=1000) or 0.0)


def _pick(price: Decimal | TieredPrices, input_tokens: int) -> Decimal:
    # The whole call is at the price of the last tier that its input reaches.
    if not isinstance(price, TieredPrices):
        return price
    reached = [tier.price for tier in price.tiers if input_tokens > tier.start]
    return reached[-1] if reached else price.base
