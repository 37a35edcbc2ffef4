"""Foreign spans mapped in processes: the same rows, and nobody is left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from headway_collector.costs.pricing import Prices
from headway_collector.costs.tables import read_prices
from headway_collector.errors import MalformedBodyError, MapperLostError
from headway_collector.exports import Export
from headway_collector.mappers import Mappers
from headway_collector.otlp import json_bodies, protobufs
from headway_collector.otlp.telemetry import OtelSpan, Telemetry
from tests.collector.otlp_requests import START_NS, export_spans, make_span

WITHIN_S = 20.0
CALL = {
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "our-own",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "é 你"}]}]',
    "answer": "x" * 1000,
}
PRICES = """
[[price]]
model = "our-own"
input = 2
output = 4
"""


def make_body(count: int = 200) -> bytes:
    good = [make_span(number, CALL) for number in range(1, count + 1)]
    bad = make_span(count + 1, end_time_unix_nano=START_NS - 1)
    body: bytes = export_spans(*good, bad).SerializeToString()
    return body


def end_the_process(body: bytes) -> Telemetry[OtelSpan]:
    """Read nothing, and be gone."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(len(body))


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    (tmp_path / "prices.toml").write_text(PRICES)
    return Prices(read_prices(tmp_path / "prices.toml"))


@pytest.fixture
def mappers(prices: Prices) -> Iterator[Mappers]:
    mappers = Mappers(prices, process_count=1)
    mappers.wait()
    yield mappers
    mappers.close()


def shown(export: Export) -> list[object]:
    (batch,) = export.batches
    assert batch.rows is not None
    return [batch.project, batch.rows.to_pylist(), batch.rejects, export.outcome, export.ignored]


def test_rows_of_a_process_are_those_of_a_thread(mappers: Mappers, prices: Prices) -> None:
    body = make_body()

    mapped = mappers.export(protobufs.read_spans, body, None)

    assert shown(mapped) == shown(Mappers(prices).export(protobufs.read_spans, body, None))
    (batch,) = mapped.batches
    assert batch.span_count == 200
    assert batch.rows is not None
    assert batch.rows["cost_usd"][0].as_py() == pytest.approx(0.0024)


def test_a_body_that_is_none_is_refused_by_a_process_too(mappers: Mappers) -> None:
    with pytest.raises(MalformedBodyError):
        mappers.export(json_bodies.read_spans, b"[" * 100_000, None)


def test_a_process_that_ends_costs_its_request_and_no_other(mappers: Mappers) -> None:
    body = make_body()
    with pytest.raises(MapperLostError, match="try again"):
        mappers.export(end_the_process, body, None)

    at_once = mappers.export(protobufs.read_spans, body, None)
    mappers.wait()
    later = mappers.export(protobufs.read_spans, body, None)

    assert shown(at_once) == shown(later)


def test_no_request_waits_for_the_processes_to_start(prices: Prices) -> None:
    mappers = Mappers(prices, process_count=1)

    started_s = time.monotonic()
    export = mappers.export(protobufs.read_spans, make_body(), None)
    took_s = time.monotonic() - started_s
    mappers.wait()
    waited_s = time.monotonic() - started_s
    mappers.close()

    assert len(export.batches) == 1
    assert took_s < waited_s


def test_small_requests_start_no_process(prices: Prices) -> None:
    mappers = Mappers(prices, process_count=1)
    before = multiprocessing.active_children()

    mappers.export(protobufs.read_spans, make_body(2), None)

    assert multiprocessing.active_children() == before


def test_processes_end_when_the_collector_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        dedent(
            """
            import sys, time
            from headway_collector.costs.pricing import Prices
            from headway_collector.mappers import Mappers

            if __name__ == "__main__":
                Mappers(Prices(), process_count=2).wait()
                sys.stdout.write("ready\\n")
                sys.stdout.flush()
                time.sleep(60)
            """
        )
    )
    # Whoever holds the other end of the pipe is alive: the parent, or one of its processes.
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"

        parent.kill()

        assert parent.communicate(timeout=WITHIN_S)[0] == b""
