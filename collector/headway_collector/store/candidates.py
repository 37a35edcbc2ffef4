"""Who was erased and is in the store all the same, as after a restore from an older backup.

A tombstone tells no name, so that each name that rows have is held against them: of spans, scores,
results, waiting log events, refused lines, cards and jobs.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from headway_collector.ownership import Owners, find_owners, read_owners, scan_owners
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import SEVERAL
from headway_collector.store.mentions import holds_project, list_windows
from headway_collector.store.namings import RARE_CHARS, find_ids, find_names
from headway_collector.store.targets import KINDS, Kind, Target
from headway_collector.store.tombstones import Tombstones

_READ_ROWS = 64
_COLUMNS: tuple[tuple[str, str, Kind], ...] = (
    ("spans", "user_id", "user"),
    ("scores", "author", "user"),
    ("spans", "session_id", "session"),
    ("scores", "session_id", "session"),
    ("spans", "trace_id", "trace"),
    ("scores", "trace_id", "trace"),
    ("results", "trace_id", "trace"),
    ("late_events", "trace_id", "trace"),
)

_Name = tuple[Kind, str]


def list_targets(store: Store) -> list[tuple[Target, int]]:
    """Return who was erased and is named in the store all the same, and when it was."""
    tombstones = Tombstones()
    with store.lend_cursor() as connection:
        moments = tombstones.list_moments(connection)
    found: dict[Target, int] = {}
    for project in dict.fromkeys(project for project, _, _ in moments):
        for kind, name in _list_names(store, project):
            erased_ns = moments.get((project, kind, tombstones.digest(project, kind, name)))
            if erased_ns is not None:
                found[Target(project, kind, name)] = erased_ns
    # What is of a user or session tells which traces were theirs: those go last.
    return sorted(found.items(), key=lambda each: KINDS.index(each[0].kind))


def _list_names(store: Store, project: str) -> Iterator[_Name]:
    for table, column, kind in _COLUMNS:
        for row in store.read(
            f"SELECT DISTINCT {column} AS name FROM store.{table} "
            f"WHERE project = $1 AND coalesce({column}, '') <> ''",
            [project],
        ):
            yield kind, row["name"]
    for form, raw, context in _read(
        store,
        "SELECT form, raw, coalesce(context, ''::BLOB) AS context FROM store.rejects "
        "WHERE project = $1",
        [project],
    ):
        owners = read_owners(form, raw, context)
        if owners is not None:
            yield from _list_owners(owners)
        else:
            yield from _scan(raw)
            yield from _scan(context)
    for owner, reference, current in _read(
        store,
        "SELECT project, reference_query, current_query FROM store.drift_cards "
        "WHERE project IN (SELECT unnest($1::VARCHAR[]))",
        [[project, SEVERAL]],
    ):
        windows = [msgspec.json.decode(each) for each in (reference, current)]
        if owner == project or holds_project(windows, project):
            yield from _list_owners(find_owners(windows))
    for owner, request in _read(
        store,
        "SELECT project, request FROM store.jobs WHERE project IN (SELECT unnest($1::VARCHAR[]))",
        [[project, SEVERAL]],
    ):
        asked = msgspec.json.decode(request) if request else None
        if owner == project or holds_project(list_windows(asked), project):
            yield from _list_owners(find_owners(asked))


def _scan(text: bytes) -> Iterator[_Name]:
    """Yield what may be names in bytes that cannot be read as a whole."""
    yield from _list_owners(scan_owners(text))
    for each in find_ids(text):
        yield "trace", each
    for name in find_names(text):
        if len(name) >= RARE_CHARS:
            yield "user", name
            yield "session", name


def _list_owners(owners: Owners) -> Iterator[_Name]:
    named: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("user", owners.users),
        ("session", owners.sessions),
        ("trace", owners.traces),
    )
    for kind, names in named:
        for name in names:
            yield kind, name


def _read(store: Store, sql: str, values: list[object]) -> Iterator[tuple[Any, ...]]:
    with store.stream(sql, values, _READ_ROWS) as reader:
        for batch in reader:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
