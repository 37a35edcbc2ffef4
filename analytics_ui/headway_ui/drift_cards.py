"""A comparison of two windows as a page: what changed, since when, for whom, why, and examples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    differences,
    drift_jobs,
    drift_tests,
    drift_words,
    filters,
    formats,
    links,
    queries,
)
from headway_ui.cards import fact
from headway_ui.drift_words import signed
from headway_ui.scopes import Scope

Json = Mapping[str, Any]

_BEFORE, _AFTER = "213, 94, 0", "0, 114, 178"
MOST_FINDINGS = 8
_SIDES = {"reference": "Reference", "current": "Current"}
_FORMS = {
    "JSON": ("json", "json", "application/json"),
    "Markdown": ("markdown", "md", "text/markdown"),
    "HTML": ("html", "html", "text/html"),
}
# Kinds of metrics whose changes are differences of shares.
_SHARES = frozenset({"rate", "category", "cluster"})
# Of Traces' own, besides the filters of its bar.
_TRACES_KNOW = frozenset({*filters.FIELDS, "project", "q", "from", "until", "min_duration_ms"})


def draw(scope: Scope, card: Json) -> None:
    """Draw the whole page of a card."""
    labels = queries.metric_labels()
    _head(card)
    if len(card["findings"]) > 1:
        _table("At a glance", card["findings"], lambda each: _glance(each, labels))
    _scores(card, labels)
    shown = st.session_state.get(_shown(card), MOST_FINDINGS)
    for number, finding in enumerate(card["findings"][:shown]):
        _finding(scope, card, finding, labels, is_first=number == 0)
    if rest := len(card["findings"][shown:]):
        words = f"Show {formats.plural(rest, 'more finding')}"
        st.button(words, icon=":material/expand_more:", on_click=_show_all, args=(card,))
    drift_tests.draw(card, labels)
    for note in card["notes"]:
        st.caption(formats.plain(note))
    _how(card)


def _shown(card: Json) -> str:
    return f"findings of {card['card_id']}"


def _show_all(card: Json) -> None:
    st.session_state[_shown(card)] = len(card["findings"])


def _scores(card: Json, labels: Mapping[str, str]) -> None:
    """Say whether quality moved with what was found, where no finding says so."""
    if not card["findings"]:
        return
    if not card["quality"]:
        st.caption("These calls have no scores, so whether quality moved with it is not known.")
        return
    found = {each["evidence"]["metric"] for each in card["findings"]}
    others = [each for each in card["quality"] if each["metric"] not in found]
    _table("Other scores of these calls", others, lambda each: _score(each, labels))


def _score(one: Json, labels: Mapping[str, str]) -> Mapping[str, str]:
    return {
        "Score": formats.plain(drift_words.heading(one["metric"], labels)),
        "State": drift_words.badge(one["state"]),
        "Before": formats.plain(one["before"]),
        "After": formats.plain(one["after"]),
        "q-value": drift_words.p_value(one["q_value"]),
    }


def _head(card: Json) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(drift_words.badge(card["verdict"]), width="content")
        st.caption(formats.plain(f"card {card['card_id']}"))
    st.markdown(f"#### {formats.plain(card['headline'])}")
    told = drift_words.windows(*(drift_words.query_window(card[side]) for side in _SIDES))
    for noun, window, count in zip(_SIDES.values(), told, ("n_ref", "n_cur"), strict=True):
        calls = formats.plural(card[count], "call")
        st.markdown(f"**{noun}:** {formats.plain(f'{window}, {calls}')}")
    with st.container(horizontal=True, gap="small"):
        for label, (form, ending, mime) in _FORMS.items():
            st.download_button(
                label,
                _deferred(card["card_id"], form),
                file_name=f"drift-{card['card_id'][:12]}.{ending}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
            )


def _deferred(card_id: str, form: str) -> Callable[[], bytes]:
    # Fetched where somebody clicks: a card in HTML can be two megabytes.
    return lambda: queries.drift_card_as(card_id, form)


def _glance(finding: Json, labels: Mapping[str, str]) -> Mapping[str, str]:
    evidence, since = finding["evidence"], finding["since"]
    change = evidence["before"] or formats.MISSING, evidence["after"] or formats.MISSING
    whom = [drift_words.group(each["field"], each["value"]) for each in finding["segments"]]
    return {
        "Metric": formats.plain(drift_words.heading(evidence["metric"], labels)),
        "Change": formats.plain(" → ".join(formats.shorten(each) for each in change)),
        "Since about": formats.day_and_hour(drift_words.at(since["start_ns"])) if since else "",
        "For whom": formats.plain(drift_words.listed(whom, 2)),
    }


def _finding(
    scope: Scope, card: Json, finding: Json, labels: Mapping[str, str], *, is_first: bool
) -> None:
    evidence = finding["evidence"]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            title = drift_words.heading(evidence["metric"], labels)
            st.subheader(formats.plain(title), anchor=False, width="content")
            if evidence["side"] != "score":
                st.badge(formats.plain(f"of the {evidence['side']}"), color="gray")
        st.markdown(formats.plain(finding["sentence"]))
        with st.container(horizontal=True, gap="medium"):
            fact("Before", evidence["before"] or formats.MISSING)
            fact("After", evidence["after"] or formats.MISSING)
            fact("Effect", drift_words.effect(evidence))
            fact("q-value", drift_words.p_value(evidence["q_value"]))
            fact("Calls", drift_tests.sizes(evidence))
        _rows(scope, card, finding)
        # One finding open is read; ten open ones are scrolled past.
        with st.expander("Since when, for whom and why", expanded=is_first):
            _why(finding)
        if finding["examples"]:
            title = f"Examples side by side ({len(finding['examples'])})"
            with st.expander(title, expanded=is_first):
                for pair in finding["examples"]:
                    _example_pair(scope, pair)


def _why(finding: Json) -> None:
    if finding["since"]:
        st.markdown(f":material/schedule: {formats.plain(drift_words.since(finding['since']))}")
    for coincidence in finding["coincidences"]:
        st.markdown(f":material/link: {formats.plain(_coincidence(coincidence))}")
    is_share = finding["evidence"]["kind"] in _SHARES
    _table("For whom", finding["segments"], _segment)
    _table(
        "Other calls, or the same calls answered otherwise",
        finding["mixes"],
        lambda each: _mix(each, is_share),
    )
    _table("What differs most in the texts", finding["terms"], _term)
    parts = ("since", "coincidences", "segments", "mixes", "terms")
    if not any(finding[part] for part in parts):
        st.caption("No group, day or wording stands out.")


def _coincidence(one: Json) -> str:
    told = (
        f"{drift_words.group(one['field'], one['value'])} came at "
        f"{formats.to_minute(drift_words.at(one['first_ns']))}: "
        f"{formats.share(one['share_ref'])} → {formats.share(one['share_cur'])} of the calls"
    )
    if one["within_without"] is None:
        return f"{told}; too few calls are without it to say what is left of the change."
    return f"{told}; without it {signed(one['within_without'])} is left of the change."


def _table(title: str, items: Sequence[Json], row: Callable[[Json], Mapping[str, str]]) -> None:
    drift_tests.table(title, [row(each) for each in items])


def _segment(one: Json) -> Mapping[str, str]:
    evidence = one["evidence"]
    return {
        "Calls with": formats.plain(drift_words.group(one["field"], one["value"])),
        "State": drift_words.badge(evidence["state"]),
        "Before": formats.plain(evidence["before"]),
        "After": formats.plain(evidence["after"]),
        "Effect": formats.plain(drift_words.effect(evidence)),
        "Calls": drift_tests.sizes(evidence),
    }


def _mix(one: Json, is_share: bool) -> Mapping[str, str]:
    def told(name: str) -> str:
        return signed(one[name], is_share)

    unit = " points" if is_share else ""
    interval = f"{told('within_lower')} to {told('within_upper')}"
    return {
        "By": formats.plain(drift_words.group(one["by"])),
        "Change": formats.plain(told("total") + unit),
        "Other calls (mix)": formats.plain(told("mix")),
        "Answered otherwise": formats.plain(f"{told('within')} ({interval})"),
        "New or gone": formats.plain(told("new_or_gone")),
    }


def _term(one: Json) -> Mapping[str, str]:
    return {
        "Text": formats.plain(formats.shorten(one["text"])),
        "Kind": formats.plain(drift_words.TERMS.get(one["kind"]) or one["kind"]),
        "Before": formats.share(one["share_ref"]),
        "After": formats.share(one["share_cur"]),
        "q-value": drift_words.p_value(one["q_value"]),
    }


def _rows(scope: Scope, card: Json, finding: Json) -> None:
    wanted = drift_words.rows_filters(finding, card["current"])
    known = {name: value for name, value in wanted.items() if name in _TRACES_KNOW}
    links.draw(
        links.to_traces(scope, known),
        "The calls it speaks of",
        ":material/account_tree:",
    )
    if left_out := sorted(set(wanted) - set(known)):
        st.caption(formats.plain(f"Traces cannot narrow by {', '.join(left_out)}."))


def _example_pair(scope: Scope, pair: Json) -> None:
    before, after = pair["before"], pair["after"]
    with st.container(border=True):
        if pair["is_same_prompt"] and before and after:
            st.caption("The same prompt")
            st.text(before["prompt"])
        marked = differences.compare(*((each or {}).get("answer", "") for each in (before, after)))
        is_told_apart = pair["is_same_prompt"] and before is not None and after is not None
        sides = (
            ("Before", before, marked.left, _BEFORE),
            ("After", after, marked.right, _AFTER),
        )
        for column, (word, example, pieces, colour) in zip(st.columns(2), sides, strict=True):
            with column:
                st.caption(word)
                if example is None:
                    st.caption("No such call.")
                    continue
                if not pair["is_same_prompt"]:
                    st.text(example["prompt"])
                    pieces = [differences.Piece(example["answer"], is_changed=False)]
                elif not is_told_apart:
                    st.text(example["prompt"])
                st.html(differences.to_html(pieces, colour))
                if example["why"]:
                    st.caption(formats.plain(example["why"]))
                links.draw(
                    links.to_trace(scope, example["trace_id"], example["span_id"]),
                    formats.plain(formats.when(drift_words.at(example["start_ns"]))),
                    ":material/open_in_new:",
                )


def _how(card: Json) -> None:
    with st.expander("How it was compared", expanded="replay" in st.query_params):
        chosen = {name: value for name, value in card["options"].items() if value not in (None, [])}
        options = ", ".join(f"{name} {value}" for name, value in chosen.items())
        versions = ", ".join(f"{name} {value}" for name, value in dict(card["versions"]).items())
        st.caption(formats.plain(f"Options: {options}"))
        st.caption(formats.plain(f"Versions: {versions}; data {card['fingerprint']}"))
        st.code(f"headway drift --replay {card['card_id']}", "bash")
        words = "Compute it again"
        if st.button(words, icon=":material/replay:", help="Does it come to the same today?"):
            drift_jobs.replay(card["card_id"])
        if job_id := st.query_params.get("replay"):
            _replayed(job_id)


def _replayed(job_id: str) -> None:
    job = queries.job(job_id)
    if job is None or job["state"] != "done":
        drift_jobs.follow(job_id, lambda _: None)
        return
    st.markdown(f"**{formats.plain(drift_words.replayed(job['result']))}**")
    for change in job["result"]["changes"]:
        st.markdown(f"- {formats.plain(change)}")
