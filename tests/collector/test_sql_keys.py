"""/v1/sql over HTTP with a key of one project, as a hostile caller and as a program would ask."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest
from starlette.testclient import TestClient

import headway
from headway.errors import ApiError
from headway_collector.apps import create_app
from headway_collector.store.connections import Store
from tests.collector.conftest import Served, listening
from tests.collector.permission_worlds import FOREIGN, OWN, World, open_world

# What reaches for a table, and the word of the rule that refuses it.
REACHING = {
    "SELECT * FROM store.spans": "with a schema or database",
    "SELECT * FROM store.main.keys": "with a schema or database",
    'SELECT * FROM "store"."spans"': "with a schema or database",
    "SELECT * FROM system.main.duckdb_tables": "with a schema or database",
    "SELECT * FROM information_schema.tables": "with a schema or database",
    "SELECT * FROM pg_catalog.pg_class": "with a schema or database",
    "SELECT * FROM temp.spans": "with a schema or database",
    "SELECT (SELECT count(*) FROM store.spans)": "with a schema or database",
    "SELECT 1 LIMIT (SELECT count(*) FROM store.spans)": "with a schema or database",
    "SELECT 1 UNION ALL SELECT count(*) FROM store.spans": "with a schema or database",
    "SELECT sum(1) OVER (ORDER BY (SELECT 1 FROM store.spans))": "with a schema or database",
    "SELECT * FROM spans a, LATERAL (FROM store.spans b)": "with a schema or database",
    "SELECT * FROM keys": "there is no 'keys'",
    "SELECT * FROM audit": "there is no 'audit'",
    "SELECT * FROM duckdb_tables": "there is no 'duckdb_tables'",
    "SELECT * FROM sqlite_master": "there is no 'sqlite_master'",
    "SELECT * FROM '/etc/passwd'": "there is no '/etc/passwd'",
    "SELECT * FROM duckdb_tables()": "the table function 'duckdb_tables'",
    "SELECT * FROM duckdb_views()": "the table function 'duckdb_views'",
    "SELECT * FROM pragma_storage_info('store.spans')": "the table function 'pragma_storage_info'",
    "SELECT * FROM query('FROM store.spans')": "the table function 'query'",
    "SELECT * FROM query_table('store.spans')": "the table function 'query_table'",
    "FROM seq_scan('store.spans')": "the table function 'seq_scan'",
    "SELECT * FROM read_csv('/etc/passwd')": "the table function 'read_csv'",
    "SELECT stats(input) FROM spans": "the function 'stats'",
    "SELECT getenv('HOME')": "the function 'getenv'",
    "WITH duckdb_tables AS (SELECT 1) FROM duckdb_tables": "no name for a query",
    "SELECT * FROM (SHOW ALL TABLES)": "SHOW, DESCRIBE and SUMMARIZE",
    "SUMMARIZE store.spans": "SHOW, DESCRIBE and SUMMARIZE",
    "DESCRIBE store.spans": "SHOW, DESCRIBE and SUMMARIZE",
    "PIVOT spans ON kind": "PIVOT is none",
    "FROM (PIVOT spans ON kind IN ('llm') USING count(*))": "PIVOT is not possible",
    "SELECT 1; DROP TABLE store.spans": "2 statements",
    "DELETE FROM store.spans": "a statement of type DELETE",
    "ATTACH 'other.duckdb'": "a statement of type ATTACH",
    "COPY spans TO 'x.csv'": "a statement of type COPY",
    "EXPLAIN SELECT * FROM spans": "a statement of type EXPLAIN",
    "SELECT * FROM spans AT (VERSION => 1)": "AT is not possible",
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with open_world(OWN, FOREIGN) as world:
        yield world


@pytest.mark.parametrize("sql", REACHING)
def test_a_key_of_one_project_is_told_which_rule_its_reach_breaks(world: World, sql: str) -> None:
    answer = world.ask(f"{OWN}-read", "POST", "/v1/sql", json={"sql": sql})

    assert answer.status_code == 422
    assert REACHING[sql] in answer.json()["message"]
    assert FOREIGN not in answer.text


def test_a_key_of_one_project_has_its_rows_and_cannot_ask_for_others(world: World) -> None:
    asked = {"sql": "SELECT DISTINCT project FROM spans"}
    narrow = {**asked, "project": [FOREIGN]}

    assert world.ask(f"{OWN}-read", "POST", "/v1/sql", json=asked).json()["rows"] == [[OWN]]
    assert world.ask(f"{OWN}-read", "POST", "/v1/sql", json=narrow).status_code == 403
    assert world.ask(f"{OWN}-ingest", "POST", "/v1/sql", json=asked).status_code == 403
    assert world.ask(None, "POST", "/v1/sql", json=asked).status_code == 401


def test_hundreds_of_named_queries_are_answered_and_thousands_refused(world: World) -> None:
    def ask(count: int) -> tuple[int, str]:
        named = ",".join(f"a{number} AS(SELECT 1)" for number in range(count))
        sql = f"WITH {named} SELECT 1"
        answer = world.ask(f"{OWN}-read", "POST", "/v1/sql", json={"sql": sql})
        return answer.status_code, answer.text

    assert ask(700)[0] == 200
    status, said = ask(5_000)
    assert status == 422
    assert "16000 are allowed" in said


def test_one_question_runs_at_a_time_and_more_than_may_wait_are_turned_away(store: Store) -> None:
    app = create_app(store)
    with TestClient(app) as client:
        turns = app.state.collector.questions
        turns._patience_s = 0.01
        with turns.take():
            late = client.post("/v1/sql", json={"sql": "SELECT 1"})
        free = client.post("/v1/sql", json={"sql": "SELECT 1"})

    assert late.status_code == 429
    assert int(late.headers["Retry-After"]) > 0
    assert free.status_code == 200


def test_the_time_of_a_question_is_the_operators(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    (tmp_path / "headway.toml").write_text("[collector]\nsql_seconds = 0.2\n", encoding="utf-8")
    served = serve(tmp_path / "x.duckdb")
    asked = {"sql": "SELECT count(*) FROM range(1000000000000)"}

    answer = httpx.post(f"{served.url}/v1/sql", json=asked, timeout=60)

    assert answer.status_code == 422
    assert answer.json()["code"] == "too_broad"
    assert "more than 0.2 s" in answer.json()["message"]
    assert served.stop() == 0


def test_a_client_gets_a_frame_that_says_when_there_is_more() -> None:
    with listening() as url:
        client = headway.Client(url)
        frame = client.sql("SELECT range AS n, range::VARCHAR AS t FROM range(3)", limit=3)
        with pytest.warns(RuntimeWarning, match="first 10000 rows"):
            cut = client.sql("SELECT * FROM range(10001)")
        with pytest.raises(ApiError, match="there is no 'nothing'"):
            client.sql("SELECT * FROM nothing")
        short = client.sql("SELECT length(template) FROM prompts", text_chars=10)

    assert frame.to_dict(as_series=False) == {"n": [0, 1, 2], "t": ["0", "1", "2"]}
    assert frame.schema["n"] == pl.Int64
    assert cut.height == 10_000
    assert short.height == 0
