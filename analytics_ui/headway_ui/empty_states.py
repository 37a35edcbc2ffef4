"""What a page shows when it has nothing to show: the reason, and the lines that fill it."""

import streamlit as st

from headway.errors import ApiError
from headway_ui.formats import plain, when
from headway_ui.scopes import Scope


def no_collector(url: str, reason: str) -> None:
    """Say that nobody answers at ``url`` and how to start a collector."""
    st.title("No collector answers")
    st.markdown(
        f"The dashboard reads from a collector at **{plain(url)}**, and nobody answers there. "
        "Start one, or say where yours is:"
    )
    st.code("headway up                              # collector and dashboard together", "bash")
    st.code("headway ui --url http://HOST:4318       # a collector elsewhere", "bash")
    st.caption(plain(reason))
    st.button("Try again", icon=":material/refresh:")


def refused(error: ApiError) -> None:
    """Say that the collector answered with a refusal, and show its words."""
    st.subheader("The collector said no", anchor=False)
    st.markdown(plain(str(error)))
    if error.status in (401, 403):
        st.caption("Set HEADWAY_API_KEY to a key that may read, and start the dashboard again.")
    st.button("Try again", icon=":material/refresh:")


def no_calls(url: str, project: str | None) -> None:
    """Show how to log a first call, ready to copy."""
    st.markdown(
        "**Nothing has been logged here yet.** Decorate a function that calls a model, call it, "
        "and this page fills within seconds:"
    )
    st.code(first_call_snippet(url, project or "my-app"), "python")
    st.markdown("Or look at made-up traffic first:")
    st.code("headway demo", "bash")


def first_call_snippet(url: str, project: str) -> str:
    """Return a program that logs one call to the collector at ``url``."""
    return f"""import headway

headway.init(project="{project}", url="{url}")

@headway.observe(kind="llm", model="my-model")
def answer(question: str) -> str:
    return "Forty-two."

answer("What is the answer?")
headway.flush()
"""


def nothing_in_window(scope: Scope, noun: str) -> None:
    """Say that the window holds none of ``noun``, when the newest span was, and where to look."""
    newest = when(scope.last_time.isoformat()) if scope.last_time else "–"
    st.info(
        f"No {noun} in the {scope.window.label}. The newest span here started {newest}.",
        icon=":material/hourglass_empty:",
    )
    if scope.window.length is not None:
        st.button("Look at all time", icon=":material/all_inclusive:", on_click=_widen)


def _widen() -> None:
    st.session_state["range"] = "all"


def no_scores(url: str, project: str | None) -> None:
    """Show how to score a first answer, ready to copy."""
    st.markdown(
        "**Nothing has been scored in this window.** Score answers where you make them, from code, "
        "a judge or a person's thumbs; means and their bands appear here:"
    )
    st.code(first_score_snippet(url, project or "my-app"), "python")
    st.markdown("Or judge by hand: open a call under **Traces** and press a thumb.")


def first_score_snippet(url: str, project: str) -> str:
    """Return a program that logs one call and scores it, to the collector at ``url``."""
    return f"""import headway

headway.init(project="{project}", url="{url}")

@headway.observe(kind="llm", model="my-model")
def answer(question: str) -> str:
    reply = "Forty-two."
    headway.score("helpful", reply != "")
    return reply

answer("What is the answer?")
headway.flush()
"""


def no_evals(url: str) -> None:
    """Show how to run and publish a first comparison."""
    st.markdown(
        "**No model has been compared yet.** Run a suite with the model you trust and the one "
        "you judge; the verdict appears here:"
    )
    st.code(
        "headway eval run suite.yaml --model hf:./base+./tuned --baseline hf:./base \\\n"
        f"    --publish --url {url}",
        "bash",
    )
    st.markdown("Or watch it happen with the small models that Headway ships:")
    st.code("headway demo", "bash")


def no_sweep(url: str) -> None:
    """Show how to compare many candidates at once."""
    st.markdown("**No candidate of this sweep is published.** This makes one and publishes it:")
    st.code(
        "headway eval sweep suite.yaml --base hf:./base --adapters ./checkpoints \\\n"
        f"    --publish --url {url}",
        "bash",
    )


def no_runs(url: str, suite: str) -> None:
    """Show how to publish a first run of a suite."""
    st.markdown(f"**No run of {plain(suite)} is published.** This makes one and publishes it:")
    st.code(
        f"headway eval run suite.yaml --model hf:./model --publish --url {url}",
        "bash",
    )


def not_found(noun: str, identity: str) -> None:
    """Say that a link leads to something that is not there."""
    if identity:
        words = f"There is no {noun} {plain(identity)}. It was erased, or the link is cut."
    else:
        words = f"The link names no {noun}. Choose one from the list."
    st.warning(words, icon=":material/search_off:")
