"""What can be measured of spans, as SQL; a closed list, and the scores by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from headway_collector.errors import InvalidRequestError
from headway_collector.store.described import PREFIX, measure_descriptor
from headway_collector.store.expressions import (
    DURATION_MS,
    DURATION_NS,
    GENERATION_S,
    LATEST_SCORES,
    TOTAL_TOKENS,
    TRACE_COUNT,
)

_GENERATES = "(spans.output_tokens IS NOT NULL)"
# All quantiles of a column are taken from one gathering of its values, and from whole numbers in
# half the time of fractions.
_DURATION_QUANTILES = f"quantile_cont({DURATION_NS}, [0.50, 0.95, 0.99])"
_TTFT_QUANTILES = "quantile_cont(spans.ttft_ms, [0.50, 0.95])"
_MEASURES = {
    "count": "count(*)",
    "errors": "count(*) FILTER (spans.status = 'error')",
    "error_rate": "avg(CASE WHEN spans.status = 'error' THEN 1.0 ELSE 0.0 END)",
    "latency_p50_ms": f"{_DURATION_QUANTILES}[1] / 1e6",
    "latency_p95_ms": f"{_DURATION_QUANTILES}[2] / 1e6",
    "latency_p99_ms": f"{_DURATION_QUANTILES}[3] / 1e6",
    "latency_mean_ms": f"avg({DURATION_MS})",
    "ttft_p50_ms": f"{_TTFT_QUANTILES}[1]",
    "ttft_p95_ms": f"{_TTFT_QUANTILES}[2]",
    "input_tokens": "sum(spans.input_tokens)",
    "output_tokens": "sum(spans.output_tokens)",
    "total_tokens": f"sum({TOTAL_TOKENS})",
    "cache_read_tokens": "sum(spans.cache_read_tokens)",
    "cache_write_tokens": "sum(spans.cache_write_tokens)",
    "reasoning_tokens": "sum(spans.reasoning_tokens)",
    "audio_input_tokens": "sum(spans.audio_input_tokens)",
    "audio_output_tokens": "sum(spans.audio_output_tokens)",
    "tokens_per_second": f"sum(spans.output_tokens) FILTER {_GENERATES}"
    f" / nullif(sum({GENERATION_S}) FILTER {_GENERATES}, 0)",
    "cost_usd": "sum(spans.cost_usd)",
    "traces": TRACE_COUNT,
    "sessions": "count(DISTINCT spans.session_id)",
    "users": "count(DISTINCT spans.user_id)",
    "abandoned": "count(*) FILTER (spans.is_abandoned)",
    "inconsistent_usage": "count(*) FILTER (spans.is_usage_inconsistent)",
}
MEASURES = tuple(_MEASURES)

# The prefix of a measure of scores to its SQL over the latest score of each span.
_SCORE_MEASURES = {"score:": "avg({score}.latest)", "score_count:": "count({score}.latest)"}
_JOIN = f"""
    LEFT JOIN {LATEST_SCORES.format(what="number", only=" AND number IS NOT NULL")} AS {{score}}
        ON {{score}}.project = spans.project AND {{score}}.span_id = spans.span_id
        AND {{score}}.trace_id = spans.trace_id"""


@dataclass(frozen=True, slots=True)
class Measures:
    """The SQL of the measures that were asked for, and the scores that they need.

    Args:
        columns: one expression for each measure.
        score_names: the values for the placeholders of ``joins``.
    """

    columns: list[str]
    score_names: list[str]

    @property
    def joins(self) -> str:
        """What has to stand behind the spans."""
        return "".join(
            _JOIN.format(score=f"score_{index}") for index in range(len(self.score_names))
        )


def parse_measures(names: Sequence[str]) -> Measures:
    """Return the measures of these names.

    Raises:
        InvalidRequestError: one is unknown; the message names those that exist.
    """
    columns: list[str] = []
    score_names: list[str] = []
    for measure in names:
        prefix, colon, name = measure.partition(":")
        if measure in _MEASURES:
            columns.append(_MEASURES[measure])
        elif measure.startswith(PREFIX):
            columns.append(measure_descriptor(name))
        elif prefix + colon in _SCORE_MEASURES and name:
            if name not in score_names:
                score_names.append(name)
            score = f"score_{score_names.index(name)}"
            columns.append(_SCORE_MEASURES[prefix + colon].format(score=score))
        else:
            raise InvalidRequestError(
                f"measure={measure!r} is unknown; there are {', '.join(MEASURES)}, "
                f"score:NAME, score_count:NAME and {PREFIX}NAME"
            )
    return Measures(columns, score_names)
