"""A click on a row or a mark as a step to another page, once and not again.

Streamlit keeps a selection as a state. Read as a state it would send somebody who comes back
straight away again, so it is read as an event: in the callback, and under a key that is used up.
"""

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import streamlit as st

from headway_ui.links import Link, follow

Destination = Callable[[Any], Link | None]


def stamped(name: str, rows: Sequence[Any]) -> str:
    """Return a name for an element that changes with its rows.

    Under a key that outlives its rows, the first click after a change of rows gets lost.
    """
    return f"{name}_{crc32(repr(rows).encode())}"


def fresh_key(name: str) -> str:
    """Return the key under which the element ``name`` stands until somebody picks from it."""
    return f"{name}_{st.session_state.get(_counter(name), 0)}"


def follower(name: str, read: Callable[[Any], Any], to: Destination) -> Callable[[], None]:
    """Return the callback that goes where a pick in the element ``name`` leads.

    Args:
        name: of the element, as given to ``fresh_key``.
        read: from the selection that Streamlit keeps to what was picked, None for nothing.
        to: from what was picked to the page behind it; None stays, and changes the URL itself.
    """
    key = fresh_key(name)

    def on_select() -> None:
        picked = read(st.session_state[key]["selection"])
        if picked is None:
            return
        st.session_state[_counter(name)] = st.session_state.get(_counter(name), 0) + 1
        link = to(picked)
        if link:
            follow(link)

    return on_select


def _counter(name: str) -> str:
    return f"{name}_picks"
