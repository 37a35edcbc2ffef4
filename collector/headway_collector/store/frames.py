"""The calls of a window as Arrow files, for a process that has no database.

Three files: the calls with what the store knows of them, their scores, and the texts of those that
are looked at or are not described yet. Which calls are drawn where there are too many depends on
the seed and their ids alone, so the same window draws the same calls on any day and machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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

KEY, LOT, LACKS, PROMPT = "_key", "_lot", "_is_undescribed", "prompt_hash"
"""Columns that calls are drawn by: what finds their texts, their lots, whether they are not
described yet, and what they ask, where that is known."""

SAID = "_own"
"""The column of what the user's own functions said, as JSON."""

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
# Of texts of any length.
_TEXT_ROWS = 128


@dataclass(frozen=True, slots=True)
class Draw:
    """What of a window is read.

    Args:
        seed: of what is drawn.
        version: of the descriptors; those of another one are as good as missing.
        descriptors: their names, with that of prompts' hashes.
        extra: dimensions that become columns of their own names.
        most_rows: how many calls are read at all.
    """

    seed: int
    version: int
    descriptors: tuple[str, ...]
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


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of the rows that were written.

    Args:
        count: how many calls there are before any limit.
        calls: the columns that they are drawn by.
    """

    count: int
    calls: pa.Table


def write_rows(
    store: Store,
    filters: SpanFilters,
    files: Files,
    draw: Draw,
    check: Callable[[int], None] = lambda rows: None,
) -> Rows:
    """Write a window's calls and their scores.

    Args:
        store: where the calls are.
        filters: of the window.
        files: where to write.
        draw: what of it is read.
        check: called with the number of rows after each batch, and may raise to end it.
    """
    conditions = select_spans(filters)
    count = _count(store, conditions)
    drawn = conditions.join(_limit(store, conditions, count, draw))
    calls = _write_calls(store, drawn, draw, files.find("rows"), check)
    _write_scores(store, drawn, files.find("scores"), check)
    return Rows(count, calls)


def write_texts(
    store: Store,
    filters: SpanFilters,
    files: Files,
    span_keys: Sequence[int],
    check: Callable[[int], None] = lambda rows: None,
) -> None:
    """Write the texts of some of a window's calls.

    Args:
        store: where the calls are.
        filters: of the window.
        files: where to write.
        span_keys: of the calls.
        check: as for rows.
    """
    times = select_spans(SpanFilters(start_ns=filters.start_ns, end_ns=filters.end_ns))
    times.add("spans.span_key IN (SELECT unnest(?::BIGINT[]))", list(span_keys))
    sql = (
        f"SELECT spans.project, spans.trace_id, spans.span_id, {_FINISH_REASON}, "
        f"spans.input, spans.output FROM store.spans AS spans {times.where}"
    )
    _write(store, sql, times.values, files.find("texts"), check, batch_rows=_TEXT_ROWS)


def parse_extra(names: Sequence[str]) -> tuple[Dimension, ...]:
    """Return the dimensions that are no columns of a frame by themselves.

    Raises:
        InvalidRequestError: one does not exist.
    """
    known = (*COLUMNS, *LISTS, *CATEGORIES, *RATES)
    return tuple(parse_dimension(name) for name in names if name not in known)


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


def _write_calls(
    store: Store, drawn: Conditions, draw: Draw, path: Path, check: Callable[[int], None]
) -> pa.Table:
    extra = parse_extra(draw.extra)
    columns = [
        "spans.project",
        *(f"spans.{name}" for name in COLUMNS),
        _FINISH_REASON,
        f"{DURATION_MS} AS duration_ms",
        *(f"descriptors.{name}" for name in draw.descriptors),
        f"descriptors.own AS {SAID}",
        *(f'{each.sql} AS "{each.name.replace(chr(34), chr(34) * 2)}"' for each in extra),
        f"spans.span_key AS {KEY}",
        f"{_DRAWN} AS {LOT}",
        f"{_UNDESCRIBED} AS {LACKS}",
    ]
    sql = (
        f"SELECT {', '.join(columns)} FROM store.spans AS spans "
        f"LEFT JOIN {_DESCRIBED} "
        f"{drawn.where} ORDER BY spans.start_ns, spans.span_id, spans.trace_id, spans.project"
    )
    values = [value for each in extra for value in each.values]
    batches = []

    def keep(batch: pa.RecordBatch) -> None:
        batches.append(batch.select([KEY, LOT, LACKS, PROMPT]))

    parameters = [*values, str(draw.seed), draw.version, *drawn.values]
    schema = _write(store, sql, parameters, path, check, keep)
    columns = pa.schema([schema.field(name) for name in (KEY, LOT, LACKS, PROMPT)])
    return pa.Table.from_batches(batches, columns)


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


def _write(
    store: Store,
    sql: str,
    parameters: Sequence[object],
    path: Path,
    check: Callable[[int], None],
    keep: Callable[[pa.RecordBatch], None] = lambda batch: None,
    *,
    batch_rows: int = _BATCH_ROWS,
) -> pa.Schema:
    rows = 0
    with (
        store.stream(sql, parameters, batch_rows) as reader,
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, reader.schema) as sink,
    ):
        for batch in reader:
            keep(batch)
            sink.write_batch(batch)
            rows += batch.num_rows
            check(rows)
        schema: pa.Schema = reader.schema
    return schema
