"""Rules of retention: kept, shown, removed and applied."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import duckdb
from fastapi import APIRouter, Query, Response

from headway_collector.callers import Caller
from headway_collector.errors import NotFoundError
from headway_collector.housekeeping import Term
from headway_collector.routes.access import (
    BUSY,
    NOT_FOUND,
    REFUSALS,
    Admin,
    Collector,
    CollectorAccess,
    answer_json,
)
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.life_cycle import (
    Applied,
    DueQuery,
    DueShown,
    Retention,
    RuleBody,
    RuleQuery,
    RuleShown,
)
from headway_collector.schemas.queries import ProjectQuery
from headway_collector.store.audit import save_action
from headway_collector.store.retention import TABLES, Rule, read_rules, remove_rule, save_rule

# As long as a request may take; whoever asks comes back.
_APPLY_S = 5.0

router = APIRouter(tags=["retention"], responses=REFUSALS, route_class=PostedRoute)


@router.get("/v1/retention", responses={200: {"model": Retention}})
def get_retention(
    collector: CollectorAccess, caller: Admin, query: Annotated[ProjectQuery, Query()]
) -> Response:
    """Return the rules that hold in the caller's projects, and what holds without one."""
    projects = caller.narrow(query.project)
    rules = [
        asdict(rule)
        for rule in read_rules(collector.store)
        if rule.project is None or not projects or rule.project in projects
    ]
    defaults = {table: days for table, (_, days) in TABLES.items()}
    return answer_json({"rules": rules, "defaults": defaults})


@router.put("/v1/retention", responses={200: {"model": RuleShown}, **BUSY})
async def put_retention(collector: CollectorAccess, caller: Admin, body: RuleBody) -> Response:
    """Keep a rule, in place of that of the same project and kind."""
    _check(caller, body.project)
    rule = Rule(body.project, body.kind, body.days, body.content_days)
    now_ns = collector.clock_ns()

    def save(connection: duckdb.DuckDBPyConnection) -> None:
        save_rule(connection, rule, now_ns)
        save_action(connection, "retention.set", caller, rule.project, asdict(rule), now_ns)

    await asyncio.wrap_future(collector.writer.perform(save))
    return answer_json(asdict(rule))


@router.delete("/v1/retention", responses={200: {"model": RuleShown}, **NOT_FOUND, **BUSY})
async def delete_retention(
    collector: CollectorAccess, caller: Admin, query: Annotated[RuleQuery, Query()]
) -> Response:
    """Remove the rule of a project and kind; what a wider one says then holds."""
    _check(caller, query.project)
    now_ns = collector.clock_ns()
    detail = {"kind": query.kind}

    def remove(connection: duckdb.DuckDBPyConnection) -> None:
        if not remove_rule(connection, query.project, query.kind):
            raise NotFoundError(
                f"there is no rule for project={query.project!r} and kind={query.kind!r}: "
                "GET /v1/retention lists them"
            )
        save_action(connection, "retention.remove", caller, query.project, detail, now_ns)

    await asyncio.wrap_future(collector.writer.perform(remove))
    return answer_json(
        {"project": query.project, "kind": query.kind, "days": None, "content_days": None}
    )


@router.get("/v1/retention/due", responses={200: {"model": DueShown}})
def get_due(
    collector: CollectorAccess, caller: Admin, query: Annotated[DueQuery, Query()]
) -> Response:
    """Return how many rows the rules are past now; nothing is taken."""
    terms = collector.housekeeper.count_due(caller.narrow(query.project))
    return answer_json({"terms": [asdict(term) for term in terms]})


# Not async: it waits for the writer, chunk after chunk, in a thread of its own.
@router.post("/v1/retention/apply", responses={200: {"model": Applied}, **BUSY})
def apply_retention(
    collector: CollectorAccess, caller: Admin, query: Annotated[DueQuery, Query()]
) -> Response:
    """Take what the rules are past now, for some seconds; ask again until it is done."""
    projects = caller.narrow(query.project)
    applied = collector.housekeeper.apply_rules(projects, limit_s=_APPLY_S)
    if applied.terms:
        _audit(collector, caller, applied.terms)
    terms = [asdict(term) for term in applied.terms]
    return answer_json({"is_done": applied.is_done, "terms": terms})


def _check(caller: Caller, project: str | None) -> None:
    if project is None:
        caller.check_everything()
    else:
        caller.check_project(project)


def _audit(collector: Collector, caller: Caller, terms: Sequence[Term]) -> None:
    now_ns = collector.clock_ns()
    counts: dict[str, dict[str, int]] = {}
    for term in terms:
        of_project = counts.setdefault(term.project, {})
        of_project[term.table] = of_project.get(term.table, 0) + term.count

    def save(connection: duckdb.DuckDBPyConnection) -> None:
        for project, taken in counts.items():
            save_action(connection, "retention.apply", caller, project or None, taken, now_ns)

    collector.writer.perform(save).result()
