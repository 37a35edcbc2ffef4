"""The rows of ``descriptors``: which calls lack one, and what they are made of.

A call has one row, of one version. Calls are looked for in the order in which they arrived, and
the mark says how far that is done; what was written anew since stands in ``due_descriptors``.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from headway_collector.store.chunks import Selection, select_rows
from headway_collector.store.connections import Store
from headway_collector.store.expressions import HAS_KEY
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.rewrites import DESCRIBED_KIND

_ORDER = Keyset("describe", "start_ns", ("span_id", "trace_id", "project"))

# 60 bits of a trace tell spans of one id apart; 64 would not fit a signed number.
TRACE_KEY = "('0x' || right(spans.trace_id, 15))::BIGINT"
"""What tells calls of one span id apart, as SQL on ``spans``."""

_KEY = f"spans.project, spans.span_key, {TRACE_KEY} AS trace_key, spans.start_ns"
_IS_CALL = f"kind = '{DESCRIBED_KIND}'"
_SIZE = "coalesce(strlen(spans.input), 0) + coalesce(strlen(spans.output), 0)"
REPEATED = (
    "name",
    "kind",
    "request_model",
    "prompt_name",
    "prompt_version",
    "release",
    "environment",
    "session_id",
    "tags",
)
"""What narrows calls, repeated beside their descriptors."""
# The clock that stamps arrivals may step back by so much, and no call is missed.
_BACK_NS = 60 * 10**9
# An import of last year's logs beside live traffic does not read the year between.
_GAP_NS = 3600 * 10**9
_IS_OF = "(${0}::VARCHAR[] IS NULL OR project IN (SELECT unnest(${0}::VARCHAR[])))"
_LACKS_ROW = """NOT EXISTS (
    FROM store.descriptors AS described
    WHERE described.received_ns >= $1 AND described.version >= $2
    AND described.span_key = fresh.span_key AND described.trace_key = fresh.trace_key
    AND described.start_ns = fresh.start_ns AND described.project = fresh.project)"""


class CallKey(NamedTuple):
    """What tells a call from all others."""

    project: str
    span_key: int
    trace_key: int
    start_ns: int

    @property
    def due(self) -> "DueKey":
        """The key under which it is noted as due."""
        return DueKey(self.project, self.span_key, self.start_ns)


class DueKey(NamedTuple):
    """A span that was written anew; it may be gone, or no call any more."""

    project: str
    span_key: int
    start_ns: int


Keys = Collection[CallKey] | Collection[DueKey]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Calls without a row, in the order of their arrival.

    Args:
        keys: of the calls, and when each arrived.
        done_ns: until when all are described once these are.
    """

    keys: dict[CallKey, int]
    done_ns: int


@dataclass(frozen=True, slots=True)
class Section:
    """Calls in the order of their starts, and the page's cursor behind each of them."""

    keys: list[CallKey]
    cursors: list[str]
    is_last: bool


def read_mark(store: Store, version: int) -> int:
    """Return until when all arrivals are described by this version or a newer one."""
    (row,) = store.read(
        "SELECT max(received_ns) AS mark FROM store.descriptor_marks WHERE version >= $1", [version]
    )
    return row["mark"] or 0


def has_calls(store: Store) -> bool:
    """Return whether there is anything to describe."""
    return bool(store.read(f"SELECT 1 AS is_there FROM store.spans WHERE {_IS_CALL} LIMIT 1"))


def read_due(store: Store, limit: int) -> dict[DueKey, int]:
    """Return spans that were written anew, and how often they were noted."""
    rows = store.read(
        "SELECT project, span_key, start_ns, count(*) AS times FROM store.due_descriptors "
        "GROUP BY ALL ORDER BY ALL LIMIT $1",
        [limit],
    )
    return {DueKey(*list(row.values())[:3]): row["times"] for row in rows}


def find_fresh(store: Store, version: int, mark_ns: int, limit: int) -> Fresh:
    """Return the next calls behind the mark that have no row of this version, or of a newer one."""
    # The newest arrival is read first: what is committed meanwhile is the next look's.
    (row,) = store.read(
        "SELECT max(received_ns) AS newest FROM store.spans WHERE received_ns > $1", [mark_ns]
    )
    newest_ns = mark_ns if row["newest"] is None else row["newest"]
    while True:
        fresh = _find_until(store, version, mark_ns, newest_ns, limit)
        if fresh.keys or fresh.done_ns >= newest_ns:
            return fresh
        mark_ns = fresh.done_ns


def _find_until(store: Store, version: int, mark_ns: int, newest_ns: int, limit: int) -> Fresh:
    """Return those of the next arrivals that lack a row; about so many are looked at."""
    ahead = store.read(
        f"SELECT received_ns FROM store.spans AS spans WHERE {_IS_CALL} "
        "AND received_ns > $1 AND received_ns <= $2 ORDER BY received_ns LIMIT $3",
        [mark_ns, newest_ns, limit],
    )
    edge_ns = ahead[-1]["received_ns"] if len(ahead) == limit else newest_ns
    rows = store.read(
        f"WITH fresh AS (SELECT {_KEY}, spans.received_ns FROM store.spans AS spans "
        f"WHERE {_IS_CALL} AND received_ns >= $1 AND received_ns <= $3) "
        f"SELECT * FROM fresh WHERE {_LACKS_ROW} ORDER BY received_ns, start_ns, span_key LIMIT $4",
        [max(0, mark_ns - _BACK_NS), version, edge_ns, limit],
    )
    keys = {CallKey(*list(row.values())[:4]): row["received_ns"] for row in rows}
    if len(rows) == limit:
        edge_ns = max(mark_ns, rows[-1]["received_ns"] - 1)
    return Fresh(keys, edge_ns)


