"""Drift: what differs between two windows of calls, where to look for it, and what was found."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import streamlit as st

from headway.errors import ApiError
from headway_ui import (
    drift_cards,
    drift_charts,
    drift_jobs,
    drift_tests,
    drift_words,
    empty_states,
    formats,
    links,
    picks,
    queries,
)
from headway_ui.charts import PICK
from headway_ui.scopes import Bucket, Scope
from headway_ui.sidebars import current_scope

STEP = 20
SNIPPET = """headway drift --ref 'start=-14d&end=-7d' --cur 'start=-7d'"""
_WANTED = "drift_wanted"
_BUCKETS: tuple[Bucket, ...] = ("hour", "day", "week")


def page() -> None:
    """Draw the card or the job that the URL names, or what a comparison starts from."""
    scope = current_scope()
    parameters = st.query_params
    if card_id := parameters.get("card"):
        _card(scope, card_id)
        return
    st.title("Drift", anchor=False)
    if not scope.has_data:
        empty_states.no_calls(queries.address().url, scope.project)
        return
    windows = _windows(scope)
    # A click on a cell asks for a comparison, and the page that follows starts it.
    if st.session_state.pop(_WANTED, False):
        drift_jobs.start(scope, windows)
    if job_id := parameters.get("job"):
        links.draw(links.to_drift(scope, _named()), "Other windows", ":material/arrow_back:")
        drift_jobs.follow(job_id, _open_card)
        return
    # Whoever was sent here with two windows wants to see them first.
    if has_windows := bool(_named()):
        _form(scope, windows)
    _map(scope)
    _own_descriptors()
    if not has_windows:
        _form(scope, windows)
    _kept(scope)


def _form(scope: Scope, windows: drift_jobs.Windows) -> None:
    st.subheader("Compare two windows", anchor=False)
    if asked := drift_jobs.draw_form(scope, windows):
        drift_jobs.start(scope, *asked)


def _card(scope: Scope, card_id: str) -> None:
    links.draw(links.to_drift(scope, _named()), "Drift", ":material/arrow_back:")
    st.title("Drift", anchor=False)
    card = queries.drift_card(card_id)
    if card is None:
        empty_states.not_found("card", card_id)
    else:
        drift_cards.draw(scope, card)


def _named() -> dict[str, str]:
    """Return the windows that the URL names."""
    names = ("reference", "current")
    return {name: st.query_params[name] for name in names if name in st.query_params}


def _windows(scope: Scope) -> drift_jobs.Windows:
    """Return the windows that the URL names, else the halves of what the sidebar's holds."""
    if named := _named():
        reference, current = (named.get(name, "") for name in ("reference", "current"))
        return drift_words.read_window(reference), drift_words.read_window(current)
    first, last = scope.first_time or scope.now, scope.last_time or scope.now
    if scope.window.length is not None:
        first = min(max(first, scope.now - scope.window.length), last)
    first, last = first.replace(microsecond=0), last.replace(microsecond=0) + timedelta(seconds=1)
    middle = first + timedelta(seconds=(last - first) // timedelta(seconds=2))
    start, cut, end = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (first, middle, last))
    return {"start": [start], "end": [cut]}, {"start": [cut], "end": [end]}


def _open_card(result: Mapping[str, Any]) -> None:
    del st.query_params["job"]
    st.query_params["card"] = result["card_id"]


