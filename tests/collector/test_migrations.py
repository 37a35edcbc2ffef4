"""Databases of every schema that was released, opened by the collector of today."""

import hashlib
import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
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
NEWEST = len(migrations.MIGRATIONS)
VERSIONS = range(1, NEWEST + 1)
# The row groups were twice as large at first.
OLD_STORAGE = "STORAGE_VERSION 'v1.5.0', ROW_GROUP_SIZE 20480"

# Digests of what each released step says to the database, white space aside. Who would have to
# change one has edited a step that stands in files out there: append the next one instead.
RELEASED = {
    1: "e038ff92a05731ce",
    2: "8c3905a46747ea4e",
    3: "b28c424eb29d58b6",
    4: "39295aeca82179af",
    5: "d965ebf73d980e61",
    6: "7bbc652c18813e59",
}

# Tables that only something that a user does fills, and columns that a step fills in old rows.
OFTEN_EMPTY = {
    "clearings",
    "keys",
    "audit",
    "salts",
    "tombstones",
    "erasures",
    "retention",
    "rewrites",
}
FILLED_BY_STEPS = {("rejects", "reject_id"), ("rejects", "size_bytes"), ("rejects", "form")}

# What the answers of older rows have no value for.
NEW_FIELDS = {"is_usage_inconsistent": 3}

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

UPGRADE_AND_DIE = """
import os, signal, sys
from headway_collector.store import migrations
from headway_collector.store.connections import Store

number = int(sys.argv[2])
step = migrations.MIGRATIONS[number - 1]

def run_and_die(connection):
    step(connection)
    os.kill(os.getpid(), signal.SIGKILL)

migrations.MIGRATIONS[number - 1] = run_and_die
Store(sys.argv[1])
"""


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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Fill a database of today by every way in, and ask it everything."""
    path = tmp_path_factory.mktemp("world") / "today.duckdb"
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


def known_in(version: int, answer: Any) -> Any:
    """Return an answer without the fields that came after that version."""
    if isinstance(answer, list):
        return [known_in(version, each) for each in answer]
    if isinstance(answer, dict):
        return {
            name: known_in(version, value)
            for name, value in answer.items()
            if NEW_FIELDS.get(name, 0) <= version
        }
    return answer


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


class Listening:
    """A connection that notes what it is told to do, and does it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.said: list[str] = []

    def execute(self, sql: str, *arguments: Any) -> duckdb.DuckDBPyConnection:
        self.said.append(" ".join(sql.split()))
        return self._connection.execute(sql, *arguments)


def digest_steps() -> dict[int, str]:
    """Return a digest of the names, types and compressions that each step makes."""
    digests = {}
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS store")
        for number, step in enumerate(migrations.MIGRATIONS, 1):
            listening = Listening(connection)
            step(listening)  # type: ignore[arg-type]
            said = "\n".join(listening.said).encode()
            digests[number] = hashlib.sha256(said).hexdigest()[:16]
    return digests


def test_a_step_that_was_released_is_as_it_was() -> None:
    digests = digest_steps()

    assert {number: digests[number] for number in RELEASED} == RELEASED


def test_the_world_has_rows_in_every_table(world: World, tmp_path: Path) -> None:
    rows = make_old(tmp_path / "old.duckdb", NEWEST, world)

    assert {table for table, found in rows.items() if not found} <= OFTEN_EMPTY


@pytest.mark.parametrize("version", VERSIONS)
def test_every_row_of_an_older_schema_is_kept_and_what_is_new_is_null(
    version: int, world: World, tmp_path: Path
) -> None:
    path = tmp_path / "old.duckdb"
    before = make_old(path, version, world)
    Store(path).close()
    with reading(path) as connection:
        now = read_columns(connection)
        after = {table: read_rows(connection, table, now[table]) for table in before}
        (reached,) = connection.execute("SELECT max(version) FROM store.schema_versions").fetchall()

    assert reached == (NEWEST,)
    for table, old in before.items():
        known = len(old[0]) if old else 0
        assert sorted((row[:known] for row in after[table]), key=repr) == old
        for position, column in enumerate(now[table][known:], known):
            if old and (table, column) not in FILLED_BY_STEPS:
                assert {row[position] for row in after[table]} == {None}, f"{table}.{column}"


@pytest.mark.parametrize("version", VERSIONS)
def test_routes_answer_from_an_older_schema_as_they_did_before(
    version: int, world: World, tmp_path: Path
) -> None:
    path = tmp_path / "old.duckdb"
    make_old(path, version, world)
    store = Store(path)
    with serving(store) as client:
        answers = {read: ask(client, read) for since, read in READS if since <= version}
        kept = send(client, "/v1/ingest", content=json.dumps(make_call(CALLS + 1))).json()
        known = send(client, "/v1/ingest", content=json.dumps(make_call(1))).json()
    store.close()

    for read, answer in answers.items():
        assert known_in(version, answer) == known_in(version, world.answers[read]), read
    assert (kept["accepted"], known["duplicates"]) == (1, 1)


@pytest.mark.parametrize("number", VERSIONS)
def test_a_kill_within_a_step_loses_nothing_and_the_next_start_goes_on(
    number: int, world: World, tmp_path: Path
) -> None:
    path = tmp_path / "old.duckdb"
    before = make_old(path, 1, world) if number > 1 else {}
    killed = subprocess.run(
        [sys.executable, "-c", UPGRADE_AND_DIE, path, str(number)],
        capture_output=True,
        text=True,
        check=False,
    )
    with reading(path) as connection:
        reached = migrations.read_version(connection)
    Store(path).close()
    with reading(path) as connection:
        columns = read_columns(connection)
        after = {
            table: read_rows(connection, table, columns[table][: len(rows[0])])
            for table, rows in before.items()
            if rows
        }
        last = migrations.read_version(connection)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (reached, last) == (number - 1, NEWEST)
    assert after == before
