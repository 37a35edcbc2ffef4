"""Suites as their published runs tell of them: which there are, and what flips from run to run."""

from collections.abc import Sequence
from typing import Any

from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.runs import shape_run
from headway_collector.times import format_time

MAX_SUITES = 500
MAX_FLIPPING = 50
"""How many of the cases that flip most are listed."""


def list_suites(store: Store, projects: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the suites that have runs, the latest run first, at most ``MAX_SUITES``."""
    conditions = Conditions()
    conditions.add_any_of("project", projects)
    rows = store.read(
        f"""
        SELECT project, suite, count(*) AS run_count,
            count(DISTINCT suite_version) AS version_count, count(DISTINCT model) AS model_count,
            max(started_ns) AS last_ns, arg_max(run_id, started_ns) AS last_run_id,
            arg_max(model, started_ns) AS last_model,
            arg_max(case_count, started_ns) AS case_count,
            arg_max(pass_rate, started_ns) AS pass_rate
        FROM store.runs {conditions.where} GROUP BY project, suite
        ORDER BY last_ns DESC, suite, project LIMIT {MAX_SUITES}""",
        conditions.values,
    )
    return [
        {name: value for name, value in row.items() if name != "last_ns"}
        | {"last_started_at": format_time(row["last_ns"])}
        for row in rows
    ]


def latest_runs(
    store: Store, suite: str, projects: Sequence[str], models: Sequence[str], most: int
) -> list[dict[str, Any]]:
    """Return the latest runs of a suite in one project, the oldest of them first.

    Where projects have suites of one name, it is the project with the latest run.
    """
    conditions = Conditions()
    conditions.add("suite = ?", suite)
    conditions.add_any_of("project", projects)
    newest = f"SELECT arg_max(project, started_ns) FROM store.runs {conditions.where}"
    chosen = Conditions()
    chosen.add("suite = ?", suite)
    chosen.add_any_of("model", models)
    chosen.add(f"project = ({newest})", *conditions.values)
    rows = store.read(
        f"SELECT * FROM store.runs {chosen.where} ORDER BY started_ns DESC, run_id LIMIT ?",
        [*chosen.values, most],
    )
    return [shape_run(row) for row in reversed(rows)]


def list_flipping(
    store: Store, project: str, run_ids: Sequence[str], suite: str
) -> list[dict[str, Any]]:
    """Return the cases whose outcome changed most often from one of the runs to the next.

    Args:
        store: of the runs.
        project: of the runs.
        run_ids: which runs; only runs that have the case count, in order of time.
        suite: theirs.
    """
    marks = ", ".join("?" * len(run_ids))
    return store.read(
        f"""
        WITH judged AS (
            SELECT case_id, passed, tags, run_id, started_ns,
                lag(passed) OVER (PARTITION BY case_id ORDER BY started_ns, run_id) AS before
            FROM store.results JOIN store.runs USING (project, run_id)
            WHERE project = ? AND suite = ? AND run_id IN ({marks}) AND passed IS NOT NULL
                AND NOT starts_with(coalesce(error, ''), 'missing: ')
        )
        SELECT case_id, count(*) FILTER (passed <> before) AS flip_count, count(*) AS run_count,
            count(*) FILTER (passed) AS passed_count, arg_max(tags, (started_ns, run_id)) AS tags,
            arg_max(run_id, (started_ns, run_id)) AS last_run_id,
            arg_max(passed, (started_ns, run_id)) AS has_passed
        FROM judged GROUP BY case_id HAVING flip_count > 0
        ORDER BY flip_count DESC, case_id LIMIT {MAX_FLIPPING}""",
        [project, suite, *run_ids],
    )
