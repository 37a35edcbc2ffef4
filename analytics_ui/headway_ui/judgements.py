"""The scores of a span on its page, and the form with which a person adds one."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import formats, queries

_UP, _DOWN = ":material/thumb_up: up", ":material/thumb_down: down"


def draw(project: str, span: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> None:
    """Draw the scores that a span has, or its trace as a whole, and the form for another.

    Args:
        project: the trace's project.
        span: the span that is looked at.
        scores: all scores of the trace.
    """
    st.markdown("**Scores**")
    mine = [each for each in scores if each.get("span_id") in (None, span["span_id"])]
    if mine:
        rows = [_row(each) for each in sorted(mine, key=lambda each: str(each["time"]))]
        st.table(rows, border="horizontal", hide_index=True)
    else:
        st.caption("Nobody and nothing has scored this span yet.")
    _form(project, span)


def _form(project: str, span: Mapping[str, Any]) -> None:
    span_id = span["span_id"]
    form = st.form(f"judge_{span_id}", border=False, clear_on_submit=True)
    with form, st.container(horizontal=True, vertical_alignment="bottom"):
        thumbs = st.feedback("thumbs", key=f"thumbs_{span_id}")
        comment = st.text_input(
            "Your judgement", placeholder="why (optional)", key=f"comment_{span_id}"
        )
        is_sent = st.form_submit_button("Save", icon=":material/rate_review:")
    if not is_sent:
        return
    if thumbs is None:
        st.warning("Choose thumbs up or down first; a comment alone is no score.")
        return
    queries.judge(
        project, span["trace_id"], span_id, is_good=thumbs == 1, comment=comment.strip() or None
    )
    st.toast("Saved", icon=":material/check:")
    st.rerun()


def _row(score: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Score": formats.plain(score["name"]),
        "Value": _value(score),
        "By": formats.plain(" ".join(filter(None, (score["source"], score.get("author"))))),
        "On": "span" if score.get("span_id") else "whole trace",
        "Comment": formats.plain(score.get("comment") or ""),
        "Time": formats.plain(formats.when(score.get("time"))),
    }


def _value(score: Mapping[str, Any]) -> str:
    value = score["value"]
    if score["name"] == "thumbs" and isinstance(value, bool):
        return _UP if value else _DOWN
    if isinstance(value, bool):
        return ":material/check: yes" if value else ":material/close: no"
    return formats.plain(formats.score(value) if isinstance(value, int | float) else str(value))
