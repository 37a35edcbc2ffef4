"""Where an erased user, session, trace or span is named: in cards, jobs and refused lines.

They are named by fields: a filter, an attribute, an id of a call. A word is no person, or a user
``ok`` would take every line with that status along. Only in bytes that cannot be read, a whole word
counts, where it is long enough to be no word of ours. All is read beside the writer.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
import pyarrow as pa

from headway_collector.ownership import Owners, find_owners, read_owners, scan_owners
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import SEVERAL
from headway_collector.store.namings import RARE_CHARS, find_ids

_READ_ROWS = 64
_SIDES = ("reference", "current", "window")

FOREVER_NS = 2**63 - 1
"""Later than anything."""

REJECT_DIGEST = "hash(rejects.reason, rejects.raw)"
"""Tells refused lines of one commit apart, which may have the same number in their batches."""


class RejectKey(NamedTuple):
    """What tells a refused line from others."""

    received_ns: int
    line: int
    digest: int


class OwnedKey(NamedTuple):
    """A card or job, and whose it is: a project's, or of several."""

    project: str
    name: str


@dataclass(slots=True)
class Mentions:
    """What names the target: cards and jobs, keys of rejects, keys of batches."""

    cards: set[OwnedKey] = field(default_factory=set)
    jobs: set[OwnedKey] = field(default_factory=set)
    rejects: list[RejectKey] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)


class Finder:
    """Says whether something names somebody or something that is erased.

    Args:
        kind: of what the identity is the id.
        identity: of the user, session or trace.
        ids: of traces and spans that went, in hexadecimal.
    """

    def __init__(
        self, kind: Literal["user", "session", "trace"], identity: str, ids: Iterable[str]
    ) -> None:
        self._kind = kind
        self._identity = identity
        self._ids = {each.lower() for each in ids}
        self._word: re.Pattern[bytes] | None = None
        self._quoted: re.Pattern[bytes] | None = None
        if kind == "trace":
            self._ids.add(identity.lower())
        elif len(identity) >= RARE_CHARS:
            written = b"|".join(map(re.escape, _spell(identity)))
            self._word = re.compile(rb"(?<!\w)(?:" + written + rb")(?!\w)")
            self._quoted = re.compile(rb"(['\"])(?:" + written + rb")\1")

    def names(self, owners: Owners, *, is_since: bool = False) -> bool:
        """Return whether fields name the target, or its calls without anybody else's name.

        What was made since the erasure may name the user or session, and not their erased calls.
        """
        named = {"user": owners.users, "session": owners.sessions}.get(self._kind, set())
        if (not is_since and self._identity in named) or not self._ids.isdisjoint(owners.spans):
            return True
        return not named and not self._ids.isdisjoint(owners.traces)

    def finds_in(self, text: bytes) -> bool:
        """Return whether bytes that cannot be read have the target's id, or one of its calls'."""
        if self.names(scan_owners(text)) or (self._word is not None and self._word.search(text)):
            return True
        return bool(self._ids) and any(each in self._ids for each in find_ids(text))

    def finds_quoted(self, text: bytes) -> bool:
        """Return the same of a sentence of ours, which has ids of others in quotes."""
        if self._quoted is not None and self._quoted.search(text):
            return True
        return bool(self._ids) and any(each in self._ids for each in find_ids(text))


def find_mentions(
    store: Store, project: str, finder: Finder, until_ns: int = FOREVER_NS
) -> Mentions:
    """Return what names the target, of its own project, and of several where it is among them.

    Args:
        store: what is read.
        project: of the target.
        finder: knows it.
        until_ns: when the target was erased, where that is past; refused lines since then were
            looked at when they came.
    """
    found = Mentions()
    owners = [project, SEVERAL]
    for owner, name, created_ns, *texts in _read(
        store,
        "SELECT project, card_id, created_ns, card, reference_query, current_query "
        "FROM store.drift_cards WHERE project IN (SELECT unnest($1::VARCHAR[]))",
        [owners],
    ):
        card, *windows = map(_decode, texts)
        is_ours = owner == project or holds_project(windows, project)
        is_since = created_ns > until_ns
        is_named = finder.names(find_owners(windows), is_since=is_since)
        if is_ours and (is_named or _quotes(finder, card)):
            found.cards.add(OwnedKey(owner, name))
    for owner, name, created_ns, request, result, error in _read(
        store,
        "SELECT project, job_id, created_ns, request, result, error FROM store.jobs "
        "WHERE project IN (SELECT unnest($1::VARCHAR[]))",
        [owners],
    ):
        asked = _decode(request)
        if owner != project and not holds_project(list_windows(asked), project):
            continue
        is_since = created_ns > until_ns
        is_named = finder.names(find_owners(asked), is_since=is_since)
        is_named = is_named or _quotes(finder, _decode(result))
        if is_named or (error and not is_since and finder.finds_quoted(error.encode())):
            found.jobs.add(OwnedKey(owner, name))
    for *key, reason, form, raw, context in _read(
        store,
        f"SELECT received_ns, line, {REJECT_DIGEST} AS digest, reason, form, raw, "
        "coalesce(context, ''::BLOB) AS context FROM store.rejects AS rejects "
        "WHERE project = $1 AND received_ns <= $2",
        [project, until_ns],
    ):
        named = read_owners(form, raw, context)
        if named is None:
            is_named = finder.finds_in(raw) or finder.finds_in(context)
            is_named = is_named or finder.finds_quoted(reason.encode())
        else:
            is_named = finder.names(named)
        if is_named:
            found.rejects.append(RejectKey(*key))
    for key, errors in _read(
        store,
        "SELECT batch_key, errors FROM store.batches WHERE project = $1 "
        "AND errors <> '[]' AND received_ns <= $2",
        [project, until_ns],
    ):
        said = msgspec.json.decode(errors, type=list[dict[str, Any]])
        if any(finder.finds_quoted(each["reason"].encode()) for each in said):
            found.batches.append(key)
    return found


def holds_project(windows: Sequence[dict[str, Any]], project: str) -> bool:
    """Return whether one of some windows has calls of a project; without one it has all's."""
    return any(project in (each.get("project") or [project]) for each in windows)


def _quotes(finder: Finder, made: Any) -> bool:
    """Return whether what was computed has one of the calls; what it says of users are figures."""
    found = find_owners(made)
    return finder.names(Owners(traces=found.traces, spans=found.spans))


def list_windows(asked: Any) -> list[dict[str, Any]]:
    """Return the filters of the windows that a job was asked about."""
    windows = [asked.get(side) for side in _SIDES] if isinstance(asked, dict) else []
    filters = [each["filters"] for each in windows if isinstance(each, dict) and "filters" in each]
    return [dict(each) for each in filters]


def _decode(text: str | None) -> Any:
    return None if not text else msgspec.json.decode(text)


def _read(store: Store, sql: str, values: list[object]) -> Iterator[tuple[Any, ...]]:
    with store.stream(sql, values, _READ_ROWS) as reader:
        for batch in reader:
            yield from _rows(batch)


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _spell(identity: str) -> set[bytes]:
    """Return an id as it may be written: plainly, and in JSON with and without its letters."""
    return {
        identity.encode(),
        msgspec.json.encode(identity)[1:-1],
        "".join(_escape(letter) for letter in identity).encode(),
    }


def _escape(letter: str) -> str:
    """Return a letter as JSON in ASCII has it."""
    if letter.isascii():
        return msgspec.json.encode(letter).decode()[1:-1]
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
