"""Where things are: every view of the dashboard is a URL, and this is how one is made.

    /traces?project=support-bot&range=24h&status=error
    /traces?trace_id=0199…&span_id=1f…
    /evals?comparison=…&flip=…    /evals?baseline=RUN&candidate=RUN
    /evals?run=…&outcome=Failed&scorer=exact&case=…
    /evals?suite=…             /evals?sweep=…
    /quality?score=helpful&by=Model&reference=v1&current=v2
    /drift?reference=start%3D-14d%26end%3D-7d&current=start%3D-7d&card=…

The names of a filter in a URL are the names of the collector's span filters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from headway_ui.scopes import Scope

OVERVIEW = "views/overview.py"
TRACES = "views/traces.py"
EVALS = "views/evals.py"
QUALITY = "views/quality.py"
DRIFT = "views/drift.py"

Value = str | Sequence[str]
_HERE = "links_here"


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the dashboard with its query parameters."""

    page: str
    query: Mapping[str, Value]


def to_traces(scope: Scope, filters: Mapping[str, object] | None = None) -> Link:
    """Return the list of traces, narrowed by span filters of the API.

    Args:
        scope: its project and window stay.
        filters: ``is_root`` becomes what is shown; without it every span is.
    """
    query: dict[str, Value] = dict(scope.query)
    wanted = dict(filters or {})
    if not wanted.pop("is_root", False):
        query["show"] = "All spans"
    for name, value in wanted.items():
        many = isinstance(value, list | tuple)
        query[name] = [str(each) for each in value] if many else str(value)  # type: ignore[attr-defined]
    return Link(TRACES, query)


def to_trace(scope: Scope, trace_id: str, span_id: str | None = None) -> Link:
    """Return one trace, with one of its spans opened."""
    query = {**scope.query, "trace_id": trace_id}
    return Link(TRACES, {**query, "span_id": span_id} if span_id else query)


def to_comparison(scope: Scope, comparison_id: str) -> Link:
    """Return the page of a comparison."""
    return Link(EVALS, {**scope.query, "comparison": comparison_id})


def to_run(scope: Scope, run_id: str, narrowed: Mapping[str, Value] | None = None) -> Link:
    """Return the page of a run.

    Args:
        scope: its project and window stay.
        run_id: of the run.
        narrowed: what its results are narrowed by: ``outcome``, ``scorer``, ``case_tag``,
            ``case_q``; ``case`` opens one.
    """
    return Link(EVALS, {**scope.query, "run": run_id, **(narrowed or {})})


def to_pair(scope: Scope, baseline: str, candidate: str) -> Link:
    """Return the page of any two runs of a suite."""
    return Link(EVALS, {**scope.query, "baseline": baseline, "candidate": candidate})


def to_suite(scope: Scope, suite: str) -> Link:
    """Return the course of a suite, run by run."""
    return Link(EVALS, {**scope.query, "suite": suite})


def to_sweep(scope: Scope, sweep_id: str) -> Link:
    """Return the table of a sweep."""
    return Link(EVALS, {**scope.query, "sweep": sweep_id})


def to_evals(scope: Scope) -> Link:
    """Return the list of comparisons and runs."""
    return Link(EVALS, scope.query)


def to_quality(scope: Scope, score: str) -> Link:
    """Return the course of a score."""
    return Link(QUALITY, {**scope.query, "score": score})


def to_drift(scope: Scope, card: Mapping[str, str] | None = None) -> Link:
    """Return the list of comparisons of windows, or one of them.

    Args:
        scope: its project and window stay.
        card: the parameters that name it: ``card``, ``reference`` and ``current``.
    """
    return Link(DRIFT, {**scope.query, **(card or {})})


def draw(link: Link, label: str, icon: str = "", help: str = "") -> None:
    """Draw a link to a page."""
    query = {key: value for key, value in link.query.items() if value}
    st.page_link(link.page, label=label, icon=icon, help=help, query_params=query)


def follow(link: Link) -> None:
    """Go to a page, from a callback."""
    # What the sidebar is bound to stays in the URL by itself, and may not be set from outside.
    query = {key: value for key, value in link.query.items() if key not in ("project", "range")}
    st.switch_page(link.page, query_params=query)


def restate() -> None:
    """Put into the browser's address what this run of the script was asked for.

    A link between two views of one page changes what the script is run with, and not the address:
    a reload would open the view that was left.
    """
    asked = st.query_params
    here = {name: asked.get_all(name) for name in asked}
    if st.session_state.get(_HERE) not in (None, here):
        # Nothing is changed; that it is sent is what counts.
        asked.update({})
    st.session_state[_HERE] = here
