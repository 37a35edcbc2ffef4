"""The columns of an export, in their order: what an export writes and an import looks for.

What one looks at first stands first. An import puts every column back as it was, but for those
that are worked out of others and for the time of arrival, which is that of the import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pyarrow as pa

What = Literal["spans", "scores"]
WHATS: tuple[What, ...] = get_args(What)
Form = Literal["parquet", "arrow", "jsonl", "csv"]
FORMS: tuple[Form, ...] = get_args(Form)

ColumnKind = Literal["text", "json", "texts", "count", "number", "flag", "time"]
"""``json`` is JSON as text, ``texts`` a list of texts, ``time`` an instant in nanoseconds."""

VERSION = "1"
"""Of the columns and what they mean; it goes up when one of them changes."""

METADATA_KEY = b"headway.export"
"""In the schema of Parquet and Arrow: ``spans 1``."""

VERBATIM = "verbatim"
"""Of a line of JSONL: JSON texts with line breaks between their tokens, as they are stored."""

# A spreadsheet runs a cell that begins so, also behind spaces and quotes (OWASP, "CSV injection";
# the last four are the wide forms of the first). An apostrophe before it makes it text. Where one
# stands already it gets another, so that to take one away gives back what it was.
FORMULA = "^[ '\"\t\n\f\r]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|^['\"]*[\t\n\r]"
"""What texts in CSV get an apostrophe before them; RE2 and Python read it alike."""

_ARROW: dict[ColumnKind, pa.DataType] = {
    "text": pa.string(),
    "json": pa.string(),
    "texts": pa.list_(pa.string()),
    "count": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "time": pa.timestamp("ns", tz="UTC"),
}


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column.

    Args:
        is_content: what people wrote or programs attached: long, and seldom the same twice.
    """

    name: str
    kind: ColumnKind = "text"
    is_content: bool = False

    @property
    def arrow_type(self) -> pa.DataType:
        """Its type in Parquet and Arrow."""
        return _ARROW[self.kind]


def _columns(kind: ColumnKind, names: str, *, is_content: bool = False) -> list[ExportColumn]:
    return [ExportColumn(name, kind, is_content) for name in names.split()]


_SPANS = (
    *_columns("text", "project trace_id span_id parent_span_id name kind status"),
    *_columns("time", "start_time end_time"),
    *_columns("number", "duration_ms"),
    *_columns("text", "provider request_model response_model"),
    *_columns("count", "input_tokens output_tokens"),
    *_columns("number", "cost_usd ttft_ms"),
    *_columns("text", "user_id session_id"),
    *_columns("texts", "tags"),
    *_columns("text", "environment release prompt_name prompt_version error_type"),
    *_columns("text", "status_message", is_content=True),
    *_columns("json", "input output", is_content=True),
    *_columns("texts", "finish_reasons"),
    *_columns("json", "params prompt_variables attributes", is_content=True),
    *_columns("count", "cache_read_tokens cache_write_tokens reasoning_tokens"),
    *_columns("count", "audio_input_tokens audio_output_tokens chunk_count"),
    *_columns("number", "chunk_p50_ms chunk_p95_ms"),
    *_columns("flag", "is_abandoned"),
    ExportColumn("response_id", is_content=True),
    *_columns("text", "error_stack", is_content=True),
    *_columns("text", "price_version"),
    *_columns("flag", "is_usage_inconsistent"),
    *_columns("count", "mapper_version"),
    *_columns("json", "otel", is_content=True),
    *_columns("time", "received_time"),
)
_SCORES = (
    *_columns("text", "project score_id name"),
    *_columns("json", "value"),
    *_columns("number", "number"),
    *_columns("flag", "is_text"),
    *_columns("text", "source"),
    *_columns("time", "time"),
    *_columns("text", "trace_id span_id session_id author"),
    *_columns("text", "comment", is_content=True),
)
COLUMNS: dict[What, tuple[ExportColumn, ...]] = {"spans": _SPANS, "scores": _SCORES}


def make_schema(what: What) -> pa.Schema:
    """Return the schema of an export in Parquet and Arrow."""
    fields = [pa.field(column.name, column.arrow_type) for column in COLUMNS[what]]
    return pa.schema(fields, {METADATA_KEY: f"{what} {VERSION}".encode()})


def recognise_names(names: Sequence[str]) -> What | None:
    """Return what has exactly these columns in this order, as a header or the keys of a line."""
    for what, columns in COLUMNS.items():
        if [column.name for column in columns] == list(names):
            return what
    return None
