"""How long what is kept: rules by project and kind, and what is past them, chunk by chunk.

The most exact rule holds: of a project and a kind before of a project, of a kind, of everything.
``days`` deletes spans whole, ``content_days`` takes out what was said and leaves figures,
descriptors and ids. What is past a rule is looked for beside the writer, a chunk at a time, and
taken by key in a transaction of its own; a run that is cut off goes on where it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import pyarrow as pa

from headway.records import KINDS
from headway_collector.store.changes import note_keys, note_table
from headway_collector.store.connections import Store
from headway_collector.store.descriptor_rows import blank_words
from headway_collector.store.descriptors import TRACE_KEY
from headway_collector.store.jobs import KEPT_NS as JOBS_KEPT_NS
from headway_collector.store.scores import BLANK_WORDS, HAS_WORDS

DAY_NS = 86_400 * 10**9
CHUNK_ROWS = 2_000
"""Spans in one transaction; contents are long."""

TABLES: dict[str, tuple[str, float]] = {
    "rejects": ("received_ns", 30.0),
    "batches": ("received_ns", 30.0),
    "jobs": ("coalesce(ended_ns, created_ns)", JOBS_KEPT_NS / DAY_NS),
    "drift_cards": ("created_ns", 365.0),
    "audit": ("time_ns", 365.0),
}
"""Other tables: what their age is counted from, and how many days they are kept without a rule."""

RULE_KINDS: tuple[str, ...] = (*KINDS, *TABLES)
"""What a rule may be of: a kind of span, or another table."""

Work = Literal["days", "content_days"]

_CONTENT = (
    "input",
    "output",
    "attributes",
    "params",
    "prompt_variables",
    "otel",
    "status_message",
    "error_stack",
)
_HAS_CONTENT = " OR ".join(f"{name} IS NOT NULL" for name in _CONTENT)
_KEYS = (
    f"spans.project, spans.trace_id, spans.span_id, spans.span_key, {TRACE_KEY} AS trace_key, "
    "spans.start_ns, spans.session_id"
)
_IS_GONE = (
    "spans.span_key = gone.span_key AND spans.span_id = gone.span_id "
    "AND spans.trace_id = gone.trace_id AND spans.project = gone.project "
    "AND spans.start_ns BETWEEN $1 AND $2"
)
# An unfinished job is not of any age.
_IS_OVER = "state NOT IN ('queued', 'running')"
_ORPHANS = """time_ns < $2 AND project = $1 AND span_id IS NULL AND (
    (trace_id IS NOT NULL AND trace_id NOT IN (
        SELECT trace_id FROM store.spans WHERE project = $1))
    OR (trace_id IS NULL AND session_id IS NOT NULL AND session_id NOT IN (
        SELECT session_id FROM store.spans WHERE project = $1 AND session_id IS NOT NULL)))"""


# A score is of the kind of the calls that it is on; one whose calls are not there is of none, so
# that the rule for all kinds holds.
_ON_KIND = """(span_id IN (SELECT span_id FROM aged)
    OR (span_id IS NULL AND trace_id IN (SELECT trace_id FROM aged))
    OR (span_id IS NULL AND trace_id IS NULL AND session_id IN (
        SELECT session_id FROM aged WHERE session_id IS NOT NULL)))"""
_ON_NOTHING = """(CASE WHEN span_id IS NOT NULL THEN span_id NOT IN (SELECT span_id FROM aged)
    WHEN trace_id IS NOT NULL THEN trace_id NOT IN (SELECT trace_id FROM aged)
    ELSE session_id IS NULL OR session_id NOT IN (
        SELECT session_id FROM aged WHERE session_id IS NOT NULL) END)"""


@dataclass(frozen=True, slots=True)
class Rule:
    """How long something is kept; None where no rule is said.

    Args:
        project: None for all.
        kind: of spans, or the name of another table; None for all spans.
        days: until it is deleted.
        content_days: until what was said is taken out.
    """

    project: str | None
    kind: str | None
    days: float | None
    content_days: float | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """Rows that a rule is past, without an end: those that began before a moment.

    Args:
        table: ``spans``, or another one of `TABLES`; ``scores`` where words are to be taken out.
        kind: of the spans; None of scores whose calls are not there.
        work: which of a rule's two terms is over.
    """

    project: str
    table: str
    kind: str | None
    work: Work
    before_ns: int


def save_rule(connection: duckdb.DuckDBPyConnection, rule: Rule, now_ns: int) -> None:
    """Keep a rule, in place of any of the same project and kind."""
    remove_rule(connection, rule.project, rule.kind)
    connection.execute(
        "INSERT INTO store.retention (project, kind, days, content_days, changed_ns) "
        "VALUES ($1, $2, $3, $4, $5)",
        [rule.project, rule.kind, rule.days, rule.content_days, now_ns],
    )


def remove_rule(
    connection: duckdb.DuckDBPyConnection, project: str | None, kind: str | None
) -> bool:
    """Remove a rule, and return whether there was one."""
    row = connection.execute(
        "DELETE FROM store.retention "
        "WHERE project IS NOT DISTINCT FROM $1 AND kind IS NOT DISTINCT FROM $2",
        [project, kind],
    ).fetchone()
    return bool(row and row[0])


def read_rules(store: Store) -> list[Rule]:
    """Return the rules, those for everything first."""
    rows = store.read(
        "SELECT project, kind, days, content_days FROM store.retention "
        "ORDER BY project NULLS FIRST, kind NULLS FIRST"
    )
    return [Rule(**row) for row in rows]


def find_rule(rules: Iterable[Rule], project: str, kind: str) -> Rule | None:
    """Return the rule that holds for spans of a kind, or for another table."""
    known = {(rule.project, rule.kind): rule for rule in rules}
    wider = [] if kind in TABLES else [(project, None)]
    widest = [] if kind in TABLES else [(None, None)]
    for key in [(project, kind), *wider, (None, kind), *widest]:
        if key in known:
            return known[key]
    return None


def find_due(
    store: Store, rules: Sequence[Rule], now_ns: int, projects: Sequence[str] = ()
) -> list[Due]:
    """Return what the rules may be past now; of these projects, or of all."""
    due = []
    if rules:
        for row in store.read("SELECT DISTINCT project, kind FROM store.spans ORDER BY ALL"):
            rule = find_rule(rules, row["project"], row["kind"])
            if rule is not None and (not projects or row["project"] in projects):
                due += _list_terms(rule, row["project"], row["kind"], now_ns)
        for row in store.read(
            f"SELECT DISTINCT project FROM store.scores WHERE {HAS_WORDS} ORDER BY ALL"
        ):
            # No span is of this kind, so that the rule is one for all kinds.
            rule = find_rule(rules, row["project"], "")
            if rule is not None and (not projects or row["project"] in projects):
                due += _list_words(rule, row["project"], None, now_ns)
    for table, (_, days) in TABLES.items():
        for row in store.read(f"SELECT DISTINCT project FROM store.{table} ORDER BY ALL"):
            project = row["project"] or ""
            rule = find_rule(rules, project, table)
            kept = days if rule is None or rule.days is None else rule.days
            if not projects or project in projects:
                due.append(Due(project, table, None, "days", now_ns - int(kept * DAY_NS)))
    return due


def count_due(store: Store, due: Due) -> int:
    """Return how many rows that is."""
    (row,) = store.read(f"SELECT count(*) AS count FROM {_find(due)}", _values(due))
    return int(row["count"])


def read_due(store: Store, due: Due) -> pa.Table:
    """Return the keys of the next spans of it, as erasing takes them, or of the next scores."""
    if due.table == "scores":
        sql = f"SELECT project, score_key FROM {_find(due)} LIMIT {CHUNK_ROWS}"
    else:
        sql = f"SELECT {_KEYS} FROM {_find(due)} ORDER BY start_ns LIMIT {CHUNK_ROWS}"
    with store.stream(sql, _values(due)) as reader:
        return reader.read_all()


def clear_table(connection: duckdb.DuckDBPyConnection, due: Due) -> int:
    """Delete the rows of another table, and return how many those were."""
    if due.table == "batches":
        note_table(connection, "batches")
    row = connection.execute(f"DELETE FROM {_find(due)}", _values(due)).fetchone()
    return int(row[0]) if row else 0


def blank_spans(connection: duckdb.DuckDBPyConnection, gone: pa.Table) -> int:
    """Take what was said out of spans.

    A span that came by OTLP is from then on as one in our own words: there is nothing left to map
    again, and no log event brings its content back.
    """
    note_keys(connection, "spans", gone["span_key"].combine_chunks())
    starts = gone["start_ns"].to_pylist()
    blanks = ", ".join(f"{name} = NULL" for name in (*_CONTENT, "mapper_version"))
    row = connection.execute(
        f"UPDATE store.spans AS spans SET {blanks} FROM gone WHERE {_IS_GONE}",
        [min(starts), max(starts)],
    ).fetchone()
    blank_words(connection, gone)
    return int(row[0]) if row else 0


def blank_scores(connection: duckdb.DuckDBPyConnection, gone: pa.Table) -> int:
    """Take comments and free texts out of scores; figures and categories stay."""
    note_keys(connection, "scores", gone["score_key"].combine_chunks())
    # DuckDB finds the table by the name of the argument.
    row = connection.execute(
        f"UPDATE store.scores AS scores SET {BLANK_WORDS} FROM gone "
        "WHERE scores.score_key = gone.score_key AND scores.project = gone.project"
    ).fetchone()
    return int(row[0]) if row else 0


def delete_orphans(connection: duckdb.DuckDBPyConnection, project: str, before_ns: int) -> int:
    """Delete the scores of whole traces and sessions of which no span is left."""
    found = connection.execute(
        f"SELECT score_key FROM store.scores WHERE {_ORPHANS}", [project, before_ns]
    ).fetchall()
    keys = [key for (key,) in found]
    if keys:
        note_keys(connection, "scores", keys)
        connection.execute(
            "DELETE FROM store.scores WHERE project = $1 "
            "AND score_key IN (SELECT unnest($2::BIGINT[]))",
            [project, keys],
        )
    return len(keys)


def _list_terms(rule: Rule, project: str, kind: str, now_ns: int) -> list[Due]:
    terms: list[tuple[Work, float | None]] = [
        ("days", rule.days),
        ("content_days", rule.content_days),
    ]
    return [
        Due(project, "spans", kind, work, now_ns - int(days * DAY_NS))
        for work, days in terms
        if days is not None
    ] + _list_words(rule, project, kind, now_ns)


def _list_words(rule: Rule, project: str, kind: str | None, now_ns: int) -> list[Due]:
    if rule.content_days is None:
        return []
    before_ns = now_ns - int(rule.content_days * DAY_NS)
    return [Due(project, "scores", kind, "content_days", before_ns)]


def _find(due: Due) -> str:
    if due.table == "scores":
        is_aged, place = ("", _ON_NOTHING)
        if due.kind is not None:
            is_aged, place = " AND start_ns < $2 AND kind = $3", _ON_KIND
        aged = f"SELECT span_id, trace_id, session_id FROM store.spans WHERE project = $1{is_aged}"
        return (
            f"(WITH aged AS ({aged}) SELECT project, score_key FROM store.scores "
            f"WHERE project = $1 AND time_ns < $2 AND {HAS_WORDS} AND {place})"
        )
    if due.table != "spans":
        age, _ = TABLES[due.table]
        over = f" AND {_IS_OVER}" if due.table == "jobs" else ""
        return f"store.{due.table} WHERE coalesce(project, '') = $1 AND {age} < $2{over}"
    said = f" AND ({_HAS_CONTENT})" if due.work == "content_days" else ""
    return f"store.spans AS spans WHERE project = $1 AND start_ns < $2 AND kind = $3{said}"


def _values(due: Due) -> list[Any]:
    return [due.project, due.before_ns, *([] if due.kind is None else [due.kind])]
