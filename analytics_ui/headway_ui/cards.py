"""The frames that a page is made of: a figure with its change, and a chart with its sentence.

A chart's card has a title, one sentence that says what is to be seen, the chart or the same
numbers as a table, and turns a click on a mark into a look at the rows behind it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import streamlit as st

from headway_ui import links, picks
from headway_ui.buckets import Point
from headway_ui.charts import PICK
from headway_ui.formats import plain

Good = Literal["normal", "inverse", "off"]
CHART, TABLE = ":material/show_chart:", ":material/table_rows:"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number at the head of a page.

    Args:
        change: against the period before; None where there is none.
        good: whether more is better, worse, or neither.
        trend: the figure over the window, for the sparkline.
        link: the rows behind the number, and the words that lead there.
    """

    label: str
    value: str
    change: str | None
    good: Good
    trend: Sequence[float]
    link: links.Link
    link_label: str
    help: str


def figure(one: Figure, versus: str) -> None:
    """Draw a figure as a card."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(
            one.label,
            plain(one.value),
            0 if one.change == "0" else one.change,
            delta_color=one.good,
            delta_description=versus if one.change else None,
            chart_data=one.trend if len(one.trend) > 1 else None,
            chart_type="area",
            help=one.help,
        )
        st.space("stretch")
        links.draw(one.link, f":small[{one.link_label}]", ":material/arrow_forward:")


def fact(label: str, value: str) -> None:
    """Draw a small figure under its label, for a row of several."""
    st.markdown(f":small[:gray[{plain(label)}]]  \n**{plain(value)}**", width="content")


def chart(
    title: str,
    takeaway: str,
    draw: Callable[[], alt.Chart | alt.LayerChart],
    points: Sequence[Point],
    key: str,
    *,
    value_name: str,
    on_pick: Callable[[Mapping[str, Any]], links.Link],
    more: tuple[links.Link, str] | None = None,
) -> None:
    """Draw a chart as a card.

    Args:
        title: what one sees.
        takeaway: what to see in it; also the chart's name for a screen reader.
        draw: makes the chart; not called where there are no points.
        points: what it was drawn from, for the table.
        key: names the card among those of the page.
        value_name: the heading of the values in the table.
        on_pick: from the fields of a clicked mark to the rows behind it.
        more: the page that says more, and the words that lead there.
    """
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(title, anchor=False)
            view = st.segmented_control(
                f"How to show: {title}",
                [CHART, TABLE],
                default=CHART,
                required=True,
                key=f"{key}_view",
                label_visibility="collapsed",
            )
        st.caption(plain(takeaway))
        if more:
            links.draw(more[0], f":small[{more[1]}]", ":material/arrow_forward:")
        if not points:
            return
        if view == TABLE:
            _table(points, value_name, title)
            return
        name = picks.stamped(f"{key}_chart", points)
        st.altair_chart(
            draw(),
            key=picks.fresh_key(name),
            on_select=picks.follower(name, _picked_mark, on_pick),
            alt=f"{title}. {takeaway}",
        )


def _picked_mark(selection: Mapping[str, Any]) -> Mapping[str, Any] | None:
    marks = selection.get(PICK)
    return marks[0] if marks else None


def _table(points: Sequence[Point], value_name: str, title: str) -> None:
    rows = [
        {"Time (UTC)": point["when"], "Of": point["series"], value_name: point["text"]}
        for point in points
        if point["value"] is not None
    ]
    st.dataframe(rows, hide_index=True, height=280, alt=f"{title} as a table")
