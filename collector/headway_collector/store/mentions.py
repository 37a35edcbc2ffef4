"""Where an erased user, session, trace or span is named: in cards, jobs and refused lines.

These hold ids inside texts and bytes, so that they are read one by one, beside the writer. An id of
fewer than four characters counts only as a whole JSON string, or every line with a 1 in it would
name user 1.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from headway_collector.store.connections import Store

_SHORT_CHARS = 4
_READ_ROWS = 64
_HEX = re.compile(rb"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{16})(?![0-9a-fA-F])")
# In protobuf an id stands behind its length, at any offset.
_TRACE_BYTES = re.compile(rb"(?=\x10(.{16}))", re.DOTALL)
_SPAN_BYTES = re.compile(rb"(?=\x08(.{8}))", re.DOTALL)


REJECT_DIGEST = "hash(rejects.reason, rejects.raw)"
"""Tells refused lines of one commit apart, which may have the same number in their batches."""


class RejectKey(NamedTuple):
    """What tells a refused line from others."""

    received_ns: int
    line: int
    digest: int


@dataclass(slots=True)
class Mentions:
    """What names the target: ids of cards and jobs, keys of rejects, keys of batches."""

    cards: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    rejects: list[RejectKey] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)


class Finder:
    """Says whether bytes name somebody or something that is erased.

    Args:
        identity: of the user or session; None where a trace is erased.
        ids: of traces and spans, in hexadecimal.
    """

    def __init__(self, identity: str | None, ids: Iterable[str]) -> None:
        self._ids = {each.encode() for each in ids}
        self._raw = {bytes.fromhex(each.decode()) for each in self._ids if _HEX.fullmatch(each)}
        self._identity = None if not identity else _compile(identity)

    def finds_in(self, text: bytes) -> bool:
        """Return whether the text, or JSON, or protobuf, has one of the ids."""
        if self._identity is not None and self._identity.search(text):
            return True
        if not self._ids:
            return False
        if any(word.lower() in self._ids for word in _HEX.findall(text)):
            return True
        return any(
            match[1] in self._raw
            for pattern in (_TRACE_BYTES, _SPAN_BYTES)
            for match in pattern.finditer(text)
        )

    def finds_word_in(self, text: bytes) -> bool:
        """Return the same of text that is known to be no protobuf."""
        if self._identity is not None and self._identity.search(text):
            return True
        return any(word.lower() in self._ids for word in _HEX.findall(text))


def find_mentions(store: Store, project: str, finder: Finder) -> Mentions:
    """Return what names the target; cards and jobs of other projects too, which may look here."""
    found = Mentions()
    for card_id, *texts in _read(
        store,
        "SELECT card_id, card, reference_query, current_query FROM store.drift_cards",
        [],
    ):
        if any(finder.finds_word_in(text.encode()) for text in texts):
            found.cards.append(card_id)
    for job_id, *texts in _read(store, "SELECT job_id, request, result, error FROM store.jobs", []):
        if any(finder.finds_word_in(text.encode()) for text in texts if text):
            found.jobs.append(job_id)
    for *key, reason, raw, context in _read(
        store,
        f"SELECT received_ns, line, {REJECT_DIGEST} AS digest, reason, raw, "
        "coalesce(context, ''::BLOB) AS context FROM store.rejects AS rejects WHERE project = $1",
        [project],
    ):
        is_in_bytes = finder.finds_in(raw) or finder.finds_in(context)
        if is_in_bytes or finder.finds_word_in(reason.encode()):
            found.rejects.append(RejectKey(*key))
    for key, errors in _read(
        store,
        "SELECT batch_key, errors FROM store.batches WHERE project = $1 AND errors <> '[]'",
        [project],
    ):
        if finder.finds_word_in(errors.encode()):
            found.batches.append(key)
    return found


def _read(store: Store, sql: str, values: list[object]) -> Iterator[tuple[Any, ...]]:
    with store.stream(sql, values, _READ_ROWS) as reader:
        for batch in reader:
            yield from _rows(batch)


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _compile(identity: str) -> re.Pattern[bytes]:
    plain = identity.encode()
    written = {
        msgspec.json.encode(identity)[1:-1],
        "".join(_escape(letter) for letter in identity).encode(),
    }
    # Behind its length, as protobuf has it: what follows there may look like a letter.
    ways = [re.escape(_length(len(plain)) + plain)]
    ways += [b'"' + re.escape(each) + b'"' for each in written]
    if len(identity) >= _SHORT_CHARS:
        ways += [rb"(?<!\w)" + re.escape(each) + rb"(?!\w)" for each in {plain, *written}]
    return re.compile(b"|".join(ways))


def _escape(letter: str) -> str:
    """Return a letter as JSON in ASCII has it."""
    if letter.isascii():
        return msgspec.json.encode(letter).decode()[1:-1]
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _length(count: int) -> bytes:
    """Return a length as protobuf has it."""
    size = bytearray()
    while count > 0x7F:
        size.append(count & 0x7F | 0x80)
        count >>= 7
    size.append(count)
    return bytes(size)
