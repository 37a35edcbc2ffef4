"""The results of runs, page by page; how many passed, by scorer and by tag; those that flipped.

Verdicts are not made here: counts go to ``headway_measures`` for their intervals.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from headway_collector.errors import InvalidRequestError
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.runs import shape_result

Part = Literal["all", "tag", "scorer"]

MAX_FLIPS = 1_000
"""Of two runs that differ in more cases, the first of these are listed."""

# A case that was asked five times is a, a#2, … a#5: one piece of evidence.
_GROUP = "regexp_replace(case_id, '#[0-9]+$', '')"
_NOT_MISSING = "(error IS NULL OR NOT starts_with(error, 'missing: '))"
# A JSON pointer: the only path in which any name of a scorer can stand.
_FLAG = (
    "json_extract_string(scores, '/' || replace(replace(name, '~', '~0'), '/', '~1') || '/passed')"
)
_SOURCES: Mapping[Part, str] = {
    "all": "SELECT run_id, '' AS name, {group} AS grouped, passed FROM chosen",
    "tag": "SELECT run_id, unnest(tags) AS name, {group} AS grouped, passed FROM chosen",
    "scorer": f"""
        SELECT run_id, name, grouped, {_FLAG} = 'true' AS passed FROM (
            SELECT run_id, {{group}} AS grouped, scores, unnest(json_keys(scores)) AS name
            FROM chosen
        )""",
}


@dataclass(frozen=True, slots=True)
class ResultFilters:
    """What narrows the results of a run.

    Args:
        passed: the outcome, of the scorer where one is given; None for any.
        tag: any of them.
        scorer: results that it judged.
        case_id: any of them.
        q: a text in id, input, output, expected or error, in any case.
    """

    passed: bool | None = None
    tag: tuple[str, ...] = ()
    scorer: str | None = None
    case_id: tuple[str, ...] = ()
    q: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cases of a part of a run passed.

    Args:
        run_id: of the run.
        part: all of it, a tag, or a scorer.
        name: of the tag or of the scorer.
        groups: ``(n, passed, count)``: so many cases that were asked n times and passed so often.
    """

    run_id: str
    part: Part
    name: str
    groups: tuple[tuple[int, int, int], ...]


def list_results(
    store: Store, run: Mapping[str, Any], filters: ResultFilters, page: Page
) -> dict[str, Any]:
    """Return one page of a run's results, in the order in which they were published.

    Raises:
        InvalidRequestError: the cursor is not one of this listing.
    """
    keyset = Keyset(f"results of {run['run_id']}", "position", ())
    conditions = _of_run(run).join(_narrow(filters))
    total = store.read(
        f"SELECT count(*) AS n FROM store.results {conditions.where}", conditions.values
    )
    position = keyset.find_time(page)
    if position is not None:
        conditions.add("position > ?", position)
    rows = store.read(
        f"SELECT * FROM store.results {conditions.where} {keyset.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return {
        "total": total[0]["n"],
        "results": [shape_result(row) for row in rows],
        "next_cursor": keyset.end(rows, page),
    }


def tally(store: Store, project: str, run_ids: Sequence[str], parts: Sequence[Part]) -> list[Tally]:
    """Count what passed in runs of one project; what is missing or not judged is in no count."""
    conditions = Conditions()
    conditions.add("project = ?", project)
    conditions.add(f"run_id IN ({', '.join('?' * len(run_ids))})", *run_ids)
    conditions.add(_NOT_MISSING)
    found: dict[tuple[str, Part, str], list[tuple[int, int, int]]] = {}
    for part in parts:
        rows = store.read(
            f"""
            WITH chosen AS (
                SELECT run_id, case_id, tags, passed, scores FROM store.results {conditions.where}
            ),
            judged AS ({_SOURCES[part].format(group=_GROUP)}),
            grouped AS (
                SELECT run_id, name, grouped, count(*) AS n, count(*) FILTER (passed) AS passed
                FROM judged WHERE passed IS NOT NULL GROUP BY ALL
            )
            SELECT run_id, name, n, passed, count(*) AS groups
            FROM grouped GROUP BY ALL ORDER BY ALL""",
            conditions.values,
        )
        for row in rows:
            key = (row["run_id"], part, row["name"])
            found.setdefault(key, []).append((row["n"], row["passed"], row["groups"]))
    return [Tally(*key, tuple(groups)) for key, groups in found.items()]


