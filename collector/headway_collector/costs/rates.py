"""What a call costs at given prices, and whether its token counts can be true at all.

Counts are as ``records.Span`` has them: cached and audio tokens are part of the input, reasoning
and audio tokens part of the output. Where the counts do not tell what a call costs, it costs None:
no cost is better than a wrong one.
"""

from dataclasses import dataclass

from headway.records import Span
from headway_collector.limits import MAX_COST_USD


@dataclass(frozen=True, slots=True)
class TokenRates:
    """Dollars for a token of each sort.

    Args:
        input: plain text; None where nobody says what that side costs.
        output: likewise.
        cache_read, cache_write, audio_input: in place of ``input``; audio is None where nobody
            says, since it is never paid like text.
        reasoning, audio_output: in place of ``output``, likewise.
    """

    input: float | None
    output: float | None
    cache_read: float
    cache_write: float
    audio_input: float | None
    reasoning: float
    audio_output: float | None


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars for a call: for its tokens, for itself, and for each second of it.

    Args:
        version: where the prices come from, as it stands beside a cost that was made with them.
        tokens: None where the cost does not depend on them.
    """

    version: str
    tokens: TokenRates | None = None
    call: float = 0.0
    second: float = 0.0


def is_inconsistent(span: Span) -> bool | None:
    """Return whether a part of the tokens is more than their whole; None where nobody counted."""
    total, output = span.input_tokens, span.output_tokens
    if total is None and output is None:
        return None
    if total is not None and (
        (span.cache_read_tokens or 0) + (span.cache_write_tokens or 0) > total
        or (span.audio_input_tokens or 0) > total
    ):
        return True
    spent = (span.reasoning_tokens or 0) + (span.audio_output_tokens or 0)
    return output is not None and spent > output


def calculate_cost(span: Span, rates: Rates) -> float | None:
    """Return what a call with consistent counts costs in dollars, or None."""
    cost = rates.call
    if rates.second:
        cost += rates.second * (span.end_ns - span.start_ns) / 1e9
    if rates.tokens is not None:
        input_cost = _price_input(span, rates.tokens)
        output_cost = _price_output(span, rates.tokens)
        if input_cost is None or output_cost is None:
            return None
        cost += input_cost + output_cost
    return cost if cost <= MAX_COST_USD else None


def _price_input(span: Span, rates: TokenRates) -> float | None:
    total = span.input_tokens
    if total is None:
        return None
    if rates.input is None:
        return None if total else 0.0
    read, written = span.cache_read_tokens or 0, span.cache_write_tokens or 0
    heard = span.audio_input_tokens or 0
    audio_rate = rates.audio_input if heard else 0.0
    if audio_rate is None:
        return None
    if heard and (read or written) and audio_rate != rates.input:
        return None  # nobody says how much of the audio was cached
    return (
        (total - read - written - heard) * rates.input
        + read * rates.cache_read
        + written * rates.cache_write
        + heard * audio_rate
    )


def _price_output(span: Span, rates: TokenRates) -> float | None:
    total = span.output_tokens
    if total is None:
        # An embedding has no output; an answer that nobody counted has an unknown one.
        return None if span.kind == "llm" else 0.0
    if rates.output is None:
        return None if total else 0.0
    thought, spoken = span.reasoning_tokens or 0, span.audio_output_tokens or 0
    audio_rate = rates.audio_output if spoken else 0.0
    if audio_rate is None:
        return None
    plain = total - thought - spoken
    return plain * rates.output + thought * rates.reasoning + spoken * audio_rate
