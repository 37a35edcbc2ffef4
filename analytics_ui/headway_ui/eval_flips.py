"""The answers that flipped between two runs, one at a time: both side by side, what differs marked.

The keys J and K step through them. Which one is open stands in the URL.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import contents, differences, eval_words, formats, links, tables, verdicts
from headway_ui.eval_words import TO_FAIL, TO_PASS
from headway_ui.scopes import Scope

_WORSE, _BETTER = "213, 94, 0", "0, 158, 115"
_TABLE_HEIGHT = 320

Flip = Mapping[str, Any]


def draw(
    scope: Scope, flips: Sequence[Flip], names: tuple[str, str], run_ids: tuple[str, str]
) -> None:
    """Draw what narrows the flips, the one that is open, and all of them as a table.

    Args:
        scope: its project and window stay in links.
        flips: of a comparison, or of two runs.
        names: of the baseline's and of the candidate's model.
        run_ids: of their runs; nothing where a comparison names none.
    """
    if not flips:
        st.caption("No case changed between passing and failing.")
        return
    chosen = _choose(eval_words.ordered(flips))
    if not chosen:
        st.caption(f"None of {formats.plural(len(flips), 'flipped answer')} matches.")
        return
    at = _place(chosen)
    st.caption(f"{formats.count(len(chosen))} of {formats.plural(len(flips), 'flipped answer')}")
    _steps(chosen, at)
    _flip(scope, chosen[at], names, run_ids)
    if len(chosen) > 1:
        with st.expander(f"All {formats.count(len(chosen))} in a table"):
            _table(chosen)


def _choose(flips: Sequence[Flip]) -> list[Flip]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = st.segmented_control(
            "Direction",
            [TO_FAIL, TO_PASS],
            key="flips",
            bind="query-params",
        )
        tags = sorted({tag for flip in flips for tag in flip["tags"]})
        wanted = st.multiselect("Tag", tags, key="flip_tag", bind="query-params", placeholder="any")
    return [
        flip
        for flip in flips
        if shown in (None, eval_words.direction(flip))
        and (not wanted or set(wanted) & set(flip["tags"]))
    ]


def _place(flips: Sequence[Flip]) -> int:
    wanted = st.query_params.get("flip")
    return next((at for at, flip in enumerate(flips) if flip["case_id"] == wanted), 0)


def _open(flip: Flip) -> None:
    st.query_params["flip"] = flip["case_id"]


def _steps(flips: Sequence[Flip], at: int) -> None:
    steps = (
        ("Previous", "K", "chevron_left", "left", max(at - 1, 0)),
        ("Next", "J", "chevron_right", "right", min(at + 1, len(flips) - 1)),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for word, key, icon, side, to in steps:
            st.button(
                word,
                icon=f":material/{icon}:",
                icon_position="right" if side == "right" else "left",
                shortcut=key,
                disabled=to == at,
                on_click=_open,
                args=(flips[to],),
                key=f"flip_{word.lower()}",
            )
        st.caption(f"Flip {formats.count(at + 1)} of {formats.count(len(flips))}")


def _flip(scope: Scope, flip: Flip, names: tuple[str, str], run_ids: tuple[str, str]) -> None:
    is_worse = eval_words.direction(flip) == TO_FAIL
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
        contents.draw(flip.get("input"), f"flip_input_{flip['case_id']}")
        st.caption("Expected")
        told = contents.as_text(flip.get("expected")) or formats.MISSING
        st.html(differences.to_html([differences.Piece(told, False)], _BETTER))
        outputs = [
            contents.as_text(flip.get(f"{side}_output")) for side in ("baseline", "candidate")
        ]
        marked = differences.compare(*outputs)
        sides = (
            ("Baseline", marked.left, _BETTER if is_worse else _WORSE),
            ("Candidate", marked.right, _WORSE if is_worse else _BETTER),
        )
        columns = st.columns(2)
        for column, name, run_id, (side, pieces, colour) in zip(
            columns, names, run_ids, sides, strict=True
        ):
            with column:
                st.caption(f"{side}, {formats.plain(name)}")
                st.html(differences.to_html(pieces, colour))
                if run_id:
                    link = links.to_run(scope, run_id, {"case": flip["case_id"]})
                    links.draw(link, ":small[The case in this run]", ":material/arrow_forward:")


def _table(flips: Sequence[Flip]) -> None:
    def stay(row: int) -> None:
        _open(flips[row])

    rows = [
        {
            "Case": flip["case_id"],
            "Flip": "fails now" if eval_words.direction(flip) == TO_FAIL else "passes now",
            "Baseline": formats.shorten(contents.as_text(flip.get("baseline_output")), 200),
            "Candidate": formats.shorten(contents.as_text(flip.get("candidate_output")), 200),
            "Tags": ", ".join(flip["tags"]),
        }
        for flip in flips
    ]
    tables.draw(rows, "flips_table", {}, "The flipped answers", to=stay, height=_TABLE_HEIGHT)
