"""What a comparison of windows is made from, and how far its making has come."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from headway.errors import ApiError, UnreachableError
from headway_ui import drift_words, empty_states, formats, queries
from headway_ui.scopes import Scope

FIELDS = {
    "request_model": "Model",
    "prompt_version": "Prompt version",
    "release": "Release",
    "environment": "Environment",
}
# None stands for what the collector does by itself.
_PAIRS = {"where most prompts match": None, "never": "never", "always": "prompt"}
_UNITS = {"sessions": None, "traces": "trace", "users": "user", "calls": "row"}
_SEGMENTS = ("user_id", "session_id", "name", "finish_reason")
_ALARMS = 5.0
_STAGES = {
    "starting": "starting to compute",
    "describing": "describing calls that are new",
    "reading": "reading the calls",
    "columns": "comparing columns",
    "text": "comparing texts",
    "texts": "comparing texts",
    "explaining": "explaining what was found",
    "writing": "writing the card",
}
# Refusals that somebody can do something about, said where the question was asked.
_REFUSALS = (400, 404, 422, 429, 503)
_POLL_S = 1.0

Facets = Mapping[str, Sequence[Mapping[str, Any]]]
Windows = tuple[drift_words.Windowed, drift_words.Windowed]


def draw_form(scope: Scope, windows: Windows) -> tuple[Windows, dict[str, Any]] | None:
    """Draw the form of two windows; return them with their options where they are to be compared.

    Args:
        scope: whose values there are to choose from.
        windows: what stands in it first, the reference and the current one.
    """
    facets = queries.facets(scope.filters, list(FIELDS))
    # Widgets keep what they were first set to, so another pair of windows is another form.
    stamp = " ".join(drift_words.window_text(each) for each in windows)
    with st.form(f"windows {stamp}"):
        sides = zip(("Reference", "Current"), st.columns(2), windows, strict=True)
        chosen = [_side(stamp, *side, facets) for side in sides]
        st.caption("A time is written as -7d, -36h or 2026-11-22T10:00:00Z; empty for no limit.")
        options = _options(stamp)
        if st.form_submit_button("Compare", type="primary", icon=":material/compare_arrows:"):
            return (chosen[0], chosen[1]), options
    return None


def _options(stamp: str) -> dict[str, Any]:
    """Return the options that are not as they come, so that the same question is the same card."""
    with st.expander("Options"), st.container(horizontal=True):
        pair = st.selectbox("Pair calls with the same prompt", list(_PAIRS), key=f"pair {stamp}")
        unit = st.selectbox(
            "Independent of each other are",
            list(_UNITS),
            key=f"unit {stamp}",
            help="Calls of one session resemble each other; p-values count one call of each.",
        )
        alpha = st.number_input(
            "False alarms, of 100 cards without a drift",
            min_value=0.1,
            max_value=50.0,
            value=_ALARMS,
            step=1.0,
            key=f"alpha {stamp}",
        )
        fields = st.multiselect(
            "Also look for whom by",
            list(_SEGMENTS),
            key=f"segments {stamp}",
            placeholder="attribute:KEY, user_id …",
            accept_new_options=True,
        )
    given = {
        "pair": _PAIRS[pair],
        "unit": _UNITS[unit],
        "alpha": None if alpha == _ALARMS else round(alpha / 100, 6),
        "segment_by": fields or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _side(
    stamp: str, word: str, column: Any, window: drift_words.Windowed, facets: Facets
) -> drift_words.Windowed:
    def key(name: str) -> str:
        return f"{word} {name} {stamp}"

    chosen: dict[str, Sequence[str]] = {}
    with column:
        st.markdown(f"**{word}**")
        with st.container(horizontal=True):
            for name, label in (("start", "From"), ("end", "Until")):
                value = "".join(window.get(name, ())[:1])
                chosen[name] = [st.text_input(label, value, key=key(name)).strip()]
        for name, label in FIELDS.items():
            known = [str(each["value"]) for each in facets.get(name, ()) if each["value"]]
            linked = [each for each in window.get(name, ()) if each not in known]
            chosen[name] = st.multiselect(
                label,
                [*known, *linked],
                list(window.get(name, ())),
                key=key(name),
                placeholder="any",
                accept_new_options=True,
            )
    # Of a link, what the form has no field for; it goes along.
    others = {name: values for name, values in window.items() if name not in chosen}
    given = {name: [each for each in values if each] for name, values in chosen.items()}
    if others:
        words = ", ".join(f"{name} {', '.join(values)}" for name, values in others.items())
        column.caption(formats.plain(f"And {words}"))
    return others | {name: values for name, values in given.items() if values}


def start(scope: Scope, windows: Windows, options: Mapping[str, Any] | None = None) -> None:
    """Have the windows compared, and lead the URL to the job, or to the card where it is kept."""
    try:
        job_id, card_id = queries.compare_windows(scope.project, *windows, options)
    except ApiError as error:
        say_refusal(error)
        return
    reference, current = (drift_words.window_text(each) for each in windows)
    st.query_params.update({"reference": reference, "current": current})
    if job_id is None:
        st.query_params["card"] = card_id
    else:
        st.query_params["job"] = job_id
    st.rerun()


def replay(card_id: str) -> None:
    """Have a card computed again, and lead the URL to the job."""
    try:
        st.query_params["replay"] = queries.replay_drift(card_id)
    except ApiError as error:
        say_refusal(error)
        return
    st.rerun()


def say_refusal(error: ApiError) -> None:
    """Say what the collector would not do, where it was asked.

    Raises:
        ApiError: it is nothing that another question would mend.
    """
    if error.status not in _REFUSALS:
        raise error
    st.error(formats.plain(str(error)), icon=":material/block:")


def follow(job_id: str, on_done: Callable[[Mapping[str, Any]], None]) -> None:
    """Draw how far a job has come, again each second, until it is done.

    Args:
        job_id: of a job.
        on_done: is given its result, and the page is drawn again.
    """

    @st.fragment(run_every=_POLL_S)
    def progress() -> None:
        # A fragment runs by itself, where nobody above would make a page of a fault.
        try:
            _draw_job(job_id, on_done)
        except UnreachableError:
            st.warning(
                "The collector does not answer. What it had begun it takes up at its next start; "
                "this page asks again each second.",
                icon=":material/cloud_off:",
            )
        except ApiError as error:
            st.warning(formats.plain(str(error)), icon=":material/block:")

    progress()


def _draw_job(job_id: str, on_done: Callable[[Mapping[str, Any]], None]) -> None:
    job = queries.job(job_id)
    if job is None:
        empty_states.not_found("job", job_id)
    elif job["state"] == "done":
        on_done(job["result"] or {})
        st.rerun()
    elif job["state"] == "failed":
        reason = f": {job['error']}" if job["error"] else "."
        st.error(formats.plain(f"The job failed{reason}"), icon=":material/error:")
    elif job["state"] == "cancelled":
        st.info("The job was cancelled; nothing was kept of it.", icon=":material/cancel:")
    else:
        _draw_progress(job)


def _draw_progress(job: Mapping[str, Any]) -> None:
    done, total = job["done"] or 0, job["total"] or 0
    stage = job["stage"] or ""
    words = _STAGES.get(stage, stage) or "starting to compute"
    if job["state"] == "queued":
        words = "waiting for its turn"
        if ahead := queries.count_jobs_before(job):
            words += f", behind {formats.plural(ahead, 'other job')}"
    elif total:
        words += f", {formats.count(done)} of {formats.count(total)}"
    words = words[:1].upper() + words[1:]
    st.progress(min(1.0, done / total) if total else 0.0, formats.plain(words))
    if st.button("Cancel", icon=":material/close:", key=f"cancel {job['job_id']}"):
        queries.cancel_job(job["job_id"])
        st.rerun()
