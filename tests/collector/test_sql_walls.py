"""/v1/sql over rows of two projects in one file: what fails on a foreign row is seen by nobody.

DuckDB computes some of what a caller asks on rows of others: conditions that it thinks cannot fail
are tried beside that of the project, and a function of one column on all its different texts. Each
question here is asked of two files that differ in the rows of the other project alone, which in one
make it fail; both must answer the same.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headway_collector.errors import InvalidRequestError
from headway_collector.store.connections import Store
from headway_collector.store.openings import ROW_GROUP_ROWS
from headway_collector.store.sql import run_sql

ROWS = 50_000
OWN = "i % 7 = 3"
# Of the column name, whose texts DuckDB stores as a list of different ones, and of times and tags.
ORACLES = (
    "SELECT count(*) FROM spans WHERE hamming(name, 'n') = 0",
    "SELECT count(*) FROM spans WHERE mismatches(name, 'n') = 0 AND project = 'a'",
    "SELECT max(hamming(name, 'n')) FROM spans",
    "SELECT count(*) FROM spans WHERE list_filter([name], lambda t: hamming(t, 'n') = 0) = ['n']",
    "SELECT sum(len(list_filter(tags, lambda t: hamming(t, 'n') = 0))) FROM spans",
    "SELECT count(*) FROM spans a JOIN spans b USING (span_id) WHERE hamming(a.name, 'n') = 0",
    "SELECT name FROM spans WHERE hamming(name, 'n') = 0 ORDER BY start_time DESC LIMIT 3",
    "SELECT count(*) FROM spans WHERE 'n' LIKE name ESCAPE 'n' OR true",
    "SELECT count(*) FROM spans WHERE like_escape(name, 'x$', '$') OR true",
    "SELECT count(*) FROM spans WHERE start_time + INTERVAL 291000 YEARS > start_time",
    "SELECT count(*) FROM spans WHERE epoch_ns(start_time) > 0",
    "SELECT count(*) FROM spans WHERE to_timestamp(ttft_ms) IS NOT NULL",
    "SELECT count(*) FROM spans WHERE make_timestamp_ms(input_tokens) IS NOT NULL",
    "SELECT count(*) FROM spans WHERE epoch_ms(input_tokens) IS NOT NULL",
    "SELECT count(*) FROM spans WHERE input::INTEGER >= 0 AND length(name) = 1",
    "SELECT count(*) FROM spans WHERE 100 // input_tokens > 0 AND name = 'n'",
    "SELECT sum(9223372036854775807 - input_tokens) FROM spans",
    "SELECT sum(CASE WHEN name <> 'n' THEN input::INTEGER ELSE 1 END) FROM spans",
    "SELECT max(strptime(input, '%d')) FROM spans WHERE input_tokens = 1",
    "SELECT count(*) FROM spans WHERE regexp_extract(name, '.', input_tokens::INTEGER - 1) = 'n'",
    "SELECT max(json_extract(input, '$.a')) FROM spans WHERE name = 'n'",
    "SELECT TRY_CAST(name AS INTEGER) IS NULL, count(*) FROM spans GROUP BY ALL",
    "SELECT count(*) FROM spans TABLESAMPLE reservoir(100 ROWS)",
    "SELECT len(string_split(input, '')) FROM spans GROUP BY ALL",
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """One file where the other project's rows are as the own ones are, and one where not."""
    folder: Path = tmp_path_factory.mktemp("worlds")
    stores = []
    for kind in ("alike", "unlike"):
        alike = "true" if kind == "alike" else OWN
        store = Store(folder / f"{kind}.duckdb")
        with store.transaction() as connection:
            connection.execute(
                f"INSERT INTO store.spans BY NAME SELECT if({OWN}, 'a', 'b') AS project, "
                "printf('%032x', i) AS trace_id, printf('%016x', i) AS span_id, "
                f"if({alike}, i, 9223372036854775000) AS start_ns, "
                f"if({alike}, i + 1000, 9223372036854775000) AS end_ns, "
                f"if({alike}, (i % 28)::VARCHAR, "
                "repeat('no number', if(i % 100 = 0, 3000, 1))) AS input, "
                f"if({alike}, 'n', 'foreign') AS name, if({alike}, ['n'], ['foreign']) AS tags, "
                f"if({alike}, 1, if(i % 2 = 0, 0, 9e18))::BIGINT AS input_tokens, "
                f"if({alike}, 1, 1e300) AS ttft_ms FROM range({ROWS}) t(i)"
            )
        store.checkpoint()
        stores.append(store)
    yield stores[0], stores[1]
    for store in stores:
        store.close()


def answer(store: Store, sql: str, projects: list[str]) -> object:
    try:
        found = run_sql(store, sql, projects)
    except InvalidRequestError as error:
        return str(error)
    return sorted(map(str, found.table.to_pylist())), found.cut_by


@pytest.mark.parametrize("projects", [["a"], ["a", "c"]])
@pytest.mark.parametrize("sql", ORACLES)
def test_rows_of_others_change_nothing_that_is_answered(
    worlds: tuple[Store, Store], sql: str, projects: list[str]
) -> None:
    alike, unlike = worlds

    assert answer(unlike, sql, projects) == answer(alike, sql, projects)


def test_the_wall_is_needed_and_stands_between_row_groups(worlds: tuple[Store, Store]) -> None:
    _, unlike = worlds
    (row,) = unlike.read("SELECT count(*) AS n FROM store.spans WHERE project = 'a'")
    with (
        unlike.lend_cursor() as cursor,
        pytest.raises(Exception, match="must be of equal length"),
    ):
        cursor.execute(
            "SELECT max(hamming(name, 'n')) FROM store.spans WHERE project = 'a'"
        ).fetchall()

    asked = run_sql(unlike, "SELECT count(*) AS n FROM spans WHERE hamming(name, 'n') = 0", ["a"])
    assert asked.table.to_pylist() == [row]
    assert ROWS > 4 * ROW_GROUP_ROWS


def test_ones_own_row_that_fails_is_told_without_its_value(worlds: tuple[Store, Store]) -> None:
    told = [answer(store, "SELECT max(hamming(input, '1')) FROM spans", ["a"]) for store in worlds]

    assert told[0] == told[1]
    assert "a value of a row cannot be computed" in str(told[0])


def test_batches_of_the_answer_tell_nothing_of_how_rows_lie(worlds: tuple[Store, Store]) -> None:
    _, unlike = worlds
    found = run_sql(unlike, "SELECT span_id FROM spans", ["a"], limit=5000, form="arrow")

    assert [len(batch) for batch in found.table.to_batches()] == [5000]
