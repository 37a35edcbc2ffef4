"""How many tokens a call took, and what it cost where somebody says so.

Canonical are the GenAI conventions: input includes what was read from and written to the cache,
output includes reasoning. Three kinds of emitter differ:

- Langfuse counts in buckets that do not overlap; they are added up, unless their own total says
  that ``input`` and ``output`` are wholes already.
- Anthropic's raw input leaves the cache out. Where an emitter's total or Anthropic's own numbers
  beside it prove that, the cache is added. Where only a cache larger than its input betrays it,
  it is added as well, and ``is_usage_inconsistent`` keeps the doubt.
- A span around others, an agent or a chain, repeats the sum of their tokens. It gets no counts, so
  that none is counted twice; a remote agent, whose calls nobody else sees, keeps them.

Counts are never clamped: those that contradict each other stand as they are, flagged. What was
sent stands in the attributes in any case.
"""

import msgspec

from headway.records import Kind
from headway_collector.dialects.counts import LANGFUSE_USAGE, Counts, add_counts, read_counts
from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import as_number, find_amount, find_object
from headway_collector.limits import MAX_COST_USD
from headway_collector.otlp.telemetry import Attributes, OtelSpan

_COST = ("gen_ai.usage.cost", "llm.cost.total", "operation.cost")
_COST_OBJECTS = ("langfuse.observation.cost_details", "mlflow.llm.cost")
# OpenInference's sides of a call, where nobody added them up.
_COST_SIDES = ("llm.cost.prompt", "llm.cost.completion")
_COSTS = Names(*_COST, *_COST_OBJECTS, *_COST_SIDES)
_COST_TOTAL = ("total", "total_cost")

_WRAPPERS = frozenset({"agent", "chain"})
_CLIENT = 3


class Usage(msgspec.Struct, gc=False, frozen=True):
    """What one call took.

    Args:
        counts: as ``records.Span`` counts.
        cost_usd: as it was reported.
        is_inconsistent: whether the counts contradict each other; None where nobody counted.
    """

    counts: Counts
    cost_usd: float | None = None
    is_inconsistent: bool | None = None


def find_usage(otel: OtelSpan, kind: Kind, keys: Keys) -> Usage:
    """Return what the call took, as canonical counts."""
    if kind in _WRAPPERS and otel.kind != _CLIENT and LANGFUSE_USAGE not in otel.attributes:
        return Usage(Counts())
    counts = read_counts(otel.attributes, keys)
    cost_usd = _find_cost_usd(otel.attributes, keys)
    _complete(counts, kind)
    if counts.input is None and counts.output is None:
        return Usage(counts, cost_usd)
    is_doubtful = _include_cache(counts)
    return Usage(counts, cost_usd, is_doubtful or _is_contradictory(counts))


def _find_cost_usd(attributes: Attributes, keys: Keys) -> float | None:
    if not keys[_COSTS]:
        return None
    said = find_object(attributes, _COST_OBJECTS)
    if said is not None:
        cost = find_amount(said, _COST_TOTAL, MAX_COST_USD)
        if cost is None:
            cost = _add_costs([part for part in map(as_number, said.values()) if part is not None])
        if cost is not None:
            return cost
    cost = find_amount(attributes, _COST, MAX_COST_USD)
    if cost is not None:
        return cost
    sides = [find_amount(attributes, (side,), MAX_COST_USD) for side in _COST_SIDES]
    known = [side for side in sides if side is not None]
    # One side alone is no cost of the call.
    return _add_costs(known) if len(known) == len(sides) else None


def _add_costs(parts: list[float]) -> float | None:
    return find_amount({"total": sum(parts)} if parts else {}, _COST_TOTAL, MAX_COST_USD)


def _complete(counts: Counts, kind: Kind) -> None:
    """Find a side that nobody counted in the total."""
    total = counts.total
    if total is None:
        return
    if counts.input is None and counts.output is None:
        if kind == "embedding":
            counts.input = total
    elif counts.input is None and counts.output is not None and total >= counts.output:
        counts.input = total - counts.output
    elif counts.output is None and counts.input is not None and total > counts.input:
        counts.output = total - counts.input


def _include_cache(counts: Counts) -> bool:
    """Make the input include the cache; return whether that is no more than likely."""
    given = counts.input
    cached = (counts.cache_read or 0) + (counts.cache_write or 0)
    if given is None or not cached:
        return False
    is_exclusive = counts.is_exclusive or counts.total == given + cached + (counts.output or 0)
    if not is_exclusive and cached <= given:
        return False
    counts.input = add_counts(given, cached)
    return not is_exclusive


def _is_contradictory(counts: Counts) -> bool:
    whole, output = counts.input, counts.output
    if whole is not None and (counts.audio_input or 0) > whole:
        return True
    return output is not None and (counts.reasoning or 0) + (counts.audio_output or 0) > output
