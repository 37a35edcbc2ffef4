"""A database with rows in every table, the same rows in older schemas, and questions to both."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.store import migrations
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import (
    PROTOBUF,
    encode,
    export_logs,
    export_spans,
    make_log,
    make_span,
)
from tests.collector.test_evaluations import COMPARISON, RESULTS, RUN

Rows = list[tuple[Any, ...]]

NOW_NS = 1_763_800_000_000_000_000
HOUR_NS = 3_600 * 10**9
CALLS = 80
WAIT_S = 60.0
# The row groups were twice as large at first.
OLD_STORAGE = "STORAGE_VERSION 'v1.5.0', ROW_GROUP_SIZE 20480"

# What is asked, and the first schema that kept what answers it.
READS = (
    (1, "/v1/spans?project=shop&content=full&limit=1000"),
    (1, f"/v1/traces/{1:032x}?project=shop"),
    (1, "/v1/sessions?project=shop"),
    (1, "/v1/scores?project=shop"),
    (1, "/v1/metrics?project=shop&measure=count&measure=cost_usd&by=request_model"),
    (1, "/v1/facets?project=shop&field=request_model"),
    (1, "/v1/runs?project=shop"),
    (1, "/v1/runs/run-1?project=shop"),
    (1, "/v1/comparisons?project=shop"),
    (1, "/v1/comparisons/cmp-1?project=shop"),
    (2, "/v1/losses?project=shop"),
    (3, "/v1/spans?project=foreign&content=full"),
    (4, "/v1/drift?project=shop"),
    (4, "/v1/drift/{card}?project=shop"),
    (4, "/v1/jobs?project=shop"),
    (6, "/v1/prompts?project=shop"),
    (6, "/v1/prompts/triage?project=shop"),
)


@dataclass(frozen=True, slots=True)
class World:
    """A database of today with rows in every table, and what its collector answered."""

    path: Path
    answers: dict[str, Any]


def make_call(number: int) -> dict[str, Any]:
    """Return a call: the later half are refused, those before were answered."""
    answer = "Sorry, but I cannot help." if number <= CALLS // 2 else f"No {number} is on its way."
    start_ns = NOW_NS - number * HOUR_NS
    return {
        "type": "span",
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "name": "triage",
        "kind": "llm",
        "start_ns": start_ns,
        "end_ns": start_ns + 10**9,
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "input_tokens": 12,
        "output_tokens": number,
        "input": {"message": f"Where is parcel {number}? " * 20},
        "output": answer,
        "user_id": f"u-{number % 7}",
        "session_id": f"s-{number % 5}",
        "tags": ["vip", "öl"],
        "params": {"temperature": 0.5},
        "attributes": {"shop.region": "eu", "shop.numbers": [1, 2.5, None]},
        "prompt_name": "triage",
        "prompt_version": "v1",
    }


LINES: tuple[dict[str, Any], ...] = (
    *map(make_call, range(1, CALLS + 1)),
    {
        "type": "score",
        "score_id": "score-1",
        "name": "helpful",
        "value": True,
        "time_ns": NOW_NS,
        "span_id": f"{1:016x}",
        "comment": "quite",
    },
    {
        "type": "loss",
        "client_id": "c" * 32,
        "reason": "journal_full",
        "count": 7,
        "time_ns": NOW_NS,
        "host": "web-1",
        "pid": 4711,
    },
    {
        "type": "prompt",
        "name": "triage",
        "version": "v1",
        "template": "Help with {what}.",
        "time_ns": NOW_NS,
    },
    {"type": "span", "name": "of no trace"},
)
DRIFT: dict[str, Any] = {
    "reference": {"start": f"-{CALLS + 1}h", "end": f"-{CALLS // 2}h"},
    "current": {"start": f"-{CALLS // 2}h"},
    "options": {"metrics": ["answer_chars", "is_refusal"], "seed": 3},
}


@contextmanager
def serving(store: Store) -> Iterator[TestClient]:
    """Serve a store, without waiting for others and with a clock that stands still."""
    ids = (f"job-{number}" for number in itertools.count(1))
    app = create_app(store, clock_ns=lambda: NOW_NS, make_id=lambda: next(ids))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def send(client: TestClient, path: str, **what: Any) -> Any:
    headers = {"Headway-Project": "shop", **what.pop("headers", {})}
    answer = client.post(path, headers=headers, **what)
    assert answer.is_success, answer.text
    return answer


def wait_for(client: TestClient, path: str, is_done: Callable[[Any], bool]) -> None:
    deadline_s, pause = time.monotonic() + WAIT_S, threading.Event()
    while not is_done(told := client.get(path).json()):
        assert time.monotonic() < deadline_s, told
        pause.wait(0.02)


def make_world(path: Path) -> World:
    """Fill a database of today by every way in, and ask it everything."""
    store = Store(path)
    with serving(store) as client:
        body = b"\n".join(json.dumps(line).encode() for line in LINES)
        batch = {"Headway-Batch-Id": "batch-1"}
        counts = send(client, "/v1/ingest", content=body, headers=batch).json()
        assert counts["rejected"] == 1, counts
        send(client, "/v1/runs", json={"run": RUN, "results": RESULTS})
        send(client, "/v1/comparisons", json=COMPARISON)
        foreign = {"Headway-Project": "foreign", "Content-Type": PROTOBUF}
        span = make_span(1001, {"input.value": "wo?", "own.key": "kept"})
        for where, export in (
            ("/v1/traces", export_spans(span)),
            ("/v1/logs", export_logs(make_log(1002))),
        ):
            send(client, where, content=encode(export, PROTOBUF), headers=foreign)
        wait_for(client, "/v1/descriptors", lambda told: told["due"] == 0)
        job_id = send(client, "/v1/drift", json=DRIFT).json()["job_id"]
        wait_for(client, f"/v1/jobs/{job_id}", lambda job: job["state"] == "done")
        answers = {path: ask(client, path) for _, path in READS}
    assert all(answers.values())
    with store.transaction() as connection:
        # As where the collector ended before it described the last call, and functions of the
        # user's own were asked once.
        connection.execute(
            "INSERT INTO store.due_descriptors "
            "SELECT project, span_key, start_ns FROM store.spans WHERE span_id = $1",
            [f"{1:016x}"],
        )
        connection.execute("INSERT INTO store.own_versions VALUES ('length', 1)")
    store.close()
    return World(path, answers)


def ask(client: TestClient, path: str) -> Any:
    """Return the answer to ``path``, in which ``{card}`` is the one card that there is."""
    if "{card}" in path:
        (card,) = client.get("/v1/drift").json()["cards"]
        path = path.format(card=card["card_id"])
    answer = client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json()


def make_old(path: Path, version: int, world: World) -> dict[str, Rows]:
    """Make a database as that version made it, with the world's rows, and return them."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{path}' AS store ({OLD_STORAGE})")
        for number, step in enumerate(migrations.MIGRATIONS[:version], 1):
            step(connection)
            connection.execute("INSERT INTO store.schema_versions VALUES ($1, now())", [number])
        connection.execute(f"ATTACH '{world.path}' AS world (READ_ONLY)")
        tables = read_columns(connection)
        for table, columns in tables.items():
            names = ", ".join(f'"{column}"' for column in columns)
            connection.execute(
                f"INSERT INTO store.{table} ({names}) SELECT {names} FROM world.{table}"
            )
        return {table: read_rows(connection, table, columns) for table, columns in tables.items()}


def read_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    rows = connection.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
        "WHERE database_name = 'store' AND table_name <> 'schema_versions' GROUP BY table_name"
    ).fetchall()
    return dict(rows)


def read_rows(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> Rows:
    names = ", ".join(f'"{column}"::VARCHAR' for column in columns)
    rows = connection.execute(f"SELECT {names} FROM store.{table}").fetchall()
    return sorted(rows, key=repr)


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database as it is, without any step."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{path}' AS store")
        yield connection
