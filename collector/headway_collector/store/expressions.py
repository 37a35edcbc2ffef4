"""What is computed from a row of ``spans``, as SQL that filters, dimensions and measures share."""

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

LATEST_SCORES = """(
    WITH named AS (
        SELECT project, trace_id, span_id, time_ns, number, value
        FROM store.scores WHERE name = ? AND span_id IS NOT NULL{only}
    )
    SELECT project, span_id, trace_id, arg_max({what}, time_ns) AS latest
    FROM (
        SELECT * FROM named WHERE trace_id IS NOT NULL
        UNION ALL
        SELECT named.* REPLACE (scored.trace_id AS trace_id)
        FROM named JOIN store.spans AS scored
            ON scored.project = named.project AND scored.span_id = named.span_id
        WHERE named.trace_id IS NULL
    )
    GROUP BY project, span_id, trace_id
)"""
"""What was said last about each span under one name.

A score belongs to a span of its own project, and where it names a trace, of that one alone.
"""
