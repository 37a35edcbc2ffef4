"""Bytes to records and rejects, line by line, so that one bad line costs nothing but itself."""

import codecs
import re
from dataclasses import dataclass, field
from typing import get_args

import msgspec

from headway.records import KINDS, Loss, Record, Score, Source, Span, Status
from headway_collector.errors import NotNdjsonError
from headway_collector.limits import (
    MAX_COST_USD,
    MAX_COUNT,
    MAX_HOST_CHARS,
    MAX_INT,
    MAX_LIST_TEXT_CHARS,
    MAX_LIST_TEXTS,
    MAX_MS,
    MAX_TEXT_CHARS,
)
from headway_collector.times import MAX_NS


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was refused: where it stood, why, and its bytes."""

    line: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a body held."""

    spans: list[Span] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class _NotJsonError(Exception):
    """The line is not JSON at all."""


class _NotRecordError(Exception):
    """The line is JSON, but no record that can be kept."""


_decoder = msgspec.json.Decoder(Record | Loss)
_any_decoder = msgspec.json.Decoder()
_any_encoder = msgspec.json.Encoder()

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
_CLIENT_ID = re.compile(r"[0-9a-f]{32}")
_REASON = re.compile(r"[a-z0-9_ -]{1,64}")
_RAW_FIELDS = ("input", "output", "params", "prompt_variables", "attributes")
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "chunk_count",
)
_AMOUNTS = {
    "cost_usd": MAX_COST_USD,
    "ttft_ms": MAX_MS,
    "chunk_p50_ms": MAX_MS,
    "chunk_p95_ms": MAX_MS,
}
# What spans are grouped by, and what stands beside it; status messages and stacks are content.
_TEXTS = (
    "name",
    "error_type",
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "user_id",
    "session_id",
    "environment",
    "release",
    "prompt_name",
    "prompt_version",
)
_LISTS = ("tags", "finish_reasons")
_SCORE_TEXTS = ("name", "score_id", "session_id", "author")
_ALLOWED = {
    "`$.kind`": KINDS,
    "`$.status`": get_args(Status),
    "`$.source`": get_args(Source),
    "`$.type`": ("span", "score", "loss"),
}


def decode_records(body: bytes) -> Decoded:
    """Return what an NDJSON body holds, and the lines that cannot be kept, with reasons.

    Raises:
        NotNdjsonError: not one line is JSON, so the sender speaks another language.
    """
    decoded = Decoded()
    is_ndjson = False
    body = body.removeprefix(codecs.BOM_UTF8)
    is_ascii = body.isascii()
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            record = _decode_line(line, is_ascii)
        except _NotJsonError as error:
            # A record that is broken is a reject; only what never looked like one is foreign.
            is_ndjson = is_ndjson or line.lstrip().startswith(b"{")
            decoded.rejects.append(Reject(number, str(error), line))
            continue
        except _NotRecordError as error:
            is_ndjson = True
            decoded.rejects.append(Reject(number, str(error), line))
            continue
        is_ndjson = True
        if isinstance(record, Span):
            decoded.spans.append(record)
        elif isinstance(record, Score):
            decoded.scores.append(record)
        else:
            decoded.losses.append(record)
    if not is_ndjson:
        raise NotNdjsonError("no line of the body is JSON: send one record a line (NDJSON)")
    return decoded


def find_span_fault(span: Span) -> str | None:
    """Return why the span cannot be kept, or None."""
    if not _TRACE_ID.fullmatch(span.trace_id):
        return f"trace_id is {span.trace_id[:80]!r}, not 32 lower-case hex digits, or only zeros"
    if not _SPAN_ID.fullmatch(span.span_id):
        return f"span_id is {span.span_id[:80]!r}, not 16 lower-case hex digits, or only zeros"
    if span.parent_span_id is not None and not _SPAN_ID.fullmatch(span.parent_span_id):
        said = f"parent_span_id is {span.parent_span_id[:80]!r}"
        return f"{said}, not 16 lower-case hex digits, or only zeros"
    if not 0 <= span.start_ns <= MAX_NS or not 0 <= span.end_ns <= MAX_NS:
        return f"start_ns {span.start_ns} or end_ns {span.end_ns} is outside 1970 to 2200"
    if span.end_ns < span.start_ns:
        return f"end_ns {span.end_ns} is before start_ns {span.start_ns}"
    for name in _COUNTS:
        count = getattr(span, name)
        if count is not None and not 0 <= count <= MAX_COUNT:
            return f"{name} is {count}, not a count up to {MAX_COUNT}"
    for name, limit in _AMOUNTS.items():
        amount = getattr(span, name)
        if amount is not None and not 0 <= amount <= limit:
            return f"{name} is {amount}, not between 0 and {limit:g}"
    return _find_long_text(span, _TEXTS) or _find_long_list(span)


