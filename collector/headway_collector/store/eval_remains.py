"""What of evals is left when calls are erased: figures, and nothing of what was said.

The rows stay, so that a run's counts do, and the metrics made of them. A run that is published
later, or once more, loses the same texts on its way in, and so does a comparison that quotes it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

ERASED = "erased"
"""Stands for an error whose words are gone."""

_TEXTS = ("input", "output", "expected")
_KEPT_OF_FLIPS = ("case_id", "direction")

Cases = dict[str, set[str]]
"""Ids of cases, by the run whose results of them were blanked."""


def blank_results(
    connection: duckdb.DuckDBPyConnection,
    project: str,
    gone: pa.Table,
    traces: list[str],
    trace_id: str | None = None,
) -> dict[str, int]:
    """Take the texts out of results of calls, and out of the flips of their comparisons.

    Args:
        connection: the writer's.
        project: whose.
        gone: the calls, by ``trace_id`` and ``span_id``.
        traces: of which no call is left.
        trace_id: that was erased itself; its results go though their calls went long ago.

    Returns:
        how many rows were blanked, by table.
    """
    rows = _find_results(
        connection, gone, pa.table({"trace_id": pa.array(traces, pa.string())}), project, trace_id
    )
    if not rows:
        return {"results": 0, "comparisons": 0}
    blanked = pa.table(
        {
            "row": pa.array([row for row, _, _, _ in rows], pa.int64()),
            "scores": pa.array([_blank_stored(scores) for _, _, _, scores in rows], pa.string()),
        }
    )
    _write_results(connection, blanked)
    cases = _group((run_id, case_id) for _, run_id, case_id, _ in rows)
    return {"results": len(rows), "comparisons": blank_flips(connection, project, cases)}


def blank_posted(
    results: list[dict[str, Any]], is_erased: Callable[[str | None, str | None], bool]
) -> tuple[list[dict[str, Any]], set[str]]:
    """Return results in the shape of the API, those of erased calls without their texts.

    Args:
        results: as they were posted.
        is_erased: tells it of a span id and a trace id.

    Returns:
        the results, and the ids of the cases whose results were blanked.
    """
    erased = [is_erased(each["span_id"], each["trace_id"]) for each in results]
    pairs = list(zip(results, erased, strict=True))
    kept = [_blank_posted(each) if is_gone else each for each, is_gone in pairs]
    return kept, {each["case_id"] for each, is_gone in pairs if is_gone}


def blank_posted_flips(
    connection: duckdb.DuckDBPyConnection, project: str, comparison: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a comparison in the shape of the API, without the words of blanked results.

    A flip names its case and not its calls: which were erased is seen by the stored results of
    both runs. Runs that are not stored say nothing; their flips go when the run is published.
    """
    runs = [comparison["baseline_run_id"], comparison["candidate_run_id"]]
    cases = _group(
        connection.execute(
            "SELECT run_id, case_id FROM store.results WHERE project = $1 "
            "AND run_id IN (SELECT unnest($2::VARCHAR[])) AND input = 'null' AND output = 'null' "
            "AND expected = 'null' AND span_id IS NULL AND trace_id IS NULL",
            [project, runs],
        ).fetchall()
    )
    erased = set().union(*cases.values())
    return {**comparison, "flips": [_blank_flip(each, erased) for each in comparison["flips"]]}


def blank_flips(connection: duckdb.DuckDBPyConnection, project: str, cases: Cases) -> int:
    """Take the texts of these cases out of stored comparisons, and return how many changed."""
    changed = 0
    for row, baseline, candidate, text in connection.execute(
        "SELECT rowid, baseline_run_id, candidate_run_id, flips FROM store.comparisons "
        "WHERE project = $1 AND (baseline_run_id IN (SELECT unnest($2::VARCHAR[])) "
        "OR candidate_run_id IN (SELECT unnest($2::VARCHAR[])))",
        [project, list(cases)],
    ).fetchall():
        erased = cases.get(baseline, set()) | cases.get(candidate, set())
        flips = [_blank_flip(flip, erased) for flip in msgspec.json.decode(text)]
        written = msgspec.json.encode(flips).decode()
        if written != text:
            changed += 1
            connection.execute(
                "UPDATE store.comparisons SET flips = $1 WHERE rowid = $2", [written, row]
            )
    return changed


def _blank_posted(result: dict[str, Any]) -> dict[str, Any]:
    error = None if result["error"] is None else ERASED
    blank = dict.fromkeys((*_TEXTS, "span_id", "trace_id"))
    scores = _blank_details(result["scores"])
    return {**result, **blank, "error": error, "tags": [], "scores": scores}


def _find_results(
    connection: duckdb.DuckDBPyConnection,
    gone: pa.Table,
    traces: pa.Table,
    project: str,
    trace_id: str | None,
) -> list[tuple[int, str, str, str]]:
    # DuckDB finds both tables by the names of the arguments.
    return connection.execute(
        """SELECT rowid, run_id, case_id, scores FROM store.results AS results
        WHERE project = $1 AND (
            trace_id = $2
            OR (span_id IS NULL AND trace_id IN (SELECT trace_id FROM traces))
            OR (span_id IN (SELECT span_id FROM gone) AND (trace_id IS NULL
                OR EXISTS (FROM gone WHERE gone.span_id = results.span_id
                    AND gone.trace_id = results.trace_id))))""",
        [project, trace_id],
    ).fetchall()


def _blank_stored(scores: str) -> str:
    return msgspec.json.encode(_blank_details(msgspec.json.decode(scores))).decode()


def _blank_details(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {**score, "detail": None} if isinstance(score, dict) and "detail" in score else score
        for name, score in scores.items()
    }


def _write_results(connection: duckdb.DuckDBPyConnection, blanked: pa.Table) -> None:
    connection.execute(
        f"""UPDATE store.results AS results SET
            input = 'null', output = 'null', expected = 'null', scores = blanked.scores,
            error = CASE WHEN error IS NULL THEN NULL ELSE '{ERASED}' END,
            tags = [], span_id = NULL, trace_id = NULL
        FROM blanked WHERE results.rowid = blanked.row"""
    )


def _group(pairs: Iterable[tuple[str, str]]) -> Cases:
    cases: Cases = {}
    for run_id, case_id in pairs:
        cases.setdefault(run_id, set()).add(case_id)
    return cases


def _blank_flip(flip: dict[str, Any], erased: set[str]) -> dict[str, Any]:
    if flip.get("case_id") not in erased:
        return flip
    blank = {name: value if name in _KEPT_OF_FLIPS else None for name, value in flip.items()}
    return {**blank, "tags": []} if "tags" in flip else blank
