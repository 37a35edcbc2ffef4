"""Bytes to records and rejects: all at once where all is well, else line by line.

One bad line costs nothing but itself, and the time in which the others are looked at one by one.
"""

import codecs
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec
import pyarrow as pa

from headway.records import (
    EMPTY,
    KINDS,
    Loss,
    PromptVersion,
    Record,
    Score,
    Source,
    Span,
    Status,
)
from headway_collector.errors import BodyTooLargeError, NotNdjsonError
from headway_collector.escapes import has_escaped_letters, spell_out
from headway_collector.limits import (
    CAPS,
    MAX_CUT_BYTES,
    MAX_LINES,
    MAX_LIST_TEXT_CHARS,
    MAX_LIST_TEXTS,
    MAX_REJECTS,
    Caps,
)
from headway_collector.sizes import (
    find_size_fault,
    may_exceed,
    may_have_too_many,
    say_record_too_large,
)
from headway_collector.soundness import are_sound, find_fault

Form = Literal[
    "record",
    "span",
    "log",
    "packed_span",
    "packed_log",
    "protobuf_span",
    "protobuf_log",
    "json_span",
    "json_log",
    "cut",
]
"""What the bytes of a reject are: a line of NDJSON; an item of OTLP as our struct in JSON, or in
msgpack where JSON cannot tell it; an item as it came, in protobuf or JSON, whose resource and scope
stand beside it; or only the beginning of any of them."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A line or an item that was refused: where it stood, why, and its bytes.

    Of very many the last one stands for ``count`` lines, whose bytes are not kept.

    Args:
        form: what the bytes are; of those that are cut no more is known.
        size_bytes: of all of it, where the bytes are cut.
        context: the resource and scope of an item that stands as it came, in msgpack.
    """

    line: int
    reason: str
    raw: bytes
    count: int = 1
    form: Form = "record"
    size_bytes: int | None = None
    context: bytes = b""


@dataclass(slots=True)
class Decoded:
    """What a body held.

    Args:
        span_lines: the line of each span, from 1.
        score_lines: of each score.
    """

    spans: list[Span] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    span_lines: Sequence[int] = ()
    score_lines: Sequence[int] = ()
    prompts: list[PromptVersion] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class _NotJsonError(Exception):
    """The line is not JSON at all."""


class _NotRecordError(Exception):
    """The line is JSON, but no record that can be kept."""


class _TooLargeError(Exception):
    """The line is a record, and larger than the caps allow."""


class _Lists(msgspec.Struct, gc=False):
    """The lists of a record, unread: of a large one there may be millions of texts."""

    tags: msgspec.Raw = EMPTY
    finish_reasons: msgspec.Raw = EMPTY


_decoder = msgspec.json.Decoder(Record | Loss)
_lists_decoder = msgspec.json.Decoder(_Lists)

_PIECE_BYTES = 64 * 1024
# After so many the spans are looked at, so that those of too much are not all kept until the end;
# and of records larger than this the lists are looked at first.
_STRETCH_BYTES = 1024 * 1024
# A letter takes twelve bytes at most, as two halves that are escaped.
_MAX_LIST_BYTES = MAX_LIST_TEXTS * (12 * MAX_LIST_TEXT_CHARS + len('"", '))
_ALLOWED = {
    "`$.kind`": KINDS,
    "`$.status`": get_args(Status),
    "`$.source`": get_args(Source),
    "`$.type`": ("span", "score", "prompt", "loss"),
}


def decode_records(body: bytes, caps: Caps = CAPS) -> Decoded:
    """Return what an NDJSON body holds, and the lines that cannot be kept, with reasons.

    Args:
        body: decompressed.
        caps: how large a record and its fields may be.

    Raises:
        NotNdjsonError: not one line is JSON, so the sender speaks another language.
        BodyTooLargeError: there are more than ``MAX_LINES``.
    """
    # Bytes that repeat are few on the wire, and a line of one byte becomes a hundred times more.
    newlines = body.count(b"\n")
    if newlines > MAX_LINES:
        raise BodyTooLargeError(f"the body has over {MAX_LINES} lines: send smaller batches")
    body = body.removeprefix(codecs.BOM_UTF8)
    return _decode_at_once(body, newlines, caps) or _decode_by_line(body, caps)


def _decode_at_once(body: bytes, newlines: int, caps: Caps) -> Decoded | None:
    # A fifth of the time of line by line, and nothing where any line is not as it should be.
    decoded = Decoded()
    kinds: list[type] = []
    stretch_bytes = sound = 0
    try:
        for piece in _cut_at_lines(body):
            if may_exceed(len(piece), caps):
                return None
            if len(piece) > _STRETCH_BYTES and _have_long_list(_lists_decoder.decode_lines(piece)):
                return None
            records = _decoder.decode_lines(piece)
            for record in records:
                _sort_in(record, decoded)
            kinds += map(type, records)
            stretch_bytes += len(piece)
            if stretch_bytes > _STRETCH_BYTES:
                if not are_sound(decoded.spans[sound:]):
                    return None
                stretch_bytes, sound = 0, len(decoded.spans)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    others: list[Record | Loss] = [*decoded.scores, *decoded.prompts, *decoded.losses]
    if not (decoded.spans or others) or not _is_utf8(body):
        return None
    if may_have_too_many(decoded.spans, caps):
        return None
    if not are_sound(decoded.spans[sound:]) or any(find_fault(each) is not None for each in others):
        return None
    if has_escaped_letters(body):
        for span in decoded.spans:
            spell_out(span)
    numbers = _number_lines(body, newlines, len(kinds))
    decoded.span_lines, decoded.score_lines = numbers, ()
    if others:
        pairs = list(zip(numbers, kinds, strict=True))
        decoded.span_lines = [number for number, kind in pairs if kind is Span]
        decoded.score_lines = [number for number, kind in pairs if kind is Score]
    return decoded


