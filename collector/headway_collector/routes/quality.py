"""Quality over time, two cohorts of answers compared, two scores of the same answers compared.

The statistics are imported by the first who asks: they take a second, and as much memory as all
the rest of the collector, which one that only takes in spans need not have.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from headway.records import PROJECT_HEADER
from headway_collector.errors import InvalidRequestError
from headway_collector.routes.access import (
    BUSY,
    LARGE,
    REFUSALS,
    CollectorAccess,
    Reader,
    answer_json,
    choose_project,
)
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.quality import (
    Agreement,
    AgreementQuery,
    CohortChange,
    CohortsBody,
    Quality,
    QualityQuery,
)
from headway_collector.store.quality import Judge, Scores, read_pairs, read_scores
from headway_collector.times import format_time

MAX_GROUPS = 2_000

router = APIRouter(tags=["quality"], responses={**REFUSALS, **LARGE}, route_class=PostedRoute)


@router.get("/v1/quality", responses={200: {"model": Quality}})
def get_quality(
    collector: CollectorAccess, caller: Reader, query: Annotated[QualityQuery, Query()]
) -> Response:
    """Return a score's mean with its band, by up to two dimensions, over time."""
    filters = query.to_filters(collector.clock_ns(), caller)
    with collector.searches.take():
        found = read_scores(collector.store, filters, query.score, query.by, query.bucket)
        return answer_json(
            {"score": query.score, "bucket": query.bucket, "by": query.by}
            | _summarise(found, query.by)
        )


@router.post("/v1/quality/cohorts", responses={200: {"model": CohortChange}, **BUSY})
def post_cohorts(
    collector: CollectorAccess,
    caller: Reader,
    body: CohortsBody,
    project: Annotated[str | None, Header(alias=PROJECT_HEADER)] = None,
) -> Response:
    """Compare a score of two cohorts of answers, prompt by prompt where prompts are the same."""
    from headway_measures.quality import Cohort, compare_cohorts, is_rate

    if project is not None:
        choose_project(caller, project)
    now_ns = collector.clock_ns()
    windows = [body.complete(each, project) for each in (body.reference, body.current)]
    with collector.searches.take():
        ref, cur = (
            read_scores(
                collector.store, each.to_filters(now_ns, caller), body.score, has_prompts=True
            )
            for each in windows
        )
        shared = set(ref.judged) & set(cur.judged)
        if shared and len(shared) == len(set(ref.judged) | set(cur.judged)):
            raise InvalidRequestError(
                f"reference and current hold the same {len(shared):,} scores: choose two cohorts "
                "that differ, for example by time, request_model or prompt_version"
            )
        are_rates = is_rate([*ref.values, *cur.values])
        change = compare_cohorts(
            *(Cohort(each.values, each.sessions, each.prompts) for each in (ref, cur)),
            are_rates=are_rates,
            alpha=body.alpha,
        )
    head = {
        "score": body.score,
        "is_rate": are_rates,
        "share": min(ref.share, cur.share),
        "overlap": len(shared),
    }
    return answer_json(head | asdict(change))


@router.get("/v1/quality/agreement", responses={200: {"model": Agreement}})
def get_agreement(
    collector: CollectorAccess, caller: Reader, query: Annotated[AgreementQuery, Query()]
) -> Response:
    """Compare two scores wherever one span, trace or session has both."""
    from headway_measures.agreement import measure_agreement
    from headway_measures.errors import MeasureError

    first = Judge(query.first, query.first_source)
    second = Judge(query.second, query.second_source)
    if first == second:
        raise InvalidRequestError(
            f"first and second are both {query.first!r}: name two scores, or one of two sources, "
            "such as first_source=human and second_source=judge"
        )
    filters = query.to_filters(collector.clock_ns(), caller)
    with collector.searches.take():
        pairs = read_pairs(collector.store, filters, first, second)
        try:
            found = measure_agreement(pairs.first, pairs.second, pairs.sessions)
        except MeasureError as error:
            raise InvalidRequestError(f"{query.first} and {query.second}: {error}") from error
    head = {
        "first": query.first,
        "second": query.second,
        "first_source": query.first_source,
        "second_source": query.second_source,
        "share": pairs.share,
    }
    return answer_json(head | asdict(found))


def _summarise(scores: Scores, by: Sequence[str]) -> dict[str, Any]:
    from headway_measures.quality import is_rate, measure_level

    are_rates = is_rate(scores.values)

    def level(places: Sequence[int]) -> dict[str, Any]:
        values = [scores.values[place] for place in places]
        sessions = [scores.sessions[place] for place in places]
        return asdict(measure_level(values, sessions, are_rates=are_rates))

    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    wholes: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, (time_ns, parts) in enumerate(zip(scores.times_ns, scores.parts, strict=True)):
        groups[time_ns, parts].append(place)
        wholes[parts].append(place)
    if len(groups) > MAX_GROUPS:
        raise InvalidRequestError(
            f"that is more than {MAX_GROUPS} groups: narrow the time, or take a larger bucket"
        )
    named = {parts: dict(zip(by, parts, strict=True)) for parts in wholes}
    totals = [{**named[parts], **level(places)} for parts, places in wholes.items()]
    rows = [
        {"time": format_time(time_ns), **named[parts], **level(places)}
        for (time_ns, parts), places in sorted(groups.items(), key=lambda each: each[0][0])
    ]
    return {
        "is_rate": are_rates,
        "share": scores.share,
        "totals": sorted(totals, key=lambda each: -each["n"]),
        "rows": rows,
    }
