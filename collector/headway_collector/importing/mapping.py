"""A row made into records.

Ids that no column gives are derived from the project, the file's content and the row's number, so
that the same file imported again is the same records.
"""

import hashlib
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_args

from headway.records import EMPTY, KINDS, Record, Score, Span, Status, encode_record
from headway_collector.importing.fields import (
    CellFault,
    is_empty,
    parse_json,
    read_choice,
    read_count,
    read_duration,
    read_flag,
    read_json,
    read_number,
    read_score,
    read_text,
    read_texts,
    read_time,
)
from headway_collector.importing.plans import JSON_FIELDS, SCORE_PREFIX, Plan
from headway_collector.soundness import find_score_fault, find_span_fault
from headway_collector.times import MILLISECOND_NS, SECOND_NS

T = TypeVar("T")

_HEX = re.compile(r"[0-9a-f]+")
# Fields with a rule of their own; of the others, those not named below are text.
_SPECIAL = {"trace_id", "span_id", "parent_span_id", "start_ns", "end_ns", "attributes"}
_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "audio_input_tokens",
            "audio_output_tokens",
            "chunk_count",
        ),
        read_count,
    ),
    **dict.fromkeys(("cost_usd", "ttft_ms", "chunk_p50_ms", "chunk_p95_ms"), read_number),
    **dict.fromkeys(("tags", "finish_reasons"), read_texts),
    "is_abandoned": read_flag,
    "kind": partial(read_choice, KINDS),
    "status": partial(read_choice, get_args(Status)),
}


class RowFault(Exception):
    """Why a row is no record."""


class Mapper:
    """Makes records of the rows of one file.

    Args:
        plan: which column becomes which field.
        project: where the records belong.
        digest: stands for the file's content.
    """

    def __init__(self, plan: Plan, project: str, digest: str) -> None:
        self._plan = plan
        self._project = project
        self._digest = digest
        self._mapped = frozenset(plan.columns.values())
        self._plain = {
            name: _READERS.get(name, read_text)
            for name in Span.__struct_fields__
            if name in plan.columns and name not in _SPECIAL
        }
        for name in JSON_FIELDS:
            if name in self._plain:
                self._plain[name] = partial(read_json, is_parsed=name in plan.parsed)

    def map_row(self, number: int, values: dict[str, Any]) -> list[bytes]:
        """Return the row's span and its scores, encoded.

        Args:
            number: of the row in the file, from 0.
            values: by column.

        Raises:
            RowFault: a cell cannot be what it is mapped to.
        """
        span = self._make_span(number, values)
        records: list[Record] = [span]
        faults = [find_span_fault(span)]
        for name in self._plan.columns:
            value = self._read(values, name, read_score) if name.startswith(SCORE_PREFIX) else None
            if value is not None:
                score = self._make_score(number, name.removeprefix(SCORE_PREFIX), value, span)
                records.append(score)
                faults.append(find_score_fault(score))
        for fault in faults:
            if fault is not None:
                raise RowFault(fault)
        try:
            return [encode_record(record) for record in records]
        except (UnicodeEncodeError, OverflowError) as error:
            raise RowFault(f"cannot be written as JSON: {error}") from error

    def _make_span(self, number: int, values: dict[str, Any]) -> Span:
        fields: dict[str, Any] = {"name": self._plan.name, "kind": self._plan.kind, "status": "ok"}
        for name, reader in self._plain.items():
            value = self._read(values, name, reader)
            if value is not None:
                fields[name] = value
        if "error_type" in fields and "status" not in self._plain:
            fields["status"] = "error"
        fields.update(self._read_times(values))
        return Span(
            **fields,
            trace_id=self._read_id(values, "trace_id", 32) or self._derive(32, "trace", number),
            span_id=self._read_id(values, "span_id", 16) or self._derive(16, "span", number),
            parent_span_id=self._read_id(values, "parent_span_id", 16),
            attributes=self._read_attributes(values),
        )

    def _make_score(self, number: int, name: str, value: bool | float | str, span: Span) -> Score:
        return Score(
            score_id=self._derive(32, "score", number, name),
            name=name,
            value=value,
            time_ns=span.end_ns,
            trace_id=span.trace_id,
            span_id=span.span_id,
        )

    def _read(self, values: dict[str, Any], name: str, reader: Callable[[Any], T]) -> T | None:
        column = self._plan.columns.get(name)
        value = None if column is None else values.get(column)
        if is_empty(value):
            return None
        try:
            return reader(value)
        except CellFault as fault:
            raise RowFault(f"{name} from column {column!r}: {fault}") from fault

    def _read_times(self, values: dict[str, Any]) -> dict[str, int]:
        read_moment = partial(read_time, form=self._plan.time_format)
        start_ns = self._read(values, "start_ns", read_count)
        if start_ns is None:
            start_ns = self._read(values, "timestamp", read_moment)
        end_ns = self._read(values, "end_ns", read_count)
        if end_ns is None:
            end_ns = self._read(values, "end_timestamp", read_moment)
        latency_ns = self._read_latency(values)
        if start_ns is None and end_ns is not None:
            start_ns = end_ns - latency_ns
        if start_ns is None:
            start_ns = self._plan.time_ns
        if start_ns is None:
            raise RowFault("the row has no time")
        return {"start_ns": start_ns, "end_ns": start_ns + latency_ns if end_ns is None else end_ns}

    def _read_latency(self, values: dict[str, Any]) -> int:
        latency_ns = self._read(values, "latency_s", partial(read_duration, SECOND_NS))
        if latency_ns is None:
            latency_ns = self._read(values, "latency_ms", partial(read_duration, MILLISECOND_NS))
        return latency_ns or 0

    def _read_id(self, values: dict[str, Any], name: str, digits: int) -> str | None:
        text = self._read(values, name, read_text)
        if text is None:
            return None
        plain = text.replace("-", "").lower()
        if len(plain) == digits and _HEX.fullmatch(plain):
            return plain
        # An id of another form keeps its meaning: equal ones stay equal, also to their parents.
        return _digest(digits, self._project, text)

    def _read_attributes(self, values: dict[str, Any]) -> Any:
        attributes = {
            column: value
            for column, value in values.items()
            if column not in self._mapped and not is_empty(value)
        }
        given = self._read(values, "attributes", _read_object)
        attributes.update(given or {})
        try:
            return read_json(attributes) if attributes else EMPTY
        except CellFault as fault:
            raise RowFault(f"the columns that are not mapped: {fault}") from fault

    def _derive(self, digits: int, *parts: object) -> str:
        return _digest(digits, self._project, self._digest, *map(str, parts))


def _digest(digits: int, *parts: str) -> str:
    text = "\0".join(parts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=digits // 2).hexdigest()


def _read_object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = parse_json(value)
    if not isinstance(value, dict):
        raise CellFault(f"{str(value)[:80]!r} is not a JSON object")
    return value
