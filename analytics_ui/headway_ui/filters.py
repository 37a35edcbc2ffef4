"""The filter bar of the list of traces: widgets bound to the URL, read back as span filters.

The key of a widget, the name in the URL and the span filter of the collector's API are one and
the same word.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui.formats import plain, when

ROOTS, EVERYTHING = "Requests", "All spans"
# A field of the API, and what the bar calls it. The first stand in view, the others fold away.
PRIMARY = {
    "request_model": "Model",
    "kind": "Kind",
    "status": "Status",
    "user_id": "User",
    "session_id": "Session",
    "tag": "Tag",
    "prompt_version": "Prompt version",
}
SECONDARY = {
    "name": "Name",
    "prompt_name": "Prompt",
    "environment": "Environment",
    "release": "Release",
    "provider": "Provider",
}
FIELDS = (*PRIMARY, *SECONDARY)
_FROM, _UNTIL = "from", "until"

Facets = Mapping[str, Sequence[Mapping[str, Any]]]


def draw(facets: Facets) -> dict[str, Any]:
    """Draw the bar and return what it lets through, as span filters of the API.

    Args:
        facets: the values to choose from; others may be typed.
    """
    chosen: dict[str, Any] = {}
    with st.container(horizontal=True, vertical_alignment="top"):
        shown = st.segmented_control(
            "Show",
            [ROOTS, EVERYTHING],
            default=ROOTS,
            required=True,
            key="show",
            bind="query-params",
            help="A request is the first span of its trace.",
        )
        chosen["q"] = st.text_input(
            "Search in name, input and output",
            key="q",
            bind="query-params",
            icon=":material/search:",
            placeholder="any text, any language",
        )
    with st.grid(4, min_column_width=150, gap="small"):
        chosen |= {field: _choose(field, label, facets) for field, label in PRIMARY.items()}
        chosen["min_duration_ms"] = st.number_input(
            "Took at least (ms)",
            min_value=0.0,
            value=None,
            step=100.0,
            format="%.0f",
            key="min_duration_ms",
            bind="query-params",
            placeholder="any",
        )
    more = st.expander("More filters", expanded=_is_any_linked(SECONDARY))
    with more, st.grid(len(SECONDARY), min_column_width=130, gap="small"):
        chosen |= {field: _choose(field, label, facets) for field, label in SECONDARY.items()}
    if shown == ROOTS:
        chosen["is_root"] = True
    return {field: value for field, value in chosen.items() if value} | _draw_period()


def reset(show: str = ROOTS, **kept: str) -> None:
    """Take off every filter but those given; only to be called from a callback of a widget."""
    for field in FIELDS:
        st.session_state[field] = [kept[field]] if field in kept else []
    st.session_state["q"] = ""
    st.session_state["min_duration_ms"] = None
    st.session_state["show"] = show
    for name in (_FROM, _UNTIL):
        st.query_params.pop(name, None)


def _choose(field: str, label: str, facets: Facets) -> list[str]:
    values = [str(each["value"]) for each in facets.get(field, ()) if each["value"] is not None]
    # A link may name a value that is not among the commonest; without it here it would be lost.
    linked = [each for each in st.query_params.get_all(field) if each not in values]
    return st.multiselect(
        label,
        [*values, *linked],
        key=field,
        bind="query-params",
        placeholder="any",
        accept_new_options=True,
    )


def _is_any_linked(fields: Iterable[str]) -> bool:
    return any(st.query_params.get_all(field) for field in fields)


def _draw_period() -> dict[str, str]:
    # Set by a click on a chart; it narrows the window of the sidebar and can only be taken off.
    start, end = st.query_params.get(_FROM), st.query_params.get(_UNTIL)
    if not start or not end:
        return {}
    try:
        words = f"From {when(start)} to {when(end)}"
    except ValueError:
        st.warning(f"The link's period {plain(start)} to {plain(end)} is no time; it is ignored.")
        return {}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(plain(words), icon=":material/schedule:", color="blue")
        if st.button("Whole window", icon=":material/close:", type="tertiary"):
            del st.query_params[_FROM], st.query_params[_UNTIL]
            st.rerun()
    return {"start": start, "end": end}