def _map(scope: Scope) -> None:
    with st.container(border=True):
        st.subheader("Evidence over time", anchor=False)
        st.caption(
            f"Every metric of the calls, {scope.window.label}: each stretch of time against the "
            "first third. A click on a cell compares its time with the baseline."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            fitting = "hour" if scope.bucket == "minute" else scope.bucket
            bucket = st.segmented_control(
                "A column is one", _BUCKETS, default=fitting, required=True
            )
            baseline = _baseline()
            if st.button("Draw the map", icon=":material/grid_on:"):
                filters = {
                    name: [value] for name, value in scope.filters.items() if name != "project"
                }
                _ask_map(scope, filters, bucket or fitting, baseline)
        if job_id := st.query_params.get("map"):
            job = queries.job(job_id)
            if job is not None and job["state"] == "done":
                _cells(job["result"])
            else:
                drift_jobs.follow(job_id, lambda _: None)


def _baseline() -> dict[str, str] | None:
    """Return the time that is compared with; None for the first third."""
    with st.popover("Baseline", icon=":material/flag:"):
        st.caption("Compared with the first third of the time, unless both ends are given.")
        ends = {
            name: st.text_input(label, placeholder="-14d or 2026-11-22T10:00:00Z").strip()
            for name, label in (("start", "Baseline from"), ("end", "Baseline until"))
        }
    return ends if all(ends.values()) else None


def _ask_map(
    scope: Scope,
    filters: Mapping[str, list[str]],
    bucket: str,
    baseline: Mapping[str, str] | None,
) -> None:
    try:
        st.query_params["map"] = queries.map_drift(scope.project, filters, bucket, baseline)
    except ApiError as error:
        drift_jobs.say_refusal(error)


def _cells(heat: Mapping[str, Any]) -> None:
    st.markdown(formats.plain(drift_charts.takeaway(heat)))
    drifted = any(cell["state"] == "drift" for cell in heat["cells"])
    only = drifted and st.toggle("Only metrics that drifted", value=True)
    rows = drift_charts.to_rows(heat, only_drifted=only)
    if not rows:
        return
    metrics = list(drift_charts.labels_of(heat).values())
    name = picks.stamped("drift_map", rows)

    def choose(mark: Mapping[str, Any]) -> None:
        _choose(heat, mark)

    st.altair_chart(
        drift_charts.heat_map(rows, metrics),
        key=picks.fresh_key(name),
        on_select=picks.follower(name, _picked_mark, choose),
        alt=f"Evidence by metric and time. {drift_charts.takeaway(heat)}",
    )
    st.caption(drift_charts.LEGEND)
    if still := drift_charts.unchanged(heat):
        told = f"The same all the time ({len(still)}): {drift_words.listed(still, len(still))}."
        st.caption(formats.plain(told))
    with st.expander("The map as a table"):
        table = [
            {
                "Metric": row["metric"],
                "Time": row["when"],
                "State": row["says"],
                "Evidence": row["text"],
            }
            for row in rows
        ]
        st.dataframe(table, hide_index=True, alt="The cells of the map as a table")


def _picked_mark(selection: Mapping[str, Any]) -> Mapping[str, Any] | None:
    marks = selection.get(PICK)
    return marks[0] if marks else None


def _choose(heat: Mapping[str, Any], mark: Mapping[str, Any]) -> None:
    """Ask for the comparison of a cell's time with the baseline."""
    baseline = drift_charts.baseline_of(heat)
    if baseline is None or mark.get("state") == drift_charts.BASELINE:
        return
    reference = {"start": [baseline[0]], "end": [baseline[1]]}
    current = {"start": [str(mark["time"])], "end": [str(mark["end"])]}
    st.query_params["reference"] = drift_words.window_text(reference)
    st.query_params["current"] = drift_words.window_text(current)
    st.session_state[_WANTED] = True


def _own_descriptors() -> None:
    own = queries.own_descriptors()
    if not own:
        return
    with st.expander(drift_words.own_title(own), icon=":material/function:"):
        st.caption("Functions of the collector's headway.toml, counted since its last start.")
        rows = [drift_words.own_row(each) for each in own]
        drift_tests.table("", rows, "Your own descriptors with their failures")


def _kept(scope: Scope) -> None:
    st.subheader("Kept comparisons", anchor=False)
    shown = int(st.session_state.get("drift_cards_shown", STEP))
    kept = queries.drift_cards(scope.project, shown)
    if not kept.items:
        st.markdown("**No windows have been compared yet.** Compare two above, or in a terminal:")
        st.code(SNIPPET, "bash")
    for card in kept.items:
        _kept_card(scope, card)
    if kept.next_cursor is not None:
        st.button("More comparisons", icon=":material/expand_more:", on_click=_show_more)


def _kept_card(scope: Scope, card: Mapping[str, Any]) -> None:
    with st.container(border=True, gap="xsmall"):
        named = {side: drift_words.window_text(card[side]) for side in ("reference", "current")}
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(drift_words.badge(card["verdict"]), width="content")
            links.draw(
                links.to_drift(scope, {"card": card["card_id"], **named}),
                f"Card of {formats.when(card['created_at'])}",
                ":material/arrow_forward:",
            )
        # Not the link itself, which would be cut where the line ends.
        st.markdown(f"**{formats.plain(card['headline'])}**")
        found = formats.plural(card["finding_count"], "finding")
        reference, current = drift_words.windows(card["reference"], card["current"])
        told = [found, f"reference {reference}", f"current {current}"]
        told += [] if scope.project else [f"project {card['project']}"]
        st.caption(formats.plain(" · ".join(told)))


def _show_more() -> None:
    st.session_state["drift_cards_shown"] = (
        int(st.session_state.get("drift_cards_shown", STEP)) + STEP
    )


page()
