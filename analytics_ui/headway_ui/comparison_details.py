"""The page of a comparison: the verdict, the picture of it, the slices, and the flipped answers."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from headway_ui import (
    cards,
    contents,
    differences,
    empty_states,
    eval_charts,
    formats,
    links,
    queries,
    verdicts,
)
from headway_ui.scopes import Scope

TO_FAIL, TO_PASS = "Passed before, fails now", "Failed before, passes now"
_FLIPS_A_PAGE = 20
SIDES = ("baseline", "candidate")
_WORSE, _BETTER = "213, 94, 0", "0, 158, 115"

Comparison = Mapping[str, Any]


def draw(scope: Scope, comparison_id: str) -> None:
    """Draw the page of one comparison."""
    links.draw(links.to_evals(scope), "Evals", ":material/arrow_back:")
    comparison = queries.comparison(comparison_id)
    if comparison is None:
        st.title("Comparison", anchor=False)
        empty_states.not_found("comparison", comparison_id)
        return
    _head(scope, comparison)
    _overall(comparison)
    if comparison["slices"]:
        _slices(comparison)
    _flips(comparison)


def _head(scope: Scope, comparison: Comparison) -> None:
    st.title(formats.plain(verdicts.title(comparison)), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(verdicts.badge(comparison["verdict"]), width="content")
        st.caption(
            formats.plain(
                f"Suite {comparison['suite']}, version {comparison['suite_version']} · "
                f"{formats.when(comparison['created_at'])} · exit code {comparison['exit_code']}: "
                f"{verdicts.exit_code_meaning(comparison['exit_code'])}"
            )
        )
    st.markdown(f"#### {formats.plain(verdicts.sentence(comparison))}")
    with st.container(horizontal=True, gap="small"):
        for noun, run_id in (
            ("Run of the baseline", comparison["baseline_run_id"]),
            ("Run of the candidate", comparison["candidate_run_id"]),
        ):
            if run_id:
                links.draw(links.to_run(scope, run_id), noun, ":material/checklist:")


def _overall(comparison: Comparison) -> None:
    overall = comparison["overall"]
    with st.container(border=True):
        st.subheader("Overall", anchor=False)
        with st.container(horizontal=True, gap="large"):
            cards.fact("Baseline", verdicts.score(overall, "baseline"))
            cards.fact("Candidate", verdicts.score(overall, "candidate"))
            cards.fact("Difference", verdicts.gain(overall))
            cards.fact(f"{_confidence(comparison)} interval", verdicts.interval(overall))
            cards.fact("Margin", verdicts.margin(comparison))
            cards.fact("Cases", formats.count(overall["n"]))
            cards.fact("Flips to fail", formats.count(overall["flips_to_fail"]))
            cards.fact("Flips to pass", formats.count(overall["flips_to_pass"]))
        if overall["note"]:
            st.caption(formats.plain(overall["note"]))
        rows = eval_charts.to_rows([overall])
        st.altair_chart(
            eval_charts.forest(
                rows, comparison["margin"] or 0.0, is_share=verdicts.is_share(overall)
            ),
            alt=f"The difference with its interval: {verdicts.estimate(overall)}",
        )
        st.caption(
            "The line is the interval of the difference. Right of the dashed margin nothing is "
            "lost that matters; an interval wholly left of zero is a regression."
        )


def _slices(comparison: Comparison) -> None:
    slices = sorted(comparison["slices"], key=lambda each: each["difference"] or 0.0)
    regressed = [each["slice"] for each in slices if each["verdict"] == "regressed"]
    with st.container(border=True):
        st.subheader("Slices", anchor=False)
        st.caption(
            formats.plain(
                f"{len(regressed)} of {formats.plural(len(slices), 'slice')} regressed"
                + (f": {', '.join(regressed)}." if regressed else ".")
                + " The q-value is the p-value corrected for looking at so many slices."
            )
        )
        rows = eval_charts.to_rows(slices)
        st.altair_chart(
            eval_charts.forest(
                rows,
                comparison["margin"] or 0.0,
                is_share=verdicts.is_share(comparison["overall"]),
            ),
            alt=f"The slices with their intervals; {len(regressed)} regressed",
        )
        st.table(
            [_slice_row(each) for each in slices],
            border="horizontal",
            hide_index=True,
            alt="The slices with their verdicts and q-values",
        )


def _slice_row(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Slice": formats.plain(one["slice"]),
        "Verdict": verdicts.badge(one["verdict"]),
        "Cases": formats.count(one["n"]),
        "Baseline": verdicts.score(one, "baseline"),
        "Candidate": verdicts.score(one, "candidate"),
        "Difference": verdicts.gain(one),
        "Interval": verdicts.interval(one),
        "q-value": formats.MISSING if one["q_value"] is None else f"{one['q_value']:.2g}",
    }


def _flips(comparison: Comparison) -> None:
    flips = comparison["flips"]
    with st.container(border=True):
        st.subheader("Flipped answers", anchor=False)
        if not flips:
            st.caption("No case changed between passing and failing.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            shown = st.segmented_control(
                "Direction",
                [TO_FAIL, TO_PASS],
                default=TO_FAIL,
                key="flips",
                bind="query-params",
            )
            tags = sorted({tag for flip in flips for tag in flip["tags"]})
            wanted = st.multiselect(
                "Tag", tags, key="flip_tag", bind="query-params", placeholder="any"
            )
        chosen = [
            flip
            for flip in flips
            if shown in (None, direction_word(flip["direction"]))
            and (not wanted or set(wanted) & set(flip["tags"]))
        ]
        st.caption(_shown_of(len(chosen), len(flips)))
        for flip in chosen[:_FLIPS_A_PAGE]:
            _flip(comparison, flip)


def direction_word(direction: str) -> str:
    """Return what a flip's direction means; a word of its own for each of the two."""
    return TO_FAIL if "fail" in direction else TO_PASS


