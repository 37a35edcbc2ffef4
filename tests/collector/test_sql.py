"""/v1/sql: what is answered, in which form, and what a question may take."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from headway_collector.errors import InvalidRequestError, TooBroadError
from headway_collector.sql_command import write_answer
from headway_collector.store.connections import Store
from headway_collector.store.sql import SqlBounds, measure_process, run_sql

Ingest = Callable[..., Any]
Lines = Callable[..., bytes]

# What SQL says, and what JSON says of it.
VALUES = {
    "1": 1,
    "sum(1)": 1,
    "170141183460469231731687303715884105727": 2**127 - 1,
    "340282366920938463463374607431768211455::UHUGEINT": str(2**128 - 1),
    "1.50": 1.5,
    "'nan'::DOUBLE": None,
    "'-inf'::FLOAT": None,
    "'ab'::BLOB": "YWI=",
    "'2025-01-02 03:04:05.678+00'::TIMESTAMPTZ": "2025-01-02T03:04:05.678000Z",
    "'2025-01-02 03:04:05'::TIMESTAMP": "2025-01-02T03:04:05.000000",
    "'infinity'::TIMESTAMP": "infinity",
    "'290000-01-01'::TIMESTAMP": "290000-01-01T00:00:00.000000",
    "'2025-01-02'::DATE": "2025-01-02",
    "'infinity'::DATE": "infinity",
    "'24:00:00'::TIME": "24:00:00",
    "'12:00:00+05'::TIMETZ": "12:00:00+05",
    "INTERVAL 1 MONTH": "1 month",
    "[1, NULL]": [1, None],
    "['nan'::DOUBLE, 1]": [None, 1],
    "{'a': 1, 'b': [1.5]}": {"a": 1, "b": [1.5]},
    "[INTERVAL 1 DAY]": ["1 day"],
    "MAP {'a': 1}": {"a": 1},
    "'{\"a\": [1]}'::JSON": {"a": [1]},
    "'nan'::JSON": "nan",
    "NULL": None,
    "chr(0)": "\0",
    "true": True,
    "'6bd5f5d4-0000-4000-8000-000000000000'::UUID": "6bd5f5d4-0000-4000-8000-000000000000",
}

REFUSED = {
    "": "empty",
    "  ;; -- nothing": "0 statements",
    "SELECT '" + "x" * 2000 + "'": "a text in sql has 2000",
    "SELECT 1 -- " + "x" * 1_000_000: "characters; 16000",
    "SELECT " + "(" * 7000 + "1": "no SQL",
    "SELECT " + "upper(" * 260 + "''" + ")" * 260: "deeply",
    "SELECT 1" + "+1" * 7000: "no SQL",
    "SELECT repeat('x', 1000000000)": "'repeat' is not possible",
    "SELECT lpad('x', 1000000000, 'x')": "'lpad' is not possible",
    "SELECT range(1000000000000)": "'range' is not possible",
    "SELECT list_transform([1], x -> x)": "'list_transform' is not possible",
    "SELECT len(string_agg(input, '')) FROM spans": "only be a column of the answer",
    "SELECT list(input) OVER () FROM spans": "only be a column of the answer",
    "WITH t AS (SELECT list(input) x FROM spans) SELECT * FROM t": "only be a column of the answer",
    "SELECT string_agg(input) s, s || s FROM spans": "'s' names what was gathered",
    "SELECT " + "hex(" * 12 + "input" + ")" * 12 + " FROM spans": "more memory",
    "SELECT " + "to_json(" * 12 + "input" + ")" * 12 + " FROM spans": "more memory",
    "SELECT array_to_string([" + "input," * 200 + "input], '') FROM spans": "more memory",
    "SELECT array_to_string(max(input, 100), '') || name FROM spans GROUP BY name": "more memory",
    f"SELECT array_to_string(quantile_disc(input, [{'.5,' * 200} .5]), '') || name FROM spans": (
        "more memory"
    ),
    "SELECT upper(COLUMNS(*)), lower(COLUMNS(*)) FROM spans a, spans b, spans c": "more memory",
    "SELECT concat(*COLUMNS(*)) FROM spans": "name the columns",
    "SELECT hex(COLUMNS(*)) FROM spans": "a star cannot",
    "SELECT input->>'$..a' FROM spans": "'..'",
    "SELECT input->'$..a' FROM spans": "'..'",
    "SELECT input->>name FROM spans": "the path of '->>' must",
    "SELECT json_extract(input, ['$.a', '$.a']) FROM spans": "the path of 'json_extract' must",
    "SELECT TRY(input::INTEGER) FROM spans": "TRY is not possible",
    "SELECT * FROM spans TABLESAMPLE 10%": "a sample is of rows",
    "SELECT * FROM (SELECT 1) a, spans b USING SAMPLE 10% (system)": "a sample is of rows",
    "WITH " + ", ".join(f"a{i} AS (SELECT 1)" for i in range(5000)) + " SELECT 1": (
        "characters; 16000"
    ),
    "SELECT levenshtein(input, input) FROM spans": "'levenshtein' is not possible",
    "SELECT max(input, 1000000) FROM spans": "write a number up to 100",
    "SELECT replace(input, 'a', output) FROM spans": "at most 16 characters",
    "SELECT regexp_matches(input, '((a{99}){99}){99}') FROM spans": "takes too long",
    "SELECT input LIKE '%_%_%_%_%x' FROM spans": "takes too long",
    "SELECT input LIKE output FROM spans": "must be a text",
    "SELECT s||s||s||s||s||s||s||s||s||s FROM (SELECT input s FROM spans)": "more memory",
    "WITH RECURSIVE t AS (SELECT input s FROM spans UNION ALL SELECT s||s||s FROM t) FROM t": (
        "recursive"
    ),
    "WITH "
    + ", ".join(f"a{i} AS (SELECT * FROM a{i - 1} x, a{i - 1} y)" for i in range(1, 20)).replace(
        "a0", "spans"
    )
    + " SELECT * FROM a19": "more than 64 tables|more than 2000 columns",
    "SELECT count(*) FROM spans GROUP BY CUBE (name, kind, status, user_id, release, session_id)": (
        "CUBE"
    ),
    "SELECT 1\0": "zero byte|half a char",
    "SELECT 1 +": "no SQL",
    "SELECT nobody FROM spans": "cannot be asked",
    "SELECT sum(name) FROM spans": "cannot be asked",
    "SELECT '1e300'::DECIMAL(38, 10)": "cannot be computed",
    "SELECT 1::DECIMAL(99, 1)": "cannot be asked",
    "SELECT 9223372036854775807 + 1::BIGINT": "cannot be computed",
}

# What runs on and on, or takes more and more.
ENDLESS = (
    "SELECT count(*) FROM range(1000000000000)",
    "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "WITH RECURSIVE t AS (SELECT 'x' s UNION ALL SELECT s || s FROM t) SELECT max(s) FROM t",
    "SELECT count(DISTINCT hash(range)) FROM range(1000000000000)",
    "SELECT median(range) FROM range(1000000000000)",
    "SELECT sum(n) OVER (ORDER BY n DESC) FROM range(1000000000000) r(n)",
)


@pytest.fixture(scope="module")
def empty() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


@pytest.mark.parametrize("sql", VALUES)
def test_every_value_has_a_form_in_json_and_in_arrow(client: TestClient, sql: str) -> None:
    asked = f"SELECT {sql} AS x"
    answer = client.post("/v1/sql", json={"sql": asked})
    arrow = client.post("/v1/sql", json={"sql": asked, "format": "arrow"})

    assert answer.status_code == 200, answer.text
    assert json.loads(answer.text)["rows"] == [[VALUES[sql]]]
    assert pa.ipc.open_stream(io.BytesIO(arrow.content)).read_all().num_rows == 1


@pytest.mark.parametrize("sql", REFUSED, ids=range(len(REFUSED)))
def test_what_would_take_too_much_is_refused_before_it_runs(empty: Store, sql: str) -> None:
    with pytest.raises(InvalidRequestError, match=REFUSED[sql]):
        run_sql(empty, sql, None)


@pytest.mark.parametrize("sql", ENDLESS)
def test_what_does_not_end_is_ended(empty: Store, sql: str) -> None:
    bounds = SqlBounds(time_s=0.3, memory_bytes=64 * 2**20, growth_bytes=128 * 2**20)
    before = measure_process()

    with pytest.raises(TooBroadError, match=r"more (than 0\.3 s|memory)"):
        run_sql(empty, sql, None, bounds=bounds)

    assert measure_process() - before < 1024 * 2**20


def test_rows_end_at_the_limit_and_at_their_bytes(empty: Store) -> None:
    few = run_sql(empty, "SELECT * FROM range(10)", None, limit=10)
    more = run_sql(empty, "SELECT * FROM range(11)", None, limit=10)
    large = run_sql(
        empty, "SELECT * FROM range(10000000000)", None, bounds=SqlBounds(result_bytes=8192)
    )

    assert (few.table.num_rows, few.cut_by) == (10, None)
    assert (more.table.num_rows, more.cut_by) == (10, "limit")
    assert 0 < large.table.num_rows <= 1024
    assert large.cut_by == "bytes"


def test_order_stays_with_the_limit(empty: Store) -> None:
    answer = run_sql(empty, "SELECT range n FROM range(9999) ORDER BY n DESC; -- so", None, limit=3)

    assert answer.table.to_pydict() == {"n": [9998, 9997, 9996]}


def test_the_answer_names_its_columns_and_says_what_is_missing(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(*[span_line(name=f"n{i}") for i in range(3)])

    asked = {"sql": "SELECT name, name, duration_ms FROM spans ORDER BY name", "limit": 2}
    answer = client.post("/v1/sql", json=asked)

    assert answer.headers["Headway-Truncated-By"] == "limit"
    assert answer.json() == {
        "columns": [
            {"name": "name", "type": "VARCHAR"},
            {"name": "name", "type": "VARCHAR"},
            {"name": "duration_ms", "type": "DOUBLE"},
        ],
        "rows": [["n0", "n0", 250.0], ["n1", "n1", 250.0]],
        "row_count": 2,
        "is_truncated": True,
        "truncated_by": "limit",
    }


@pytest.mark.parametrize("gather", ["string_agg(name, ',' ORDER BY name)", "list(name)"])
def test_all_values_of_a_column_can_be_gathered(
    client: TestClient, ingest: Ingest, span_line: Lines, gather: str
) -> None:
    ingest(*[span_line(name=name) for name in "abc"])

    asked = {"sql": f"SELECT kind, {gather} AS all_names FROM spans GROUP BY kind"}
    ((kind, gathered),) = client.post("/v1/sql", json=asked).json()["rows"]

    assert kind == "llm"
    assert sorted(gathered) in (["a", "b", "c"], [",", ",", "a", "b", "c"])


def test_a_text_too_long_for_what_is_made_of_it_is_an_error_or_cut(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line(input="x" * 30_000))
    pieces = {"sql": "SELECT len(string_split(input, '')) FROM spans"}

    refused = client.post("/v1/sql", json=pieces)
    cut = client.post("/v1/sql", json=pieces | {"text_chars": 1000})
    more = client.post("/v1/sql", json=pieces | {"text_chars": 30_000})
    whole = client.post("/v1/sql", json={"sql": "SELECT length(input) FROM spans"})

    assert refused.json()["code"] == "too_broad"
    assert "more than 12500 characters" in refused.json()["message"]
    assert cut.json()["rows"] == [[1000]]
    assert "12500 are allowed" in more.json()["message"]
    assert whole.json()["rows"] == [[30_002]]


def test_a_question_may_be_narrowed_to_projects(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    for project in ("a", "b", "c"):
        ingest(span_line(), project=project)

    asked = {"sql": "SELECT project FROM spans ORDER BY 1", "project": ["a", "c"]}
    answer = client.post("/v1/sql", json=asked)

    assert answer.json()["rows"] == [["a"], ["c"]]


def test_the_command_writes_cells_that_no_spreadsheet_and_no_terminal_runs() -> None:
    answer = {"columns": [{"name": "x"}, {"name": "n"}], "rows": [["=1+1\x1b[2J", -1], [None, 2]]}
    written = {}
    for form in ("table", "csv", "json", "jsonl"):
        out = io.StringIO()
        write_answer(answer, form, out)
        written[form] = out.getvalue()

    assert "\x1b" not in written["table"]
    assert written["csv"] == "x,n\n'=1+1\x1b[2J,-1\n,2\n"
    assert json.loads(written["json"])[1] == {"x": None, "n": 2}
    assert json.loads(written["jsonl"].splitlines()[0])["n"] == -1
