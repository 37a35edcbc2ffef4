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
from headway_collector.allowances import Paced
from headway_collector.bodies import PATIENCE_S, BodyLimit
from headway_collector.budgets import ByteBudget
from headway_collector.costs.pricing import Prices
from headway_collector.describing import Describer, Rhythm
from headway_collector.disks import Disk
from headway_collector.drifting import make_works
from headway_collector.erasing import Eraser
from headway_collector.exporting import Exports
from headway_collector.exports import Ignored
from headway_collector.exposition import Exposition, Watched
from headway_collector.faults import install_handlers
from headway_collector.gates import Gate
from headway_collector.housekeeping import NIGHTLY, Housekeeper
from headway_collector.jobs import Jobs
from headway_collector.keyring import Keyring
from headway_collector.limits import CAPS, Caps
from headway_collector.mappers import Mappers
from headway_collector.measuring import Counting, RequestTally
from headway_collector.origins import LocalOrigins
from headway_collector.own_functions import OwnFunctions
from headway_collector.remapping import Remapper
from headway_collector.rewriting import Rewriter
from headway_collector.routes import (
    audit,
    backups,
    descriptors,
    documentation,
    drift,
    erasures,
    evaluations,
    exports,
    health,
    imports,
    ingest,
    jobs,
    keys,
    losses,
    maintenance,
    metrics,
    otlp,
    quality,
    rejects,
    retention,
    run_results,
    scores,
    spans,
    sql,
)
from headway_collector.routes.access import Collector
from headway_collector.routes.direct import DirectApp, DirectRoute
from headway_collector.signatures import Signature
from headway_collector.store.connections import Store
from headway_collector.store.keys import read_keys
from headway_collector.store.sql import SqlBounds
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
    sql_bounds: SqlBounds | None = None,
    is_local: bool = False,
    mapper_count: int = 0,
    caps: Caps = CAPS,
    disk: Disk | None = None,
    has_access_log: bool = False,
    exporting: Exports | None = None,
    nightly: str = NIGHTLY,
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
        sql_bounds: what a question in SQL may take.
        mapper_count: how many processes map foreign spans; with none, threads of this one do.
        exporting: who may export at once, and how slow a client may be.
        is_local: whether only programs and pages of this machine are answered, while there are
            no keys.
        caps: how large a record and its fields may be.
        disk: the room that is left for the database, and kept.
        has_access_log: whether each request is a line in the log.
        nightly: when the house is kept, such as ``03:00``, in UTC.
        clock_ns: the time of arrivals, and what ``-24h`` counts back from.
        make_id: gives scores an id where they have none.
    """

    @asynccontextmanager
    async def run_writer(app: FastAPI) -> AsyncIterator[None]:
        costs = prices or Prices()
        decoders = ThreadPoolExecutor(_DECODERS, "headway-decoder", step_back)
        mappers = Mappers(costs, mapper_count, caps)
        room = disk or Disk(store.path)
        writer = Writer(
            store,
            limits,
            reread=Remapper(costs).reread,
            clock_ns=clock_ns,
            find_lack=lambda: room.fault,
        )
        started_s = time.monotonic()
        describer = Describer(store, writer, clock_ns=clock_ns, rhythm=rhythm, own=own)
        writer.call_after_commits(describer.wake)
        rewriter = Rewriter(store, writer, clock_ns=clock_ns)
        queue = Jobs(store, writer, make_works(store), clock_ns=clock_ns, make_id=make_id)
        eraser = Eraser(store, writer, describer, queue, clock_ns=clock_ns, make_id=make_id)
        housekeeper = Housekeeper(
            store,
            writer,
            rewriter,
            nightly=nightly,
            clock_ns=clock_ns,
            finish=eraser.finish,
            hold=describer.held,
        )
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
            started_s=started_s,
            exposition=Exposition(Watched(store, writer, describer, room, tally, started_s)),
            caps=caps,
            decoders=decoders,
            mappers=mappers,
            ignored=Ignored(),
            rewriter=rewriter,
            eraser=eraser,
            housekeeper=housekeeper,
            exports=exporting or Exports(),
            keyring=keyring,
            sql_bounds=sql_bounds or SqlBounds(),
        )
        writer.start()
        describer.start()
        queue.start()
        housekeeper.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(queue.close)
            await anyio.to_thread.run_sync(rewriter.close)
            await anyio.to_thread.run_sync(housekeeper.close)
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
    keyring = Keyring(read_keys(store), clock_ns)
    tally = RequestTally()
    direct = [*ingest.router.routes, *otlp.router.routes]
    layers: list[Callable[[ASGIApp], ASGIApp]] = [
        partial(BodyLimit, patience_s=body_patience_s),
        partial(Paced, allowances=keyring),
        partial(Gate, keyring=keyring),
        *([partial(LocalOrigins, keyring=keyring)] if is_local else []),
        Signature,
        partial(
            Counting,
            tally=tally,
            direct_paths=[each.path for each in direct if isinstance(each, DirectRoute)],
            has_access_log=has_access_log,
        ),
    ]
    app.put_first([ingest.router, otlp.router], layers)
    for layer in layers:
        app.add_middleware(layer)
    install_handlers(app)
    for each in (
        health,
        ingest,
        spans,
        sql,
        scores,
        quality,
        losses,
        evaluations,
        run_results,
        maintenance,
        otlp,
        descriptors,
        drift,
        erasures,
        retention,
        jobs,
        rejects,
        metrics,
        keys,
        audit,
        backups,
        exports,
        imports,
        documentation,
    ):
        app.include_router(each.router)
    return app
