"""Spans one by one: the listing, page by page, and one trace whole."""

from typing import Any, Literal, get_args

import msgspec

from headway.records import Span
from headway_collector.errors import NotFoundError
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions, SpanFilters, select_spans
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.scores import read_scores_of_trace
from headway_collector.times import format_time

Content = Literal["preview", "full", "none"]
CONTENTS: tuple[Content, ...] = get_args(Content)
PREVIEW_CHARS = 300

_KEYSET = Keyset("start_ns", ("span_id", "trace_id", "project"))
_TEXTS = ("input", "output")
_JSON = ("params", "prompt_variables", "attributes")
_COLUMNS = (
    "project",
    "price_version",
    "is_usage_inconsistent",
    *(name for name in Span.__struct_fields__ if name not in _TEXTS),
)
# JSON text shows its string without quotes and backslashes, anything else as it stands.
_PREVIEW = (
    "left(CASE WHEN starts_with({name}, '\"') THEN coalesce(TRY(json_extract_string({name}, '$')),"
    " {name}) ELSE {name} END, {chars}) AS {name}"
)


def list_spans(
    store: Store, filters: SpanFilters, page: Page, content: Content = "preview"
) -> dict[str, Any]:
    """Return one page of the spans that pass the filters, by start."""
    conditions = select_spans(filters)
    _KEYSET.begin(conditions, page)
    rows = _read(store, conditions, page, content)
    return {"spans": [_shape(row, content) for row in rows], "next_cursor": _KEYSET.end(rows, page)}


def read_trace(store: Store, trace_id: str, projects: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a trace with all its spans by start, and the scores on it and them.

    Raises:
        NotFoundError: no span has that trace id.
    """
    conditions = select_spans(SpanFilters(trace_id=(trace_id,), project=projects))
    rows = _read(store, conditions, None, "full")
    if not rows:
        where = f" in project {', '.join(projects)}" if projects else ""
        raise NotFoundError(f"there is no trace {trace_id[:80]!r}{where}")
    # Ids are random, so one in two projects is a copy; the one that came first is shown.
    project = rows[0]["project"]
    spans = [_shape(row, "full") for row in rows if row["project"] == project]
    span_ids = [span["span_id"] for span in spans]
    scores = read_scores_of_trace(store, project, trace_id, span_ids)
    return {"trace_id": trace_id, "project": project, "spans": spans, "scores": scores}


def _read(
    store: Store, conditions: Conditions, page: Page | None, content: Content
) -> list[dict[str, Any]]:
    order = _KEYSET.order_by(page or Page(is_descending=False))
    limit = "" if page is None else f"LIMIT {page.limit:d}"
    shown = [*_COLUMNS]
    if content == "full":
        shown += _TEXTS
    elif content == "preview":
        shown += [_PREVIEW.format(name=name, chars=PREVIEW_CHARS) for name in _TEXTS]
    inner = f"SELECT * FROM store.spans AS spans {conditions.where} {order} {limit}"
    return store.read(f"SELECT {', '.join(shown)} FROM ({inner}) {order}", conditions.values)


def _shape(row: dict[str, Any], content: Content) -> dict[str, Any]:
    start_ns, end_ns = row["start_ns"], row["end_ns"]
    shaped = {name: value for name, value in row.items() if name not in ("start_ns", "end_ns")}
    shaped["start_time"] = format_time(start_ns)
    shaped["end_time"] = format_time(end_ns)
    shaped["duration_ms"] = (end_ns - start_ns) / 1e6
    for name in _JSON + (_TEXTS if content == "full" else ()):
        if shaped[name] is not None:
            # It is JSON already; decoding it only to encode it again would cost most of the page.
            shaped[name] = msgspec.Raw(shaped[name].encode())
    return shaped
