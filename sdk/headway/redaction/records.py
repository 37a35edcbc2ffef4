"""A record as it may be written: its texts looked through, its content left out where that is off.

Every field that holds text is looked through; ids of hex digits, kinds, states and measured
numbers cannot hold any. It is fail-closed: a record that cannot be looked through keeps its ids
and numbers, and says instead of each text that it could not.
"""

import hashlib
import re
from fnmatch import translate
from typing import Any

import msgspec
from msgspec.structs import astuple

from headway.contexts import CURRENT
from headway.guards import Guard
from headway.interruptions import is_from_handler
from headway.records import EMPTY, Record, Score, Span
from headway.redaction.choices import Choices
from headway.redaction.values import RedactionError, ValueRedactor

_NO_TEXTS = frozenset({"trace_id", "span_id", "parent_span_id", "kind", "status", "source"})
_NEVER_DROPPED = frozenset({"name", "value", "template", "version"})
"""A record is none without them, and ``redact_names=["name"]`` is meant for people."""
_NUMBERS = frozenset({int, float, bool})
_CONTENT = ("input", "output", "prompt_variables", "status_message")
_UNKNOWN = "[redacted: it could not be looked through]"
_OURS = "a record was kept without its content: "
"""Begins what is of our own words alone, and said where nothing can be looked through."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class SilentSpan(Span, tag_field="type", tag="span", omit_defaults=True, kw_only=True, gc=False):
    """A span of whose content only the size is kept, since its function was observed so."""


def silent(template: Span) -> SilentSpan:
    """Return a template for spans of whose content only the size is kept."""
    return SilentSpan(**msgspec.structs.asdict(template))


class RecordRedactor:
    """Makes of each record what may be written of it.

    Args:
        choices: what is kept out.
        guard: counts what could not be looked through.
    """

    def __init__(self, choices: Choices, guard: Guard) -> None:
        self._choices = choices
        self._guard = guard
        self._values = ValueRedactor(choices) if choices.has_redaction else None
        silent = "|".join(translate(glob) for glob in choices.silent_spans)
        self._silent = re.compile(silent or "(?!)")

    def redact(self, record: Record) -> Record:
        """Return a copy of the record that may be written."""
        try:
            copied: Record = record.__copy__()  # type: ignore[union-attr]  # msgspec does not declare it
            if self._is_silent(record):
                _silence(copied)
            if self._values is not None:
                self._look_through(copied, self._values)
            return copied
        except Exception as error:
            if is_from_handler(error):
                raise
            self._guard.fault(
                "redacting",
                _OURS + _reason_of(error),
            )
            return _emptied(record)

    def message(self, message: str) -> str:
        """Return what may be said of a fault, which may have a value of the program's in it."""
        if self._values is None or message.startswith(_OURS):
            return message
        try:
            self._values.begin()
            return str(self._values.value("message", message))
        except Exception as error:
            if is_from_handler(error):
                raise
            return _UNKNOWN

    def _is_silent(self, record: Record | None) -> bool:
        if not self._choices.is_content_kept:
            return True
        if isinstance(record, Score):
            # Given where a silent span runs; another is known by its id alone.
            record = getattr(CURRENT.get(), "record", None)
        if not isinstance(record, Span):
            return False
        return type(record) is SilentSpan or self._silent.match(record.name) is not None

    def _look_through(self, record: Any, values: ValueRedactor) -> None:
        values.begin()
        for name in _text_fields(record):
            held = getattr(record, name)
            if type(held) is msgspec.Raw:
                if held is EMPTY or not bytes(held):
                    continue
                before = _decode(held)
            else:
                before = held
            is_safe = name in _NEVER_DROPPED
            after = values.value(name, before) if is_safe else values.field(name, before)
            if after is before:
                continue
            if type(held) is msgspec.Raw:
                after = msgspec.Raw(_encode(after))
            elif name == "score_id":
                # A replay has to come to the same id.
                after = hashlib.blake2b(held.encode(), digest_size=16).hexdigest()
            elif type(held) is list and type(after) is str:
                after = [after]
            setattr(record, name, after)


def _reason_of(error: Exception) -> str:
    # What other errors say may be of the text.
    return str(error) if isinstance(error, RedactionError) else type(error).__name__


def _text_fields(record: Any) -> list[str]:
    # By what a record holds, since nothing makes sure that it is what its field is for.
    held_by_name = zip(record.__struct_fields__, astuple(record), strict=True)
    return [
        name
        for name, held in held_by_name
        # Most are None, and nothing else is as quick to rule out.
        if held is not None
        and held is not EMPTY
        and type(held) not in _NUMBERS
        and held != []
        and name not in _NO_TEXTS
    ]


def _silence(record: Any) -> None:
    # The size is that of the JSON text.
    if isinstance(record, Score):
        record.comment = None if record.comment is None else _size_of(record.comment)
        if record.is_text and isinstance(record.value, str):
            record.value = _size_of(record.value)
    for name in _CONTENT:
        held = getattr(record, name, None)
        if held is None or held is EMPTY:
            continue
        said = _size_of(held)
        setattr(record, name, said if name == "status_message" else msgspec.Raw(_encode(said)))


def _size_of(value: Any) -> str:
    try:
        size = len(_encode(value))
    except (UnicodeEncodeError, TypeError, OverflowError):
        return "[not kept]"
    return f"[not kept: {size:,} bytes]"


def _emptied(record: Any) -> Record:
    copied: Record = record.__copy__()
    for name in _text_fields(record):
        held = getattr(record, name)
        if type(held) is list:
            setattr(copied, name, [])
        elif name == "score_id":
            setattr(copied, name, hashlib.blake2b(held.encode(), digest_size=16).hexdigest())
        elif type(held) is str:
            setattr(copied, name, _UNKNOWN)
        else:
            setattr(copied, name, msgspec.Raw(_encode(_UNKNOWN)))
    return copied
