"""Which records of a batch are of somebody or something that was erased, and what is left of it.

A record is known by the digests of its ids, which are looked up among the tombstones of its
project; what they cannot say of a trace or session that is shared, the stored rows do.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import duckdb
import pyarrow as pa

from headway.records import Score
from headway_collector.decoding import Reject
from headway_collector.otlp.telemetry import OtelLog
from headway_collector.ownership import Owners, read_owners, scan_owners
from headway_collector.store.batches import Batch
from headway_collector.store.columns import make_span_keys
from headway_collector.store.namings import RARE_CHARS, find_ids, find_names

REASON = "erased"
"""Why a record is refused; of what it said nothing is kept."""

Grave = Literal["user", "session", "trace", "span", "user_trace", "session_trace", "user_session"]
"""What was erased: a user, a session, a trace; the spans that were; the traces of an erased user or
session, in which spans of others are welcome; the sessions of which nothing was left."""

# As many as an answer shows.
_MOST_APART = 20
_SPAN_COLUMNS = ("trace_id", "user_id", "session_id", "start_ns")


@dataclass(slots=True)
class Graves:
    """The tombstones of a project.

    Args:
        moments: when each user and session was erased, for the last time.
        sorted_digests: the others, by kind; eight bytes each, since they may be millions.
    """

    moments: dict[int, int] = field(default_factory=dict)
    sorted_digests: dict[str, "array[int]"] = field(default_factory=dict)

    def has(self, kind: Grave, digest: int) -> bool:
        """Return whether there is a tombstone of the kind."""
        found = self.sorted_digests.get(kind)
        if not found:
            return False
        place = bisect_left(found, digest)
        return place < len(found) and found[place] == digest

    def is_late(self, digest: int, time_ns: int) -> bool:
        """Return whether it began at or before the erasure of this user or session."""
        return time_ns <= self.moments.get(digest, -1)


@dataclass(frozen=True, slots=True)
class Sieve:
    """Says of the records of one project which may come in.

    Args:
        connection: in the writer's transaction.
        graves: the tombstones of the project.
        digest: makes the 64 bits that stand for a name there.
    """

    connection: duckdb.DuckDBPyConnection
    project: str
    graves: Graves
    digest: Callable[[Grave, str], int]

    def keeps_span(
        self, trace_id: str, user_id: str | None, session_id: str | None, start_ns: int
    ) -> bool:
        """Return whether a span may come in."""
        graves = self.graves
        user = self.digest("user", user_id) if user_id else None
        session = self.digest("session", session_id) if session_id else None
        if user is not None and graves.is_late(user, start_ns):
            return False
        if session is not None and graves.is_late(session, start_ns):
            return False
        if not graves.sorted_digests:
            return True
        trace = self.digest("trace", trace_id)
        if graves.has("trace", trace):
            return False
        if graves.has("user_trace", trace) and (user is None or user in graves.moments):
            return False
        return not (
            graves.has("session_trace", trace) and (session is None or session in graves.moments)
        )

    def keeps_score(self, score: Score) -> bool:
        """Return whether a score may come in; none that an erased user gave before."""
        graves = self.graves
        if score.author and graves.is_late(self.digest("user", score.author), score.time_ns):
            return False
        if score.span_id and graves.has("span", self.digest("span", score.span_id)):
            return False
        if score.trace_id:
            trace = self.digest("trace", score.trace_id)
            if graves.has("trace", trace):
                return False
            if self._is_shared(trace):
                return self._is_stored("trace_id", score.trace_id)
        if score.session_id:
            session = self.digest("session", score.session_id)
            if graves.is_late(session, score.time_ns):
                return False
            if graves.has("user_session", session):
                return self._is_stored("session_id", score.session_id)
        return True

    def keeps_log(self, log: OtelLog) -> bool:
        """Return whether a log event may come in."""
        graves = self.graves
        if graves.has("span", self.digest("span", log.span_id)):
            return False
        trace = self.digest("trace", log.trace_id)
        if graves.has("trace", trace):
            return False
        # An event does not say whose it is; only that of a span that came may be another's.
        return not self._is_shared(trace) or self._is_stored("span_id", log.span_id)

    def knows(self, reject: Reject) -> bool:
        """Return whether a refused line is of somebody, or names calls, that were erased.

        By its fields where it can be read, else by ids and long words.
        """
        owners = read_owners(reject.form, reject.raw, reject.context)
        if owners is not None:
            return self._names(owners)
        texts = (reject.raw, reject.context, reject.reason.encode())
        return any(self._names(scan_owners(text)) or self._finds_in(text) for text in texts)

    def _names(self, owners: Owners) -> bool:
        graves = self.graves
        if any(self.digest("user", each) in graves.moments for each in owners.users):
            return True
        if any(self.digest("session", each) in graves.moments for each in owners.sessions):
            return True
        if any(graves.has("span", self.digest("span", each)) for each in owners.spans):
            return True
        for trace in (self.digest("trace", each) for each in owners.traces):
            # Others are welcome in the traces of an erased user or session.
            if (
                graves.has("trace", trace)
                or (not owners.users and graves.has("user_trace", trace))
                or (not owners.sessions and graves.has("session_trace", trace))
            ):
                return True
        return False

    def _finds_in(self, text: bytes) -> bool:
        for each in find_ids(text) if self.graves.sorted_digests else ():
            kind: Grave = "span" if len(each) == 16 else "trace"
            digest = self.digest(kind, each)
            if self.graves.has(kind, digest) or self._is_shared(digest):
                return True
        for name in find_names(text) if self.graves.moments else ():
            if len(name) < RARE_CHARS:
                continue
            if self.digest("user", name) in self.graves.moments:
                return True
            if self.digest("session", name) in self.graves.moments:
                return True
        return False

    def _is_shared(self, trace: int) -> bool:
        return self.graves.has("user_trace", trace) or self.graves.has("session_trace", trace)

    def _is_stored(self, column: str, name: str) -> bool:
        sql = f"SELECT 1 FROM store.spans WHERE project = $1 AND {column} = $2"
        values: list[object] = [self.project, name]
        if column == "span_id":
            sql += " AND span_key = $3"
            values += make_span_keys([name]).to_pylist()
        return self.connection.execute(f"{sql} LIMIT 1", values).fetchone() is not None


def sift(batch: Batch, sieve: Sieve) -> Batch:
    """Return a batch without what was erased, which is counted among its rejects."""
    kept_spans = [sieve.keeps_span(*each) for each in _list_spans(batch)]
    kept_scores = [sieve.keeps_score(each) for each in batch.scores]
    kept_logs = [each for each in batch.logs if sieve.keeps_log(each)]
    rejects = [
        _refuse(each.line, each.count) if sieve.knows(each) else each for each in batch.rejects
    ]
    lost_logs = len(batch.logs) - len(kept_logs)
    lost = kept_spans.count(False) + kept_scores.count(False) + lost_logs
    if not lost:
        return replace(batch, rejects=rejects) if rejects else batch
    lines = _list_lost(batch.span_lines, kept_spans)
    lines += _list_lost(batch.score_lines, kept_scores)
    rejects += _refuse_all(sorted(lines), lost)
    rejects.sort(key=lambda each: each.line)
    scores = [each for each, is_kept in zip(batch.scores, kept_scores, strict=True) if is_kept]
    score_lines = _list_kept(batch.score_lines, kept_scores)
    batch = replace(batch, scores=scores, score_lines=score_lines, logs=kept_logs, rejects=rejects)
    return batch if all(kept_spans) else _keep_spans(batch, kept_spans)


def _refuse(line: int, count: int = 1) -> Reject:
    """Return what stands for records of which nothing is kept, nor can be read again."""
    return Reject(line, REASON, b"", count, form="cut")


def _refuse_all(lines: Sequence[int], count: int) -> list[Reject]:
    """Return the first so many by themselves, and one for all others; line 0 is none."""
    rejects = [_refuse(line) for line in lines[:_MOST_APART]]
    if count > len(rejects):
        first = lines[_MOST_APART] if len(lines) > _MOST_APART else 0
        rejects.append(_refuse(first, count - len(rejects)))
    return rejects


def _list_lost(lines: Sequence[int], kept: Sequence[bool]) -> list[int]:
    return [line for line, is_kept in zip(lines, kept, strict=False) if not is_kept]


def _list_kept(lines: Sequence[int], kept: Sequence[bool]) -> list[int]:
    return [line for line, is_kept in zip(lines, kept, strict=False) if is_kept]


def _list_spans(batch: Batch) -> Iterable[tuple[str, str | None, str | None, int]]:
    if batch.rows is None:
        return [
            (each.trace_id, each.user_id, each.session_id, each.start_ns) for each in batch.spans
        ]
    columns = (batch.rows[name].to_pylist() for name in _SPAN_COLUMNS)
    return zip(*columns, strict=True)


def _keep_spans(batch: Batch, kept: Sequence[bool]) -> Batch:
    if batch.rows is not None:
        rows = batch.rows.filter(pa.array(kept)) if any(kept) else None
        return replace(batch, rows=rows, span_lines=_list_kept(batch.span_lines, kept))
    spans = [each for each, is_kept in zip(batch.spans, kept, strict=True) if is_kept]
    derived = [each for each, is_kept in zip(batch.derived, kept, strict=True) if is_kept]
    lines = _list_kept(batch.span_lines, kept)
    return replace(batch, spans=spans, derived=derived, span_lines=lines)
