"""When what retention took is worth writing the file anew.

Each chunk is noted in its own transaction, so that a night that was cut off counts too. What was
noted before a rewrite that succeeded is no longer in the file.
"""

import duckdb

from headway_collector.store.connections import Store
from headway_collector.store.retention import DAY_NS

WORTH = 0.1
"""The share of all spans that was taken, from which on the room is wanted back."""

LATEST_NS = 7 * DAY_NS
"""How long bytes past their term may stay in the file at most, until the next night."""

_REWRITTEN = """coalesce((SELECT max(started_ns) FROM store.rewrites
    WHERE ended_ns IS NOT NULL AND fault IS NULL), -1)"""


def note_clearing(
    connection: duckdb.DuckDBPyConnection, time_ns: int, spans: int, others: int
) -> None:
    """Note how many spans, and rows of other tables, this transaction deletes or blanks."""
    connection.execute(f"DELETE FROM store.clearings WHERE time_ns < {_REWRITTEN}")
    if spans or others:
        connection.execute(
            "INSERT INTO store.clearings (time_ns, spans, others) VALUES ($1, $2, $3)",
            [time_ns, spans, others],
        )


def is_worth_rewriting(store: Store, now_ns: int) -> bool:
    """Return whether retention took a good part of the file, or something a while ago."""
    (row,) = store.read(
        "SELECT min(time_ns) AS first_ns, coalesce(sum(spans), 0)::BIGINT AS taken, "
        "(SELECT count(*) FROM store.spans) AS kept "
        f"FROM store.clearings WHERE time_ns >= {_REWRITTEN}"
    )
    if row["first_ns"] is None:
        return False
    taken, kept = int(row["taken"]), int(row["kept"])
    is_much = taken > 0 and taken >= WORTH * (taken + kept)
    return is_much or now_ns - int(row["first_ns"]) >= LATEST_NS
