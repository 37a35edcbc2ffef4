"""What is computed from a row of ``spans``, as SQL that filters, dimensions and measures share."""

ATTRIBUTE = "TRY(json_extract_string(spans.attributes, ?))"
"""The attribute at a JSON pointer, as text."""

HAS_KEY = "list_contains(?::BIGINT[], spans.span_key)"
"""Whether a row has one of some keys, told while the column is scanned: unlike after IN and joins,
what else is wanted of the row is read only where it has."""

DURATION_NS = "(spans.end_ns - spans.start_ns)"

DURATION_MS = f"({DURATION_NS} / 1e6)"

TOTAL_TOKENS = (
    "coalesce(spans.input_tokens + spans.output_tokens, spans.input_tokens, spans.output_tokens)"
)
"""Counts end far below 64 bits (``limits.MAX_COUNT``), and sums are wider by themselves."""

GENERATION_S = (
    f"(({DURATION_NS} - CASE WHEN spans.ttft_ms * 1e6 < {DURATION_NS} THEN spans.ttft_ms * 1e6"
    " ELSE 0 END) / 1e9)"
)
"""From the first token to the end; from the start where it is not known when the first came."""

TOKENS_PER_SECOND = f"(spans.output_tokens / nullif({GENERATION_S}, 0))"

TRACE_COUNT = "count(DISTINCT hash(spans.trace_id))"
"""By 64 bits of each id: half the time, and one pair alike in three hundred thousand stores of ten
million traces."""


def make_pointer(key: str) -> str:
    """Return the JSON pointer to an attribute; a dot in the key is only a character of it."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