def _flip(comparison: Comparison, flip: Mapping[str, Any]) -> None:
    is_worse = direction_word(flip["direction"]) == TO_FAIL
    look = verdicts.look("regressed" if is_worse else "improved")
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(
                "fails now" if is_worse else "passes now",
                icon=look.markdown_icon,
                color="red" if is_worse else "green",
            )
            st.markdown(f"**{formats.plain(flip['case_id'])}**", width="content")
            for tag in flip["tags"]:
                st.badge(formats.plain(tag), color="gray")
        st.caption("Input")
        st.text(contents.as_text(flip.get("input")))
        outputs = [contents.as_text(flip.get(f"{side}_output")) for side in SIDES]
        marked = differences.compare(*outputs)
        expected, before, after = st.columns(3)
        with expected:
            st.caption("Expected")
            st.html(differences.to_html([differences.Piece(_expected(flip), False)], _BETTER))
        with before:
            st.caption(f"Baseline, {formats.plain(comparison['baseline_model'])}")
            st.html(differences.to_html(marked.left, _BETTER if is_worse else _WORSE))
        with after:
            st.caption(f"Candidate, {formats.plain(comparison['candidate_model'])}")
            st.html(differences.to_html(marked.right, _WORSE if is_worse else _BETTER))


def _expected(flip: Mapping[str, Any]) -> str:
    return contents.as_text(flip.get("expected")) or formats.MISSING


def _confidence(comparison: Comparison) -> str:
    return "The" if comparison["alpha"] is None else f"{(1 - comparison['alpha']) * 100:.0f} %"


def _shown_of(chosen: int, of: int) -> str:
    if chosen > _FLIPS_A_PAGE:
        return f"The first {_FLIPS_A_PAGE} of {formats.count(chosen)}; narrow by tag to see others."
    return f"{formats.count(chosen)} of {formats.plural(of, 'flipped answer')}"
