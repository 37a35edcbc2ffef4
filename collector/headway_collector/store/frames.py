"""The calls of a window as Arrow files, for a process that has no database.

Three files: the calls with what the store knows of them, their scores, and the texts of those that
are looked at or are not described yet. Which calls are drawn where there are too many depends on
the seed and their ids alone, so the same window draws the same calls on any day and machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from headway_collector.store.connections import Store
from headway_collector.store.described import CATEGORIES, RATES
from headway_collector.store.descriptors import TRACE_KEY
from headway_collector.store.dimensions import LISTS, Dimension, parse_dimension
from headway_collector.store.expressions import DURATION_MS
from headway_collector.store.filters import Conditions, SpanFilters, select_spans

MOST_ROWS = 200_000
"""Of a window; where there are more, so many are drawn."""

COLUMNS = (
    "trace_id",
    "span_id",
    "session_id",
    "user_id",
    "start_ns",
    "request_model",
    "prompt_name",
    "prompt_version",
    "release",
    "environment",
    "tags",
    "status",
    "ttft_ms",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)
"""What of a call is read as it stands."""

_FINISH_REASON = "spans.finish_reasons[1] AS finish_reason"
_DRAWN = "md5_number_lower(concat(?::VARCHAR, '/', spans.trace_id, '/', spans.span_id))"
_UNDESCRIBED = "descriptors.span_key IS NULL"
# Without those of calls that were written anew since.
_DESCRIBED = f"""(
    FROM store.descriptors AS described
    WHERE described.version = ? AND NOT EXISTS (
        FROM store.due_descriptors AS due
        WHERE due.project = described.project AND due.span_key = described.span_key
        AND due.start_ns = described.start_ns)
    ) AS descriptors
    ON descriptors.project = spans.project AND descriptors.span_key = spans.span_key
    AND descriptors.trace_key = {TRACE_KEY} AND descriptors.start_ns = spans.start_ns"""
_BATCH_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Draw:
    """What of a window is read.

    Args:
        seed: of what is drawn.
        version: of the descriptors; those of another one are as good as missing.
        descriptors: their names.
        text_rows: how many calls are read with their texts.
        extra: dimensions that become columns of their own names.
        most_rows: how many calls are read at all.
    """

    seed: int
    version: int
    descriptors: tuple[str, ...]
    text_rows: int
    extra: tuple[str, ...] = ()
    most_rows: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class Files:
    """Where a window's files lie, without the words at their ends."""

    folder: Path
    side: str

    def find(self, part: str) -> Path:
        """Return the file of a part: ``rows``, ``scores`` or ``texts``."""
        return self.folder / f"{self.side}-{part}.arrow"


