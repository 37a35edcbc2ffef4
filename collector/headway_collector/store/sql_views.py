"""What can be asked in SQL: nine views, each of the rows of the caller's own projects.

They are made as temporary views on the cursor of the query, under names that nobody qualifies. A
view of several projects is a union of one scan for each, since the comparison with one text is what
DuckDB makes first of all. Not always: it takes some functions that fail (``hamming``, ``x + y`` of
times) for such as never do, tries them on rows before it has looked at their project, or on all
different texts of a column at once, which stand together whosever they are. Their error would tell
what stands there. Behind a wall (``is_walled``) only what a caller may read is ever looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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

_LONG = {
    "spans": "status_message error_stack params prompt_variables attributes input output",
    "scores": "value comment",
    "prompts": "template",
    "runs": "scores settings environment",
    "results": "error scores input output expected",
    "comparisons": "overall slices flips",
    "rejects": "reason",
}
"""The texts that may be longer than a line."""

MOST_COLUMNS = 64
"""More than any view has."""

TOO_LONG = "headway: a text is too long"
"""What DuckDB says of a text that is longer than it may be."""

_ENDLESS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TextBounds:
    """How long a text may be that a question reads.

    Args:
        chars: so many.
        is_cut: whether a longer one is cut to that; otherwise it is an error.
    """

    chars: int
    is_cut: bool = False


def create_views(
    cursor: duckdb.DuckDBPyConnection,
    projects: Sequence[str] | None,
    bounds: TextBounds,
    *,
    is_walled: bool = False,
) -> None:
    """Make the views on a cursor, which alone sees them, or make them anew.

    Args:
        cursor: of a query.
        projects: whose rows; None means all there are, and none means no row.
        bounds: of the texts in the rows.
        is_walled: whether nothing of a query may be computed of other rows, not even unseen; it
            then skips none by their time, and copies every text.
    """
    for name, columns in VIEWS.items():
        select = _select(name, columns, projects, bounds, is_walled)
        if is_walled:
            select = _wall(cursor, select)
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")


def _select(
    name: str, columns: str, projects: Sequence[str] | None, bounds: TextBounds, is_walled: bool
) -> str:
    bounded = ", ".join(_bound(column, bounds) for column in _LONG.get(name, "").split())
    every = f"* REPLACE ({bounded})" if bounded else "*"

    def select(condition: str) -> str:
        # Conditions of a query are not taken past a LIMIT.
        limit = f" LIMIT {_ENDLESS}" if is_walled else ""
        return f"(SELECT {columns} FROM (SELECT {every} FROM store.{name}{condition}{limit}){name})"

    if projects is None:
        return select("")
    if not projects:
        return select(" WHERE false")
    return " UNION ALL ".join(
        select(f" WHERE project = {_quote(project)}") for project in dict.fromkeys(projects)
    )


def _bound(column: str, bounds: TextBounds) -> str:
    # The number of bytes is at hand, that of characters is counted.
    chars = bounds.chars
    long = f"strlen({column}) > {chars} AND length({column}) > {chars}"
    instead = f"left({column}, {chars})" if bounds.is_cut else f"error('{TOO_LONG}')"
    return f"CASE WHEN {long} THEN {instead} ELSE {column} END AS {column}"


def _wall(cursor: duckdb.DuckDBPyConnection, select: str) -> str:
    """Return the query with its texts copied, each away from those of other rows.

    What is random is neither computed for several rows at once nor moved.
    """
    relation = cursor.sql(select)
    copies = []
    for column, kind in zip(relation.columns, map(str, relation.types), strict=True):
        if kind == "VARCHAR":
            copies.append(f"{column} || left('', random()::BIGINT) AS {column}")
        elif kind == "VARCHAR[]":
            copies.append(f"list_filter({column}, lambda x: random() >= 0) AS {column}")
        else:
            copies.append(column)
    return f"SELECT {', '.join(copies)} FROM ({select})"


def _quote(text: str) -> str:
    # A zero byte would end the text for the parser; no row has one in its project either way.
    return "'" + text.replace("\0", "").replace("'", "''") + "'"
