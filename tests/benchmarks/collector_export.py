"""An export of the whole large store in every format: its rate, and what it takes of memory.

Each format has a server of its own, so that the most memory it held is that of one export. The
client throws away what comes, as fast as it comes.
"""

import time
from dataclasses import dataclass

from headway.apis import ApiClient
from headway_collector.export_columns import FORMS, Form
from headway_collector.store.connections import Store
from headway_measures.descriptors.catalog import VERSION
from tests.benchmarks.collector_sections import Bench
from tests.benchmarks.collector_servers import HEADWAY, Server
from tests.benchmarks.collector_store import Built, build_store
from tests.benchmarks.results import Section, at_most, say, table
from tests.benchmarks.sdk_rounds import wait_until_idle

_MOST_MB = 300
_TIMEOUT_S = 3600.0
# More than the describer looks back behind its mark.
_BACK_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Exported:
    """What one export took.

    Args:
        above_mb: the most memory of the server, less what it held before the export.
    """

    form: Form
    seconds: float
    size_bytes: int
    idle_mb: float
    above_mb: float


def export(bench: Bench) -> Section:
    """Every span of the large store over HTTP, in every format."""
    built = build_store(bench.cache, bench.sizes.store_rows)
    _leave_undescribed(built)
    found = [_export(bench, built, form) for form in FORMS]
    rows = [
        [
            each.form,
            f"{each.seconds:,.1f}",
            f"{built.rows / each.seconds:,.0f}",
            f"{each.size_bytes / 1e6 / each.seconds:,.0f}",
            f"{each.size_bytes / built.rows:,.0f}",
            f"{each.idle_mb:,.0f}",
            f"{each.above_mb:,.0f}",
        ]
        for each in found
    ]
    head = ["format", "s", "spans/s", "MB/s", "bytes a span", "idle, MB", "above idle, MB"]
    return Section(
        "Export",
        [
            f"All {built.rows:,} spans, 2 KB of text each, by one client over loopback.",
            "",
            *table(head, rows),
            "",
            *(
                at_most(f"{each.form}, memory above idle, MB", each.above_mb, _MOST_MB)
                for each in found
            ),
        ],
    )


def _leave_undescribed(built: Built) -> None:
    """Say that all calls are described, or their describing is measured beside the export."""
    store = Store(built.database)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO store.descriptor_marks SELECT $1, max(received_ns) + $2 FROM store.spans",
            [VERSION, _BACK_NS],
        )
    store.checkpoint()
    store.close()


def _export(bench: Bench, built: Built, form: Form) -> Exported:
    wait_until_idle()
    with bench.folder() as folder, Server(HEADWAY, built.database, folder) as server:
        api = ApiClient(server.url, timeout_s=_TIMEOUT_S)
        # What the first export of a process loads is no part of a long one.
        for _ in api.stream("/v1/export", {"format": form, "end": "1970-01-01"}):
            pass
        idle_mb = server.resident_mb()
        start_s = time.perf_counter()
        size_bytes = sum(map(len, api.stream("/v1/export", {"format": form})))
        seconds = time.perf_counter() - start_s
        above_mb = server.peak_mb() - idle_mb
    say(f"{form}: {built.rows / seconds:,.0f} spans a second, {above_mb:,.0f} MB above idle")
    return Exported(form, seconds, size_bytes, idle_mb, above_mb)
