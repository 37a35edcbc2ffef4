"""How long the first token took, in milliseconds, from whichever clue there is."""

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import as_text, find_amount, find_object
from headway_collector.limits import MAX_MS
from headway_collector.otlp.telemetry import OtelSpan
from headway_collector.times import MILLISECOND_NS, parse_absolute

_SECONDS = ("gen_ai.response.time_to_first_chunk", "lk.response.ttft")
_MILLISECONDS = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")
_MOMENT = "langfuse.observation.completion_start_time"
_METRICS = "braintrust.metrics"
_CLUES = Names(*_SECONDS, *_MILLISECONDS, _MOMENT, _METRICS)
# OpenInference and LangSmith record the moment as an event of the span.
_EVENTS = frozenset({"First Token Stream Event", "new_token"})


def find_ttft_ms(otel: OtelSpan, keys: Keys) -> float | None:
    """Return the time from the start of the span to the first token of the answer."""
    if not keys[_CLUES] and not otel.events:
        return None
    attributes = otel.attributes
    seconds = find_amount(attributes, _SECONDS, MAX_MS / 1000)
    if seconds is not None:
        return seconds * 1000
    if _MOMENT in attributes:
        return _since_start(otel, _read_moment(attributes[_MOMENT]))
    for event in otel.events:
        if event.name in _EVENTS:
            return _since_start(otel, event.time_ns)
    found = find_amount(attributes, _MILLISECONDS, MAX_MS)
    if found is None and _METRICS in attributes:
        metrics = find_object(attributes, (_METRICS,)) or {}
        seconds = find_amount(metrics, ("time_to_first_token",), MAX_MS / 1000)
        found = None if seconds is None else seconds * 1000
    return found


def _read_moment(value: object) -> int | None:
    try:
        return parse_absolute(as_text(value) or "")
    except ValueError:
        return None


def _since_start(otel: OtelSpan, moment_ns: int | None) -> float | None:
    if moment_ns is None or moment_ns < otel.start_ns:
        return None  # clocks that differ tell nothing
    return min((moment_ns - otel.start_ns) / MILLISECOND_NS, MAX_MS)
