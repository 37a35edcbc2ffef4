"""Runs of suites and their results. A run that is published again replaces itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from headway_collector.store.columns import encode_json
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.shared_ids import read_only_one
from headway_collector.times import format_time, parse_absolute

_KEYSET = Keyset("runs", "started_ns", ("run_id", "project"))
_RUN_JSON = ("scores", "settings", "environment")
_RESULT_JSON = ("scores", "input", "output", "expected")

_RUN_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("project", "run_id", "suite", "suite_version"), pa.string()),
        **dict.fromkeys(("model", "model_digest"), pa.string()),
        **dict.fromkeys(("started_ns", "ended_ns", "case_count", "passed_count"), pa.int64()),
        "pass_rate": pa.float64(),
        **dict.fromkeys(_RUN_JSON, pa.string()),
    }
)
_RESULT_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("project", "run_id"), pa.string()),
        "position": pa.int64(),
        "case_id": pa.string(),
        "tags": pa.list_(pa.string()),
        "passed": pa.bool_(),
        "error": pa.string(),
        "latency_ms": pa.float64(),
        **dict.fromkeys(("input_tokens", "output_tokens"), pa.int64()),
        **dict.fromkeys(("span_id", "trace_id"), pa.string()),
        **dict.fromkeys(_RESULT_JSON, pa.string()),
    }
)


def save_run(
    connection: duckdb.DuckDBPyConnection,
    project: str,
    run: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
) -> None:
    """Write a run and its results, in the shapes of the API, in place of any of the same id."""
    run_id = run["run_id"]
    for table in ("runs", "results"):
        connection.execute(
            f"DELETE FROM store.{table} WHERE project = $1 AND run_id = $2", [project, run_id]
        )
    row = {**run, **{name: encode_json(run[name]) for name in _RUN_JSON}, "project": project}
    row["started_ns"] = parse_absolute(run["started_at"])
    row["ended_ns"] = None if run["ended_at"] is None else parse_absolute(run["ended_at"])
    _insert(connection, "runs", [row], _RUN_SCHEMA)
    rows = [
        {
            **result,
            **{name: encode_json(result[name]) for name in _RESULT_JSON},
            "project": project,
            "run_id": run_id,
            "position": position,
        }
        for position, result in enumerate(results)
    ]
    _insert(connection, "results", rows, _RESULT_SCHEMA)


def list_runs(
    store: Store, conditions: Conditions, page: Page, sweep_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """Return one page of runs without their results, by start, of any of the sweeps if given."""
    conditions.add_any_of("json_extract_string(settings, '$.sweep_id')", sweep_ids)
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT * FROM store.runs {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return {"runs": [shape_run(row) for row in rows], "next_cursor": _KEYSET.end(rows, page)}


def read_run(store: Store, run_id: str, projects: Sequence[str] = ()) -> dict[str, Any]:
    """Return a run with its results, in the order in which they were published.

    Raises:
        NotFoundError: there is no such run.
        AmbiguousError: several of the projects have one.
    """
    run = find_run(store, run_id, projects)
    results = store.read(
        "SELECT * FROM store.results WHERE project = ? AND run_id = ? ORDER BY position",
        [run["project"], run_id],
    )
    return {"run": run, "results": [shape_result(row) for row in results]}


def find_run(store: Store, run_id: str, projects: Sequence[str] = ()) -> dict[str, Any]:
    """Return a run without its results.

    Raises:
        NotFoundError: there is no such run.
        AmbiguousError: several of the projects have one.
    """
    return shape_run(read_only_one(store, "run", run_id, projects))


def shape_run(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of ``runs`` in the shape of the API."""
    shaped = {name: value for name, value in row.items() if not name.endswith("_ns")}
    shaped["started_at"] = format_time(row["started_ns"])
    shaped["ended_at"] = None if row["ended_ns"] is None else format_time(row["ended_ns"])
    for name in _RUN_JSON:
        shaped[name] = msgspec.Raw(row[name].encode())
    return shaped


def shape_result(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of ``results`` in the shape of the API."""
    hidden = ("project", "run_id", "position")
    shaped = {name: value for name, value in row.items() if name not in hidden}
    for name in _RESULT_JSON:
        shaped[name] = msgspec.Raw(row[name].encode())
    return shaped


def _insert(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    schema: pa.Schema,
) -> None:
    connection.register("incoming", pa.Table.from_pylist(list(rows), schema=schema))
    connection.execute(f"INSERT INTO store.{name} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")
