"""Every version of every prompt, the latest used first: how often, how well, how fast, how dear."""

from typing import Any

from headway_collector.store.connections import Store
from headway_collector.store.deadlines import Deadline
from headway_collector.store.expressions import DURATION_MS
from headway_collector.store.filters import Conditions, SpanFilters, select_spans
from headway_collector.store.paging import Keyset, Page
from headway_collector.times import format_time

_KEYSET = Keyset("prompts", "last_ns", ("prompt_name", "version", "project"))


def list_prompts(
    store: Store, filters: SpanFilters, page: Page, *, deadline: Deadline | None = None
) -> dict[str, Any]:
    """Return one page of the prompt versions of the spans that pass the filters.

    Raises:
        TooBroadError: the deadline is over.
    """
    conditions = select_spans(filters)
    conditions.add("spans.prompt_name IS NOT NULL")
    after = Conditions()
    _KEYSET.begin(after, page)
    rows = (deadline or Deadline()).read(
        store,
        "SELECT * FROM (SELECT project, prompt_name, prompt_version, "
        # A key of a listing is never null, and a version may be an empty text.
        "coalesce('=' || prompt_version, '') AS version, count(*) AS count, "
        "avg(CASE WHEN status = 'error' THEN 1.0 ELSE 0.0 END) AS error_rate, "
        f"quantile_cont({DURATION_MS}, 0.50) AS latency_p50_ms, "
        f"quantile_cont({DURATION_MS}, 0.95) AS latency_p95_ms, "
        "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, "
        "sum(cost_usd) AS cost_usd, min(start_ns) AS first_ns, max(start_ns) AS last_ns "
        f"FROM store.spans AS spans {conditions.where} "
        "GROUP BY project, prompt_name, prompt_version"
        f") {after.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, *after.values, page.limit],
    )
    return {"prompts": [_shape(row) for row in rows], "next_cursor": _KEYSET.end(rows, page)}


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    hidden = ("version", "first_ns", "last_ns")
    shaped = {name: value for name, value in row.items() if name not in hidden}
    shaped["first_time"] = format_time(row["first_ns"])
    shaped["last_time"] = format_time(row["last_ns"])
    return shaped
