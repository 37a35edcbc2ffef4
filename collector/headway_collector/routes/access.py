"""What every route is given: the collector behind it, the project of a POST, and JSON to answer."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header, Request, Response

from headway.records import DEFAULT_PROJECT, PROJECT_HEADER
from headway_collector.budgets import ByteBudget, Turns
from headway_collector.costs.pricing import Prices
from headway_collector.describing import Describer
from headway_collector.errors import InvalidRequestError
from headway_collector.exports import Ignored
from headway_collector.jobs import Jobs
from headway_collector.limits import MAX_NAME_CHARS
from headway_collector.mappers import Mappers
from headway_collector.schemas.answers import Fault
from headway_collector.store.connections import Store
from headway_collector.writing import Writer

REFUSALS: dict[int | str, dict[str, Any]] = {
    422: {"model": Fault, "description": "a parameter or field cannot be used"},
    503: {"model": Fault, "description": "the database is down; see Retry-After"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Fault, "description": "unknown id"}}
BUSY: dict[int | str, dict[str, Any]] = {
    408: {"model": Fault, "description": "the body stalled"},
    413: {"model": Fault, "description": "over 64 MiB"},
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
        ignored: what came since the start and was not kept.
        searches: who may look through texts.
        contents: who may read contents whole.
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
    searches: Turns = field(default_factory=Turns)
    contents: Turns = field(default_factory=Turns)


# Both are async only because FastAPI runs a plain dependency in another thread, at the cost of one
# hop each for every request.
async def get_collector(request: Request) -> Collector:
    """Return the collector that this application serves."""
    collector: Collector = request.app.state.collector
    return collector


async def get_project(
    project: Annotated[str, Header(alias=PROJECT_HEADER)] = DEFAULT_PROJECT,
) -> str:
    """Return the project of what is posted.

    Raises:
        InvalidRequestError: the header is empty or far too long.
    """
    return check_project(project)


def check_project(project: str) -> str:
    """Return the name of a project as it is.

    Raises:
        InvalidRequestError: it is empty or far too long.
    """
    if not 0 < len(project) <= MAX_NAME_CHARS:
        raise InvalidRequestError(
            f"{PROJECT_HEADER} has {len(project)} characters; 1 to {MAX_NAME_CHARS} are allowed"
        )
    return project


CollectorAccess = Annotated[Collector, Depends(get_collector)]
ProjectHeader = Annotated[str, Depends(get_project)]


def answer_json(data: Any) -> Response:
    """Return data, with its raw parts as they are, as a JSON answer."""
    return Response(msgspec.json.encode(data), media_type="application/json")
