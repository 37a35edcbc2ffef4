"""The sidebar: which project, which window of time, and whether the collector is there.

Its two choices are bound to the URL, so any view can be sent to somebody else.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from headway_ui import queries
from headway_ui.formats import plain
from headway_ui.scopes import DEFAULT_WINDOW, WINDOWS, Scope, make_scope

_STATE = "scope"


def draw(health: Mapping[str, Any], projects: Sequence[Mapping[str, Any]]) -> None:
    """Draw the sidebar and keep what was chosen for the page of this run."""
    with st.sidebar:
        names = [each["project"] for each in projects]
        linked = st.query_params.get("project")
        if linked and linked not in names:
            names.append(linked)
        project = st.selectbox(
            "Project",
            names,
            index=None,
            placeholder="All projects",
            key="project",
            bind="query-params",
        )
        window = st.segmented_control(
            "Time range",
            list(WINDOWS),
            default=DEFAULT_WINDOW,
            required=True,
            key="range",
            bind="query-params",
            wrap=False,
        )
        st.caption("All times are UTC.")
        _connection(health)
    st.session_state[_STATE] = make_scope(
        project, WINDOWS[window or DEFAULT_WINDOW], projects, datetime.now(UTC)
    )


def current_scope() -> Scope:
    """Return what the sidebar was set to in this run."""
    scope: Scope = st.session_state[_STATE]
    return scope


def _connection(health: Mapping[str, Any]) -> None:
    st.space("small")
    with st.container(gap="xsmall"):
        if health.get("label"):
            st.badge(plain(health["label"]), icon=":material/science:", color="orange")
        st.badge("Connected", icon=":material/check_circle:", color="green")
        st.caption(f"`{queries.address().url}`  \nCollector {plain(health['version'])}")
        if st.button("Refresh", icon=":material/refresh:", type="tertiary"):
            queries.forget()
            st.rerun()
