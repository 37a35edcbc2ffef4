"""Everything the dashboard asks the collector, cached for a few seconds.

One function a question, plain JSON as an answer; those about evals stand in ``eval_queries``.
Nothing else in the dashboard speaks HTTP, and a refusal travels up as ``ApiError`` to ``app.py``,
which turns it into a page.
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
import streamlit as st

from headway.apis import ApiClient
from headway.errors import ApiError
from headway.records import DEFAULT_URL
from headway.settings import load_sources
from headway_ui.scopes import Filters

Windowed = Mapping[str, Sequence[str]]
"""Span filters by name, each with its values; ``start`` and ``end`` are among them."""

FRESH_S = 10
SLOW_S = 60
PAGE_SIZE = 50
_SCORES_LOOKED_AT = 1000
_LOSSES_SHOWN = 200
_JOBS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Address:
    """Where the collector is and the key it wants."""

    url: str
    api_key: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing.

    Args:
        next_cursor: None on the last page.
        searched_until: the time that a search came to which ran out of time; None where it did not.
    """

    items: list[dict[str, Any]]
    next_cursor: str | None
    searched_until: str | None = None


def address() -> Address:
    """Return the collector's address from the settings ``url`` and ``api_key``."""
    sources = load_sources()
    return Address(sources.get("url", None, DEFAULT_URL), sources.get("api_key", None, "") or None)


def health() -> dict[str, Any]:
    """Return the collector's version and label."""
    return dict(ask("/healthz", {}))


def projects() -> list[dict[str, Any]]:
    """Return every project with the extent of its spans."""
    return list(ask("/v1/projects", {})["projects"])


def metrics(
    filters: Filters, measures: Sequence[str], *, by: Sequence[str] = (), bucket: str = "none"
) -> list[dict[str, Any]]:
    """Return the measures by the dimensions, one row a bucket and value."""
    query = {**filters, "measure": list(measures), "by": list(by), "bucket": bucket}
    return list(ask("/v1/metrics", query)["rows"])


def totals(filters: Filters, measures: Sequence[str]) -> dict[str, Any]:
    """Return the measures over everything the filters let through, in one row."""
    rows = metrics(filters, measures)
    return rows[0] if rows else dict.fromkeys(measures)


