"""One trace whole: its spans by start, the scores on it and them."""

from typing import Any

from headway_collector.errors import NotFoundError
from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters, select_spans
from headway_collector.store.paging import Page
from headway_collector.store.scores import read_scores_of_trace
from headway_collector.store.searches import Rows
from headway_collector.store.spans import find_keys, fit_page, read_spans, shape_span
from headway_collector.times import MAX_NS, MILLISECOND_NS, SECOND_NS

MAX_TRACE_SPANS = 10_000

# Of each field of a span whose contents had no more room.
_CUT_BYTES = 1024

# How far the clocks of two hosts in one trace may be apart.
_CLOCKS_APART_NS = 86_400 * SECOND_NS


def read_trace(store: Store, trace_id: str, projects: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a trace with its spans by start, and the scores on it and them.

    After ``PAGE_BYTES`` of whole contents the other spans are cut to previews, and after
    ``MAX_TRACE_SPANS`` left out; ``is_partial`` says so.

    Raises:
        NotFoundError: no span has that trace id.
    """
    keys: Rows = []
    page = Page(MAX_TRACE_SPANS + 1, is_descending=False)
    # An id that seems to carry its time may be a random one: then it is looked for everywhere.
    for start_ns in dict.fromkeys((_find_earliest(trace_id), None)):
        filters = SpanFilters(trace_id=(trace_id,), project=projects, start_ns=start_ns)
        keys = keys or find_keys(store, select_spans(filters), page)
    if not keys:
        where = f" in project {', '.join(projects)}" if projects else ""
        raise NotFoundError(f"there is no trace {trace_id[:80]!r}{where}")
    # Ids are random, so one in two projects is a copy; the one that came first is shown.
    project = keys[0]["project"]
    shown = [key for key in keys[:MAX_TRACE_SPANS] if key["project"] == project]
    whole = fit_page(store, shown)
    cut = shown[len(whole) :]
    spans = [shape_span(row, "full") for row in read_spans(store, whole, "full")]
    spans += [shape_span(row, "preview") for row in read_spans(store, cut, "preview", _CUT_BYTES)]
    span_ids = [span["span_id"] for span in spans]
    return {
        "trace_id": trace_id,
        "project": project,
        "is_partial": bool(cut) or len(keys) > MAX_TRACE_SPANS,
        "cut_span_ids": [key["span_id"] for key in cut],
        "spans": spans,
        "scores": read_scores_of_trace(store, project, trace_id, span_ids),
    }


def _find_earliest(trace_id: str) -> int | None:
    """Return the time before which no span of the trace can lie, if the id is one of a client's.

    Those are shaped like a UUIDv7: they begin with the milliseconds of their root's start.
    """
    if len(trace_id) != 32 or trace_id[12] != "7" or trace_id[16] not in "89ab":
        return None
    try:
        made_ns = int(trace_id[:12], 16) * MILLISECOND_NS
    except ValueError:
        return None
    return made_ns - _CLOCKS_APART_NS if made_ns <= MAX_NS else None
