"""Calls of models, found by the ids that providers gave their responses.

A judge that runs later has no span at hand, but the response: OpenTelemetry's evaluations may name
its id alone. No index leads from it to the span. So the last day is looked through first, then the
month, and no longer than for some seconds: what was not found by then is as good as not there.
"""

from collections.abc import Sequence

import duckdb

from headway_collector.store.connections import Store

_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS
# Clocks differ: a response may seem to be judged before it was asked for.
_BEHIND_NS = _HOUR_NS
_BEFORE_NS = (_DAY_NS, 30 * _DAY_NS)
_LIMIT_S = 2.0

# Frameworks note the id on spans around the call too; the call is the innermost.
_FIND = """
    SELECT DISTINCT ON (response_id) response_id, trace_id, span_id FROM store.spans
    WHERE start_ns BETWEEN $1 AND $2 AND project = $3
        AND response_id IN (SELECT unnest($4::VARCHAR[]))
    ORDER BY response_id, kind = 'llm' DESC, start_ns DESC, span_id"""


def find_calls(
    store: Store, project: str, response_ids: Sequence[str], times_ns: Sequence[int]
) -> dict[str, tuple[str, str]]:
    """Return the trace id and span id of each response that was found.

    Args:
        store: where the calls are.
        project: of the calls.
        response_ids: at least one.
        times_ns: when they were judged.
    """
    calls: dict[str, tuple[str, str]] = {}
    last_ns = max(times_ns) + _BEHIND_NS
    for before_ns in _BEFORE_NS:
        missing = sorted(set(response_ids) - calls.keys())
        if missing:
            first_ns = min(times_ns) - before_ns
            try:
                rows = store.read(_FIND, [first_ns, last_ns, project, missing], limit_s=_LIMIT_S)
            except duckdb.InterruptException:
                break
            calls |= {row["response_id"]: (row["trace_id"], row["span_id"]) for row in rows}
    return calls
