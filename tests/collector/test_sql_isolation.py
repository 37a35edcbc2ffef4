"""/v1/sql with a key of one project: nothing of another can be read, counted or guessed."""

from collections.abc import Iterator

import pytest

from headway_collector.errors import InvalidRequestError, RequestError
from headway_collector.store.connections import Store
from headway_collector.store.sql import SqlAnswer, run_sql
from headway_collector.store.sql_views import VIEWS

SECRET = "foreign-secret"

# What is asked, and why it is refused.
REFUSED = {
    "SELECT * FROM store.spans": "a schema",
    "SELECT * FROM store.main.spans": "a database and a schema",
    'SELECT * FROM "store"."spans"': "quoted, and a schema",
    "SELECT * FROM memory.main.spans": "the database in memory",
    "SELECT * FROM temp.spans": "where the views stand",
    "SELECT * FROM main.spans": "a schema",
    "SELECT * FROM system.main.duckdb_tables": "the catalogue by its full name",
    "SELECT * FROM information_schema.tables": "the catalogue",
    "SELECT * FROM information_schema.columns": "the catalogue",
    "SELECT * FROM pg_catalog.pg_class": "the catalogue",
    "SELECT * FROM duckdb_tables()": "the catalogue as a function",
    "SELECT * FROM duckdb_views()": "tells the literals of the views",
    "SELECT * FROM duckdb_tables": "the catalogue as a view",
    "SELECT * FROM sqlite_master": "the catalogue in SQLite's words",
    "SELECT * FROM pg_class": "the catalogue in Postgres's words",
    "SELECT * FROM duckdb_settings()": "settings",
    "SELECT * FROM duckdb_secrets()": "secrets",
    "SELECT * FROM duckdb_temporary_files()": "paths",
    "SELECT * FROM duckdb_databases()": "the path of the file",
    "SELECT * FROM duckdb_memory()": "what others do",
    "SELECT * FROM pragma_table_info('store.spans')": "a table by its name in a text",
    "SELECT * FROM pragma_storage_info('store.spans')": "smallest and largest values of a table",
    "SELECT * FROM pragma_database_size()": "how much others have",
    "SELECT * FROM query('SELECT * FROM store.spans')": "SQL in a text",
    "SELECT * FROM query_table('store.spans')": "a table by its name in a text",
    "SELECT * FROM query_table(['spans'])": "a table by its name in a list",
    "FROM seq_scan('store.spans')": "a table as a function",
    "SELECT * FROM json_execute_serialized_sql('{}')": "SQL as JSON",
    "SELECT json_serialize_sql('SELECT 1')": "the parser",
    "SELECT * FROM 'headway.duckdb'": "a file",
    "SELECT * FROM '/etc/passwd'": "a file",
    "SELECT * FROM read_csv('/etc/passwd')": "a file",
    "SELECT * FROM read_text('/etc/passwd')": "a file",
    "SELECT * FROM read_blob('headway.duckdb')": "the database as bytes",
    "SELECT * FROM read_parquet('https://example.org/x.parquet')": "a file elsewhere",
    "SELECT * FROM glob('*')": "names of files",
    "SELECT * FROM sniff_csv('/etc/passwd')": "a file",
    "SELECT * FROM parquet_metadata('x')": "a file",
    "SELECT getenv('HOME')": "the environment",
    "SELECT current_setting('temp_directory')": "a setting",
    "SELECT getvariable('x')": "a variable",
    "SELECT current_query()": "what runs",
    "SELECT current_database()": "the catalogue",
    "SELECT current_schemas(true)": "the catalogue",
    "SELECT version()": "what runs here",
    "SELECT nextval('s')": "writes a sequence",
    "SELECT setseed(0.5)": "changes what others draw",
    "SELECT pg_sleep(1)": "waits",
    "SELECT sleep_ms(1000)": "waits",
    "SELECT write_log('x')": "writes a log",
    "SELECT stats(input) FROM spans": "smallest and largest values of all projects",
    "SELECT txid_current()": "how much others write",
    "SELECT pg_catalog.pg_get_viewdef(1)": "a function with a schema",
    "SELECT error('x')": "a function that is not listed",
    "SELECT 1; SELECT 2": "two statements",
    "SELECT 1; -- and\nDROP VIEW spans": "two statements, a comment between",
    "SELECT 1 /* ; */ ; ATTACH 'x'": "two statements, a semicolon in a comment",
    "PREPARE p AS SELECT 1": "a statement for later",
    "EXECUTE p": "a statement of before",
    "SET VARIABLE x = 1": "a variable",
    "SET memory_limit = '1TB'": "a setting",
    "PRAGMA database_list": "a pragma",
    "CALL duckdb_settings()": "a call",
    "ATTACH 'other.duckdb'": "a file",
    "COPY spans TO 'x.csv'": "a file",
    "COPY (SELECT * FROM spans) TO 'x.csv'": "a file",
    "EXPORT DATABASE 'x'": "files",
    "INSTALL httpfs": "code from elsewhere",
    "LOAD httpfs": "code from elsewhere",
    "CREATE TABLE t AS SELECT 1": "writes",
    "CREATE MACRO m() AS TABLE SELECT * FROM store.spans": "a macro",
    "INSERT INTO store.spans BY NAME SELECT 'a' AS project": "writes",
    "DELETE FROM store.spans": "writes",
    "UPDATE store.spans SET input = ''": "writes",
    "DROP TABLE store.spans": "writes",
    "CHECKPOINT": "the writer's",
    "EXPLAIN SELECT * FROM spans": "a plan tells how many rows there are in all",
    "EXPLAIN ANALYZE SELECT * FROM spans": "a plan tells how many rows there are in all",
    "SHOW TABLES": "the catalogue",
    "SHOW ALL TABLES": "the catalogue",
    "DESCRIBE store.spans": "the catalogue",
    "SUMMARIZE store.spans": "smallest and largest values of all projects",
    "SELECT * FROM (SHOW ALL TABLES)": "the catalogue in a subquery",
    "SELECT * FROM (DESCRIBE spans)": "not a view",
    "PIVOT spans ON kind": "makes a type first, which is a statement",
    "PIVOT spans ON kind IN ('llm') USING count(*)": "a node that is not listed",
    "SELECT * FROM (UNPIVOT spans ON name, kind)": "a node that is not listed",
    "SELECT * FROM spans TABLESAMPLE 50%": "how many rows of others stand between",
    "SELECT TRY(hamming(input, 'mine')) FROM spans": "null where another's row fails",
    "SELECT * FROM spans AT (VERSION => 1)": "another time",
    "SELECT * FROM spans AT (TIMESTAMP => now())": "another time",
    "WITH duckdb_tables AS (SELECT 1) SELECT * FROM duckdb_tables": "a name of DuckDB's own",
    "SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x), x": "named where it is not known",
    'WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM "/etc/passwd"': "a file's name for a query",
    "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a": "named before it is there",
    "SELECT (SELECT count(*) FROM store.spans)": "in a scalar subquery",
    "SELECT * FROM spans a, LATERAL (SELECT * FROM store.spans b)": "in a lateral one",
    "SELECT 1 FROM spans WHERE EXISTS (FROM store.spans)": "in EXISTS",
    "SELECT 1 ORDER BY (SELECT count(*) FROM store.spans)": "in ORDER BY",
    "SELECT 1 LIMIT (SELECT count(*) FROM store.spans)": "in LIMIT",
    "SELECT 1 UNION ALL SELECT count(*) FROM store.spans": "in the second half",
    "SELECT count(*) FILTER ((SELECT count(*) FROM store.spans) > 1) FROM spans": "in FILTER",
    "SELECT sum(1) OVER (ORDER BY (SELECT count(*) FROM store.spans))": "in a window",
    "VALUES ((SELECT count(*) FROM store.spans))": "in VALUES",
    "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT 1 FROM store.spans) FROM t": "in a recursion",
    "FROM store.spans": "FROM first",
    "TABLE store.spans": "TABLE",
    "SELECT $1": "a parameter",
    "SELECT ?": "a parameter",
    "SELECT x::regclass FROM spans": "a type that looks into the catalogue",
}

