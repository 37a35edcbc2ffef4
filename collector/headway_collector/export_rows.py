"""The rows of an export taken back: lines of its JSONL to batches, and what cannot be kept.

A row is given back as it was, with what the collector once found out of it: its cost, its mapping,
its original. It is looked at as strictly as one that comes from a client.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headway.records import EMPTY, Score, Source, Span
from headway_collector.decoding import Reject
from headway_collector.errors import BodyTooLargeError
from headway_collector.export_columns import What
from headway_collector.limits import MAX_LINES, MAX_NAME_CHARS, MAX_TEXT_CHARS
from headway_collector.originals.envelopes import show_attributes
from headway_collector.soundness import find_score_fault, find_span_fault
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.columns import build_ahead
from headway_collector.times import parse_absolute

_MAX_MAPPER_VERSION = 2**31 - 1
_SPAN_FIELDS = Span.__struct_fields__
_RAW = ("input", "output", "params", "prompt_variables", "attributes")


class _SpanLine(Span, tag=False, kw_only=True, forbid_unknown_fields=True, gc=False):
    project: str
    start_time: str
    end_time: str
    start_ns: int = 0
    end_ns: int = 0
    duration_ms: float | None = None
    received_time: str | None = None
    price_version: str | None = None
    is_usage_inconsistent: bool | None = None
    mapper_version: int | None = None
    otel: msgspec.Raw = EMPTY
    verbatim: dict[str, str] | None = None


class _ScoreLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    project: str
    score_id: str
    name: str
    value: bool | int | float | str
    number: float | None = None
    is_text: bool = False
    source: Source
    time: str
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    author: str | None = None
    comment: str | None = None
    verbatim: dict[str, str] | None = None


_span_decoder = msgspec.json.Decoder(_SpanLine)
_score_decoder = msgspec.json.Decoder(_ScoreLine)
_any_decoder = msgspec.json.Decoder()


class _RowFault(Exception):
    """Why a line is no row."""


@dataclass(slots=True)
class _Sheaf:
    """What one project gets of a body, apart by the tongue that its spans came in."""

    spans: list[Span] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    span_lines: list[int] = field(default_factory=list)
    score_lines: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a body held.

    Args:
        batches: one for each project and tongue.
        rejects: the lines that no project can be found for; nobody keeps those.
    """

    batches: list[Batch]
    rejects: list[Reject]


def decode_rows(
    body: bytes,
    what: What,
    *,
    project: str | None,
    batch_id: str | None,
    check_project: Callable[[str], object],
) -> Rows:
    """Return what the lines of an export hold.

    Args:
        body: lines of JSONL.
        what: they are.
        project: that of all; None leaves to each its own.
        batch_id: of the whole body.
        check_project: refuses a project by raising.

    Raises:
        ForbiddenError: a line belongs to a project that is refused; nothing of the body is kept.
        BodyTooLargeError: there are more than ``MAX_LINES``.
    """
    if body.count(b"\n") > MAX_LINES:
        raise BodyTooLargeError(f"the body has over {MAX_LINES} lines: send smaller batches")
    sheaves: dict[tuple[str, bool], _Sheaf] = {}
    lost: list[Reject] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line or line.isspace():
            continue
        place: str | None = project
        try:
            read = _read_line(line, what)
            place = project if project is not None else _check_name(read.project, check_project)
            if isinstance(read, _SpanLine):
                span, derived = _make_span(read)
                sheaf = sheaves.setdefault((place, derived.mapper_version is not None), _Sheaf())
                sheaf.spans.append(span)
                sheaf.derived.append(derived)
                sheaf.span_lines.append(number)
            else:
                score = _make_score(read)
                sheaf = sheaves.setdefault((place, False), _Sheaf())
                sheaf.scores.append(score)
                sheaf.score_lines.append(number)
        except _RowFault as fault:
            reject = Reject(number, str(fault), line)
            if place is None:
                lost.append(reject)
            else:
                sheaves.setdefault((place, False), _Sheaf()).rejects.append(reject)
    batches = [
        _bind(name, sheaf, batch_id, is_foreign) for (name, is_foreign), sheaf in sheaves.items()
    ]
    return Rows(batches, lost)


