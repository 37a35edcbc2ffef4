"""The original of an OTLP span, packed beside its row: its attributes, and what no column says.

``attributes`` keeps the original keys, so that they can be filtered by; ``otel`` holds scope,
resource, events, links, log events, and whatever the canonical columns had to change. With the
row's columns the two give back the span that came, to the bit.
"""

from collections.abc import Mapping
from math import isfinite
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from headway.records import EMPTY, Span
from headway_collector.originals.columns import JSON_COLUMNS, SHORTEST, TEXT_COLUMNS, Columns
from headway_collector.originals.references import make_sayable, restore, shorten, spell_doubles
from headway_collector.otlp.telemetry import Attributes, OtelLog, OtelSpan, Resource, Scope

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_STATUSES = {0: "unset", 1: "ok", 2: "error"}
_CODES = {status: code for code, status in _STATUSES.items()}

# What stands in the envelope whenever it is not at its default.
_KEPT = (
    "kind",
    "trace_state",
    "flags",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
)
# What stands there where the row says it otherwise.
_CANONICAL = (
    "trace_id",
    "span_id",
    "name",
    "start_ns",
    "end_ns",
    "parent_span_id",
    "status_code",
    "status_message",
)
_get_raws = attrgetter(*JSON_COLUMNS)
_get_texts = attrgetter(*TEXT_COLUMNS)
_get_kept = attrgetter(*_KEPT)
_get_canonical = attrgetter(*_CANONICAL)
# What a log event says like its span is left out.
_SHARED = ("trace_id", "span_id", "resource", "scope")


class Packed(NamedTuple):
    """The two columns that hold the original."""

    attributes: msgspec.Raw
    otel: bytes


def pack(otel: OtelSpan, span: Span, texts: Mapping[str, str], values: Mapping[str, Any]) -> Packed:
    """Return the original span as JSON, without the texts that stand in its row already.

    Args:
        otel: the span that came.
        span: its row.
        texts: to columns of JSON the text that stands in them, where it is at hand.
        values: to columns of JSON what they say, where it is.
    """
    columns = _look_at(span, texts)
    for column, value in values.items():
        columns.add_value(column, value)
    attributes = _shorten_attributes(otel.attributes, columns)
    envelope = _shorten_envelope(otel, span, columns)
    try:
        return Packed(msgspec.Raw(_encode(attributes)), _encode(envelope))
    except UnicodeEncodeError:
        said = {key: make_sayable(value) for key, value in attributes.items()}
        return Packed(msgspec.Raw(_encode(said)), _encode(make_sayable(envelope)))


def unpack(row: Mapping[str, Any]) -> OtelSpan:
    """Return the span that came.

    Args:
        row: of table ``spans``, by column; JSON as text, bytes or raw.
    """
    jsons = {name: _as_text(row[name]) for name in JSON_COLUMNS if row.get(name) is not None}
    texts = {name: row[name] for name in TEXT_COLUMNS if row.get(name) is not None}
    columns = Columns({name: text for name, text in jsons.items() if text}, texts)
    stored = _decode(_as_text(row["attributes"])) if row.get("attributes") is not None else {}
    columns.add_value("attributes", stored)
    envelope = _decode(_as_text(row["otel"])) if row.get("otel") is not None else {}
    said: dict[str, Any] = {
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
        "name": row["name"],
        "start_ns": row["start_ns"],
        "end_ns": row["end_ns"],
        "parent_span_id": row.get("parent_span_id") or "",
        "status_code": _CODES[row.get("status") or "unset"],
        "status_message": row.get("status_message") or "",
        "attributes": {key: restore(value, columns) for key, value in stored.items()},
    }
    said.update({key: restore(value, columns) for key, value in envelope.items()})
    shared = {name: said[name] for name in _SHARED if name in said}
    if "logs" in said:
        said["logs"] = [{**shared, **log} for log in said["logs"]]
    return msgspec.convert(said, OtelSpan)


def show_attributes(row: Mapping[str, Any]) -> bytes:
    """Return the attributes that came as JSON for people, in which NaN is a word.

    Args:
        row: as ``unpack`` takes it.

    Raises:
        UnicodeEncodeError: half a character came, which JSON in UTF-8 cannot say.
    """
    attributes = unpack(row).attributes
    if '"$double"' in _as_text(row["attributes"]):
        attributes = spell_doubles(attributes)
    return _encode(attributes)


def _look_at(span: Span, known: Mapping[str, str]) -> Columns:
    jsons, texts = {}, {}
    for name, raw in zip(JSON_COLUMNS, _get_raws(span), strict=True):
        if raw is not EMPTY:
            text = known.get(name) or str(raw, "utf-8")
            # A column of null is stored as none.
            if text != "null" and text:
                jsons[name] = text
    for name, text in zip(TEXT_COLUMNS, _get_texts(span), strict=True):
        if text:
            texts[name] = text
    return Columns(jsons, texts)


def _shorten_attributes(attributes: Attributes, columns: Columns) -> Attributes:
    shortened = attributes.copy()
    for key, value in attributes.items():
        kind = type(value)
        if kind is str:
            if len(value) < SHORTEST:
                continue
        elif kind is int or kind is bool or (kind is float and isfinite(value)):
            continue
        short = shorten(value, columns)
        if short is not value:
            shortened[key] = short
        elif kind is str:
            columns.learn(value, "/attributes/" + key.replace("~", "~0").replace("/", "~1"))
    return shortened


def _shorten_envelope(otel: OtelSpan, span: Span, columns: Columns) -> dict[str, Any]:
    envelope: dict[str, Any] = {}
    for name, value in zip(_KEPT, _get_kept(otel), strict=True):
        if value:
            envelope[name] = value
    sent = _get_canonical(otel)
    canonical = (
        span.trace_id,
        span.span_id,
        span.name,
        span.start_ns,
        span.end_ns,
        span.parent_span_id or "",
        _CODES[span.status],
        span.status_message or "",
    )
    if sent != canonical:
        for name, value, said in zip(_CANONICAL, sent, canonical, strict=True):
            if value != said:
                envelope[name] = shorten(value, columns)
    if otel.events:
        envelope["events"] = shorten(_plain(otel.events), columns)
    if otel.links:
        envelope["links"] = shorten(_plain(otel.links), columns)
    envelope["resource"] = _resources.say(otel.resource)
    envelope["scope"] = _scopes.say(otel.scope)
    if otel.logs:
        envelope["logs"] = [_shorten_log(log, otel, columns) for log in otel.logs]
    return envelope


def _shorten_log(log: OtelLog, otel: OtelSpan, columns: Columns) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(log)
    for name in _SHARED:
        own = getattr(log, name)
        if own == getattr(otel, name):
            plain.pop(name, None)
        else:
            plain[name] = _plain(own)
    short: dict[str, Any] = shorten(plain, columns)
    return short


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(bytes,))


class _LastSaid:
    """The JSON of the resource or scope that was seen last: the spans of a request share theirs."""

    def __init__(self) -> None:
        self._last: tuple[Resource | Scope | None, msgspec.Raw] = (None, EMPTY)

    def say(self, thing: Resource | Scope) -> msgspec.Raw:
        """Return it as JSON."""
        seen, said = self._last
        if seen is not thing:
            said = msgspec.Raw(_encode(make_sayable(shorten(_plain(thing), Columns({}, {})))))
            self._last = (thing, said)
        return said


_resources = _LastSaid()
_scopes = _LastSaid()


def _as_text(raw: Any) -> str:
    return raw if type(raw) is str else str(raw, "utf-8")
