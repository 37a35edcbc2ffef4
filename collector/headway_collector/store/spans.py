"""Spans one by one: the listing, page by page, and one trace whole."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any, Literal, get_args

import msgspec

from headway.records import Span
from headway_collector.errors import NotFoundError
from headway_collector.originals.envelopes import show_attributes
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

PAGE_BYTES = 32 * 1024 * 1024
"""Of the contents in one answer; on its way it takes several times as much memory."""

MAX_TRACE_SPANS = 10_000
MAX_PREVIEW_BYTES = 32 * 1024
"""Of each JSON field and each text of a span, where contents are not asked for whole."""

# The same in traces, for those spans whose contents had no more room.
_CUT_BYTES = 1024

# How far the clocks of two hosts in one trace may be apart.
_CLOCKS_APART_NS = 86_400 * SECOND_NS

_KEYSET = Keyset("spans", "start_ns", ("span_id", "trace_id", "project"))
_TEXTS = ("input", "output")
_FULL = (*_TEXTS, "otel")
_JSON = ("params", "prompt_variables", "attributes")
# Of any length too, but short where nothing is out of order.
_CONTENT = ("status_message", "error_stack")
_COLUMNS = (
    "project",
    "price_version",
    "is_usage_inconsistent",
    "mapper_version",
    *(
        name
        for name in Span.__struct_fields__
        if name not in _TEXTS and name not in _JSON and name not in _CONTENT
    ),
)
# Where texts of the attributes were replaced by the place where they stand in the row.
_REFERENCE = '{"$'
_CUT_JSON = (
    "CASE WHEN strlen({name}) > {most} THEN '{{\"$cut\": ' || strlen({name}) || '}}' "
    "ELSE {name} END AS {name}"
)
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
    ``searched_until`` how far it came. One with whole contents ends after ``PAGE_BYTES``.
    """
    quick, slow = select_by_columns(filters), select_by_texts(filters)
    _KEYSET.begin(quick, page)

    def find(conditions: Conditions, page: Page, limit_s: float | None = None) -> Rows:
        return _find_keys(store, conditions, page, limit_s)

    if slow.clauses:
        found = search(store, quick, slow, page, find, clock_s=clock_s)
    else:
        found = Found(find(quick, page))
    cursor, until = _KEYSET.end(found.rows, page), None
    if found.edge_ns is not None:
        cursor, until = _KEYSET.stop(found.edge_ns, page), format_time(found.edge_ns)
    keys = _fit(store, found.rows) if content == "full" else found.rows
    if len(keys) < len(found.rows):
        cursor, until = _KEYSET.end(keys, replace(page, limit=len(keys))), None
    return {
        "spans": [_shape(row, content) for row in _read_keys(store, keys, content)],
        "next_cursor": cursor,
        "is_partial": until is not None,
        "searched_until": until,
    }


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
        keys = keys or _find_keys(store, select_spans(filters), page)
    if not keys:
        where = f" in project {', '.join(projects)}" if projects else ""
        raise NotFoundError(f"there is no trace {trace_id[:80]!r}{where}")
    # Ids are random, so one in two projects is a copy; the one that came first is shown.
    project = keys[0]["project"]
    shown = [key for key in keys[:MAX_TRACE_SPANS] if key["project"] == project]
    whole = _fit(store, shown)
    cut = shown[len(whole) :]
    spans = [_shape(row, "full") for row in _read_keys(store, whole, "full")]
    spans += [_shape(row, "preview") for row in _read_keys(store, cut, "preview", _CUT_BYTES)]
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


def _find_keys(
    store: Store, conditions: Conditions, page: Page, limit_s: float | None = None
) -> Rows:
    """Return the keys of a page.

    Sorting and cutting rows of fifty columns costs far more than reading rows by their keys.
    """
    return store.read(
        f"SELECT span_key, {_KEYSET.columns} FROM store.spans AS spans {conditions.where} "
        f"{_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
        limit_s=limit_s,
    )


def _fit(store: Store, keys: Rows) -> Rows:
    """Return as many of the keys as have rows of ``PAGE_BYTES`` in all, and one at least."""
    if not keys:
        return []
    lengths = " + ".join(f"coalesce(strlen({name}), 0)" for name in (*_FULL, *_JSON, *_CONTENT))
    conditions = _select_keys(keys)
    rows = store.read(
        f"SELECT {', '.join(_KEYSET.ids)}, {lengths} AS size "
        f"FROM store.spans AS spans {conditions.where}",
        conditions.values,
    )
    sizes = {_identify(row): row["size"] for row in rows}
    ends = accumulate(sizes.get(_identify(key), 0) for key in keys)
    return keys[: max(1, sum(end <= PAGE_BYTES for end in ends))]


def _read_keys(
    store: Store, keys: Rows, content: Content, most_bytes: int = MAX_PREVIEW_BYTES
) -> Rows:
    """Return the rows of these keys in the same order."""
    if not keys:
        return []
    sql = f"SELECT {', '.join(_show(content, most_bytes))} FROM store.spans AS spans "
    conditions = _select_keys(keys)
    rows = store.read(sql + conditions.where, conditions.values)
    by_id = {_identify(row): row for row in rows}
    found = [by_id.get(_identify(key)) for key in keys]
    # One that was erased between the two reads is left out.
    return [row for row in found if row is not None]


def _select_keys(keys: Rows) -> Conditions:
    times_ns = [key["start_ns"] for key in keys]
    conditions = Conditions()
    conditions.add("spans.start_ns BETWEEN ? AND ?", min(times_ns), max(times_ns))
    conditions.add(HAS_KEY, [key["span_key"] for key in keys])
    return conditions


def _show(content: Content, most_bytes: int) -> list[str]:
    """Return the columns of an answer; but for whole contents none is longer than ``most_bytes``.

    Of text, these are characters.
    """
    if content == "full":
        return [*_COLUMNS, *_JSON, *_CONTENT, *_FULL]
    shown = [*_COLUMNS]
    shown += [_CUT_JSON.format(name=name, most=most_bytes) for name in _JSON]
    shown += [f"left({name}, {most_bytes}) AS {name}" for name in _CONTENT]
    if content == "preview":
        shown += [_PREVIEW.format(name=name, chars=PREVIEW_CHARS) for name in _TEXTS]
    return shown


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
        return msgspec.Raw(show_attributes(row))
    except UnicodeEncodeError:
        # Half a character came, which JSON in UTF-8 cannot say.
        return msgspec.Raw(row["attributes"].encode())