def _read_line(line: bytes, what: What) -> "_SpanLine | _ScoreLine":
    try:
        line.decode()
        return (_span_decoder if what == "spans" else _score_decoder).decode(line)
    except UnicodeDecodeError as error:
        raise _RowFault(f"not UTF-8 at byte {error.start + 1}") from error
    except msgspec.ValidationError as error:
        raise _RowFault(f"not a line of an export of {what}: {error}") from error
    except msgspec.DecodeError as error:
        raise _RowFault(f"not JSON: {error}") from error
    except RecursionError as error:
        raise _RowFault("nested too deeply") from error


def _check_name(project: str, check_project: Callable[[str], object]) -> str:
    if not 0 < len(project) <= MAX_NAME_CHARS:
        raise _RowFault(f"project has {len(project)} characters; 1 to {MAX_NAME_CHARS} are allowed")
    check_project(project)
    return project


def _make_span(line: _SpanLine) -> tuple[Span, Derived]:
    texts = _read_verbatim(line.verbatim, (*_RAW, "otel"))
    fields: dict[str, Any] = {name: getattr(line, name) for name in _SPAN_FIELDS}
    fields["start_ns"] = _read_time("start_time", line.start_time)
    fields["end_ns"] = _read_time("end_time", line.end_time)
    for name in _RAW:
        fields[name] = texts.get(name, fields[name])
    otel = bytes(texts.get("otel", line.otel))
    span = Span(**fields)
    derived = Derived(
        price_version=line.price_version,
        is_usage_inconsistent=line.is_usage_inconsistent,
        mapper_version=line.mapper_version,
        otel=None if otel in (b"", b"null") else otel,
    )
    fault = find_span_fault(span) or _find_derived_fault(span, derived)
    if fault is not None:
        raise _RowFault(fault)
    return span, derived


def _find_derived_fault(span: Span, derived: Derived) -> str | None:
    version = derived.mapper_version
    if version is not None and not 0 <= version <= _MAX_MAPPER_VERSION:
        return f"mapper_version is {version}, not from 0 to {_MAX_MAPPER_VERSION}"
    if derived.price_version is not None and len(derived.price_version) > MAX_TEXT_CHARS:
        return f"price_version has over {MAX_TEXT_CHARS} characters"
    if (version is None) != (derived.otel is None):
        return "mapper_version and otel stand together or not at all"
    if derived.otel is None:
        return None
    row = {name: _tell(getattr(span, name)) for name in _SPAN_FIELDS}
    try:
        show_attributes({**row, "otel": derived.otel.decode()})
    except UnicodeEncodeError:
        return None  # half a character came, and stands there as such
    except Exception as error:  # whatever is wrong with it, who reads the row must not find it
        return f"otel is not the original of this span: {error!r}"[:300]
    return None


def _tell(value: Any) -> Any:
    if not isinstance(value, msgspec.Raw):
        return value
    text = bytes(value)
    return None if text in (b"", b"null") else text.decode()


def _make_score(line: _ScoreLine) -> Score:
    score = Score(
        score_id=line.score_id,
        name=line.name,
        value=line.value,
        time_ns=_read_time("time", line.time),
        source=line.source,
        trace_id=line.trace_id,
        span_id=line.span_id,
        session_id=line.session_id,
        comment=line.comment,
        author=line.author,
        is_text=line.is_text,
    )
    fault = find_score_fault(score)
    if fault is not None:
        raise _RowFault(fault)
    return score


def _read_verbatim(texts: dict[str, str] | None, names: tuple[str, ...]) -> dict[str, msgspec.Raw]:
    raws: dict[str, msgspec.Raw] = {}
    for name, text in (texts or {}).items():
        if name not in names:
            raise _RowFault(f"verbatim has {name[:80]!r}, which is no column of JSON")
        try:
            _any_decoder.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _RowFault(f"verbatim {name} is not JSON: {error}") from error
        raws[name] = msgspec.Raw(text.encode())
    return raws


def _read_time(name: str, text: str) -> int:
    try:
        return parse_absolute(text)
    except ValueError as error:
        raise _RowFault(f"{name}: {error}") from error


def _bind(project: str, sheaf: _Sheaf, batch_id: str | None, is_foreign: bool) -> Batch:
    # What one batch brings is in one tongue, and each has an id of its own.
    suffix = "-otlp" if is_foreign else ""
    batch = Batch(
        project=project,
        batch_id=None if batch_id is None else f"{batch_id}{suffix}",
        spans=sheaf.spans,
        derived=sheaf.derived,
        scores=sheaf.scores,
        rejects=sheaf.rejects,
        span_lines=sheaf.span_lines,
        score_lines=sheaf.score_lines,
    )
    return build_ahead(batch)
