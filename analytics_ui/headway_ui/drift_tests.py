"""Every test of a card: a table of what differs or might, and in a line what is the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import streamlit as st
from streamlit.column_config import MultiselectColumn, TextColumn

from headway_ui import drift_words, formats, tables

Json = Mapping[str, Any]

_ORDER = ("drift", "failed", "no_drift", "not_enough_data")


def draw(card: Json, labels: Mapping[str, str]) -> None:
    """Draw all tests of a card, folded away where it has findings to read first.

    Args:
        card: as the collector keeps it.
        labels: what people call each metric, by its name.
    """
    if not card["tests"]:
        return
    drifted = sum(each["state"] == "drift" for each in card["tests"])
    title = f"All tests: {drifted} of {formats.plural(len(card['tests']), 'metric')} drifted"
    with st.expander(title, expanded=not card["findings"]):
        st.caption(
            "The q-value is the p-value corrected for all these tests; a difference below its "
            "floor is too small to be called a drift."
        )
        measured = [each for each in card["tests"] if each["n_ref"] or each["n_cur"]]
        told = [each for each in measured if each["state"] != "identical"]
        rows = [_row(each, labels) for each in sorted(told, key=_rank)]
        _grid(rows)
        _listed("The same in both windows", measured, labels, lambda one: one not in told)
        _listed("No values in either", card["tests"], labels, lambda one: one not in measured)


def table(title: str, rows: Sequence[Mapping[str, str]], alt: str = "") -> None:
    """Draw rows under a title, without the columns in which nothing stands."""
    if not rows:
        return
    if title:
        st.markdown(f"**{title}**")
    told = [name for name in rows[0] if any(row[name] not in ("", formats.MISSING) for row in rows)]
    shown = [{name: row[name] for name in told} for row in rows]
    st.table(shown, border="horizontal", hide_index=True, alt=alt or title)


def _grid(rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw tests a line each, which many columns have in a grid that scrolls alone."""
    if not rows:
        return
    looks = drift_words.STATES.values()
    states = MultiselectColumn(
        options=[look.word for look in looks], color=[look.colour for look in looks]
    )
    figures = {name: tables.right() for name in ("q", "p", "Calls", "Needs a side")}
    pinned = TextColumn(pinned=True, width=180)
    # mypy finds no overload for a list of mappings, though Streamlit documents it.
    cast(Any, st.dataframe)(
        list(rows),
        hide_index=True,
        height="content",
        column_config={"Metric": pinned, "State": states, **figures},
        alt="Every test with its evidence",
    )


def sizes(evidence: Json) -> str:
    """Return how many calls or pairs were compared: ``400 → 380``, ``40 pairs``."""
    if evidence["is_paired"] and evidence["n_ref"] == evidence["n_cur"]:
        return formats.plural(evidence["n_ref"], "pair")
    return f"{formats.count(evidence['n_ref'])} → {formats.count(evidence['n_cur'])}"


def _rank(one: Json) -> tuple[int, float]:
    state = one["state"]
    q_value = 1.0 if one["q_value"] is None else one["q_value"]
    return (_ORDER.index(state) if state in _ORDER else len(_ORDER), q_value)


def _row(one: Json, labels: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "Metric": drift_words.heading(one["metric"], labels),
        "State": [drift_words.look(one["state"]).word],
        "q": drift_words.p_value(one["q_value"]),
        "Before": one["before"],
        "After": one["after"],
        "Effect": drift_words.effect(one),
        "p": drift_words.p_value(one["p_value"]),
        "Calls": sizes(one),
        "Needs a side": formats.count(one["needs_n"]),
        "Test": drift_words.method(one),
        "Note": one["note"],
    }


def _listed(
    title: str, tests: Sequence[Json], labels: Mapping[str, str], passes: Callable[[Json], bool]
) -> None:
    names = [drift_words.label(one["metric"], labels) for one in tests if passes(one)]
    if names:
        words = f"{title} ({len(names)}): {drift_words.listed(names, len(names))}."
        st.caption(formats.plain(words))
