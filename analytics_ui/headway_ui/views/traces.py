"""The list of traces: narrow it, page through it, open one. Every filter is in the URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from headway_ui import (
    contents,
    empty_states,
    filters,
    formats,
    queries,
    tables,
    trace_details,
)
from headway_ui.kinds import kind_look
from headway_ui.scopes import Scope
from headway_ui.sidebars import current_scope

_PAGES = "traces_pages"


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a page begins, and the number of its first row."""

    cursor: str | None = None
    row: int = 1


def page() -> None:
    """Draw the list, or the trace that the URL names."""
    scope = current_scope()
    trace_id = st.query_params.get("trace_id")
    if trace_id:
        trace_details.draw(trace_id)
        # Widgets that are not drawn lose what they were set to, and the list must find it again.
        with st.expander("Filters of the list"):
            filters.draw(queries.facets(scope.filters, filters.FIELDS))
    else:
        _list(scope)


def _list(scope: Scope) -> None:
    st.title("Traces", anchor=False)
    if not scope.has_data:
        empty_states.no_calls(queries.address().url, scope.project)
        return
    st.caption(f"Newest first, {scope.window.label}, times in UTC. Select a row to open it.")
    wanted = scope.filters | filters.draw(queries.facets(scope.filters, filters.FIELDS))
    starts = _starts(repr(sorted(wanted.items(), key=str)))
    found = queries.spans(wanted, cursor=starts[-1].cursor)
    if found.items:
        _table(found.items)
    elif found.searched_until is not None:
        st.info(
            "Nothing found so far, and there is more to look through: go on with **Older**, "
            "or choose a shorter time.",
            icon=":material/hourglass_top:",
        )
    elif len(starts) > 1:
        st.info("There is nothing older.", icon=":material/last_page:")
    else:
        _explain_nothing(scope, wanted)
        return
    _pager(starts, found)


def _table(spans: Sequence[Mapping[str, Any]]) -> None:
    def open_trace(row: int) -> None:
        st.query_params.update({name: spans[row][name] for name in ("trace_id", "span_id")})

    text = st.column_config.TextColumn
    columns = {
        "Time (UTC)": tables.time(width=125),
        "Status": tables.status(width=70),
        "Kind": text(width=80),
        "Name": text(width=120),
        "Model": text(width=110),
        "Duration": tables.right(width=75),
        "Input": text(width=260),
        "Output": text(width=260),
        "Tokens": tables.whole(width=70),
        "Cost": tables.right(width=75),
        "User": text(width=80),
        "Tags": st.column_config.ListColumn(width=180),
    }
    tables.draw(
        [_row(span) for span in spans],
        "traces_table",
        columns,
        "The spans that match the filters, the newest first",
        to=open_trace,
        height="content",
    )


def _row(span: Mapping[str, Any]) -> dict[str, Any]:
    tokens = [span[field] for field in ("input_tokens", "output_tokens") if span[field] is not None]
    return {
        "Time (UTC)": formats.moment(span["start_time"]),
        "Status": [span["status"]],
        "Kind": kind_look(span["kind"]).word,
        "Name": span["name"],
        "Model": span["request_model"],
        "Duration": formats.duration(span["duration_ms"]),
        "Input": contents.preview(span["input"]),
        "Output": contents.preview(span["output"]) or span["status_message"],
        "Tokens": sum(tokens) if tokens else None,
        "Cost": formats.money(span["cost_usd"]) if span["cost_usd"] is not None else "",
        "User": span["user_id"],
        "Tags": span["tags"],
    }


def _starts(signature: str) -> list[_Start]:
    # The way back is a stack, because the collector's cursors lead only one way.
    pages = st.session_state.get(_PAGES)
    if pages is None or pages["for"] != signature:
        pages = {"for": signature, "starts": [_Start()]}
        st.session_state[_PAGES] = pages
    starts: list[_Start] = pages["starts"]
    return starts


def _pager(starts: list[_Start], found: queries.Page) -> None:
    next_row = starts[-1].row + len(found.items)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Newer",
            icon=":material/chevron_left:",
            disabled=len(starts) == 1,
            on_click=_back,
            args=(starts,),
        )
        st.button(
            "Older",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=found.next_cursor is None,
            on_click=starts.append,
            args=(_Start(found.next_cursor, next_row),),
        )
        st.caption(_describe(starts[-1].row, next_row, found))


def _describe(row: int, next_row: int, found: queries.Page) -> str:
    said = []
    if found.items:
        said.append(f"Rows {formats.count(row)} to {formats.count(next_row - 1)}")
    if found.searched_until is not None:
        said.append(f"Searched back to {formats.when(found.searched_until)}")
    return " · ".join(said)


def _back(starts: list[_Start]) -> None:
    starts.pop()


def _explain_nothing(scope: Scope, wanted: Mapping[str, Any]) -> None:
    within = {field: value for field, value in wanted.items() if field != "is_root"}
    if "is_root" in wanted and queries.spans(within, limit=1).items:
        st.info(
            "No request matches these filters, but spans inside of requests do.",
            icon=":material/account_tree:",
        )
        st.button("Show all spans", icon=":material/timeline:", on_click=_show_all_spans)
    elif within != scope.filters:
        st.info("Nothing matches these filters.", icon=":material/filter_alt_off:")
        st.button("Take them all off", icon=":material/close:", on_click=filters.reset)
    else:
        empty_states.nothing_in_window(scope, "spans")


def _show_all_spans() -> None:
    st.session_state["show"] = filters.EVERYTHING


page()
