"""Quality over time: a score's mean with its band, two cohorts compared, two scores compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from headway.errors import ApiError
from headway_ui import (
    buckets,
    cards,
    empty_states,
    formats,
    links,
    quality_charts,
    quality_words,
    queries,
)
from headway_ui.scopes import Scope
from headway_ui.sidebars import current_scope

SERIES = {"Model": "request_model", "Prompt version": "prompt_version", "All together": None}
NARROWING = {
    "request_model": "Model",
    "prompt_version": "Prompt version",
    "environment": "Environment",
    "tag": "Tag",
}
EARLIER, NOW = "the window before", "this window"
_MOST_SERIES = 7


@dataclass(frozen=True, slots=True)
class Choice:
    """What the head of the page was set to.

    Args:
        score: which one is looked at.
        label: what a series is, in words.
        by: the dimension that makes the series; None for one of all.
        filters: the scope, narrowed.
    """

    score: str
    label: str
    by: str | None
    filters: Mapping[str, Any]


def page() -> None:
    """Draw the page from top to bottom."""
    scope = current_scope()
    st.title("Quality", anchor=False)
    if not scope.has_data:
        empty_states.no_calls(queries.address().url, scope.project)
        return
    project = formats.plain(scope.project) if scope.project else "all projects"
    st.caption(f"Scores of {project}, {scope.window.label}, times in UTC")
    names = _with_linked(queries.score_names(scope.filters), "score")
    if not names:
        empty_states.no_scores(queries.address().url, scope.project)
        return
    chosen = _head(scope, names)
    by = [chosen.by] if chosen.by else []
    found = _unless_refused(
        lambda: queries.quality(chosen.filters, chosen.score, by=by, bucket=scope.bucket)
    )
    if found is None:
        return
    _course(scope, chosen, found)
    _cohorts(scope, chosen, found)
    _agreement(scope, chosen, names)


def _head(scope: Scope, names: Sequence[str]) -> Choice:
    with st.container(horizontal=True, vertical_alignment="top"):
        score = st.selectbox("Score", names, key="score", bind="query-params", width=260)
        label = st.segmented_control(
            "A line for each",
            list(SERIES),
            default="Model",
            required=True,
            key="by",
            bind="query-params",
        )
    facets = queries.facets(scope.filters, list(NARROWING))
    narrowed = {}
    with st.grid(len(NARROWING), min_column_width=150, gap="small"):
        for field, words in NARROWING.items():
            values = [str(each["value"]) for each in facets[field]]
            narrowed[field] = st.multiselect(
                words,
                _with_linked(values, field),
                key=field,
                bind="query-params",
                placeholder="any",
            )
    only = {field: values for field, values in narrowed.items() if values}
    label = label or "Model"
    return Choice(score or names[0], label, SERIES[label], {**scope.filters, **only})


def _course(scope: Scope, chosen: Choice, found: Mapping[str, Any]) -> None:
    is_rate = bool(found["is_rate"])
    series = quality_charts.largest(found["totals"], chosen.by, _MOST_SERIES)
    points = [
        point
        for point in quality_charts.to_bands(
            found["rows"], chosen.by, scope.bucket, is_rate=is_rate
        )
        if point["series"] in series
    ]
    noun = "Rate" if is_rate else "Mean"
    whose = f", by {chosen.label.lower()}" if chosen.by else ""
    cards.chart(
        f"{noun} of {formats.plain(chosen.score)} per {scope.bucket}{whose}",
        quality_words.of_course(
            points, series, quality_charts.by_series(found["totals"], chosen.by), is_rate=is_rate
        ),
        lambda: quality_charts.bands(
            buckets.with_gaps(points, scope.bucket), series, is_rate=is_rate
        ),
        points,
        "course",
        value_name=f"{noun} and its band",
        on_pick=lambda mark: _behind(scope, chosen, mark),
    )
    notes = ["The band holds the true mean 19 times in 20; answers of one session count together."]
    if len(found["totals"]) > len(series):
        notes.append(f"Drawn are the {len(series)} largest of {len(found['totals'])}.")
    if len(series) > quality_charts.MOST_BANDS:
        notes.append(f"More than {quality_charts.MOST_BANDS} lines have their bands in the table.")
    if found["share"] < 1:
        notes.append(f"Made of {formats.share(found['share'])} of the sessions, drawn at random.")
    st.caption(" ".join(notes))


def _cohorts(scope: Scope, chosen: Choice, found: Mapping[str, Any]) -> None:
    parts = quality_charts.in_order_of_time(found, chosen.by)
    ways = [
        *([chosen.label] if len(parts) > 1 else []),
        *([EARLIER] if scope.previous_filters else []),
    ]
    with st.container(border=True):
        st.subheader("Two cohorts", anchor=False)
        if not ways:
            st.caption(
                "Two models, two prompt versions, or a window and the one before can be compared; "
                "there is only one of each here."
            )
            return
        way = st.segmented_control(
            "Compared by",
            ways,
            default=ways[0],
            required=True,
            key="versus",
            bind="query-params",
        )
        if way == EARLIER and scope.previous_filters:
            names = (EARLIER, NOW)
            sides = [_period(each) for each in (scope.previous_filters, scope.filters)]
        else:
            names = _choose_two(parts)
            sides = [{str(chosen.by): [name]} for name in names]
        common = {key: value for key, value in chosen.filters.items() if value is not None}
        change = _unless_refused(lambda: queries.cohorts(chosen.score, sides[0], sides[1], common))
        if change is not None:
            _difference(change, names)


def _choose_two(parts: Sequence[str]) -> tuple[str, str]:
    with st.container(horizontal=True):
        reference = st.selectbox("Reference", parts, key="reference", bind="query-params")
        current = st.selectbox(
            "Current",
            parts,
            index=len(parts) - 1,
            key="current",
            bind="query-params",
        )
    return reference or parts[0], current or parts[-1]


def _difference(change: Mapping[str, Any], names: tuple[str, str]) -> None:
    sentence = quality_words.of_change(change, names)
    st.markdown(f"**{formats.plain(sentence)}**")
    if change["difference"] is None:
        return
    st.altair_chart(quality_charts.cohorts(change, names), alt=sentence)
    st.table(
        quality_words.of_levels(change, names),
        border="horizontal",
        hide_index=True,
        alt="Both cohorts with their means and bands",
    )


def _agreement(scope: Scope, chosen: Choice, names: Sequence[str]) -> None:
    sources = queries.score_sources(scope.filters)
    mine = sources.get(chosen.score, [])
    # By two sources a score can be compared with itself: people with a judge.
    others = [name for name in names if name != chosen.score]
    others += [chosen.score] if len(mine) > 1 else []
    if not others:
        return
    with st.container(border=True):
        st.subheader("Two scores of the same answers", anchor=False)
        with st.container(horizontal=True):
            second = st.selectbox(
                f"Compared with {formats.plain(chosen.score)}",
                _with_linked(others, "second"),
                key="second",
                bind="query-params",
                width=260,
            )
            second = second or others[0]
            is_same = second == chosen.score
            first = _source("first", chosen.score, mine, 0 if is_same else None)
            theirs = sources.get(second, [])
            other = _source("second", second, theirs, 1 if is_same else None)
        found = _unless_refused(
            lambda: queries.agreement(chosen.filters, chosen.score, second, (first, other))
        )
        if found is None:
            return
        st.markdown(f"**{formats.plain(quality_words.of_agreement(found))}**")
        if found["n"]:
            _agreement_facts(found)


def _source(which: str, score: str, sources: Sequence[str], at: int | None) -> str | None:
    """Return the source whose scores alone count; None for any.

    Args:
        which: of the two scores, ``first`` or ``second``.
        score: its name.
        sources: where it came from.
        at: which of them is chosen at first; None for any.
    """
    # One score by two sources has to have both, so it is a choice of its own.
    key = f"{which}_source" if at is None else f"{which}_of_same"
    known = _with_linked(sources, key)
    if len(known) < 2:
        return None
    return st.selectbox(
        f"{formats.plain(score)} from",
        known,
        index=at,
        key=key,
        bind="query-params",
        placeholder="any source",
        width=180,
    )


def _agreement_facts(found: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, gap="medium"):
        cards.fact("Answers with both", formats.count(found["n"]))
        cards.fact("Say the same", formats.share(found["agreement"]))
        cards.fact("κ, beyond chance", quality_words.kappa_of(found))
        if found["spearman"] is not None:
            cards.fact("Rank correlation", f"{found['spearman']:.2f}")
    if found["table"]:
        st.table(
            quality_words.of_table(found),
            border="horizontal",
            hide_index=True,
            alt="How often both say what: "
            + " and ".join(quality_words.name_of(found, which) for which in ("first", "second")),
        )


def _behind(scope: Scope, chosen: Choice, mark: Mapping[str, Any]) -> links.Link:
    only = {key: value for key, value in chosen.filters.items() if key in NARROWING}
    if chosen.by and mark["series"] != buckets.UNKNOWN:
        only[chosen.by] = [mark["series"]]
    times = {"from": mark["time"], "until": mark["end"]}
    span = {
        key: time if isinstance(time, str) else formats.from_milliseconds(time)
        for key, time in times.items()
    }
    return links.to_traces(scope, {**only, **span})


def _period(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: filters[key] for key in ("start", "end") if key in filters}


def _unless_refused(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the answer, or None after saying why there is none; the page goes on without it."""
    try:
        return ask()
    except ApiError as error:
        if error.status != 422:
            raise
        st.info(formats.plain(str(error)), icon=":material/filter_alt:")
        return None


def _with_linked(values: Sequence[str], field: str) -> list[str]:
    # A link may name a value that is not there any more; without it here it would be lost.
    return [*values, *(each for each in st.query_params.get_all(field) if each not in values)]


page()
