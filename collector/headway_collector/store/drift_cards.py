"""Drift cards as they are kept: the very bytes that were computed, and what a listing shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import msgspec

from headway_collector.errors import NotFoundError
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.times import format_time

SEVERAL = ""
"""Stands for the project of a card that is of more than one: no project is called so."""

_KEYSET = Keyset("drift_cards", "created_ns", ("card_id", "project"))
_PLAIN = ("card_id", "project", "verdict", "headline", "finding_count")


class StoredQuery(msgspec.Struct, frozen=True):
    """Which calls a window of a card holds, as the card says it."""

    filters: list[tuple[str, list[str]]]
    start_ns: int | None
    end_ns: int | None

    def to_filters(self) -> dict[str, list[str]]:
        """Return it as it can be asked for again: by name, with absolute times."""
        times = {"start": self.start_ns, "end": self.end_ns}
        return dict(self.filters) | {
            name: [format_time(time_ns)] for name, time_ns in times.items() if time_ns is not None
        }


class CardSummary(msgspec.Struct, frozen=True):
    """What is read of a card here; all else in it is passed on as it is."""

    card_id: str
    verdict: str
    headline: str
    reference: StoredQuery
    current: StoredQuery
    options: dict[str, Any]
    fingerprint: str
    versions: list[tuple[str, str]]
    n_ref: int
    n_cur: int
    findings: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class StoredCard:
    """A kept card: whose it is, and its bytes."""

    project: str
    card: bytes


def save_card(
    connection: duckdb.DuckDBPyConnection, project: str, card: bytes, created_ns: int
) -> CardSummary:
    """Keep a card, in place of any of its id."""
    summary = msgspec.json.decode(card, type=CardSummary)
    connection.execute(
        "DELETE FROM store.drift_cards WHERE project = $1 AND card_id = $2",
        [project, summary.card_id],
    )
    row = {
        "project": project,
        "card_id": summary.card_id,
        "created_ns": created_ns,
        "verdict": summary.verdict,
        "headline": summary.headline,
        "finding_count": len(summary.findings),
        "reference_query": _encode(summary.reference.to_filters()),
        "current_query": _encode(summary.current.to_filters()),
        "fingerprint": summary.fingerprint,
        "card": card.decode(),
    }
    marks = ", ".join("?" * len(row))
    connection.execute(
        f"INSERT INTO store.drift_cards ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )
    return summary


def list_cards(store: Store, projects: Sequence[str], page: Page) -> dict[str, Any]:
    """Return one page of cards without their bodies, the latest computed first."""
    conditions = Conditions()
    conditions.add_any_of("project", projects)
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT {', '.join(_PLAIN)}, created_ns, reference_query, current_query "
        f"FROM store.drift_cards {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return {"cards": [_shape(row) for row in rows], "next_cursor": _KEYSET.end(rows, page)}


def read_card(store: Store, card_id: str, projects: Sequence[str] = ()) -> StoredCard:
    """Return a card as it was computed.

    Raises:
        NotFoundError: there is none of that id.
    """
    found = find_card(store, card_id, projects)
    if found is None:
        raise NotFoundError(f"there is no drift card {card_id[:80]!r}: GET /v1/drift lists them")
    return found


def find_card(store: Store, card_id: str, projects: Sequence[str] = ()) -> StoredCard | None:
    """Return a card as it was computed, None where there is none of that id."""
    conditions = Conditions()
    conditions.add("card_id = ?", card_id)
    conditions.add_any_of("project", projects)
    rows = store.read(
        f"SELECT project, card FROM store.drift_cards {conditions.where} LIMIT 1",
        conditions.values,
    )
    return StoredCard(rows[0]["project"], rows[0]["card"].encode()) if rows else None


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _PLAIN},
        "created_at": format_time(row["created_ns"]),
        "reference": msgspec.Raw(row["reference_query"].encode()),
        "current": msgspec.Raw(row["current_query"].encode()),
    }


def _encode(filters: dict[str, list[str]]) -> str:
    return msgspec.json.encode(filters).decode()