def count_outcomes(store: Store, run: Mapping[str, Any]) -> dict[str, int]:
    """Return how many results of a run there are, and how many were not judged, and why."""
    conditions = _of_run(run)
    (row,) = store.read(
        f"""
        SELECT count(*) AS results,
            count(*) FILTER (starts_with(error, 'missing: not asked')) AS not_asked,
            count(*) FILTER (starts_with(error, 'missing: ')) AS missing,
            count(*) FILTER (error IS NOT NULL AND {_NOT_MISSING}) AS errors
        FROM store.results {conditions.where}""",
        conditions.values,
    )
    return dict(row) | {"missing": row["missing"] - row["not_asked"]}


def list_flips(
    store: Store, baseline: Mapping[str, Any], candidate: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the cases that passed in one of two runs of a suite only, those that fail now first.

    Raises:
        InvalidRequestError: the two are runs of different suites.
    """
    if (baseline["suite"], baseline["project"]) != (candidate["suite"], candidate["project"]):
        raise InvalidRequestError(
            f"runs of one suite are compared: the baseline is of {baseline['suite'][:80]!r}, "
            f"the candidate of {candidate['suite'][:80]!r}"
        )
    paired = """
        FROM store.results AS before JOIN store.results AS after USING (project, case_id)
        WHERE project = ? AND before.run_id = ? AND after.run_id = ?
            AND before.passed IS NOT NULL AND after.passed IS NOT NULL
            AND NOT starts_with(coalesce(before.error, ''), 'missing: ')
            AND NOT starts_with(coalesce(after.error, ''), 'missing: ')"""
    values = [candidate["project"], baseline["run_id"], candidate["run_id"]]
    (counts,) = store.read(
        f"""
        SELECT count(*) AS n,
            count(*) FILTER (before.passed AND NOT after.passed) AS flips_to_fail,
            count(*) FILTER (after.passed AND NOT before.passed) AS flips_to_pass {paired}""",
        values,
    )
    rows = store.read(
        f"""
        SELECT case_id, after.tags AS tags, before.passed AS has_passed, after.input AS input,
            after.expected AS expected, before.output AS baseline_output,
            after.output AS candidate_output
        {paired} AND before.passed <> after.passed
        ORDER BY before.passed DESC, after.position LIMIT {MAX_FLIPS}""",
        values,
    )
    return {**counts, "flips": [_shape_flip(row) for row in rows]}


def _of_run(run: Mapping[str, Any]) -> Conditions:
    conditions = Conditions()
    conditions.add("project = ?", run["project"])
    conditions.add("run_id = ?", run["run_id"])
    return conditions


def _narrow(filters: ResultFilters) -> Conditions:
    conditions = Conditions()
    if filters.scorer is not None:
        pointer = "/" + filters.scorer.replace("~", "~0").replace("/", "~1")
        if filters.passed is None:
            conditions.add("json_extract(scores, ?) IS NOT NULL", pointer)
        else:
            flag = "true" if filters.passed else "false"
            conditions.add("json_extract_string(scores, ?) = ?", f"{pointer}/passed", flag)
    elif filters.passed is not None:
        conditions.add("passed = ?", filters.passed)
    if filters.tag:
        conditions.add("list_has_any(tags, ?)", list(filters.tag))
    conditions.add_any_of("case_id", filters.case_id)
    if filters.q:
        # As it stands in JSON, whose quotes and line breaks are written otherwise.
        written = json.dumps(filters.q, ensure_ascii=False)[1:-1]
        told = [f"contains(lower({name}), lower(?))" for name in ("input", "output", "expected")]
        told += [f"contains(lower({name}), lower(?))" for name in ("case_id", "error")]
        values = [written] * 3 + [filters.q] * 2
        conditions.add(f"({' OR '.join(told)})", *values)
    return conditions


def _shape_flip(row: Mapping[str, Any]) -> dict[str, Any]:
    raw = ("input", "expected", "baseline_output", "candidate_output")
    return {
        "case_id": row["case_id"],
        "direction": "to_fail" if row["has_passed"] else "to_pass",
        "tags": row["tags"],
        **{name: msgspec.Raw(row[name].encode()) for name in raw},
    }