# What runs, and gives nothing of the other project.
HARMLESS = {
    "SELECT * FROM spans": "the view has the key's projects only",
    'SELECT * FROM "SPANS"': "quoted, and in capitals",
    "FROM spans": "FROM first",
    "TABLE spans": "TABLE",
    "SELECT COLUMNS(*) FROM spans": "columns of the view",
    "SELECT spans FROM spans": "a row as a struct",
    "SELECT * FROM spans WHERE project = 'b'": "narrower than nothing",
    "SELECT * FROM spans WHERE project = 'a' OR 1 = 1": "the view's condition stands beneath",
    "SELECT * FROM spans -- ' OR project = 'b'": "a comment",
    "WITH spans AS (SELECT * FROM spans) SELECT * FROM spans": "hides the view behind itself",
    "SELECT * FROM spans a JOIN spans b USING (trace_id)": "both are the view",
    "SELECT max(input), min(input), count(*), approx_count_distinct(input) FROM spans": "sums",
    "SELECT * FROM spans TABLESAMPLE reservoir(100%)": "a sample of the view",
    "SELECT * FROM spans WHERE input LIKE '%secret%'": "looked for in the view",
    "SELECT count(*) FROM spans WHERE contains(input, 'foreign')": "counted in the view",
    "SELECT * FROM spans a POSITIONAL JOIN spans b": "both are the view",
    "SELECT unnest(a) FROM (SELECT spans AS a FROM spans)": "a struct of the view",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    """Rows of the projects a and b in every table; the larger half is b's, and secret."""
    store = Store()
    with store.transaction() as connection:
        for name in VIEWS:
            columns = connection.execute(f"DESCRIBE store.{name}").fetchall()
            texts = [c[0] for c in columns if c[1] == "VARCHAR" and c[0] != "project"]
            values = ", ".join(f"who AS {column}" for column in texts)
            connection.execute(
                f"INSERT INTO store.{name} BY NAME SELECT project, {values} FROM (VALUES "
                f"('a', 'mine'), ('b', '{SECRET}'), ('b', '{SECRET}')) rows(project, who)"
            )
    yield store
    store.close()


def ask(store: Store, sql: str) -> SqlAnswer:
    return run_sql(store, sql, ["a"])


@pytest.mark.parametrize("sql", REFUSED)
def test_what_could_lead_out_of_the_views_is_refused(shared: Store, sql: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        ask(shared, sql)

    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_runs_gives_rows_of_the_key_alone(shared: Store, sql: str) -> None:
    answer = ask(shared, sql)

    assert SECRET not in str(answer.table.to_pydict())


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_the_rows_of_the_key_alone(shared: Store, view: str) -> None:
    assert ask(shared, f"SELECT project FROM {view}").table.to_pydict() == {"project": ["a"]}
    every = run_sql(shared, f"SELECT count(*) AS n FROM {view}", None)
    assert every.table.to_pylist() == [{"n": 3}]
    none = run_sql(shared, f"SELECT count(*) AS n FROM {view}", [])
    assert none.table.to_pylist() == [{"n": 0}]


# Each fails on a row of the other project, and on none of the key's own.
ORACLES = (
    "SELECT CAST(CASE WHEN input = 'foreign-secret' THEN input ELSE '1' END AS INTEGER) FROM spans",
    "SELECT 1 FROM spans WHERE CASE WHEN input[1] = 'f' THEN input ELSE '1' END::INTEGER = 1",
    "SELECT 1 FROM spans WHERE 1 = CASE WHEN contains(input, 'f') THEN input ELSE '1' END::INT "
    "AND name <> ''",
    "SELECT count(*) FROM spans WHERE factorial(CASE WHEN input[1] = 'f' THEN 99 ELSE 1 END) = 1",
    "SELECT 1 FROM spans a JOIN spans b ON CASE WHEN a.input[1] = 'f' THEN a.input ELSE '1' END"
    "::INTEGER = CASE WHEN b.input[1] = 'f' THEN b.input ELSE '1' END::INTEGER",
    "SELECT max(9223372036854775807 + CASE WHEN input[1] = 'f' THEN 1 ELSE 0 END) FROM spans",
)


@pytest.mark.parametrize("sql", ORACLES)
@pytest.mark.parametrize("projects", [["a"], ["a", "none"], ["a", "o'hara", "c", "d"]])
def test_no_error_tells_of_a_row_of_another_project(
    shared: Store, sql: str, projects: list[str]
) -> None:
    with pytest.raises(RequestError):
        run_sql(shared, sql, None)

    run_sql(shared, sql, projects)


def test_an_error_of_a_row_says_no_value_to_a_key_of_some_projects(shared: Store) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be computed") as refusal:
        ask(shared, "SELECT input::INTEGER FROM spans")

    assert "mine" not in str(refusal.value)


def test_a_project_is_a_literal_whatever_its_name(shared: Store) -> None:
    for name in ("a' OR project = 'b", "a'--", 'a" OR 1=1', "a\\' OR 1=1 --", "b;"):
        answer = run_sql(shared, "SELECT count(*) AS n FROM spans WHERE input <> ''", [name])
        assert answer.table.to_pylist() == [{"n": 0}]
