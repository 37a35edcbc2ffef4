"""Keys as they are kept: who may do what, where and how fast, and the digest of a secret.

A key is never deleted: that there ever was one is what closes a collector to whoever has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from headway_collector.callers import Caller, Scope
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page

_KEYSET = Keyset("keys", "created_ns", ("key_id",))


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without its secret.

    Args:
        key_id: public: it stands in listings, faults and the audit.
        name: a word for people.
        digest: SHA-256 of the secret, in hex.
        projects: where it is good; None means everywhere, also in projects to come.
        requests_per_s: how many it may send; None means as many as it likes.
        bytes_per_s: the same of the bytes of bodies, as they come over the wire.
    """

    key_id: str
    name: str
    digest: str
    projects: tuple[str, ...] | None
    scopes: tuple[Scope, ...]
    requests_per_s: float | None
    bytes_per_s: float | None
    created_ns: int
    expires_ns: int | None = None
    revoked_ns: int | None = None

    def __repr__(self) -> str:
        """Name the key, without its digest."""
        return f"Key({self.key_id!r})"


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A page of a listing, the newest key first."""

    keys: list[Key]
    next_cursor: str | None


_COLUMNS = ", ".join(Key.__dataclass_fields__)


def read_keys(store: Store) -> list[Key]:
    """Return all keys, the revoked too, in the order in which they were made."""
    rows = store.read(f"SELECT {_COLUMNS} FROM store.keys ORDER BY created_ns, key_id")
    return [_shape(row) for row in rows]


def has_keys(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a key was ever made."""
    return connection.execute("SELECT 1 FROM store.keys LIMIT 1").fetchone() is not None


def insert_key(connection: duckdb.DuckDBPyConnection, key: Key) -> None:
    """Write a new key."""
    names = tuple(Key.__dataclass_fields__)
    values = [getattr(key, name) for name in names]
    listed = [list(value) if isinstance(value, tuple) else value for value in values]
    marks = ", ".join("?" * len(names))
    connection.execute(f"INSERT INTO store.keys ({_COLUMNS}) VALUES ({marks})", listed)


def find_key(connection: duckdb.DuckDBPyConnection, key_id: str, caller: Caller) -> Key | None:
    """Return a key that the caller may see, or None."""
    conditions = _select_visible(caller)
    conditions.add("key_id = ?", key_id)
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM store.keys {conditions.where}", conditions.values
    ).fetchone()
    return None if found is None else _shape(dict(zip(_COLUMNS.split(", "), found, strict=True)))


def is_good(connection: duckdb.DuckDBPyConnection, key_id: str, now_ns: int) -> bool:
    """Return whether the key is there, not revoked, and not expired."""
    found = connection.execute(
        "SELECT 1 FROM store.keys WHERE key_id = ? AND revoked_ns IS NULL "
        "AND coalesce(expires_ns > ?, true)",
        [key_id, now_ns],
    ).fetchone()
    return found is not None


def stamp_revoked(connection: duckdb.DuckDBPyConnection, key_id: str, time_ns: int) -> None:
    """Write when a key was revoked."""
    connection.execute(
        "UPDATE store.keys SET revoked_ns = ? WHERE key_id = ? AND revoked_ns IS NULL",
        [time_ns, key_id],
    )


def list_keys(store: Store, caller: Caller, projects: Sequence[str], page: Page) -> KeyPage:
    """Return one page of the keys that the caller may see, by the time when they were made.

    Args:
        store: the database.
        caller: who asks.
        projects: only keys that are good in one of them; none means any.
        page: which page.
    """
    conditions = _select_visible(caller)
    if projects:
        conditions.add("(projects IS NULL OR list_has_any(projects, ?::VARCHAR[]))", list(projects))
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.keys {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return KeyPage([_shape(row) for row in rows], _KEYSET.end(rows, page))


def _select_visible(caller: Caller) -> Conditions:
    """A key of other projects too would tell their names."""
    conditions = Conditions()
    if caller.projects is not None:
        conditions.add("projects IS NOT NULL")
        conditions.add("list_has_all(?::VARCHAR[], projects)", list(caller.projects))
    return conditions


def _shape(row: dict[str, Any]) -> Key:
    projects = row["projects"]
    lists = {
        "projects": None if projects is None else tuple(projects),
        "scopes": tuple(row["scopes"]),
    }
    return Key(**(row | lists))
