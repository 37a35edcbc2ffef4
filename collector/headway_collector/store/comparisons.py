"""Published verdicts. A comparison that is published again replaces itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import msgspec

from headway_collector.store.columns import encode_json
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.shared_ids import read_only_one
from headway_collector.times import format_time, parse_absolute

_KEYSET = Keyset("comparisons", "created_ns", ("comparison_id", "project"))
_JSON = ("overall", "slices", "flips")
_PLAIN = (
    "comparison_id",
    "suite",
    "suite_version",
    "baseline_run_id",
    "candidate_run_id",
    "baseline_model",
    "candidate_model",
    "verdict",
    "exit_code",
    "margin",
    "alpha",
)


def save_comparison(
    connection: duckdb.DuckDBPyConnection, project: str, comparison: Mapping[str, Any]
) -> None:
    """Write a comparison, in the shape of the API, in place of any of the same id."""
    connection.execute(
        "DELETE FROM store.comparisons WHERE project = $1 AND comparison_id = $2",
        [project, comparison["comparison_id"]],
    )
    row = {
        "project": project,
        "created_ns": parse_absolute(comparison["created_at"]),
        **{name: comparison[name] for name in _PLAIN},
        **{name: encode_json(comparison[name]) for name in _JSON},
    }
    marks = ", ".join("?" * len(row))
    connection.execute(
        f"INSERT INTO store.comparisons ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )


def list_comparisons(store: Store, conditions: Conditions, page: Page) -> dict[str, Any]:
    """Return one page of comparisons, by time."""
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT * FROM store.comparisons {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    cursor = _KEYSET.end(rows, page)
    return {"comparisons": [_shape(row) for row in rows], "next_cursor": cursor}


def read_comparison(
    store: Store, comparison_id: str, projects: Sequence[str] = ()
) -> dict[str, Any]:
    """Return one comparison.

    Raises:
        NotFoundError: there is none of that id.
        AmbiguousError: several of the projects have one.
    """
    return _shape(read_only_one(store, "comparison", comparison_id, projects))


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    shaped = {name: value for name, value in row.items() if name != "created_ns"}
    shaped["created_at"] = format_time(row["created_ns"])
    for name in _JSON:
        shaped[name] = msgspec.Raw(row[name].encode())
    return shaped
