"""Rows of a listing as a frame of polars, whose columns are the same for any rows, also for none.

A text stands as it is, also where other rows have other JSON; such values are JSON in a text.
A score has two columns: ``value`` is its number, with booleans as 1 and 0, and ``value_text`` its
category or text.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import HeadwayError
from headway.queries import TIME_FIELDS

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = {
    "spans": (
        "project trace_id span_id parent_span_id name kind status status_message error_type "
        "error_stack start_time end_time duration_ms input output provider request_model "
        "response_model response_id finish_reasons params input_tokens output_tokens "
        "cache_read_tokens cache_write_tokens reasoning_tokens audio_input_tokens "
        "audio_output_tokens is_usage_inconsistent cost_usd price_version ttft_ms chunk_count "
        "chunk_p50_ms chunk_p95_ms is_abandoned user_id session_id tags environment release "
        "prompt_name prompt_version prompt_variables attributes mapper_version otel"
    ),
    "traces": "trace_id project is_partial cut_span_ids spans scores",
    "sessions": (
        "project session_id user_ids first_time last_time trace_count span_count error_count "
        "input_tokens output_tokens cost_usd"
    ),
    "prompts": (
        "project prompt_name prompt_version count error_rate latency_p50_ms latency_p95_ms "
        "input_tokens output_tokens cost_usd first_time last_time template"
    ),
    "scores": (
        "score_id project name value value_text is_text source time trace_id span_id session_id "
        "comment author"
    ),
    "runs": (
        "project run_id suite suite_version model model_digest started_at ended_at case_count "
        "passed_count pass_rate scores settings environment"
    ),
}
_LISTS = ("finish_reasons", "tags", "user_ids", "cut_span_ids")


def as_frame(listing: str, rows: Sequence[Mapping[str, Any]]) -> "pl.DataFrame":
    """Return the rows of ``listing`` as a frame.

    Raises:
        HeadwayError: polars is not installed.
    """
    polars = load_polars()
    columns: dict[str, list[Any]] = {}
    schema: dict[str, Any] = {}
    for name in _COLUMNS[listing].split():
        convert: Callable[[Any], Any] = _same
        if name == "value":
            schema[name], convert = polars.Float64, _as_number
        elif name in TIME_FIELDS:
            schema[name] = polars.Datetime("us", "UTC")
        elif name in _LISTS:
            schema[name] = polars.List(polars.String)
        elif name.startswith("is_"):
            schema[name] = polars.Boolean
        elif name.endswith(("_ms", "_usd", "_rate")):
            schema[name] = polars.Float64
        elif name.endswith(("_tokens", "count")) or name == "mapper_version":
            schema[name] = polars.Int64
        else:
            schema[name], convert = polars.String, _as_text
        source = "value" if name == "value_text" else name
        columns[name] = [convert(row.get(source)) for row in rows]
    if "value_text" in columns:
        columns["value_text"] = [
            text if isinstance(row["value"], str) else None
            for text, row in zip(columns["value_text"], rows, strict=True)
        ]
    frame: pl.DataFrame = polars.DataFrame(columns, schema=schema, strict=False)
    return frame


def load_polars() -> Any:
    """Return the module.

    Raises:
        HeadwayError: it is not installed.
    """
    try:
        # Heavy, and not everybody's.
        import polars
    except ImportError as error:
        raise HeadwayError(
            "frames need polars: `pip install polars`, or go through the listing for dicts"
        ) from error
    return polars


def _same(value: Any) -> Any:
    return value


def _as_number(value: Any) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
