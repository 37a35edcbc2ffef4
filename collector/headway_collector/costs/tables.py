"""The user's own prices, from a TOML file with one ``[[price]]`` for each model or pattern.

    [[price]]
    model = "support-*"        # a name, or a pattern of *, ? and [...]; case does not matter
    provider = "vllm"          # optional
    from = 2026-10-01          # optional: for calls from then on (UTC)
    gpu_second = 0.0011        # dollars for one GPU and second of the call
    gpus = 2

    [[price]]
    model = "gpt-4o"
    input = 2.5                # dollars for a million tokens
    cache_read = 1.25
    output = 10

Of several that fit, a name goes before a pattern, the model that answered before the one that was
asked for, one with a provider before one without, then what stands first in the file. Of the same
model and provider the latest ``from`` that has begun holds, so that a new price leaves old calls
at theirs.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from headway.errors import SettingsError
from headway.records import Span
from headway_collector.costs.rates import Rates, TokenRates

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLION = 1_000_000
_MOST = 1_000_000
_HEADER = re.compile(r"\s*\[\[\s*price\s*\]\]")
_WILD = frozenset("*?[")
_WHOLES = {
    "cache_read": "input",
    "cache_write": "input",
    "audio_input": "input",
    "reasoning": "output",
    "audio_output": "output",
}
_TOKENS = ("input", "output", *_WHOLES)
_PRICES = (*_TOKENS, "per_call", "per_second", "gpu_second")
_KEYS = ("model", "provider", "from", *_PRICES, "gpus")


@dataclass(frozen=True, slots=True)
class Price:
    """What calls of a model cost from some moment on; names are in lower case."""

    model: str
    provider: str | None
    start_ns: int
    rates: Rates


class PriceTable:
    """Prices to be found by model, provider and time.

    Args:
        prices: as they stand in the file.
    """

    def __init__(self, prices: Iterable[Price]) -> None:
        models: dict[tuple[str, str | None], list[Price]] = {}
        for price in prices:
            models.setdefault((price.model, price.provider), []).append(price)
        ordered = [
            price
            for group in sorted(models.values(), key=lambda group: group[0].provider is None)
            for price in sorted(group, key=lambda price: -price.start_ns)
        ]
        self._names = [price for price in ordered if _WILD.isdisjoint(price.model)]
        self._patterns = [price for price in ordered if not _WILD.isdisjoint(price.model)]
        self._search = lru_cache(maxsize=4096)(self._collect)

    def __reduce__(self) -> tuple[type["PriceTable"], tuple[list[Price]]]:
        # What was found is remembered in each process by itself.
        return PriceTable, ([*self._names, *self._patterns],)

    def find_rates(self, span: Span) -> Rates | None:
        """Return the prices of the span's model at its start, or None."""
        for price in self._search(span.provider, span.response_model, span.request_model):
            if price.start_ns <= span.start_ns:
                return price.rates
        return None

    def _collect(
        self, provider: str | None, answering: str | None, asked: str | None
    ) -> list[Price]:
        """Return what fits, the best first."""
        models = [model.lower() for model in (answering, asked) if model]
        offered = (None, provider and provider.lower())
        names = [price for model in models for price in self._names if price.model == model]
        patterns = [
            price for model in models for price in self._patterns if fnmatchcase(model, price.model)
        ]
        return [price for price in (*names, *patterns) if price.provider in offered]


def read_prices(path: Path) -> PriceTable:
    """Read a file of prices.

    Raises:
        SettingsError: it cannot be read, or says something that is no price; the message names
            the file, the line and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"the prices {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"the prices {path} are not valid TOML: {error}") from error
    entries = document.pop("price", [])
    if document or not isinstance(entries, list):
        said = f"{next(iter(document))!r}" if document else "'price' once"
        raise SettingsError(f"{path} has {said}: each price begins with a line [[price]]")
    return PriceTable(_read_entries(path, text, entries))


def _read_entries(path: Path, text: str, entries: list[Any]) -> Iterator[Price]:
    lines = [n for n, line in enumerate(text.splitlines(), start=1) if _HEADER.match(line)]
    places: dict[tuple[str, str | None, int], str] = {}
    for position, entry in enumerate(entries):
        # Tables can be written without headers; then the place among them has to do.
        is_lined = len(lines) == len(entries)
        place = f"line {lines[position]}" if is_lined else f"price {position + 1}"
        try:
            # A name that is no UTF-8 could not be stored beside the costs.
            price = _read_entry(path.name.encode(errors="replace").decode(), entry)
        except ValueError as error:
            raise SettingsError(f"{path}, {place}: {error}") from error
        earlier = places.setdefault((price.model, price.provider, price.start_ns), place)
        if earlier != place:
            raise SettingsError(
                f"{path}, {place}: the price of {price.model!r} is in {earlier} already; "
                "take one away, or say with `from` when the later one begins"
            )
        yield price


def _read_entry(file_name: str, entry: Any) -> Price:
    _check(entry)
    digest = hashlib.blake2b(msgspec.json.encode(entry, order="sorted"), digest_size=4)
    return Price(
        model=entry["model"].lower(),
        provider=entry["provider"].lower() if "provider" in entry else None,
        start_ns=_read_start(entry["from"]) if "from" in entry else 0,
        rates=_make_rates(entry, f"{file_name} {digest.hexdigest()}"),
    )


def _check(entry: Any) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{entry!r} is no table: each price begins with a line [[price]]")
    for key in entry:
        if key not in _KEYS:
            raise ValueError(f"there is no {key!r}; a price has {', '.join(_KEYS)}")
    if "model" not in entry:
        raise ValueError('model is missing: give a name, or "*" for all')
    for key in ("model", "provider"):
        if key in entry and (not isinstance(entry[key], str) or not entry[key].strip()):
            raise ValueError(f"{key} is {entry[key]!r}, not a name")
    for key in (*_PRICES, "gpus"):
        if key in entry and not _is_amount(entry[key]):
            raise ValueError(f"{key} is {entry[key]!r:.80}, not a number from 0 to {_MOST:,}")
    if not any(key in entry for key in _PRICES):
        raise ValueError(
            f"{entry['model']!r} has no price: give at least one of {', '.join(_PRICES)}; "
            "0 is free of charge"
        )
    for part, whole in {**_WHOLES, "gpus": "gpu_second"}.items():
        if part in entry and whole not in entry:
            raise ValueError(f"{part} says nothing without {whole}: give both")


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST


def _read_start(start: Any) -> int:
    if not isinstance(start, date):
        raise ValueError(f"from is {start!r}: write a date without quotes, from = 2026-10-01")
    moment = start if isinstance(start, datetime) else datetime.combine(start, time())
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return max(since // timedelta(microseconds=1), 0) * 1000


def _make_rates(entry: dict[str, Any], version: str) -> Rates:
    return Rates(
        version,
        _make_token_rates({key: entry[key] / _MILLION for key in _TOKENS if key in entry}),
        call=entry.get("per_call", 0.0),
        second=entry.get("per_second", 0.0) + entry.get("gpu_second", 0.0) * entry.get("gpus", 1),
    )


def _make_token_rates(prices: dict[str, float]) -> TokenRates | None:
    if not prices:
        return None
    parts = {part: prices.get(part, prices.get(whole, 0.0)) for part, whole in _WHOLES.items()}
    return TokenRates(input=prices.get("input"), output=prices.get("output"), **parts)
