"""The results of runs and their rates, the flips between two, and suites over time.

The statistics are imported by the first who asks, as in ``quality``.
"""

from collections import defaultdict
from itertools import count, islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from headway_collector.routes.access import (
    LARGE,
    NOT_ONE,
    REFUSALS,
    CollectorAccess,
    Reader,
    answer_json,
)
from headway_collector.schemas.queries import ProjectQuery
from headway_collector.schemas.run_results import (
    FlipsQuery,
    HistoryQuery,
    ResultListQuery,
    ResultPage,
    RunFlips,
    RunSummary,
    SuiteHistory,
    SuiteList,
)
from headway_collector.store.results import (
    Tally,
    count_outcomes,
    list_flips,
    list_results,
    tally,
)
from headway_collector.store.runs import find_run
from headway_collector.store.suites import latest_runs, list_flipping, list_suites

router = APIRouter(tags=["evaluations"], responses={**REFUSALS, **LARGE})


@router.get("/v1/runs/{run_id}/results", responses={200: {"model": ResultPage}, **NOT_ONE})
def get_results(
    collector: CollectorAccess,
    caller: Reader,
    run_id: str,
    query: Annotated[ResultListQuery, Query()],
) -> Response:
    """Return a page of a run's results, in the order in which they were published."""
    run = find_run(collector.store, run_id, caller.narrow(query.project))
    return answer_json(list_results(collector.store, run, query.to_filters(), query.to_page()))


@router.get("/v1/runs/{run_id}/summary", responses={200: {"model": RunSummary}, **NOT_ONE})
def get_summary(
    collector: CollectorAccess, caller: Reader, run_id: str, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """Return a run without its results, with its pass rates in all, by tag and by scorer."""
    run = find_run(collector.store, run_id, caller.narrow(query.project))
    with collector.searches.take():
        tallies = tally(collector.store, run["project"], [run_id], ("all", "scorer", "tag"))
        outcomes = count_outcomes(collector.store, run)
    return answer_json({"run": run, "outcomes": outcomes, "rates": list(map(_rate, tallies))})


@router.get("/v1/runs/{run_id}/flips", responses={200: {"model": RunFlips}, **NOT_ONE})
def get_flips(
    collector: CollectorAccess, caller: Reader, run_id: str, query: Annotated[FlipsQuery, Query()]
) -> Response:
    """Return the cases that passed in this run or in the baseline, and not in both."""
    run = find_run(collector.store, run_id, caller.narrow(query.project))
    baseline = find_run(collector.store, query.baseline, (run["project"],))
    with collector.searches.take():
        return answer_json(list_flips(collector.store, baseline, run))


@router.get("/v1/suites", responses={200: {"model": SuiteList}})
def get_suites(
    collector: CollectorAccess, caller: Reader, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """List the suites that have runs, the latest run first."""
    return answer_json({"suites": list_suites(collector.store, caller.narrow(query.project))})


@router.get("/v1/suites/history", responses={200: {"model": SuiteHistory}})
def get_history(
    collector: CollectorAccess, caller: Reader, query: Annotated[HistoryQuery, Query()]
) -> Response:
    """Return the latest runs of a suite with their rates, and the cases that flip most."""
    projects = caller.narrow(query.project)
    runs = latest_runs(collector.store, query.suite, projects, query.model, query.limit)
    if not runs:
        empty: dict[str, Any] = {"project": None, "runs": [], "flipping": []}
        return answer_json({"suite": query.suite, **empty})
    project, run_ids = runs[0]["project"], [run["run_id"] for run in runs]
    with collector.searches.take():
        tallies = tally(collector.store, project, run_ids, ("all", "scorer"))
        flipping = list_flipping(collector.store, project, run_ids, query.suite)
    rates: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in tallies:
        rates[each.run_id].append(_rate(each))
    told = [{**run, "rates": rates[run["run_id"]]} for run in runs]
    return answer_json(
        {"suite": query.suite, "project": project, "runs": told, "flipping": flipping}
    )


def _rate(one: Tally) -> dict[str, Any]:
    from headway_measures.intervals import pass_rate_interval, wilson

    n = sum(asked * times for asked, _, times in one.groups)
    passed = sum(passed * times for _, passed, times in one.groups)
    cases = sum(times for _, _, times in one.groups)
    found = wilson(passed, n) if cases == n else pass_rate_interval(*_spread(one))
    return {
        "part": one.part,
        "name": one.name,
        "n": n,
        "cases": cases,
        "passed": passed,
        "rate": found.estimate,
        "lower": found.lower,
        "upper": found.upper,
    }


def _spread(one: Tally) -> tuple[list[bool], list[int]]:
    """Return the outcome of each answer, and which case it is of."""
    flags: list[bool] = []
    clusters: list[int] = []
    cases = count(1)
    for asked, passed, times in one.groups:
        for case in islice(cases, times):
            flags += [True] * passed + [False] * (asked - passed)
            clusters += [case] * asked
    return flags, clusters
