"""Spans one by one: the listing, page by page, and what a whole trace is read with."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any, Literal, get_args

import msgspec

from headway.records import Span
from headway_collector.originals.envelopes import show_attributes
from headway_collector.store.connections import Store
from headway_collector.store.expressions import HAS_KEY
from headway_collector.store.filters import (
    Conditions,
    SpanFilters,
    select_by_columns,
    select_by_texts,
)
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.searches import Found, Rows, search
from headway_collector.times import format_time

Content = Literal["preview", "full", "none"]
CONTENTS: tuple[Content, ...] = get_args(Content)
PREVIEW_CHARS = 300

PAGE_BYTES = 32 * 1024 * 1024
"""Of the contents in one answer; on its way it takes several times as much memory."""

MAX_PREVIEW_BYTES = 32 * 1024
"""Of each JSON field and each text of a span, where contents are not asked for whole."""

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
        return find_keys(store, conditions, page, limit_s)

    if slow.clauses:
        found = search(store, quick, slow, page, find, clock_s=clock_s)
    else:
        found = Found(find(quick, page))
    cursor, until = _KEYSET.end(found.rows, page), None
    if found.edge_ns is not None:
        cursor, until = _KEYSET.stop(found.edge_ns, page), format_time(found.edge_ns)
    keys = fit_page(store, found.rows) if content == "full" else found.rows
    if len(keys) < len(found.rows):
        cursor, until = _KEYSET.end(keys, replace(page, limit=len(keys))), None
    return {
        "spans": [shape_span(row, content) for row in read_spans(store, keys, content)],
        "next_cursor": cursor,
        "is_partial": until is not None,
        "searched_until": until,
    }


def find_keys(
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


def fit_page(store: Store, keys: Rows) -> Rows:
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


def read_spans(
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


def shape_span(row: dict[str, Any], content: Content) -> dict[str, Any]:
    """Return a row as it is answered."""
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
