"""Spans one by one: the listing, page by page, and one trace whole."""

import time
from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from headway.records import Span
from headway_collector.errors import NotFoundError
from headway_collector.originals.envelopes import unpack
from headway_collector.store.connections import Store
from headway_collector.store.expressions import HAS_KEY
from headway_collector.store.filters import (
    Conditions,
    SpanFilters,
    select_by_columns,
    select_by_texts,
    select_spans,
)
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.scores import read_scores_of_trace
from headway_collector.store.searches import Found, Rows, search
from headway_collector.times import MAX_NS, MILLISECOND_NS, SECOND_NS, format_time

Content = Literal["preview", "full", "none"]
CONTENTS: tuple[Content, ...] = get_args(Content)
PREVIEW_CHARS = 300

# How far the clocks of two hosts in one trace may be apart.
_CLOCKS_APART_NS = 86_400 * SECOND_NS

_KEYSET = Keyset("start_ns", ("span_id", "trace_id", "project"))
_TEXTS = ("input", "output")
_FULL = (*_TEXTS, "otel")
_JSON = ("params", "prompt_variables", "attributes")
_COLUMNS = (
    "project",
    "price_version",
    "is_usage_inconsistent",
    "mapper_version",
    *(name for name in Span.__struct_fields__ if name not in _TEXTS),
)
# Where texts of the attributes were replaced by the place where they stand in the row.
_REFERENCE = '{"$'
# JSON text shows its string without quotes and backslashes, anything else as it stands.
_PREVIEW = (
    "left(CASE WHEN starts_with({name}, '\"') THEN coalesce(TRY(json_extract_string({name}, '$')),"
    " {name}) ELSE {name} END, {chars}) AS {name}"
)


def list_spans(
    store: Store,
    filters: SpanFilters,
    page: Page,
    content: Content = "preview",
    *,
    clock_s: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Return one page of the spans that pass the filters, by start.

    A page that looks through texts ends after some seconds; ``is_partial`` says that it has, and
    ``searched_until`` how far it came.
    """
    quick, slow = select_by_columns(filters), select_by_texts(filters)
    _KEYSET.begin(quick, page)

    def find(conditions: Conditions, page: Page) -> Rows:
        return _find_keys(store, conditions, page)

    if slow.clauses:
        found = search(store, quick, slow, page, find, clock_s=clock_s)
    else:
        found = Found(find(quick, page))
    cursor, until = _KEYSET.end(found.rows, page), None
    if found.edge_ns is not None:
        cursor, until = _KEYSET.stop(found.edge_ns, page), format_time(found.edge_ns)
    return {
        "spans": [_shape(row, content) for row in _read_keys(store, found.rows, content)],
        "next_cursor": cursor,
        "is_partial": found.edge_ns is not None,
        "searched_until": until,
    }


def read_trace(store: Store, trace_id: str, projects: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a trace with all its spans by start, and the scores on it and them.

    Raises:
        NotFoundError: no span has that trace id.
    """
    rows: Rows = []
    # An id that seems to carry its time may be a random one: then it is looked for everywhere.
    for start_ns in dict.fromkeys((_find_earliest(trace_id), None)):
        filters = SpanFilters(trace_id=(trace_id,), project=projects, start_ns=start_ns)
        order = _KEYSET.order_by(Page(is_descending=False))
        rows = rows or _read(store, select_spans(filters), "full", order)
    if not rows:
        where = f" in project {', '.join(projects)}" if projects else ""
        raise NotFoundError(f"there is no trace {trace_id[:80]!r}{where}")
    # Ids are random, so one in two projects is a copy; the one that came first is shown.
    project = rows[0]["project"]
    spans = [_shape(row, "full") for row in rows if row["project"] == project]
    span_ids = [span["span_id"] for span in spans]
    scores = read_scores_of_trace(store, project, trace_id, span_ids)
    return {"trace_id": trace_id, "project": project, "spans": spans, "scores": scores}


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


def _find_keys(store: Store, conditions: Conditions, page: Page) -> Rows:
    """Return the keys of a page.

    Sorting and cutting rows of fifty columns costs far more than reading rows by their keys.
    """
    return store.read(
        f"SELECT span_key, {_KEYSET.columns} FROM store.spans AS spans {conditions.where} "
        f"{_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )


def _read_keys(store: Store, keys: Rows, content: Content) -> Rows:
    """Return the rows of these keys in the same order."""
    if not keys:
        return []
    times_ns = [key["start_ns"] for key in keys]
    conditions = Conditions()
    conditions.add("spans.start_ns BETWEEN ? AND ?", min(times_ns), max(times_ns))
    conditions.add(HAS_KEY, [key["span_key"] for key in keys])
    rows = {_identify(row): row for row in _read(store, conditions, content)}
    found = [rows.get(_identify(key)) for key in keys]
    # One that was erased between the two reads is left out.
    return [row for row in found if row is not None]


def _read(store: Store, conditions: Conditions, content: Content, order: str = "") -> Rows:
    shown = [*_COLUMNS]
    if content == "full":
        shown += _FULL
    elif content == "preview":
        shown += [_PREVIEW.format(name=name, chars=PREVIEW_CHARS) for name in _TEXTS]
    sql = f"SELECT {', '.join(shown)} FROM store.spans AS spans {conditions.where} {order}"
    return store.read(sql, conditions.values)


def _identify(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in _KEYSET.ids)


def _shape(row: dict[str, Any], content: Content) -> dict[str, Any]:
    start_ns, end_ns = row["start_ns"], row["end_ns"]
    shaped = {name: value for name, value in row.items() if name not in ("start_ns", "end_ns")}
    shaped["start_time"] = format_time(start_ns)
    shaped["end_time"] = format_time(end_ns)
    shaped["duration_ms"] = (end_ns - start_ns) / 1e6
    for name in _JSON + (_FULL if content == "full" else ()):
        if shaped[name] is not None:
            # It is JSON already; decoding it only to encode it again would cost most of the page.
            shaped[name] = msgspec.Raw(shaped[name].encode())
    if content == "full" and row["otel"] is not None and _REFERENCE in (row["attributes"] or ""):
        shaped["attributes"] = _restore_attributes(row)
    return shaped


def _restore_attributes(row: dict[str, Any]) -> msgspec.Raw:
    """Return the attributes as they came, with their long texts."""
    try:
        return msgspec.Raw(msgspec.json.encode(unpack(row).attributes))
    except UnicodeEncodeError:
        # Half a character came, which JSON in UTF-8 cannot say.
        return msgspec.Raw(row["attributes"].encode())
