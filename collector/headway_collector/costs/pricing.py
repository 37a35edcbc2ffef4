"""The cost of spans as they come in, and again when prices have changed.

A cost that was reported is left alone. For the others the user's own table is asked first, then
the list inside ``genai-prices``; whichever said it stands beside the cost as its ``price_version``.
"""

from collections.abc import Sequence

from headway.records import Span
from headway_collector.costs.lists import choose_model, find_listed_rates, find_rates_by_name
from headway_collector.costs.rates import Rates, calculate_cost, is_inconsistent
from headway_collector.costs.tables import PriceTable
from headway_collector.store.batches import Derived

# They name the model of the calls below them, which have costs of their own. Only one that has
# counts stands for calls that nobody else sees.
_AROUND = frozenset({"agent", "chain"})


class Prices:
    """The prices that hold for one collector.

    Args:
        table: the user's own prices, which win.
    """

    def __init__(self, table: PriceTable | None = None) -> None:
        self._table = table

    def price(self, spans: Sequence[Span], derived: Sequence[Derived]) -> None:
        """Fill ``cost_usd`` where it can be known, and say in ``derived`` what it comes from.

        Token counts that contradict each other are flagged, never mended; a cost that would come
        from them is left out.
        """
        for span, found in zip(spans, derived, strict=True):
            self._price(span, found)

    def reprice(self, spans: Sequence[Span], derived: Sequence[Derived]) -> list[int]:
        """Do so again for stored spans; return the positions of those that changed.

        A cost with a ``price_version`` was calculated: it is made anew by the prices that hold for
        the time of the call, or taken away where there are none any more. A cost without one was
        reported, and stays. Needed of a stored span are its times, kind, provider, models, counts
        and cost.
        """
        changed = []
        for position, (span, found) in enumerate(zip(spans, derived, strict=True)):
            before = (span.cost_usd, found.price_version, found.is_usage_inconsistent)
            if found.price_version is not None:
                span.cost_usd = found.price_version = None
            self._price(span, found)
            if before != (span.cost_usd, found.price_version, found.is_usage_inconsistent):
                changed.append(position)
        return changed

    def _price(self, span: Span, found: Derived) -> None:
        # The mapping of a foreign span may have seen a contradiction that is no longer there.
        if not found.is_usage_inconsistent:
            found.is_usage_inconsistent = is_inconsistent(span)
        if span.cost_usd is not None:
            return
        if found.is_usage_inconsistent is None and span.kind in _AROUND:
            return
        rates = self._find_rates(span)
        if rates is None or (rates.tokens is not None and found.is_usage_inconsistent):
            return
        span.cost_usd = calculate_cost(span, rates)
        if span.cost_usd is not None:
            found.price_version = rates.version

    def _find_rates(self, span: Span) -> Rates | None:
        model = choose_model(span.provider, span.request_model, span.response_model)
        if model is None:
            return None
        rates = None if self._table is None else self._table.find_rates(span)
        if rates is not None or span.input_tokens is None:
            return rates
        if span.provider is None:
            return find_rates_by_name(model, span.input_tokens, span.start_ns)
        return find_listed_rates(span.provider, model, span.input_tokens, span.start_ns)
