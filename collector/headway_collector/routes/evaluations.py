"""Runs of suites, their results, and the verdicts on pairs of them."""

import asyncio
from functools import partial
from typing import Annotated

import duckdb
from fastapi import APIRouter, Query, Response

from headway_collector.piecewise import dump_pieces
from headway_collector.routes.access import (
    BUSY,
    NOT_ONE,
    REFUSALS,
    CollectorAccess,
    Ingester,
    ProjectHeader,
    Reader,
    answer_json,
)
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.evaluations import (
    Comparison,
    ComparisonPage,
    ComparisonSaved,
    RunBody,
    RunPage,
    RunSaved,
    RunWithResults,
    StoredComparison,
)
from headway_collector.schemas.queries import ComparisonListQuery, ProjectQuery, RunListQuery
from headway_collector.store.comparisons import (
    list_comparisons,
    read_comparison,
    save_comparison,
)
from headway_collector.store.eval_remains import blank_flips, blank_posted, blank_posted_flips
from headway_collector.store.runs import list_runs, read_run, save_run

router = APIRouter(tags=["evaluations"], responses=REFUSALS, route_class=PostedRoute)


@router.post("/v1/runs", responses={200: {"model": RunSaved}, **BUSY})
async def post_run(
    collector: CollectorAccess, caller: Ingester, project: ProjectHeader, body: RunBody
) -> Response:
    """Store a run with its results, in place of any of the same id."""
    loop = asyncio.get_running_loop()
    posted = await loop.run_in_executor(collector.decoders, dump_pieces, body)
    tombstones = collector.writer.tombstones

    def save(connection: duckdb.DuckDBPyConnection) -> None:
        is_erased = partial(tombstones.is_erased, connection, project)
        results, erased = blank_posted(posted["results"], is_erased)
        save_run(connection, project, posted["run"], results)
        if erased:
            blank_flips(connection, project, {body.run.run_id: erased})

    saved = collector.writer.perform(save)
    await asyncio.wrap_future(saved)
    return answer_json({"run_id": body.run.run_id})


@router.get("/v1/runs", responses={200: {"model": RunPage}})
def get_runs(
    collector: CollectorAccess, caller: Reader, query: Annotated[RunListQuery, Query()]
) -> Response:
    """List runs without their results, page by page, the newest first."""
    conditions = query.to_conditions(caller)
    return answer_json(list_runs(collector.store, conditions, query.to_page(), query.sweep_id))


@router.get("/v1/runs/{run_id}", responses={200: {"model": RunWithResults}, **NOT_ONE})
def get_run(
    collector: CollectorAccess, caller: Reader, run_id: str, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """Return a run with its results."""
    return answer_json(read_run(collector.store, run_id, caller.narrow(query.project)))


@router.post("/v1/comparisons", responses={200: {"model": ComparisonSaved}, **BUSY})
async def post_comparison(
    collector: CollectorAccess, caller: Ingester, project: ProjectHeader, body: Comparison
) -> Response:
    """Store a verdict, in place of any of the same id."""
    loop = asyncio.get_running_loop()
    posted = await loop.run_in_executor(collector.decoders, dump_pieces, body)
    tombstones = collector.writer.tombstones

    def save(connection: duckdb.DuckDBPyConnection) -> None:
        is_blanked = tombstones.has_any(connection, project)
        comparison = blank_posted_flips(connection, project, posted) if is_blanked else posted
        save_comparison(connection, project, comparison)

    await asyncio.wrap_future(collector.writer.perform(save))
    return answer_json({"comparison_id": body.comparison_id})


@router.get("/v1/comparisons", responses={200: {"model": ComparisonPage}})
def get_comparisons(
    collector: CollectorAccess, caller: Reader, query: Annotated[ComparisonListQuery, Query()]
) -> Response:
    """List verdicts, page by page, the newest first."""
    return answer_json(
        list_comparisons(collector.store, query.to_conditions(caller), query.to_page())
    )


@router.get(
    "/v1/comparisons/{comparison_id}", responses={200: {"model": StoredComparison}, **NOT_ONE}
)
def get_comparison(
    collector: CollectorAccess,
    caller: Reader,
    comparison_id: str,
    query: Annotated[ProjectQuery, Query()],
) -> Response:
    """Return one verdict."""
    return answer_json(
        read_comparison(collector.store, comparison_id, caller.narrow(query.project))
    )
