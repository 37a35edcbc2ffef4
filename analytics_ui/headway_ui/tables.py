"""Tables in which a click on a row leads to what the row is about."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import streamlit as st
from streamlit.column_config import (
    DatetimeColumn,
    MultiselectColumn,
    NumberColumn,
    ProgressColumn,
    TextColumn,
)

from headway_ui import picks
from headway_ui.kinds import STATUSES
from headway_ui.links import Link


def draw(
    rows: Sequence[Mapping[str, Any]],
    name: str,
    columns: Mapping[str, Any],
    alt: str,
    to: Callable[[int], Link | None],
    *,
    height: Literal["auto", "content"] | int = "auto",
) -> None:
    """Draw the rows; a click on a row's box or on any of its cells leads to its page.

    Args:
        rows: what is drawn, a column a key.
        name: of the table on its page.
        columns: how a column looks, where its type does not tell.
        alt: what the table holds, for a screen reader.
        to: from the number of a row to the page behind it.
        height: of the table; by default at most ten rows are in view.
    """
    drawn = list(rows)
    name = picks.stamped(name, drawn)
    # mypy finds no overload for a list of mappings, though Streamlit documents it.
    cast(Any, st.dataframe)(
        drawn,
        hide_index=True,
        height=height,
        key=picks.fresh_key(name),
        on_select=picks.follower(name, _picked_row, to),
        selection_mode=["single-row", "single-cell"],
        column_config=dict(columns),
        placeholder="",
        alt=alt,
    )


def _picked_row(selection: Mapping[str, Any]) -> int | None:
    rows = [*selection["rows"], *(row for row, _ in selection["cells"])]
    return rows[0] if rows else None


def status(width: int | None = None) -> Any:
    """Return a column of statuses, each a word on its colour."""
    colours = [look.colour for look in STATUSES.values()]
    return MultiselectColumn(width=width, options=list(STATUSES), color=colours)


def right(label: str | None = None, width: int | None = None) -> Any:
    """Return a column of figures with their units, aligned at the right."""
    return TextColumn(label, width=width, alignment="right")


def whole(label: str | None = None, width: int | None = None) -> Any:
    """Return a column of whole numbers with separators."""
    return NumberColumn(label, width=width, format="localized")


def rate(label: str | None = None) -> Any:
    """Return a column of fractions, each as a bar from 0 to 100 %."""
    return ProgressColumn(label, min_value=0, max_value=1, format="percent")


def time(width: int | None = None) -> Any:
    """Return a column of times in UTC."""
    return DatetimeColumn(width=width, format="D MMM, HH:mm:ss", timezone="UTC")
