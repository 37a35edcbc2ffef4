"""The application: a store, a writer, and the routes over both."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import anyio
from fastapi import FastAPI
from starlette.types import ASGIApp

from headway._version import __version__
from headway_collector.bodies import PATIENCE_S, BodyLimit
from headway_collector.budgets import ByteBudget
from headway_collector.costs.pricing import Prices
from headway_collector.describing import Describer, Rhythm
from headway_collector.drifting import make_works
from headway_collector.exports import Ignored
from headway_collector.faults import install_handlers
from headway_collector.jobs import Jobs
from headway_collector.mappers import Mappers
from headway_collector.origins import LocalOrigins
from headway_collector.own_functions import OwnFunctions
from headway_collector.remapping import Remapper
from headway_collector.routes import (
    descriptors,
    documentation,
    drift,
    evaluations,
    health,
    ingest,
    jobs,
    losses,
    maintenance,
    otlp,
    quality,
    scores,
    spans,
)
from headway_collector.routes.access import Collector
from headway_collector.routes.direct import DirectApp
from headway_collector.signatures import Signature
from headway_collector.store.connections import Store
from headway_collector.tuning import step_back
from headway_collector.writing import Limits, Writer

_DECODERS = 4


def create_app(
    store: Store,
    *,
    label: str = "",
    prices: Prices | None = None,
    limits: Limits | None = None,
    budget: ByteBudget | None = None,
    rhythm: Rhythm | None = None,
    own: OwnFunctions | None = None,
    body_patience_s: float = PATIENCE_S,
    is_local: bool = False,
    mapper_count: int = 0,
    clock_ns: Callable[[], int] = time.time_ns,
    make_id: Callable[[], str] = lambda: secrets.token_hex(16),
) -> FastAPI:
    """Return the collector's application over a store, which stays the caller's to close.

    Args:
        store: while the application runs, nobody else may write to it.
        label: a word that the dashboard shows, for example ``demo traffic``.
        prices: what calls cost; without the user's own those of ``genai-prices``.
        limits: what bounds the writer.
        budget: what bounds the memory of requests.
        rhythm: how often calls that came are described.
        own: the user's functions that describe them, too; closed at the end.
        body_patience_s: how long a body may stall.
        mapper_count: how many processes map foreign spans; with none, threads of this one do.
        is_local: whether only programs and pages of this machine are answered.
        clock_ns: the time of arrivals, and what ``-24h`` counts back from.
        make_id: gives scores an id where they have none.
    """

    @asynccontextmanager
    async def run_writer(app: FastAPI) -> AsyncIterator[None]:
        costs = prices or Prices()
        decoders = ThreadPoolExecutor(_DECODERS, "headway-decoder", step_back)
        mappers = Mappers(costs, mapper_count)
        writer = Writer(store, limits, reread=Remapper(costs).reread, clock_ns=clock_ns)
        describer = Describer(store, writer, clock_ns=clock_ns, rhythm=rhythm, own=own)
        writer.call_after_commits(describer.wake)
        queue = Jobs(store, writer, make_works(store), clock_ns=clock_ns, make_id=make_id)
        app.state.collector = Collector(
            store=store,
            writer=writer,
            jobs=queue,
            describer=describer,
            budget=budget or ByteBudget(),
            prices=costs,
            label=label,
            clock_ns=clock_ns,
            make_id=make_id,
            started_s=time.monotonic(),
            decoders=decoders,
            mappers=mappers,
            ignored=Ignored(),
        )
        writer.start()
        describer.start()
        queue.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(queue.close)
            # Its last chunk is the writer's to save.
            await anyio.to_thread.run_sync(describer.close)
            await anyio.to_thread.run_sync(writer.close)
            mappers.close()
            decoders.shutdown(wait=False)

    app = DirectApp(
        title="Headway collector",
        version=__version__,
        description="Spans and scores in, answers out. Errors are `{code, message}`.",
        lifespan=run_writer,
        # The pages of FastAPI load scripts from elsewhere; ours works offline.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    layers: list[Callable[[ASGIApp], ASGIApp]] = [
        partial(BodyLimit, patience_s=body_patience_s),
        *([LocalOrigins] if is_local else []),
        Signature,
    ]
    app.put_first([ingest.router, otlp.router], layers)
    for layer in layers:
        app.add_middleware(layer)
    install_handlers(app)
    for each in (
        health,
        ingest,
        spans,
        scores,
        quality,
        losses,
        evaluations,
        maintenance,
        otlp,
        descriptors,
        drift,
        jobs,
        documentation,
    ):
        app.include_router(each.router)
    return app
