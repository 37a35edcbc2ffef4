"""A comparison of two windows as a page: what changed, since when, for whom, why, and examples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import differences, drift_words, filters, formats, links, queries
from headway_ui.cards import fact
from headway_ui.drift_words import signed
from headway_ui.scopes import Scope

Json = Mapping[str, Any]

_BEFORE, _AFTER = "213, 94, 0", "0, 114, 178"
_FORMS = {
    "JSON": ("json", "json", "application/json"),
    "Markdown": ("markdown", "md", "text/markdown"),
    "HTML": ("html", "html", "text/html"),
}
# Of Traces' own, besides the filters of its bar.
_TRACES_KNOW = frozenset({*filters.FIELDS, "project", "q", "from", "until", "min_duration_ms"})


def draw(scope: Scope, card: Json) -> None:
    """Draw the whole page of a card."""
    _head(card)
    for finding in card["findings"]:
        _finding(scope, card, finding)
    _tests(card)
    for note in card["notes"]:
        st.caption(formats.plain(note))
    _how(card)


def _head(card: Json) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(drift_words.badge(card["verdict"]), width="content")
        st.caption(formats.plain(f"card {card['card_id']}"))
    st.markdown(f"#### {formats.plain(card['headline'])}")
    for noun, side, count in (("Reference", "reference", "n_ref"), ("Current", "current", "n_cur")):
        window = drift_words.window(drift_words.query_window(card[side]))
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


def _finding(scope: Scope, card: Json, finding: Json) -> None:
    evidence = finding["evidence"]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(formats.plain(evidence["metric"]), anchor=False, width="content")
            st.badge(formats.plain(evidence["side"]), color="gray")
        st.markdown(formats.plain(finding["sentence"]))
        with st.container(horizontal=True, gap="large"):
            fact("Before", evidence["before"] or formats.MISSING)
            fact("After", evidence["after"] or formats.MISSING)
            fact("Effect", drift_words.effect(evidence))
            fact("q-value", drift_words.p_value(evidence["q_value"]))
            fact("Calls", _sizes(evidence))
        if finding["since"]:
            st.markdown(f":material/schedule: {formats.plain(drift_words.since(finding['since']))}")
        for coincidence in finding["coincidences"]:
            st.markdown(f":material/link: {formats.plain(_coincidence(coincidence))}")
        _table("For whom", finding["segments"], _segment)
        _table("Other calls, or the same calls answered otherwise", finding["mixes"], _mix)
        _table("What differs most in the texts", finding["terms"], _term)
        _rows(scope, card, finding)
        if finding["examples"]:
            with st.expander(f"Examples side by side ({len(finding['examples'])})", expanded=True):
                for pair in finding["examples"]:
                    _example_pair(scope, pair)


def _sizes(evidence: Json) -> str:
    return f"{formats.count(evidence['n_ref'])} → {formats.count(evidence['n_cur'])}"


def _coincidence(one: Json) -> str:
    told = (
        f"{one['field']} {one['value']} came at {formats.when(drift_words.at(one['first_ns']))}: "
        f"{formats.share(one['share_ref'])} → {formats.share(one['share_cur'])} of the calls"
    )
    if one["within_without"] is None:
        return f"{told}; too few calls are without it to say what is left of the change."
    return f"{told}; without it {signed(one['within_without'])} is left of the change."


def _table(title: str, items: Sequence[Json], row: Callable[[Json], Mapping[str, str]]) -> None:
    if items:
        st.markdown(f"**{title}**")
        st.table([row(each) for each in items], border="horizontal", hide_index=True, alt=title)


def _segment(one: Json) -> Mapping[str, str]:
    evidence = one["evidence"]
    return {
        "Calls with": formats.plain(f"{one['field']} {one['value']}"),
        "State": drift_words.badge(evidence["state"]),
        "Before": formats.plain(evidence["before"]),
        "After": formats.plain(evidence["after"]),
        "Effect": formats.plain(drift_words.effect(evidence)),
        "Calls": _sizes(evidence),
    }


def _mix(one: Json) -> Mapping[str, str]:
    interval = f"{signed(one['within_lower'])} to {signed(one['within_upper'])}"
    return {
        "By": formats.plain(one["by"]),
        "Change": formats.plain(signed(one["total"])),
        "Other calls (mix)": formats.plain(signed(one["mix"])),
        "Answered otherwise": formats.plain(f"{signed(one['within'])} ({interval})"),
        "New or gone": formats.plain(signed(one["new_or_gone"])),
    }


def _term(one: Json) -> Mapping[str, str]:
    return {
        "Text": formats.plain(formats.shorten(one["text"])),
        "Kind": formats.plain(one["kind"]),
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


def _tests(card: Json) -> None:
    if not card["tests"]:
        return
    drifted = sum(each["state"] == "drift" for each in card["tests"])
    title = f"All tests: {drifted} of {formats.plural(len(card['tests']), 'metric')} drifted"
    with st.expander(title, expanded=not card["findings"]):
        st.caption(
            "The q-value is the p-value corrected for all these tests; a difference below its "
            "floor is too small to be called a drift."
        )
        rows = [_test_row(each) for each in card["tests"]]
        st.table(rows, border="horizontal", hide_index=True, alt="Every test with its evidence")


def _test_row(one: Json) -> Mapping[str, str]:
    return {
        "Metric": formats.plain(one["metric"]),
        "State": drift_words.badge(one["state"]),
        "Side": formats.plain(one["side"]),
        "Before": formats.plain(one["before"]),
        "After": formats.plain(one["after"]),
        "Effect": formats.plain(drift_words.effect(one)),
        "p": drift_words.p_value(one["p_value"]),
        "q": drift_words.p_value(one["q_value"]),
        "Calls": _sizes(one),
        "Needs a side": formats.count(one["needs_n"]),
        "Test": formats.plain(one["method"] + (", paired" if one["is_paired"] else "")),
        "Note": formats.plain(one["note"]),
    }


def _how(card: Json) -> None:
    with st.expander("How it was compared"):
        options = ", ".join(f"{name} {value}" for name, value in card["options"].items())
        versions = ", ".join(f"{name} {value}" for name, value in dict(card["versions"]).items())
        st.caption(formats.plain(f"Options: {options}"))
        st.caption(formats.plain(f"Versions: {versions}; data {card['fingerprint']}"))
        st.code(f"headway drift --replay {card['card_id']}", "bash")
