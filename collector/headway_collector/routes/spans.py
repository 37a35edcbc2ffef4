"""Spans and what they add up to: projects, traces, sessions, prompts, metrics, facets."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from starlette.convertors import StringConvertor, register_url_convertor

from headway_collector.routes.access import (
    LARGE,
    NOT_FOUND,
    REFUSALS,
    Collector,
    CollectorAccess,
    Reader,
    answer_json,
)
from headway_collector.schemas.answers import (
    Facets,
    Metrics,
    Projects,
    PromptPage,
    PromptVersions,
    SessionPage,
    SpanPage,
    Trace,
)
from headway_collector.schemas.queries import (
    FacetsQuery,
    GroupListQuery,
    MetricsQuery,
    ProjectQuery,
    SpanListQuery,
)
from headway_collector.store.dimensions import ATTRIBUTE_PREFIX
from headway_collector.store.facets import read_facets
from headway_collector.store.filters import SpanFilters, select_by_texts
from headway_collector.store.metrics import read_metrics
from headway_collector.store.projects import list_projects
from headway_collector.store.prompts import list_prompts, read_prompt
from headway_collector.store.sessions import list_sessions
from headway_collector.store.spans import list_spans
from headway_collector.store.traces import read_trace

router = APIRouter(tags=["spans"], responses=REFUSALS)


class _AnyText(StringConvertor):
    """What ``path`` takes, and line ends: names of prompts are whatever was logged."""

    regex = "(?s:.*)"


register_url_convertor("any_text", _AnyText())


@router.get("/v1/projects", responses={200: {"model": Projects}})
def get_projects(
    collector: CollectorAccess, caller: Reader, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """List every project with its extent."""
    return answer_json(list_projects(collector.store, caller.narrow(query.project)))


@router.get("/v1/spans", responses={200: {"model": SpanPage}, **LARGE})
def get_spans(
    collector: CollectorAccess, caller: Reader, query: Annotated[SpanListQuery, Query()]
) -> Response:
    """List the spans that pass the filters, page by page, the newest first."""
    filters = query.to_filters(collector.clock_ns(), caller)
    with ExitStack() as turns:
        turns.enter_context(_take_turn(collector, filters))
        if query.content == "full":
            turns.enter_context(collector.contents.take())
        return answer_json(list_spans(collector.store, filters, query.to_page(), query.content))


@router.get("/v1/traces/{trace_id}", responses={200: {"model": Trace}, **NOT_FOUND, **LARGE})
def get_trace(
    collector: CollectorAccess,
    caller: Reader,
    trace_id: Annotated[str, Path(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])],
    query: Annotated[ProjectQuery, Query()],
) -> Response:
    """Return a trace with all its spans and scores."""
    with collector.contents.take():
        return answer_json(read_trace(collector.store, trace_id, caller.narrow(query.project)))


@router.get("/v1/sessions", responses={200: {"model": SessionPage}, **LARGE})
def get_sessions(
    collector: CollectorAccess, caller: Reader, query: Annotated[GroupListQuery, Query()]
) -> Response:
    """List the sessions of the spans that pass the filters, the latest active first."""
    filters = query.to_filters(collector.clock_ns(), caller)
    with _take_turn(collector, filters):
        return answer_json(list_sessions(collector.store, filters, query.to_page()))


@router.get("/v1/prompts", responses={200: {"model": PromptPage}, **LARGE})
def get_prompts(
    collector: CollectorAccess, caller: Reader, query: Annotated[GroupListQuery, Query()]
) -> Response:
    """List the prompt versions of the spans that pass the filters, the latest used first."""
    filters = query.to_filters(collector.clock_ns(), caller)
    with _take_turn(collector, filters):
        return answer_json(list_prompts(collector.store, filters, query.to_page()))


@router.get(
    "/v1/prompts/{name:any_text}", responses={200: {"model": PromptVersions}, **NOT_FOUND, **LARGE}
)
def get_prompt(
    collector: CollectorAccess,
    caller: Reader,
    name: Annotated[str, Path(examples=["triage"])],
    query: Annotated[ProjectQuery, Query()],
) -> Response:
    """Return the latest versions of a prompt, with their templates and how their calls went."""
    with collector.contents.take():
        return answer_json(read_prompt(collector.store, name, caller.narrow(query.project)))


@router.get("/v1/metrics", responses={200: {"model": Metrics}, **LARGE})
def get_metrics(
    collector: CollectorAccess, caller: Reader, query: Annotated[MetricsQuery, Query()]
) -> Response:
    """Measure the spans that pass the filters, by up to two dimensions, over time."""
    filters = query.to_filters(collector.clock_ns(), caller)
    with _take_turn(collector, filters, query.by):
        metrics = read_metrics(collector.store, filters, query.measure, query.by, query.bucket)
    return answer_json(metrics)


@router.get("/v1/facets", responses={200: {"model": Facets}, **LARGE})
def get_facets(
    collector: CollectorAccess, caller: Reader, query: Annotated[FacetsQuery, Query()]
) -> Response:
    """List the commonest values to filter by, with their counts."""
    filters = query.to_filters(collector.clock_ns(), caller)
    with _take_turn(collector, filters, query.field):
        return answer_json(read_facets(collector.store, filters, query.field))


def _take_turn(
    collector: Collector, filters: SpanFilters, dimensions: Sequence[str] = ()
) -> AbstractContextManager[None]:
    """Return the turn that a read of texts or attributes has to wait for; others need none."""
    is_slow = any(name.startswith(ATTRIBUTE_PREFIX) for name in dimensions)
    if is_slow or select_by_texts(filters).clauses:
        return collector.searches.take()
    return nullcontext()
