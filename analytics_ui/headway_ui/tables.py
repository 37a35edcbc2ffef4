"""Tables in which a click on a row leads to what the row is about."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import streamlit as st
from streamlit.column_config import (
    DatetimeColumn,
    MultiselectColumn,
    NumberColumn,
    ProgressColumn,
    TextColumn,
)

from headway_ui.kinds import STATUSES

Columns = Mapping[str, Any]


def draw(
    rows: Sequence[Mapping[str, Any]],
    key: str,
    columns: Columns,
    alt: str,
    *,
    height: Literal["auto", "content"] | int = "auto",
) -> int | None:
    """Draw the rows and return the one that somebody clicked, by its box or by any of its cells.

    Args:
        rows: what is drawn, a column a key.
        key: names the table on the page.
        columns: how a column looks, where its type does not tell.
        alt: what the table holds, for a screen reader.
        height: of the table; by default at most ten rows are in view.
    """
    # mypy finds no overload for a list of mappings, though Streamlit documents it.
    event = cast(Any, st.dataframe)(
        list(rows),
        hide_index=True,
        height=height,
        key=key,
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        column_config=dict(columns),
        placeholder="",
        alt=alt,
    )
    selection = event["selection"]
    cells = selection["cells"]
    picked = [*selection["rows"], *(row for row, _ in cells)]
    # A selection may outlive the rows it was made in.
    return picked[0] if picked and picked[0] < len(rows) else None


def status(width: int | None = None) -> Any:
    """Return a column of statuses, each a word on its colour."""
    colours = [STATUSES[name].colour for name in STATUSES]
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
