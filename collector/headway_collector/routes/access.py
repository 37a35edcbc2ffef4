"""What every route is given: the collector behind it, the project of a POST, and JSON to answer."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header, Request, Response

from headway.records import PROJECT_HEADER
from headway_collector.budgets import ByteBudget, Turns
from headway_collector.callers import Caller, Scope
from headway_collector.costs.pricing import Prices
from headway_collector.describing import Describer
from headway_collector.erasing import Eraser
from headway_collector.errors import InvalidRequestError
from headway_collector.exporting import Exports
from headway_collector.exports import Ignored
from headway_collector.exposition import Exposition
from headway_collector.gates import caller_of
from headway_collector.housekeeping import Housekeeper
from headway_collector.jobs import Jobs
from headway_collector.keyring import Keyring
from headway_collector.limits import CAPS, MAX_NAME_CHARS, Caps
from headway_collector.mappers import Mappers
from headway_collector.rewriting import Rewriter
from headway_collector.schemas.answers import Fault
from headway_collector.store.connections import Store
from headway_collector.store.sql import SqlBounds
from headway_collector.writing import Writer

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Fault, "description": "not readable as HTTP, or the body not as its type"},
    401: {"model": Fault, "description": "no key, or none that is good; see docs/keys.md"},
    403: {"model": Fault, "description": "the key is not for that"},
    422: {"model": Fault, "description": "a parameter or field cannot be used"},
    429: {"model": Fault, "description": "more than there is room for; see Retry-After"},
    503: {"model": Fault, "description": "the database is down; see Retry-After"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Fault, "description": "unknown id"}}
NOT_ONE: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    409: {"model": Fault, "description": "an id in several projects: name one with project="},
}
BUSY: dict[int | str, dict[str, Any]] = {
    408: {"model": Fault, "description": "the body stalled"},
    413: {"model": Fault, "description": "larger than this path reads"},
    415: {"model": Fault, "description": "another Content-Type than this path reads"},
    429: {"model": Fault, "description": "the queue is full; see Retry-After"},
}
LARGE: dict[int | str, dict[str, Any]] = {
    429: {"model": Fault, "description": "too many searches or whole contents; see Retry-After"},
}


@dataclass(frozen=True, slots=True)
class Collector:
    """The parts that routes work with.

    Args:
        describer: keeps calls described.
        jobs: what takes longer than an answer may.
        prices: what calls cost where they do not say so themselves.
        label: a word that the dashboard shows.
        clock_ns: the time that ``-24h`` counts back from and that scores get.
        make_id: gives scores an id where they have none.
        started_s: the monotonic time of the start.
        decoders: the threads that decode large bodies; more would only take memory.
        mappers: what maps foreign spans.
        keyring: who may ask, and for what.
        ignored: what came since the start and was not kept.
        rewriter: writes the database's file anew, and copies it.
        eraser: erases users, sessions and traces.
        housekeeper: what is done in the night, and when it is asked for.
        searches: who may look through texts.
        contents: who may read contents whole.
        questions: who may ask in SQL, one at a time.
        sql_bounds: what a question may take.
        exposition: what is counted, for whoever watches.
        caps: how large a record and its fields may be.
        exports: who may export, and how.
    """

    store: Store
    writer: Writer
    describer: Describer
    jobs: Jobs
    budget: ByteBudget
    prices: Prices
    label: str
    clock_ns: Callable[[], int]
    make_id: Callable[[], str]
    started_s: float
    decoders: Executor
    mappers: Mappers
    ignored: Ignored
    rewriter: Rewriter
    keyring: Keyring
    eraser: Eraser
    housekeeper: Housekeeper
    exposition: Exposition
    searches: Turns = field(default_factory=Turns)
    contents: Turns = field(default_factory=Turns)
    questions: Turns = field(default_factory=lambda: Turns(at_once=1, waiting=4))
    sql_bounds: SqlBounds = field(default_factory=SqlBounds)
    caps: Caps = CAPS
    exports: Exports = field(default_factory=Exports)


# Both are async only because FastAPI runs a plain dependency in another thread, at the cost of one
# hop each for every request.
async def get_collector(request: Request) -> Collector:
    """Return the collector that this application serves."""
    collector: Collector = request.app.state.collector
    return collector


def _require(scope: Scope, *, everything: bool = False) -> Callable[[Request], Any]:
    async def check(request: Request) -> Caller:
        caller = caller_of(request)
        caller.check_scope(scope)
        if everything:
            caller.check_everything()
        return caller

    return check


CollectorAccess = Annotated[Collector, Depends(get_collector)]
Ingester = Annotated[Caller, Depends(_require("ingest"))]
"""Who may post what it logged, and what it judged."""
Reader = Annotated[Caller, Depends(_require("read"))]
"""Who may read, and have computed what is read."""
Admin = Annotated[Caller, Depends(_require("admin"))]
"""Who may change and erase what is stored."""
Operator = Annotated[Caller, Depends(_require("admin", everything=True))]
"""Who may do so in all projects at once."""


async def get_project(
    request: Request, project: Annotated[str | None, Header(alias=PROJECT_HEADER)] = None
) -> str:
    """Return the project of what is posted.

    Raises:
        InvalidRequestError: the header is empty or far too long.
        ForbiddenError: the project is not the caller's.
    """
    return choose_project(caller_of(request), project)


def choose_project(caller: Caller, named: str | None) -> str:
    """Return the project of what a caller posts, who has named one or not.

    Raises:
        InvalidRequestError: the name is empty or far too long.
        ForbiddenError: the project is not the caller's.
    """
    project = caller.default_project if named is None else check_name(named)
    return caller.check_project(project)


def check_name(project: str) -> str:
    """Return the name of a project as it is.

    Raises:
        InvalidRequestError: it is empty or far too long.
    """
    if not 0 < len(project) <= MAX_NAME_CHARS:
        raise InvalidRequestError(
            f"{PROJECT_HEADER} has {len(project)} characters; 1 to {MAX_NAME_CHARS} are allowed"
        )
    return project


ProjectHeader = Annotated[str, Depends(get_project)]


def answer_json(data: Any) -> Response:
    """Return data, with its raw parts as they are, as a JSON answer."""
    return Response(msgspec.json.encode(data), media_type="application/json")
