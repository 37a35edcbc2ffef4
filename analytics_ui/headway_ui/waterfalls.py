"""The trace tree on the page: rows that can be clicked, each with its bar on the trace's time.

Streamlit has no tree, so this is one small component of our own (``components/waterfall.*``).
What it draws is prepared here, and a click comes back as the id of a span.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from headway_ui import formats
from headway_ui.kinds import kind_look, status_look
from headway_ui.trees import TreeRow

MOST_ROWS = 500
_KEY = "waterfall"
_FOLDER = Path(__file__).parent / "components"
_mount = st.components.v2.component(
    "headway_waterfall",
    html='<ol class="tree" role="tree"></ol>\n',
    css=(_FOLDER / "waterfall.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "waterfall.js").read_text(encoding="utf-8"),
)


def draw(rows: Sequence[TreeRow], selected: str, on_pick: Callable[[str], None]) -> None:
    """Draw the tree; ``on_pick`` is called with the id of the span that was clicked."""

    def picked() -> None:
        span_id = st.session_state[_KEY].picked
        if span_id:
            on_pick(span_id)

    if len(rows) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS} of {formats.count(len(rows))} spans.")
    data = {
        "label": "The spans of this trace",
        "rows": [to_data(row, selected) for row in rows[:MOST_ROWS]],
    }
    _mount(key=_KEY, data=data, on_picked_change=picked)


def to_data(row: TreeRow, selected: str) -> dict[str, Any]:
    """Return a row as the component reads it."""
    span = row.span
    kind, status = kind_look(span["kind"]), status_look(span["status"])
    is_error = span["status"] == "error"
    orphan = " (its parent has not arrived)" if row.is_orphan else ""
    return {
        "span_id": span["span_id"],
        "name": span["name"],
        "kind": kind.word,
        "icon": kind.icon,
        "colour": status.colour if is_error else kind.colour,
        "status": status.word if is_error else "",
        "status_icon": status.icon if is_error else "",
        "depth": row.depth,
        "offset": row.offset,
        "width": row.width,
        "duration": formats.duration(span["duration_ms"]),
        "title": f"{kind.word} {span['name']}, {status.word}{orphan}",
        "is_selected": span["span_id"] == selected,
    }