def write_frame(
    store: Store,
    filters: SpanFilters,
    draw: Draw,
    files: Files,
    check: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write a window's files, and return how many calls there are before any limit.

    Args:
        store: where the calls are.
        filters: of the window.
        draw: what of it is read.
        files: where to write.
        check: called with the number of rows after each batch, and may raise to end it.
    """
    conditions = select_spans(filters)
    count = _count(store, conditions)
    drawn = conditions.join(_limit(store, conditions, count, draw))
    keys = _write_rows(store, drawn, draw, files.find("rows"), check)
    _write_scores(store, drawn, files.find("scores"), check)
    _write_texts(store, filters, keys.find_wanted(draw.text_rows), files.find("texts"), check)
    return count


def parse_extra(names: Sequence[str]) -> tuple[Dimension, ...]:
    """Return the dimensions that are no columns of a frame by themselves.

    Raises:
        InvalidRequestError: one does not exist.
    """
    known = (*COLUMNS, *LISTS, *CATEGORIES, *RATES)
    return tuple(parse_dimension(name) for name in names if name not in known)


@dataclass(slots=True)
class _Keys:
    """Of the rows that were written: their keys, their lots, and whether they are described."""

    span_keys: list[np.ndarray]
    lots: list[np.ndarray]
    lack: list[np.ndarray]

    def find_wanted(self, text_rows: int) -> list[int]:
        """Return the keys of the rows with the lowest lots and of those not described."""
        if not self.span_keys:
            return []
        span_keys, lots = np.concatenate(self.span_keys), np.concatenate(self.lots)
        is_wanted = np.concatenate(self.lack)
        is_wanted[np.argsort(lots, kind="stable")[:text_rows]] = True
        wanted: list[int] = np.unique(span_keys[is_wanted]).tolist()
        return wanted


def _count(store: Store, conditions: Conditions) -> int:
    sql = f"SELECT count(*) AS count FROM store.spans AS spans {conditions.where}"
    return int(store.read(sql, conditions.values)[0]["count"])


def _limit(store: Store, conditions: Conditions, count: int, draw: Draw) -> Conditions:
    """Return what lets pass no more than the calls with the lowest lots."""
    limit = Conditions()
    if count > draw.most_rows:
        rows = store.read(
            f"SELECT {_DRAWN} AS lot FROM store.spans AS spans {conditions.where} "
            "ORDER BY lot LIMIT 1 OFFSET ?",
            [str(draw.seed), *conditions.values, draw.most_rows - 1],
        )
        limit.add(f"{_DRAWN} <= ?", str(draw.seed), rows[0]["lot"])
    return limit


def _write_rows(
    store: Store, drawn: Conditions, draw: Draw, path: Path, check: Callable[[int], None]
) -> _Keys:
    extra = parse_extra(draw.extra)
    columns = [
        "spans.project",
        *(f"spans.{name}" for name in COLUMNS),
        _FINISH_REASON,
        f"{DURATION_MS} AS duration_ms",
        *(f"descriptors.{name}" for name in draw.descriptors),
        *(f'{each.sql} AS "{each.name.replace(chr(34), chr(34) * 2)}"' for each in extra),
        "spans.span_key AS _key",
        f"{_DRAWN} AS _lot",
        f"{_UNDESCRIBED} AS _is_undescribed",
    ]
    sql = (
        f"SELECT {', '.join(columns)} FROM store.spans AS spans "
        f"LEFT JOIN {_DESCRIBED} "
        f"{drawn.where} ORDER BY spans.start_ns, spans.span_id, spans.trace_id, spans.project"
    )
    values = [value for each in extra for value in each.values]
    keys = _Keys([], [], [])

    def keep(batch: pa.RecordBatch) -> None:
        keys.span_keys.append(batch.column("_key").to_numpy())
        keys.lots.append(batch.column("_lot").to_numpy())
        keys.lack.append(batch.column("_is_undescribed").to_numpy(zero_copy_only=False).copy())

    parameters = [*values, str(draw.seed), draw.version, *drawn.values]
    _write(store, sql, parameters, path, check, keep)
    return keys


def _write_scores(
    store: Store, drawn: Conditions, path: Path, check: Callable[[int], None]
) -> None:
    """Write what was said last about each call under each name."""
    latest = "{'time_ns': scores.time_ns, 'score_id': scores.score_id}"
    sql = (
        "SELECT scores.name AS _score, spans.project, spans.trace_id, spans.span_id, "
        f"arg_max(scores.value, {latest}) AS value "
        "FROM store.scores AS scores JOIN store.spans AS spans "
        "ON spans.project = scores.project AND spans.span_id = scores.span_id "
        "AND (scores.trace_id IS NULL OR spans.trace_id = scores.trace_id) "
        f"{drawn.where} GROUP BY ALL"
    )
    _write(store, sql, drawn.values, path, check)


def _write_texts(
    store: Store,
    filters: SpanFilters,
    span_keys: list[int],
    path: Path,
    check: Callable[[int], None],
) -> None:
    times = select_spans(SpanFilters(start_ns=filters.start_ns, end_ns=filters.end_ns))
    times.add("spans.span_key IN (SELECT unnest(?::BIGINT[]))", span_keys)
    sql = (
        f"SELECT spans.project, spans.trace_id, spans.span_id, {_FINISH_REASON}, "
        f"spans.input, spans.output FROM store.spans AS spans {times.where}"
    )
    _write(store, sql, times.values, path, check)


def _write(
    store: Store,
    sql: str,
    parameters: Sequence[object],
    path: Path,
    check: Callable[[int], None],
    keep: Callable[[pa.RecordBatch], None] = lambda batch: None,
) -> None:
    rows = 0
    with (
        store.stream(sql, parameters, _BATCH_ROWS) as reader,
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, reader.schema) as sink,
    ):
        for batch in reader:
            keep(batch)
            sink.write_batch(batch)
            rows += batch.num_rows
            check(rows)
