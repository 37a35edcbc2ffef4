"""The rows of an export: one query that DuckDB works on only as fast as somebody takes its rows.

Texts are written by DuckDB: a row as a line of JSON or CSV is one column of text, so that millions
of rows cost no Python objects. What is read is what was stored when the query began, whatever is
written or checkpointed meanwhile. The rows come in no order: to sort ten million of them takes room
that a collector has not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from headway_collector.errors import StoreUnavailableError
from headway_collector.export_columns import (
    COLUMNS,
    FORMULA,
    VERBATIM,
    ExportColumn,
    Form,
    What,
)
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions, SpanFilters, select_spans
from headway_collector.store.scores import ScoreFilters, select_scores

BATCH_ROWS = 128
"""In one batch: of the longest texts that are taken, a column of more would be too large for one.

A field has at most 8 MiB, and Arrow 2 GiB for the texts of a column.
"""

_TRIM_BYTES = 8 * 1024 * 1024
# What is numbered is read by one thread: each further one works ahead, at the cost of some 30 MB,
# and there are as many as the machine has cores. They would be no quicker than who takes the rows.
_PLACE = "row_number() OVER () AS place"

# What is not stored under its own name.
_SOURCES: dict[What, dict[str, str]] = {
    "spans": {
        "start_time": "spans.start_ns",
        "end_time": "spans.end_ns",
        "duration_ms": "((spans.end_ns - spans.start_ns) / 1e6)",
        "received_time": "spans.received_ns",
    },
    "scores": {"time": "scores.time_ns"},
}

_LINE_BREAKS = ("chr(10)", "chr(13)")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are exported."""

    filters: SpanFilters | ScoreFilters

    @property
    def what(self) -> What:
        """Which table they stand in."""
        return "spans" if isinstance(self.filters, SpanFilters) else "scores"

    def to_conditions(self) -> Conditions:
        """Return the conditions on that table.

        Raises:
            InvalidRequestError: a comparison or an attribute cannot be understood.
        """
        if isinstance(self.filters, SpanFilters):
            return select_spans(self.filters)
        return select_scores(self.filters)


@contextmanager
def open_rows(
    store: Store,
    selection: Selection,
    form: Form,
    tell_interrupt: Callable[[Callable[[], None]], object] = lambda interrupt: None,
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Give the rows batch by batch: in columns, or each as its bytes in the column ``line``.

    Args:
        store: is read in one query.
        selection: which rows.
        form: of JSONL and CSV each row is a line, with its end.
        tell_interrupt: is given what ends the query, from whichever thread.

    Raises:
        StoreUnavailableError: the database cannot be read, or the query was ended.
    """
    conditions = selection.to_conditions()
    what = selection.what
    sql = f"SELECT {_select(what, form)}, {_PLACE} FROM store.{what} AS {what} {conditions.where}"
    with store.stream(sql, conditions.values, BATCH_ROWS, tell_interrupt=tell_interrupt) as reader:
        yield _read(reader, store)


def _read(reader: pa.RecordBatchReader, store: Store) -> Iterator[pa.RecordBatch]:
    untrimmed_bytes = 0
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as error:
            # What DuckDB says comes through Arrow as a text alone.
            said = str(error).partition("\n")[0]
            raise StoreUnavailableError(f"the export was ended: {said}") from error
        yield batch.select(list(range(batch.num_columns - 1)))
        # What was read is not read again, and DuckDB would keep as much of it as its limit allows.
        untrimmed_bytes += batch.nbytes
        if untrimmed_bytes > _TRIM_BYTES:
            store.memory.trim()
            untrimmed_bytes = 0


def _select(what: What, form: Form) -> str:
    if form == "jsonl":
        return f"{_write_json_line(what)} AS line"
    if form == "csv":
        return f"{_write_csv_line(what)} AS line"
    return ", ".join(f"{_find(what, each)} AS {each.name}" for each in COLUMNS[what])


def _find(what: What, column: ExportColumn) -> str:
    return _SOURCES[what].get(column.name, f"{what}.{column.name}")


def _write_json_line(what: What) -> str:
    """Return a line that holds every column, so that each line has the same keys."""
    columns = COLUMNS[what]
    parts: list[str] = []
    for column in columns:
        value = _write_json(column.kind, _find(what, column))
        parts.append(f"""'{"," if parts else "{"}"{column.name}":', {value}""")
    jsons = [_find(what, each) for each in columns if each.kind == "json"]
    names = [each.name for each in columns if each.kind == "json"]
    # JSON may be written over many lines, and a line of JSONL is one.
    broken = [" OR ".join(f"contains({text}, {mark})" for mark in _LINE_BREAKS) for text in jsons]
    texts = [
        f"CASE WHEN {is_broken} THEN '\"{name}\":' || {_quote_json(text)} END"
        for name, text, is_broken in zip(names, jsons, broken, strict=True)
    ]
    verbatim = f"coalesce('{{' || nullif(concat_ws(',', {', '.join(texts)}), '') || '}}', 'null')"
    return f"concat({', '.join(parts)}, ',\"{VERBATIM}\":', {verbatim}, '}}', chr(10))"


def _write_json(kind: str, source: str) -> str:
    if kind == "text":
        return f"coalesce({_quote_json(source)}, 'null')"
    if kind == "json":
        # Between tokens a space is worth a line break; in a text JSON has none.
        return f"coalesce(replace(replace({source}, chr(10), ' '), chr(13), ' '), 'null')"
    if kind == "texts":
        return f"coalesce({_quote_json(source)}, '[]')"
    if kind == "time":
        return f"coalesce('\"' || {_write_time(source)} || '\"', 'null')"
    return f"coalesce({source}::VARCHAR, 'null')"


def _quote_json(source: str) -> str:
    return f"to_json({source})::VARCHAR"


def _write_csv_line(what: What) -> str:
    cells = [_write_cell(each.kind, _find(what, each)) for each in COLUMNS[what]]
    # A null is an empty cell, and an empty text is "".
    joined = ", ',', ".join(cells)
    return f"concat({joined}, chr(13), chr(10))"


def _write_cell(kind: str, source: str) -> str:
    if kind == "time":
        return _write_time(source)
    if kind in ("count", "number", "flag"):
        return f"{source}::VARCHAR"
    text = _quote_json(source) if kind == "texts" else source
    formula = FORMULA.replace("'", "''")
    guarded = f"CASE WHEN regexp_matches({text}, '{formula}') THEN '''' || {text} ELSE {text} END"
    return f"'\"' || replace({guarded}, '\"', '\"\"') || '\"'"


def _write_time(source: str) -> str:
    """Return RFC 3339 with nine digits of fraction, as ``times.format_time`` writes it."""
    # strftime cannot say nanoseconds.
    micros = f"strftime(make_timestamp({source} // 1000), '%Y-%m-%dT%H:%M:%S.%f')"
    return f"{micros} || lpad(({source} % 1000)::VARCHAR, 3, '0') || 'Z'"
