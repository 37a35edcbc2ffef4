"""Descriptors as the collector serves them: made after ingest and on demand, measured, grouped."""

import argparse
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway.commands import Command
from headway_collector.describe_command import DESCRIBE
from headway_collector.describing import Rhythm
from headway_collector.descriptions import describe_calls
from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.metrics import read_metrics
from headway_measures.descriptors.catalog import VERSION
from tests.collector.call_worlds import describe_all, make_span, open_world

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

WAIT_S = 30.0
ANSWERS = ("On its way.", "Sorry, but I can't assist with that.", "It is on its way to you.")


def wait_until_described(client: TestClient) -> dict[str, Any]:
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.05)):
        told: dict[str, Any] = client.get("/v1/descriptors").json()
        if told["due"] == 0:
            return told
        pause.wait(0.05)
    raise AssertionError(f"calls are still due: {told}")


@pytest.fixture
def described(client: TestClient, ingest: Ingest, span_line: Lines) -> None:
    """Three described calls of two models, and a tool's."""
    lines = [
        span_line(output=answer, request_model="ab"[number % 2], tags=["kind:x", f"n:{number}"])
        for number, answer in enumerate(ANSWERS)
    ]
    ingest(*lines, span_line(kind="tool"))
    wait_until_described(client)


@pytest.mark.usefixtures("described")
def test_what_is_ingested_is_described_without_being_asked(client: TestClient) -> None:
    assert client.get("/v1/descriptors").json() == {
        "version": VERSION,
        "described": 3,
        "due": 0,
        "lag_s": 0.0,
        "faults": 0,
        "own": [],
    }


def test_the_lag_is_the_age_of_the_oldest_call_without_descriptors() -> None:
    with open_world() as world:
        world.append(make_span(1))
        world.append(make_span(2))
        describer = world.make_describer(chunk_rows=1)
        describer.describe_next()
        world.clock.now_ns += 5 * 10**9
        told = describer.tell()
        describe_all(describer)

        assert (told["described"], told["due"], told["lag_s"]) == (1, 1, 5.0)
        assert describer.tell()["lag_s"] == 0.0


@pytest.mark.usefixtures("described")
def test_chunks_are_described_on_demand(client: TestClient) -> None:
    def describe(**params: Any) -> Any:
        return client.post("/v1/describe", params=params).json()

    first = describe(all=True, limit=2)
    second = describe(all=True, limit=2, cursor=first["cursor"])

    assert (first["rows"], first["changed"]) == (2, 2)
    assert second == {"cursor": None, "rows": 1, "changed": 1}
    assert describe() == {"cursor": None, "rows": 3, "changed": 0}
    assert describe(all=True, project="q") == {"cursor": None, "rows": 0, "changed": 0}
    assert "unknown" in client.post("/v1/describe", params={"model": "a"}).text


@pytest.mark.usefixtures("described")
def test_descriptors_are_measured_and_grouped(client: TestClient) -> None:
    def ask(**params: Any) -> Any:
        return client.get("/v1/metrics", params=params).json()

    measures = ["descriptor:answer_chars", "descriptor:is_refusal", "count"]
    by_model = ask(measure=measures, by="request_model")
    by_tag = ask(by=["tag", "descriptor:is_refusal"], request_model="b")
    facets = client.get("/v1/facets", params={"field": "descriptor:opener"}).json()["facets"]

    assert by_model["totals"]["count"] == 3
    assert by_model["totals"]["descriptor:is_refusal"] == pytest.approx(1 / 3)
    assert [row["descriptor:answer_chars"] for row in by_model["rows"]] == [
        len(ANSWERS[1]),
        (len(ANSWERS[0]) + len(ANSWERS[2])) / 2,
    ]
    assert by_tag["totals"] == {"count": 1}
    assert [row["descriptor:is_refusal"] for row in by_tag["rows"]] == [True, True]
    assert len(facets["descriptor:opener"]) == 3


