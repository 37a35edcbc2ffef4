"""A real exporter beside a collector that goes away and comes back."""

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import CollectorProcess, clean_environment, read_line
from tests.emitters.conftest import ROOT

DEADLINE_S = 60.0


@pytest.mark.parametrize("end", [CollectorProcess.stop, CollectorProcess.kill])
def test_every_span_lands_once_however_the_collector_ends(
    interpreter: Path, tmp_path: Path, end: Callable[[CollectorProcess], object]
) -> None:
    with CollectorProcess(tmp_path / "headway.duckdb") as collector:
        emitter = subprocess.Popen(
            [interpreter, "-m", "tests.emitters.with_restarts"],
            cwd=ROOT,
            env=clean_environment(
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
                OTEL_EXPORTER_OTLP_TIMEOUT="60",
                OTEL_SERVICE_NAME="restarts",
                OTEL_BSP_SCHEDULE_DELAY="20",
                OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
                OTEL_BSP_MAX_QUEUE_SIZE="100000",
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            for _ in range(2):
                wait_for_more(collector)
                end(collector)
                collector.start()
            wait_for_more(collector)
            assert emitter.stdin is not None
            emitter.stdin.close()
            count = int(read_line(emitter, DEADLINE_S))
        finally:
            emitter.kill()
            emitter.wait()
            assert emitter.stdout is not None
            emitter.stdout.close()

        assert sorted(map(int, list_names(collector))) == list(range(count))


def wait_for_more(collector: CollectorProcess) -> None:
    """Wait until the collector has more spans than now."""
    pause, before, deadline_s = threading.Event(), count_spans(collector), time.monotonic()
    while count_spans(collector) < before + 20:
        assert time.monotonic() < deadline_s + DEADLINE_S, "nothing arrives any more"
        pause.wait(0.05)


def count_spans(collector: CollectorProcess) -> int:
    return int(collector.api.get("/v1/metrics")["totals"]["count"])


def list_names(collector: CollectorProcess) -> list[str]:
    names, params = [], {"limit": "1000", "content": "none"}
    while True:
        page = collector.api.get("/v1/spans", params)
        names += [span["name"] for span in page["spans"]]
        if page["next_cursor"] is None:
            return names
        params["cursor"] = page["next_cursor"]
