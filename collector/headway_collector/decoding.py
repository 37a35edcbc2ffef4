"""Bytes to records and rejects: all at once where all is well, else line by line.

One bad line costs nothing but itself, and the time in which the others are looked at one by one.
"""

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

import msgspec
import numpy as np
import pyarrow as pa

from headway.records import KINDS, Loss, Record, Score, Source, Span, Status
from headway_collector.errors import NotNdjsonError
from headway_collector.soundness import are_sound, find_fault


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

_PIECE_BYTES = 64 * 1024
_BACKSLASH = ord("\\")
_ESCAPE = int.from_bytes(b"\\u", "little")
# So begin the digits of those that JSON has no other way to write.
_CONTROLS = (b"000", b"001")
_RAW_FIELDS = ("input", "output", "params", "prompt_variables", "attributes")
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
    body = body.removeprefix(codecs.BOM_UTF8)
    return _decode_at_once(body) or _decode_by_line(body)


def _decode_at_once(body: bytes) -> Decoded | None:
    # A fifth of the time of line by line, and nothing where any line is not as it should be.
    decoded = Decoded()
    try:
        for piece in _cut_at_lines(body):
            for record in _decoder.decode_lines(piece):
                _sort_in(record, decoded)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    others: list[Record | Loss] = [*decoded.scores, *decoded.losses]
    if not (decoded.spans or others) or not _is_utf8(body):
        return None
    if not are_sound(decoded.spans) or any(find_fault(each) is not None for each in others):
        return None
    if _has_escaped_letters(body):
        for span in decoded.spans:
            _spell_out(span)
    return decoded


def _cut_at_lines(body: bytes) -> Iterator[memoryview]:
    # While a piece is decoded no other thread runs: the writer would wait for all of the body each
    # time that DuckDB comes back to it.
    view = memoryview(body)
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + _PIECE_BYTES) + 1 or len(body)
        yield view[start:end]
        start = end


def _decode_by_line(body: bytes) -> Decoded:
    decoded = Decoded()
    is_ndjson = False
    is_ascii = body.isascii()
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            _sort_in(_decode_line(line, is_ascii), decoded)
        except _NotJsonError as error:
            # A record that is broken is a reject; only what never looked like one is foreign.
            is_ndjson = is_ndjson or line.lstrip().startswith(b"{")
            decoded.rejects.append(Reject(number, str(error), line))
        except _NotRecordError as error:
            is_ndjson = True
            decoded.rejects.append(Reject(number, str(error), line))
        else:
            is_ndjson = True
    if not is_ndjson:
        raise NotNdjsonError("no line of the body is JSON: send one record a line (NDJSON)")
    return decoded


def _sort_in(record: Record | Loss, decoded: Decoded) -> None:
    if type(record) is Span:
        decoded.spans.append(record)
    elif type(record) is Score:
        decoded.scores.append(record)
    elif type(record) is Loss:
        decoded.losses.append(record)


def _is_utf8(body: bytes) -> bool:
    # Arrow looks at sixteen bytes at a time; Python would make a text of all of it first.
    if body.isascii():
        return True
    ends = pa.py_buffer(struct.pack("=2q", 0, len(body)))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(body)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _has_escaped_letters(body: bytes) -> bool:
    r"""Whether a character that JSON need not escape is escaped, as in ``\u00e9``."""
    # Two bytes at a time: a search would stop at each of the many \n.
    for offset in (0, 1):
        pairs = np.frombuffer(body, "<u2", (len(body) - offset) // 2, offset)
        is_escape = pairs == _ESCAPE
        if np.count_nonzero(is_escape):
            starts = (2 * index + offset for index in np.flatnonzero(is_escape).tolist())
            if any(_is_escaped_letter(body, start) for start in starts):
                return True
    return False


def _is_escaped_letter(body: bytes, start: int) -> bool:
    first = start
    while first > 0 and body[first - 1] == _BACKSLASH:
        first -= 1
    return (start - first) % 2 == 0 and body[start + 2 : start + 5] not in _CONTROLS


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
    fault = find_fault(record)
    if fault is not None:
        raise _NotRecordError(fault)
    return record


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