@pytest.mark.usefixtures("described")
@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"measure": "descriptor:nonsense"}, "answer_chars"),
        ({"measure": "descriptor:opener"}, "answer_chars"),
        ({"measure": "descriptor:own:a' OR 1"}, "names no function"),
        ({"by": "descriptor:own:"}, "names no function"),
        ({"by": "descriptor:answer_chars"}, "opener"),
        ({"measure": ["descriptor:is_json", "cost_usd"]}, "'cost_usd' does not go with"),
        ({"measure": "descriptor:is_json", "by": "user_id"}, "'user_id' does not go with"),
        ({"measure": "descriptor:is_json", "q": "parcel"}, "'q' does not go with"),
        ({"by": "descriptor:opener", "where": "cost_usd>1"}, "'where' does not go with"),
    ],
)
def test_what_would_need_a_join_is_refused(
    client: TestClient, params: dict[str, Any], why: str
) -> None:
    response = client.get("/v1/metrics", params=params)

    assert response.status_code == 422
    assert why in response.json()["message"]


class Explaining(Store):
    """A store that keeps the plan of whatever is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.plans: list[str] = []

    def read(
        self, sql: str, parameters: Sequence[object] = (), *, limit_s: float | None = None
    ) -> list[dict[str, Any]]:
        self.plans.append(str(super().read(f"EXPLAIN (FORMAT json) {sql}", parameters)))
        return super().read(sql, parameters, limit_s=limit_s)


def test_measures_of_descriptors_join_nothing(tmp_path: Path) -> None:
    with open_world(tmp_path / "a.duckdb") as world:
        world.append(*(make_span(number) for number in range(1, 4)))
        describe_all(world.make_describer())
    store = Explaining(tmp_path / "a.duckdb")
    filters = SpanFilters(prompt_version=("v3",), start_ns=1)
    by = ("request_model", "descriptor:opener")
    found = read_metrics(store, filters, ["descriptor:answer_chars", "count"], by, "day")
    store.close()

    assert found["totals"]["count"] == 3
    (plan,) = store.plans
    assert "descriptors" in plan
    assert "JOIN" not in plan
    assert "store.main.spans" not in plan


# A collector that is asked everything but has no call, and then gets one.
STARTING = """
import json, sys, threading
from starlette.testclient import TestClient
import headway_collector.serving
from headway_collector.apps import create_app
from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.metrics import read_metrics

def span(number, kind):
    fields = {"type": "span", "trace_id": f"{number:032x}", "span_id": f"{number:016x}",
              "name": "n", "kind": kind, "start_ns": 1, "end_ns": 2, "output": "hello"}
    return json.dumps(fields).encode()

with TestClient(create_app(Store())) as client:
    client.post("/v1/ingest", content=span(1, "tool"))
    client.post("/v1/describe")
    client.get("/v1/metrics", params={"measure": "descriptor:answer_chars"})
    print(client.get("/v1/descriptors").json()["version"], "polars" in sys.modules)
    client.post("/v1/ingest", content=span(2, "llm"))
    client.post("/v1/describe")
    print(client.get("/v1/descriptors").json()["described"], "polars" in sys.modules)
"""


def test_polars_is_imported_by_the_first_call_and_not_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTING], capture_output=True, text=True, check=True, timeout=120
    )

    assert done.stdout.splitlines() == ["None False", "1 True"]


def test_a_busy_writer_is_left_alone_but_for_a_chunk_now_and_then() -> None:
    with open_world() as world:
        describe_calls([])
        world.append(*(make_span(number) for number in range(1, 4)))
        describer = world.make_describer(rhythm=Rhythm(first_s=0, busy_s=3600), chunk_rows=1)
        saved = threading.Event()
        world.writer.perform(lambda _: threading.Event().wait(0.8)).result(WAIT_S)
        world.writer.call_after_commits(saved.set)
        assert world.writer.is_busy
        describer.start()
        assert saved.wait(WAIT_S)
        describer.close()

        assert len(world.list_rows()) == 1


def test_the_command_describes_everything(
    listen: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(DESCRIBE, "--all", "--url", listen()) == 0
    assert capsys.readouterr().out == "0 rows looked at, 0 changed\n"


def run(command: Command, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(arguments))