def find_score_fault(score: Score) -> str | None:
    """Return why the score cannot be kept, or None."""
    if not score.name or not score.score_id:
        return "name and score_id must not be empty"
    if score.trace_id is None and score.span_id is None and score.session_id is None:
        return "a score needs one of trace_id, span_id and session_id"
    if score.trace_id is not None and not _TRACE_ID.fullmatch(score.trace_id):
        return f"trace_id is {score.trace_id[:80]!r}, not 32 lower-case hex digits, or only zeros"
    if score.span_id is not None and not _SPAN_ID.fullmatch(score.span_id):
        return f"span_id is {score.span_id[:80]!r}, not 16 lower-case hex digits, or only zeros"
    if not 0 <= score.time_ns <= MAX_NS:
        return f"time_ns {score.time_ns} is outside 1970 to 2200"
    if isinstance(score.value, int) and abs(score.value) > MAX_INT:
        return "value is too large a number"
    if score.is_text and not isinstance(score.value, str):
        return f"is_text is set, but value is {score.value!r}"
    return _find_long_text(score, _SCORE_TEXTS)


def find_loss_fault(loss: Loss) -> str | None:
    """Return why the loss cannot be kept, or None."""
    if not _CLIENT_ID.fullmatch(loss.client_id):
        return f"client_id is {loss.client_id[:80]!r}, not 32 lower-case hex digits"
    if not _REASON.fullmatch(loss.reason):
        return f"reason is {loss.reason[:80]!r}, not 1 to 64 of a-z, 0-9, space, _ and -"
    if not 1 <= loss.count <= MAX_COUNT:
        return f"count is {loss.count}, not between 1 and {MAX_COUNT}"
    if not 0 <= loss.time_ns <= MAX_NS:
        return f"time_ns {loss.time_ns} is outside 1970 to 2200"
    if len(loss.host) > MAX_HOST_CHARS:
        return f"host has {len(loss.host)} characters; {MAX_HOST_CHARS} are allowed"
    if not 0 <= loss.pid <= MAX_INT:
        return f"pid is {loss.pid}, not the number of a process"
    return None


def _find_long_text(record: Record, names: tuple[str, ...]) -> str | None:
    for name in names:
        text = getattr(record, name)
        if text is not None and len(text) > MAX_TEXT_CHARS:
            return f"{name} has {len(text)} characters; {MAX_TEXT_CHARS} are allowed"
    return None


def _find_long_list(span: Span) -> str | None:
    for name in _LISTS:
        texts = getattr(span, name)
        if len(texts) > MAX_LIST_TEXTS:
            return f"{name} has {len(texts)} values; {MAX_LIST_TEXTS} are allowed"
        for text in texts:
            if len(text) > MAX_LIST_TEXT_CHARS:
                return (
                    f"a value of {name} has {len(text)} characters; "
                    f"{MAX_LIST_TEXT_CHARS} are allowed"
                )
    return None


def _decode_line(line: bytes, is_ascii: bool) -> Record | Loss:
    try:
        if not is_ascii:
            line.decode()
        record: Record | Loss = _decoder.decode(line)
        if b"\\u" in line and isinstance(record, Span):
            _spell_out(record)
    except msgspec.ValidationError as error:
        raise _NotRecordError(_explain(str(error))) from error
    except RecursionError as error:
        raise _NotRecordError("nested too deeply") from error
    except UnicodeDecodeError as error:
        raise _NotJsonError(f"not UTF-8 at byte {error.start + 1}") from error
    except msgspec.DecodeError as error:
        raise _NotJsonError(f"not JSON: {error}") from error
    fault = _find_fault(record)
    if fault is not None:
        raise _NotRecordError(fault)
    return record


def _find_fault(record: Record | Loss) -> str | None:
    if isinstance(record, Span):
        return find_span_fault(record)
    return find_score_fault(record) if isinstance(record, Score) else find_loss_fault(record)


def _spell_out(span: Span) -> None:
    # Many encoders escape all but ASCII; text is searched as it is stored, so it is stored plain.
    for name in _RAW_FIELDS:
        raw = bytes(getattr(span, name))
        if b"\\u" in raw:
            setattr(span, name, msgspec.Raw(_any_encoder.encode(_any_decoder.decode(raw))))


def _explain(message: str) -> str:
    for path, allowed in _ALLOWED.items():
        if path in message:
            return f"{message}; allowed are {', '.join(allowed)}"
    return message
