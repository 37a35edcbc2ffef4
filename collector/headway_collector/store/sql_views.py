"""What can be asked in SQL: nine views, each of the rows of the caller's own projects.

They are made as temporary views on the cursor of the query, under names that nobody qualifies. A
view of several projects is a union of one scan for each, since only the comparison with one text
is surely made before anything else is computed of a row: were a cast tried on a row of another
project, its error would tell what stands there.
"""

from collections.abc import Sequence

import duckdb

from headway_collector.store.expressions import DURATION_MS, TOTAL_TOKENS


def _time(column: str) -> str:
    return f"make_timestamptz({column}_ns // 1000) AS {column}_time"


_DESCRIPTORS = (
    "name, kind, request_model, prompt_name, prompt_version, release, environment, session_id, "
    "tags, prompt_chars, prompt_words, prompt_lines, prompt_language, prompt_pii, "
    "has_prompt_code, prompt_digit_share, answer_chars, answer_words, answer_lines, fence_count, "
    "fence_language, opener, markdown_share, digit_share, punctuation_share, upper_share, "
    "non_ascii_share, distinct_2, distinct_3, max_repeat, zlib_ratio, is_refusal, hedge_count, "
    "asks_back, is_json, is_json_broken, is_truncated, truncation, answer_language, answer_pii, "
    "prompt_copy_share, own"
)

VIEWS: dict[str, str] = {
    "spans": (
        "project, trace_id, span_id, parent_span_id, name, kind, status, status_message, "
        "error_type, error_stack, start_time, make_timestamptz(end_ns // 1000) AS end_time, "
        f"{DURATION_MS} AS duration_ms, provider, request_model, response_model, response_id, "
        "finish_reasons, input_tokens, output_tokens, "
        f"{TOTAL_TOKENS} AS total_tokens, "
        "cache_read_tokens, cache_write_tokens, reasoning_tokens, audio_input_tokens, "
        "audio_output_tokens, cost_usd, price_version, ttft_ms, chunk_count, chunk_p50_ms, "
        "chunk_p95_ms, is_abandoned, user_id, session_id, tags, environment, release, "
        "prompt_name, prompt_version, prompt_variables, params, attributes, input, output"
    ),
    "scores": (
        "project, score_id, name, source, time, trace_id, span_id, session_id, number, value, "
        "is_text, author, comment"
    ),
    "prompts": f"project, name, version, {_time('registered')}, template",
    "descriptors": (
        "project, printf('%016x', span_key::UBIGINT) AS span_id, start_time, " + _DESCRIPTORS
    ),
    "runs": (
        "project, run_id, suite, suite_version, model, model_digest, "
        "make_timestamptz(started_ns // 1000) AS start_time, "
        "make_timestamptz(ended_ns // 1000) AS end_time, case_count, passed_count, pass_rate, "
        "scores, settings, environment"
    ),
    "results": (
        "project, run_id, position, case_id, tags, passed, error, latency_ms, input_tokens, "
        "output_tokens, span_id, trace_id, scores, input, output, expected"
    ),
    "comparisons": (
        "project, comparison_id, suite, suite_version, baseline_run_id, candidate_run_id, "
        f"baseline_model, candidate_model, {_time('created')}, verdict, exit_code, margin, alpha, "
        "overall, slices, flips"
    ),
    "losses": "project, client_id, host, pid, reason, count, make_timestamptz(time_ns // 1000) "
    "AS time",
    "rejects": f"project, batch_id, line, {_time('received')}, reason, raw",
}
"""The columns of each view, as SQL over the table of its name."""

MOST_COLUMNS = 64
"""More than any view has."""


def create_views(cursor: duckdb.DuckDBPyConnection, projects: Sequence[str] | None) -> None:
    """Make the views on a cursor, which alone sees them.

    Args:
        cursor: of a query.
        projects: whose rows; None means all there are, and none means no row.
    """
    for name, columns in VIEWS.items():
        cursor.execute(f"CREATE TEMP VIEW {name} AS {_select(name, columns, projects)}")


def _select(name: str, columns: str, projects: Sequence[str] | None) -> str:
    select = f"SELECT {columns} FROM store.{name} AS {name}"
    if projects is None:
        return select
    if not projects:
        return f"{select} WHERE false"
    return " UNION ALL ".join(
        f"{select} WHERE {name}.project = {_quote(project)}" for project in dict.fromkeys(projects)
    )


def _quote(text: str) -> str:
    # A zero byte would end the text for the parser; no row has one in its project either way.
    return "'" + text.replace("\0", "").replace("'", "''") + "'"
