"""Drift: two windows compared in a job, and the cards that come of it."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from headway_collector.callers import Caller
from headway_collector.drifting import DRIFT, HEATMAP, REPLAY, DriftRequest, HeatRequest
from headway_collector.routes.access import (
    BUSY,
    NOT_FOUND,
    REFUSALS,
    Collector,
    CollectorAccess,
    ProjectHeader,
    Reader,
    answer_json,
)
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.drift import (
    CardListQuery,
    CardPage,
    CardQuery,
    CardShown,
    DriftAsked,
    DriftBody,
    HeatAsked,
    HeatBody,
    MetricNames,
    check_apart,
    resolve_query,
)
from headway_collector.schemas.queries import ProjectQuery
from headway_collector.store.drift_cards import (
    SEVERAL,
    CardSummary,
    StoredQuery,
    find_card,
    list_cards,
    read_card,
)

router = APIRouter(tags=["drift"], responses=REFUSALS, route_class=PostedRoute)

BUCKETS_NS = {"hour": 3_600 * 10**9, "day": 86_400 * 10**9, "week": 604_800 * 10**9}

# What models wrote stands in the page, escaped; should that ever fail, nothing of it runs.
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
}


@router.post(
    "/v1/drift",
    status_code=202,
    responses={202: {"model": DriftAsked}, 200: {"model": DriftAsked}, **BUSY},
)
def post_drift(
    collector: CollectorAccess, caller: Reader, project: ProjectHeader, body: DriftBody
) -> Response:
    """Compare two windows of calls; the card that was computed once is there at once."""
    now_ns = collector.clock_ns()
    options = body.options.check()
    reference, current = (
        resolve_query(side, getattr(body, side), body.filters, project, now_ns, caller)
        for side in ("reference", "current")
    )
    check_apart(reference, current)
    _import_forms().check_metrics(options["metrics"])
    owner = _find_owner(caller, reference, current)
    request = _import_forms().make_request(owner, reference, current, options)
    if find_card(collector.store, request.card_id, [owner]) is not None:
        return answer_json({"job_id": None, "card_id": request.card_id})
    return _submit(collector, DRIFT, owner, request)


@router.post("/v1/drift/heatmap", status_code=202, responses={202: {"model": HeatAsked}, **BUSY})
def post_heatmap(
    collector: CollectorAccess, caller: Reader, project: ProjectHeader, body: HeatBody
) -> Response:
    """Compare each bucket of a window with its beginning; the job's result is the map."""
    now_ns = collector.clock_ns()
    options = body.options.check() | ({} if body.metrics is None else {"metrics": body.metrics})
    window = resolve_query("filters", body.filters, {}, project, now_ns, caller)
    _import_forms().check_metrics(options["metrics"])
    request = HeatRequest(window, BUCKETS_NS[body.bucket], body.resolve_baseline(now_ns), options)
    owner = _find_owner(caller, window)
    job = collector.jobs.submit(HEATMAP, owner, msgspec.to_builtins(request))
    answer = answer_json({"job_id": job.job_id})
    answer.status_code = 202
    return answer


@router.get("/v1/drift", responses={200: {"model": CardPage}})
def get_cards(
    collector: CollectorAccess, caller: Reader, query: Annotated[CardListQuery, Query()]
) -> Response:
    """List cards, page by page, the latest computed first."""
    return answer_json(list_cards(collector.store, caller.narrow(query.project), query.to_page()))


# Before the cards: an id is never this word.
@router.get("/v1/drift/metrics", responses={200: {"model": MetricNames}})
def get_metrics(caller: Reader) -> Response:
    """Name what calls are compared by, besides their scores, tags and your own descriptors."""
    return answer_json({"metrics": _import_forms().list_metrics()})


@router.get("/v1/drift/{card_id}", responses={200: {"model": CardShown}, **NOT_FOUND})
def get_card(
    collector: CollectorAccess, caller: Reader, card_id: str, query: Annotated[CardQuery, Query()]
) -> Response:
    """Return a card, as JSON in the bytes that were computed, or for people."""
    card = read_card(collector.store, card_id, caller.narrow(query.project)).card
    if query.format == "json":
        return Response(card, media_type="application/json")
    content, media_type = _import_forms().render(card, query.format)
    return Response(content, headers=_SAFE, media_type=media_type)


@router.post(
    "/v1/drift/{card_id}/replay",
    status_code=202,
    responses={202: {"model": DriftAsked}, **NOT_FOUND, **BUSY},
)
def post_replay(
    collector: CollectorAccess,
    caller: Reader,
    card_id: str,
    query: Annotated[ProjectQuery, Query()],
) -> Response:
    """Compute a card again, with today's data and versions, and say whether it is the same."""
    kept = read_card(collector.store, card_id, caller.narrow(query.project))
    said = msgspec.json.decode(kept.card, type=CardSummary)
    request = DriftRequest(
        card_id, said.reference, said.current, said.options, _import_forms().list_versions()
    )
    return _submit(collector, REPLAY, kept.project, request)


def _submit(collector: Collector, kind: str, project: str, request: DriftRequest) -> Response:
    job = collector.jobs.submit(kind, project, msgspec.to_builtins(request))
    answer = answer_json({"job_id": job.job_id, "card_id": request.card_id})
    answer.status_code = 202
    return answer


def _find_owner(caller: Caller, *windows: StoredQuery) -> str:
    """Return the project that all windows are of, or ``SEVERAL``.

    Raises:
        ForbiddenError: they are of several, and the caller's key is not for all there are.
    """
    named = {name for query in windows for name in dict(query.filters).get("project", [SEVERAL])}
    if len(named) == 1 and named != {SEVERAL}:
        return named.pop()
    # Whoever reads what comes of it must have the right to all that it was made of.
    caller.check_everything()
    return SEVERAL


def _import_forms() -> Any:
    # Here and not above: the collector starts without polars.
    from headway_collector import card_forms

    return card_forms