def _number_lines(body: bytes, newlines: int, count: int) -> Sequence[int]:
    """Return the lines of as many records, which blank lines may stand between."""
    if newlines + (not body.endswith(b"\n")) == count:
        return range(1, count + 1)
    lines = enumerate(body.split(b"\n"), start=1)
    return [number for number, line in lines if line and not line.isspace()]


def _have_long_list(records: Iterable[_Lists]) -> bool:
    return any(
        len(memoryview(texts)) > _MAX_LIST_BYTES
        for each in records
        for texts in (each.tags, each.finish_reasons)
    )


def _cut_at_lines(body: bytes) -> Iterator[memoryview]:
    # While a piece is decoded no other thread runs: the writer would wait for all of the body each
    # time that DuckDB comes back to it.
    view = memoryview(body)
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + _PIECE_BYTES) + 1 or len(body)
        yield view[start:end]
        start = end


def _decode_by_line(body: bytes, caps: Caps) -> Decoded:
    decoded = Decoded()
    span_lines: list[int] = []
    score_lines: list[int] = []
    decoded.span_lines, decoded.score_lines = span_lines, score_lines
    rejects = _Rejects(decoded.rejects)
    is_ndjson = False
    is_ascii = body.isascii()
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            record = _decode_line(line, is_ascii, caps)
        except _NotJsonError as error:
            # A record that is broken is a reject; only what never looked like one is foreign.
            is_ndjson = is_ndjson or line.lstrip().startswith(b"{")
            rejects.add(Reject(number, str(error), line))
        except _NotRecordError as error:
            is_ndjson = True
            rejects.add(Reject(number, str(error), line))
        except _TooLargeError as error:
            is_ndjson = True
            rejects.add(cut_reject(number, str(error), line))
        else:
            is_ndjson = True
            _sort_in(record, decoded)
            if isinstance(record, Span | Score):
                (span_lines if isinstance(record, Span) else score_lines).append(number)
    if not is_ndjson:
        raise NotNdjsonError("no line of the body is JSON: send one record a line (NDJSON)")
    rejects.end()
    return decoded


def cut_reject(line: int, reason: str, raw: bytes, form: Form = "record") -> Reject:
    """Return a reject of which no more is kept than its beginning, where it is long."""
    if len(raw) <= MAX_CUT_BYTES:
        return Reject(line, reason, raw, form=form)
    return Reject(line, reason, raw[:MAX_CUT_BYTES], form="cut", size_bytes=len(raw))


class _Rejects:
    """The rejects of a body: the first ones each by itself, all others in one."""

    def __init__(self, kept: list[Reject]) -> None:
        self._kept = kept
        self._first: Reject | None = None
        self._count = 0

    def add(self, reject: Reject) -> None:
        """Keep or count a reject."""
        if len(self._kept) < MAX_REJECTS:
            self._kept.append(reject)
        else:
            self._first = self._first or reject
            self._count += 1

    def end(self) -> None:
        """Add the one for what was only counted."""
        if self._first is not None:
            line, reason = self._first.line, self._first.reason
            said = f"{self._count} lines from here on were refused and not kept, the first: "
            self._kept.append(Reject(line, said + reason, b"", self._count, form="cut"))


def _sort_in(record: Record | Loss, decoded: Decoded) -> None:
    if type(record) is Span:
        decoded.spans.append(record)
    elif type(record) is Score:
        decoded.scores.append(record)
    elif type(record) is PromptVersion:
        decoded.prompts.append(record)
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


def _decode_line(line: bytes, is_ascii: bool, caps: Caps) -> Record | Loss:
    if len(line) > caps.record_bytes:
        raise _TooLargeError(say_record_too_large(len(line), caps))
    try:
        if not is_ascii:
            line.decode()
        if len(line) > _STRETCH_BYTES and _have_long_list([_lists_decoder.decode(line)]):
            raise _NotRecordError(f"tags or finish_reasons are over {_MAX_LIST_BYTES} bytes")
        record: Record | Loss = _decoder.decode(line)
        if b"\\u" in line and isinstance(record, Span):
            spell_out(record)
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
    if len(line) > min(caps.field_bytes, caps.attributes):  # an attribute takes over a byte
        fault = find_size_fault(record, caps)
        if fault is not None:
            raise _TooLargeError(fault)
    return record


def _explain(message: str) -> str:
    for path, allowed in _ALLOWED.items():
        if path in message:
            return f"{message}; allowed are {', '.join(allowed)}"
    return message
