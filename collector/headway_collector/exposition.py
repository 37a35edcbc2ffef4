"""All that is counted and measured, as Prometheus reads it.

Names follow its conventions: ``_total`` for what only grows, base units at the end. Nothing is
registered for the whole process: each application has a registry of its own.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import duckdb
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from headway._version import __version__
from headway_collector.describing import Describer
from headway_collector.disks import Disk
from headway_collector.errors import StoreUnavailableError
from headway_collector.measuring import BUCKETS_S, RequestTally
from headway_collector.store.connections import Store
from headway_collector.store.gauges import Gauges, measure_files, read_gauges
from headway_collector.tallies import REASONS
from headway_collector.writing import Writer


@dataclass(frozen=True, slots=True)
class Watched:
    """The parts of a collector that are watched.

    Args:
        started_s: the monotonic time of the start.
    """

    store: Store
    writer: Writer
    describer: Describer
    disk: Disk
    requests: RequestTally
    started_s: float
    clock_s: Callable[[], float] = field(default=time.monotonic)


class Exposition(Collector):
    """Everything there is to tell of one collector, told anew at each question."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks nothing of a database."""
        return []

    def render(self) -> bytes:
        """Return the text that Prometheus reads, version 0.0.4; takes a few milliseconds."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield InfoMetricFamily("headway_build", "The version.", {"version": __version__})
        yield _gauge(
            "headway_uptime_seconds",
            "Since the start.",
            self._watched.clock_s() - self._watched.started_s,
        )
        yield from self._tell_requests()
        yield from self._tell_writer()
        yield from self._tell_disk()
        yield from self._tell_database()

    def _tell_requests(self) -> Iterator[Metric]:
        tally = self._watched.requests
        requests = CounterMetricFamily(
            "headway_http_requests",
            "Requests that were answered, by the template of their route.",
            labels=("route", "method", "status"),
        )
        # Copies, since the event loop goes on counting meanwhile.
        for (route, method, status), count in tally.requests.copy().items():
            requests.add_metric((route, method, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            "headway_http_request_duration_seconds",
            "From the headers to the end of the answer.",
            labels=("route", "method"),
        )
        for labels, timing in tally.timings.copy().items():
            seconds.add_metric(labels, _cumulate(timing.counts.copy()), timing.total_s)
        yield seconds
        received = CounterMetricFamily(
            "headway_http_received_bytes", "Of bodies, as they came.", labels=("route",)
        )
        for route, size_bytes in tally.received_bytes.copy().items():
            received.add_metric((route,), size_bytes)
        yield received
        refusals = CounterMetricFamily(
            "headway_http_refusals",
            "Requests that were refused: unauthorized are wrong keys, rate_limited those of a key "
            "that asks too often, queue_full those for which the writer is too far behind.",
            labels=("code",),
        )
        for code, count in tally.refusals.copy().items():
            refusals.add_metric((code,), count)
        yield refusals
        yield _gauge("headway_http_requests_under_way", "Not yet answered.", tally.under_way)

    def _tell_writer(self) -> Iterator[Metric]:
        writer, tally = self._watched.writer, self._watched.writer.tally
        yield _counter("headway_records_accepted", "Records that are stored.", tally.accepted)
        yield _counter(
            "headway_records_duplicate", "Records that were there already.", tally.duplicates
        )
        rejected = CounterMetricFamily(
            "headway_records_rejected",
            "Records that were refused one by one; GET /v1/rejects has them.",
            labels=("reason",),
        )
        for reason in REASONS:
            rejected.add_metric((reason,), tally.rejected.get(reason, 0))
        yield rejected
        yield _counter(
            "headway_batches_replayed", "Batches that were sent again.", tally.replayed_batches
        )
        yield _gauge("headway_queue_length", "Batches and tasks that wait.", writer.queued)
        yield _gauge("headway_queue_limit", "How many may.", writer.most_queued)
        yield _gauge("headway_queue_wait_seconds", "Of what waits longest.", writer.waited_s)
        yield _counter("headway_commits", "That are on disk.", tally.commits)
        yield _counter("headway_commit_failures", "That are not.", tally.commit_failures)
        yield _counter("headway_commit_rows", "Rows in them.", tally.commit_rows)
        yield _counter("headway_commit_seconds", "That they took.", tally.commit_s)
        yield _counter("headway_checkpoints", "Of the log into the file.", tally.checkpoints)
        yield _counter(
            "headway_checkpoint_failures", "Nothing is lost by one.", tally.checkpoint_failures
        )
        yield _counter("headway_checkpoint_seconds", "That they took.", tally.checkpoint_s)
        if tally.last_commit_s is not None:
            yield _gauge(
                "headway_last_commit_age_seconds",
                "Since the last commit; without traffic it only grows.",
                time.monotonic() - tally.last_commit_s,
            )
        fault = writer.fault or self._watched.store.find_fault()
        yield _gauge("headway_ready", "What /readyz says.", 0 if fault else 1)

    def _tell_disk(self) -> Iterator[Metric]:
        sizes = measure_files(self._watched.store)
        yield _gauge("headway_database_size_bytes", "Of the file.", sizes.database)
        yield _counter(
            "headway_memory_widenings",
            "How often something was done again with more memory, as long texts need it.",
            self._watched.store.memory.shortages,
        )
        yield _gauge("headway_database_wal_size_bytes", "Of the write-ahead log.", sizes.wal)
        disk = self._watched.disk
        if disk.space is not None:
            yield _gauge("headway_disk_free_bytes", "Beside the database.", disk.space.free)
            yield _gauge("headway_disk_size_bytes", "Of the whole disk.", disk.space.total)
            yield _gauge(
                "headway_disk_reserve_bytes", "Below it nothing is taken.", disk.reserve_bytes
            )

    def _tell_database(self) -> Iterator[Metric]:
        try:
            gauges = read_gauges(self._watched.store)
            described = self._watched.describer.tell()
        except (StoreUnavailableError, duckdb.InterruptException):
            # What is counted in memory is wanted most when the database is down.
            yield _gauge("headway_database_up", "Whether it can be read.", 0)
            return
        yield _gauge("headway_database_up", "Whether it can be read.", 1)
        yield from _tell_gauges(gauges)
        yield _gauge(
            "headway_describer_lag_seconds",
            "The age of the oldest call without descriptors.",
            float(described["lag_s"]),
        )
        yield _gauge("headway_describer_due", "Calls without them.", int(described["due"]))


def _tell_gauges(gauges: Gauges) -> Iterator[Metric]:
    losses = GaugeMetricFamily(
        "headway_client_losses",
        "Records that clients say they lost, all in all; GET /v1/losses says who.",
        labels=("reason",),
    )
    for reason, count in gauges.losses.items():
        losses.add_metric((reason,), count)
    yield losses
    jobs = GaugeMetricFamily("headway_jobs", "Jobs by state.", labels=("state",))
    for state, count in gauges.jobs.items():
        jobs.add_metric((state,), count)
    yield jobs
    yield _gauge("headway_rejects", "Rejects that are kept.", gauges.rejects)
    yield _gauge(
        "headway_erasures_pending", "Whose bytes are still in the file.", gauges.erasures_pending
    )


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(name, said, value)


def _counter(name: str, said: str, value: float) -> Metric:
    return CounterMetricFamily(name, said, value)


def _cumulate(counts: list[int]) -> list[tuple[str, float]]:
    total, cumulated = 0, []
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
        total += count
        cumulated.append((bound, float(total)))
    return cumulated