def find_calls(store: Store, keys: Collection[DueKey]) -> list[CallKey]:
    """Return the calls that are stored under the keys."""
    wanted = set(keys)
    found = [CallKey(*row) for row in _read_calls(store, keys)]
    return [key for key in found if key.due in wanted]


def read_section(store: Store, selection: Selection, page: Page) -> Section:
    """Return the next calls of those that are meant, whether they have a row or not."""
    conditions = select_rows(selection)
    conditions.add(_IS_CALL)
    _ORDER.begin(conditions, page)
    rows = store.read(
        f"SELECT {_KEY}, spans.span_id, spans.trace_id FROM store.spans AS spans "
        f"{conditions.where} {_ORDER.order_by(page)} LIMIT {page.limit:d}",
        conditions.values,
    )
    one = Page(limit=1, is_descending=page.is_descending)
    cursors = [_ORDER.end([row], one) or "" for row in rows]
    keys = [CallKey(*list(row.values())[:4]) for row in rows]
    return Section(keys, cursors, len(rows) < page.limit)


def find_described(store: Store, version: int, keys: Sequence[CallKey]) -> set[CallKey]:
    """Return those of the calls that have a row of this version, or of a newer one."""
    found: set[CallKey] = set()
    for run in _split(keys):
        rows = store.read(
            "SELECT project, span_key, trace_key, start_ns FROM store.descriptors AS spans "
            f"WHERE version >= ? AND start_ns BETWEEN ? AND ? AND {HAS_KEY}",
            [version, run[0].start_ns, run[-1].start_ns, [key.span_key for key in run]],
        )
        found.update(CallKey(**row) for row in rows)
    return found.intersection(keys)


def measure_calls(store: Store, keys: Sequence[CallKey]) -> dict[CallKey, int]:
    """Return how many bytes the texts of the calls have."""
    found = _read_calls(store, keys, [f"{_SIZE} AS size"])
    return {CallKey(*values): size for *values, size in found}


def read_calls(store: Store, keys: Sequence[CallKey]) -> list[dict[str, Any]]:
    """Return the calls with what is repeated of them and with their texts, by column name."""
    columns = ("received_ns", *REPEATED, "finish_reasons", "input", "output")
    names = (*CallKey._fields, *columns)
    wanted = set(keys)
    found = _read_calls(store, keys, [f"spans.{name}" for name in columns])
    return [dict(zip(names, row, strict=True)) for row in found if CallKey(*row[:4]) in wanted]


def count_calls(store: Store, version: int, projects: Sequence[str] = ()) -> dict[str, int]:
    """Return how many calls are described, how many are due, and when the first of them came.

    Without projects those of all are counted.
    """
    mark_ns = read_mark(store, version)
    named = list(projects) or None
    (described,) = store.read(
        "SELECT count(*) AS described FROM store.descriptors "
        f"WHERE version >= $1 AND {_IS_OF.format(2)}",
        [version, named],
    )
    (fresh,) = store.read(
        f"WITH fresh AS (SELECT {_KEY}, spans.received_ns FROM store.spans AS spans "
        f"WHERE {_IS_CALL} AND received_ns >= $1 AND {_IS_OF.format(3)}) "
        "SELECT count(*) AS fresh, min(received_ns) AS first_ns "
        f"FROM fresh WHERE {_LACKS_ROW}",
        [max(0, mark_ns - _BACK_NS), version, named],
    )
    (again,) = store.read(
        "SELECT count(DISTINCT (project, span_key, start_ns)) AS again "
        f"FROM store.due_descriptors WHERE {_IS_OF.format(1)}",
        [named],
    )
    return {**described, **fresh, **again}


def _read_calls(store: Store, keys: Keys, columns: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """Return the keys and columns of stored calls that have a span's key of these."""
    selected = ", ".join((_KEY, *columns))
    found: list[tuple[Any, ...]] = []
    for run in _split(keys):
        rows = store.read(
            f"SELECT {selected} FROM store.spans AS spans "
            f"WHERE {_IS_CALL} AND spans.start_ns BETWEEN ? AND ? AND {HAS_KEY}",
            [run[0].start_ns, run[-1].start_ns, [key.span_key for key in run]],
        )
        found += [tuple(row.values()) for row in rows]
    return found


def _split(keys: Keys) -> Iterator[list[CallKey] | list[DueKey]]:
    """Return the keys by start, in runs without a long gap."""
    ordered: list[Any] = sorted(keys, key=lambda key: key.start_ns)
    begin = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end].start_ns - ordered[end - 1].start_ns > _GAP_NS:
            yield ordered[begin:end]
            begin = end
