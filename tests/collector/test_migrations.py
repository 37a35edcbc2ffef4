"""Databases of every schema that was released, opened by the collector of today."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headway_collector.store import migrations
from headway_collector.store.connections import Store
from tests.collector.migration_worlds import (
    CALLS,
    READS,
    World,
    ask,
    make_call,
    make_old,
    make_world,
    read_columns,
    read_rows,
    reading,
    send,
    serving,
)

NEWEST = len(migrations.MIGRATIONS)
VERSIONS = range(1, NEWEST + 1)
# Digests of what each released step says to the database, white space aside. Who would have to
# change one has edited a step that stands in files out there: append the next one instead.
RELEASED = {
    1: "e038ff92a05731ce",
    2: "8c3905a46747ea4e",
    3: "b28c424eb29d58b6",
    4: "39295aeca82179af",
    5: "d965ebf73d980e61",
    6: "7bbc652c18813e59",
    7: "f725551968afa677",
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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world") / "today.duckdb")


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
