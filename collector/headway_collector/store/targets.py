"""Whose spans are erased: a user's, a session's or a trace's, and the tombstones of them.

Of a user that is each span with the user's id, and each without any in a trace that has one of the
user's; spans of others stay, in the same trace too. A session likewise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import duckdb
import pyarrow as pa

from headway_collector.store.descriptors import TRACE_KEY
from headway_collector.store.sieves import Grave
from headway_collector.store.tombstones import Tombstones

Kind = Literal["user", "session", "trace"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_OWNER: dict[Kind, str] = {"user": "user_id", "session": "session_id"}
_KEYS = (
    f"spans.project, spans.trace_id, spans.span_id, spans.span_key, {TRACE_KEY} AS trace_key, "
    "spans.start_ns, spans.session_id"
)


@dataclass(frozen=True, slots=True)
class Target:
    """Whose spans are erased.

    Args:
        kind: what the identity is the id of.
    """

    project: str
    kind: Kind
    identity: str


def find_spans(connection: duckdb.DuckDBPyConnection, target: Target) -> pa.Table:
    """Return the keys of the spans that are the target's.

    Those without an owner come first: should an erasure be cut off, the owner's own are still there
    to say which traces they were in.
    """
    if target.kind == "trace":
        sql = "project = $1 AND trace_id = $2 ORDER BY start_ns"
    else:
        owner = _OWNER[target.kind]
        sql = (
            f"project = $1 AND ({owner} = $2 OR (coalesce({owner}, '') = '' AND trace_id IN ("
            f"SELECT trace_id FROM store.spans WHERE project = $1 AND {owner} = $2))) "
            f"ORDER BY coalesce({owner}, '') <> '', start_ns"
        )
    found = connection.execute(
        f"SELECT {_KEYS} FROM store.spans AS spans WHERE {sql}", [target.project, target.identity]
    )
    return found.to_arrow_table()


def find_shared(connection: duckdb.DuckDBPyConnection, project: str, gone: pa.Table) -> list[str]:
    """Return the traces of the spans that others are in, too."""
    # DuckDB finds the keys by the name of the argument.
    rows = connection.execute(
        "SELECT trace_id FROM (SELECT trace_id, count(*) AS stored FROM store.spans "
        "WHERE project = $1 AND trace_id IN (SELECT trace_id FROM gone) GROUP BY trace_id) "
        "JOIN (SELECT trace_id, count(*) AS going FROM gone GROUP BY trace_id) USING (trace_id) "
        "WHERE stored > going",
        [project],
    ).fetchall()
    return [trace_id for (trace_id,) in rows]


def bury(
    connection: duckdb.DuckDBPyConnection,
    tombstones: Tombstones,
    target: Target,
    gone: pa.Table,
    erased_ns: int,
) -> None:
    """Keep tombstones of the target, its spans, and the traces that they were in."""
    names: dict[Grave, Iterable[str]] = {
        target.kind: [target.identity],
        "span": gone["span_id"].to_pylist(),
    }
    traces = gone["trace_id"].unique().to_pylist()
    if target.kind == "user":
        names["user_trace"] = traces
    if target.kind == "session":
        names["session_trace"] = traces
    tombstones.bury(connection, target.project, names, erased_ns)
