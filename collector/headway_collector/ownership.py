"""Whose a line or an item is, by its own fields: which user, session, trace and span it names.

For what was refused: it may lack fields, have others of a wrong kind, or be no JSON at all. What
its texts say does not count: a line with the status ``ok`` is not of a user ``ok``.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headway_collector.otlp import json_bodies, protobufs
from headway_collector.otlp.checks import UnreadableError
from headway_collector.otlp.people import PEOPLE_NAMES
from headway_collector.otlp.telemetry import Resource, Scope

# Whoever gave a score is a user as well.
_USERS = ("user_id", "author")
_SESSIONS = ("session_id",)
_TRACES = ("trace_id", "traceId")
_SPANS = ("span_id", "spanId")
_VALUES = ("stringValue", "string_value", "intValue", "int_value")
_UNREADABLE = (UnreadableError, msgspec.MsgspecError, RecursionError, ValueError)

_KINDS = {
    **dict.fromkeys((*_USERS, *PEOPLE_NAMES["user_id"]), "users"),
    **dict.fromkeys((*_SESSIONS, *PEOPLE_NAMES["session_id"]), "sessions"),
}
_NAMES = b"|".join(re.escape(name.encode()) for name in _KINDS)
# In JSON that is cut off or broken: a field, or an attribute of OTLP.
_PAIR = re.compile(
    rb'"(' + _NAMES + rb')"\s*(?::|,\s*"value"\s*:\s*\{\s*"stringValue"\s*:)\s*'
    rb'("(?:[^"\\]|\\.){0,256}")'
)

_contexts = msgspec.msgpack.Decoder(tuple[Resource, Scope])


@dataclass(frozen=True, slots=True)
class Owners:
    """What something names; ids of traces and spans in small letters."""

    users: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    traces: set[str] = field(default_factory=set)
    spans: set[str] = field(default_factory=set)


def read_owners(form: str | None, raw: bytes, context: bytes) -> Owners | None:
    """Return whose a refused line is, None where it cannot be read.

    Args:
        form: what the bytes are (``decoding.Form``); None of those of older collectors.
        raw: the bytes.
        context: the resource and scope of an item, in msgpack.
    """
    try:
        said = _read(form, raw)
    except _UNREADABLE:
        return None
    owners = Owners()
    if isinstance(said, dict):
        _add_fields(owners, said)
    if context:
        with suppress(*_UNREADABLE):
            for each in _contexts.decode(context):
                _add_people(owners, each.attributes.items())
    return owners


def scan_owners(text: bytes) -> Owners:
    """Return which users and sessions fields name in JSON that cannot be read as a whole."""
    owners = Owners()
    for name, value in _PAIR.findall(text):
        with suppress(msgspec.DecodeError):
            getattr(owners, _KINDS[name.decode()]).add(msgspec.json.decode(value, type=str))
    return owners


def find_owners(value: Any) -> Owners:
    """Return what the fields of some JSON name, at any depth.

    A field is a key of an object, or a name before a list, as requests have their filters.
    """
    owners = Owners()
    for name, found in _walk(value):
        texts = [text for each in _as_list(found) if (text := _as_text(each)) is not None]
        if name == "user_id":
            owners.users.update(texts)
        elif name == "session_id":
            owners.sessions.update(texts)
        elif name == "trace_id":
            owners.traces.update(text.lower() for text in texts)
        elif name == "span_id":
            owners.spans.update(text.lower() for text in texts)
    return owners


def _read(form: str | None, raw: bytes) -> Any:
    if form in ("packed_span", "packed_log"):
        return msgspec.msgpack.decode(raw)
    if form == "protobuf_span":
        return msgspec.structs.asdict(protobufs.read_span(raw, Resource(), Scope()))
    if form == "protobuf_log":
        return msgspec.structs.asdict(protobufs.read_log(raw, Resource(), Scope()))
    # The readers know ids in more than one alphabet, and give up at the first fault.
    with suppress(*_UNREADABLE):
        if form == "json_span":
            return msgspec.structs.asdict(json_bodies.read_span(raw, Resource(), Scope()))
        if form == "json_log":
            return msgspec.structs.asdict(json_bodies.read_log(raw, Resource(), Scope()))
    return msgspec.json.decode(raw)


def _add_fields(owners: Owners, said: dict[Any, Any]) -> None:
    owners.users.update(_pick(said, _USERS))
    owners.sessions.update(_pick(said, _SESSIONS))
    owners.traces.update(each.lower() for each in _pick(said, _TRACES))
    owners.spans.update(each.lower() for each in _pick(said, _SPANS))
    attributes = said.get("attributes")
    if isinstance(attributes, dict):
        _add_people(owners, attributes.items())
    elif isinstance(attributes, list):
        _add_people(owners, _list_pairs(attributes))
    if isinstance(said.get("resource"), dict):
        _add_people(owners, _as_dict(said["resource"].get("attributes")).items())


def _add_people(owners: Owners, pairs: Iterable[tuple[Any, Any]]) -> None:
    attributes = dict(pairs)
    owners.users.update(_pick(attributes, PEOPLE_NAMES["user_id"]))
    owners.sessions.update(_pick(attributes, PEOPLE_NAMES["session_id"]))


def _list_pairs(attributes: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield attributes as the JSON of OTLP has them."""
    for each in attributes:
        pair = _as_dict(each)
        if isinstance(pair.get("key"), str):
            value = pair.get("value")
            found = (value[name] for name in _VALUES if isinstance(value, dict) and name in value)
            yield pair["key"], next(found, None)


def _pick(said: dict[Any, Any], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        text = _as_text(said.get(name))
        if text:
            yield text


def _as_text(value: Any) -> str | None:
    """Return a text or number as the mapper of attributes does."""
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        return None
    if value[:1] == '"':
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(value, type=str)
    return value


def _as_dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each.items()
            waiting += each.values()
        elif isinstance(each, list):
            if len(each) == 2 and isinstance(each[0], str) and isinstance(each[1], list):
                yield each[0], each[1]
            waiting += each
