"""Foreign spans mapped in processes of their own, where there are cores for them.

An interpreter does one thing at a time. While it maps spans its writer waits, and nine thousand a
second is all that it maps; so the large requests go to other interpreters, which send rows back.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

from headway_collector.costs.pricing import Prices
from headway_collector.errors import MapperLostError
from headway_collector.exports import Export, export_spans
from headway_collector.limits import CAPS, Caps
from headway_collector.otlp.telemetry import OtelSpan, Telemetry
from headway_collector.tuning import spare_collections, step_back

ReadSpans = Callable[[bytes], Telemetry[OtelSpan]]
"""A function of a module, since processes know it by its name."""

# Below this, the way there and back costs more than it spares.
_LARGE_BYTES = 64 * 1024

_log = logging.getLogger(__name__)


class Mappers:
    """Maps the spans of requests; for threads, which wait for it.

    Processes start with the first large request, which does not wait for them.

    Args:
        prices: what calls cost where they do not say so themselves.
        process_count: how many processes; with none, each thread maps by itself.
        caps: how large a span and its fields may be.
    """

    def __init__(self, prices: Prices, process_count: int = 0, caps: Caps = CAPS) -> None:
        self._prices = prices
        self._caps = caps
        self._process_count = process_count
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._greetings: list[Future[int]] = []

    def export(self, read_spans: ReadSpans, body: bytes, project: str | None) -> Export:
        """Return the spans of a request, and the scores they carry, by project.

        Args:
            read_spans: for the encoding of the body.
            body: of the request, decompressed.
            project: that of all, where the request's header names one.

        Raises:
            RequestError: the body cannot be read, or is too large.
            MapperLostError: the process that mapped it is gone.
        """
        pool = self._find_pool() if len(body) >= _LARGE_BYTES else None
        if pool is None:
            return export_spans(read_spans(body), project, self._prices, caps=self._caps)
        try:
            return self._submit(pool, read_spans, body, project).result()
        except (BrokenProcessPool, CancelledError) as error:
            self._drop(pool)
            raise MapperLostError(
                "the process that read this request is gone, perhaps for want of memory: "
                "try again, with smaller batches if it goes again"
            ) from error

    def wait(self) -> None:
        """Start the processes, and wait until they run."""
        self._find_pool()
        for greeting in self._greetings:
            greeting.result()

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._process_count = 0
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _submit(
        pool: ProcessPoolExecutor, read_spans: ReadSpans, body: bytes, project: str | None
    ) -> Future[Export]:
        try:
            return pool.submit(_export, read_spans, body, project)
        except RuntimeError as error:  # another request found it broken, and has shut it down
            raise BrokenProcessPool(str(error)) from error

    def _find_pool(self) -> ProcessPoolExecutor | None:
        """Return the processes, or None where they do not run yet, or not at all."""
        with self._lock:
            if self._process_count == 0:
                return None
            if self._pool is None:
                self._start()
            if not all(each.done() for each in self._greetings):
                return None
            if any(each.exception() is not None for each in self._greetings):
                _log.warning("no process can be started: spans are mapped in this one")
                self._process_count = 0
                return None
            return self._pool

    def _start(self) -> None:
        # A fork would take the threads' locks with it as they are.
        self._pool = ProcessPoolExecutor(
            self._process_count,
            multiprocessing.get_context("spawn"),
            _begin,
            (self._prices, self._caps),
        )
        self._greetings = [self._pool.submit(os.getpid) for _ in range(self._process_count)]

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                _log.warning("a process that maps spans is gone: others are started")
                pool.shutdown(wait=False)
                self._pool = None


def count_processes() -> int:
    """Return how many processes are worth starting here: none on a single core."""
    cores = os.cpu_count() or 1
    with suppress(AttributeError):  # not every system says which cores are ours
        cores = len(os.sched_getaffinity(0))
    return min(cores, 4) if cores > 1 else 0


class _Process:
    """What a process knows."""

    prices: Prices
    caps: Caps


def _begin(prices: Prices, caps: Caps) -> None:
    _Process.prices, _Process.caps = prices, caps
    # Whoever stops the collector from a terminal stops it alone; it ends these when all is written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="headway-parent", daemon=True).start()
    step_back()
    spare_collections()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _export(read_spans: ReadSpans, body: bytes, project: str | None) -> Export:
    return export_spans(read_spans(body), project, _Process.prices, caps=_Process.caps)