def facets(filters: Filters, fields: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the commonest values of each field, with their counts."""
    return dict(ask("/v1/facets", {**filters, "field": list(fields)})["facets"])


def spans(filters: Filters, *, cursor: str | None = None, limit: int = PAGE_SIZE) -> Page:
    """Return a page of spans, the newest first, with previews of their texts."""
    query = {**filters, "limit": limit, "cursor": cursor, "content": "preview"}
    answer = ask("/v1/spans", query)
    return Page(answer["spans"], answer["next_cursor"], answer["searched_until"])


def trace(trace_id: str) -> dict[str, Any] | None:
    """Return a trace with all its spans and scores, or None where there is no such trace."""
    return ask_or_none(f"/v1/traces/{segment(trace_id)}")


def score_names(filters: Filters) -> list[str]:
    """Return the names of the numeric and boolean scores in the window, the commonest first.

    Looks at the newest scores of each source, so that a flood of guardrail scores does not hide
    what people said.
    """
    counts: Counter[str] = Counter()
    for found in _count_scores(filters).values():
        counts.update(found)
    return sorted(counts, key=lambda name: (-counts[name], name))


def score_sources(filters: Filters) -> dict[str, list[str]]:
    """Return where each of those scores came from, by its name: people, code, judges, evals."""
    sources: dict[str, list[str]] = {}
    for source, found in _count_scores(filters).items():
        for name in found:
            sources.setdefault(name, []).append(source)
    return sources


def _count_scores(filters: Filters) -> dict[str, Counter[str]]:
    window = {key: filters[key] for key in ("project", "start", "end") if key in filters}
    counts = {}
    for source in ("code", "human", "judge", "eval"):
        query = {**window, "source": source, "limit": _SCORES_LOOKED_AT}
        scores = ask("/v1/scores", query, slow=True)["scores"]
        counts[source] = Counter(
            each["name"] for each in scores if isinstance(each["value"], bool | int | float)
        )
    return counts


def quality(
    filters: Filters, score: str, *, by: Sequence[str] = (), bucket: str = "none"
) -> dict[str, Any]:
    """Return a score's mean with its band, by the dimensions over time."""
    query = {**filters, "score": score, "by": list(by), "bucket": bucket}
    return dict(ask("/v1/quality", query))


def cohorts(score: str, reference: Filters, current: Filters, filters: Filters) -> dict[str, Any]:
    """Return the difference of a score between two cohorts of answers."""
    at = address()
    body = {"score": score, "reference": reference, "current": current, "filters": filters}
    return dict(
        _post(at.url, at.api_key, "/v1/quality/cohorts", msgspec.json.encode(body).decode())
    )


def agreement(
    filters: Filters,
    first: str,
    second: str,
    sources: tuple[str | None, str | None] = (None, None),
) -> dict[str, Any]:
    """Return how two scores of the same answers go together, each of one source or of any."""
    query = {**filters, "first": first, "second": second}
    named = dict(zip(("first_source", "second_source"), sources, strict=True))
    return dict(ask("/v1/quality/agreement", {**query, **named}))


def losses(filters: Filters) -> dict[str, Any]:
    """Return what clients lost in the window: the total, its reasons, the latest processes."""
    return dict(ask("/v1/losses", {**filters, "limit": _LOSSES_SHOWN}))


def drift_cards(project: str | None, limit: int) -> Page:
    """Return the newest kept comparisons of windows, without what they found."""
    answer = ask("/v1/drift", {"project": project, "limit": limit})
    return Page(answer["cards"], answer["next_cursor"])


def drift_card(card_id: str) -> dict[str, Any] | None:
    """Return one comparison of windows, or None where there is none."""
    return ask_or_none(f"/v1/drift/{segment(card_id)}")


def metric_labels() -> dict[str, str]:
    """Return what people call each metric, by its name."""
    return {each["name"]: each["label"] for each in ask("/v1/drift/metrics", {})["metrics"]}


def drift_card_as(card_id: str, form: str) -> bytes:
    """Return one comparison of windows as the bytes of a file: json, markdown or html."""
    at = address()
    path = f"/v1/drift/{segment(card_id)}"
    return _client(at.url, at.api_key).download(path, {"format": form})


def compare_windows(
    project: str | None,
    reference: Windowed,
    current: Windowed,
    options: Mapping[str, Any] | None = None,
) -> tuple[str | None, str]:
    """Have two windows compared; return the job, None where the card is kept, and the card."""
    sides = {"reference": _of_all(project, reference), "current": _of_all(project, current)}
    body = {**sides, "filters": {}, "options": options or {}}
    at = address()
    answer = _client(at.url, at.api_key).post("/v1/drift", body, project=project)
    forget()
    return answer["job_id"], answer["card_id"]


def map_drift(
    project: str | None, filters: Windowed, bucket: str, baseline: Mapping[str, str] | None = None
) -> str:
    """Have the evidence of each metric mapped over time; return the job."""
    wanted = {"filters": _of_all(project, filters), "bucket": bucket}
    body = {**wanted, "metrics": None, "baseline": baseline, "options": {}}
    at = address()
    answer = _client(at.url, at.api_key).post("/v1/drift/heatmap", body, project=project)
    return str(answer["job_id"])


def replay_drift(card_id: str) -> str:
    """Have a card computed again; return the job."""
    at = address()
    path = f"/v1/drift/{segment(card_id)}/replay"
    return str(_client(at.url, at.api_key).post(path, {})["job_id"])


def own_descriptors() -> list[dict[str, Any]]:
    """Return somebody's own descriptors, each with what came of it since the collector's start."""
    return list(ask("/v1/descriptors", {})["own"])


def count_jobs_before(job: Mapping[str, Any]) -> int:
    """Return how many jobs have to end before a waiting one begins."""
    at = address()
    listed = _client(at.url, at.api_key).get("/v1/jobs", {"limit": _JOBS_LOOKED_AT})["jobs"]
    unfinished = [each for each in listed if each["state"] in ("queued", "running")]
    return sum(each["created_at"] < job["created_at"] for each in unfinished)


def job(job_id: str) -> dict[str, Any] | None:
    """Return how far a job has come, never an old answer; None where there is no such job."""
    at = address()
    try:
        return dict(_client(at.url, at.api_key).get(f"/v1/jobs/{segment(job_id)}"))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def cancel_job(job_id: str) -> None:
    """End a job before it is done."""
    at = address()
    _client(at.url, at.api_key).delete(f"/v1/jobs/{segment(job_id)}")


def judge(project: str, trace_id: str, span_id: str, *, is_good: bool, comment: str | None) -> None:
    """Send a person's thumbs on a span; the score's id makes a repeated request harmless."""
    score = {
        "score_id": secrets.token_hex(16),
        "name": "thumbs",
        "value": is_good,
        "source": "human",
        "trace_id": trace_id,
        "span_id": span_id,
    }
    if comment:
        score["comment"] = comment
    at = address()
    _client(at.url, at.api_key).post("/v1/scores", score, project=project)
    forget()


def forget() -> None:
    """Drop every cached answer, so that the next look is a fresh one."""
    st.cache_data.clear()


def _of_all(project: str | None, filters: Windowed) -> Windowed:
    """Return filters that hold in every project where none is chosen.

    A request without a project is of the default one; without this it would be of no other.
    """
    return filters if project is not None else {"project": (), **filters}


@st.cache_resource(show_spinner=False)
def _client(url: str, api_key: str | None) -> ApiClient:
    return ApiClient(url, api_key=api_key)


def ask(path: str, query: Mapping[str, Any], *, slow: bool = False) -> Any:
    """Return what the collector answers to a GET, or answered a few seconds ago."""
    at = address()
    frozen = tuple(
        (key, tuple(value) if isinstance(value, list) else value) for key, value in query.items()
    )
    read = _read_slowly_changing if slow else _read
    return read(at.url, at.api_key, path, frozen)


def ask_or_none(path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Return what the collector answers to a GET, or None where there is no such thing."""
    try:
        return dict(ask(path, query or {}))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


@st.cache_data(ttl=FRESH_S, max_entries=256, show_spinner=False)
def _read(url: str, api_key: str | None, path: str, query: tuple[tuple[str, Any], ...]) -> Any:
    return _client(url, api_key).get(path, dict(query))


@st.cache_data(ttl=FRESH_S, max_entries=64, show_spinner=False)
def _post(url: str, api_key: str | None, path: str, body: str) -> Any:
    """Ask what is too long for a URL; the body is JSON, by which the answer is kept."""
    return _client(url, api_key).post(path, msgspec.json.decode(body))


@st.cache_data(ttl=SLOW_S, max_entries=64, show_spinner=False)
def _read_slowly_changing(
    url: str, api_key: str | None, path: str, query: tuple[tuple[str, Any], ...]
) -> Any:
    return _client(url, api_key).get(path, dict(query))


def segment(text: str) -> str:
    """Return an id as a part of a path."""
    return quote(text, safe="")
