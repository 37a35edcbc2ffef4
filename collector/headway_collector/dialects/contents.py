"""What a span was given and what it gave, whichever dialect says it.

Input and output are looked for by themselves, from the form that says most to the one that says
least: messages before the text of a request. Messages come out in the form of the GenAI
conventions since 1.37, instructions first:

    [{"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]}]
"""

from collections.abc import Callable
from typing import Any

import msgspec

from headway.records import EMPTY, Kind
from headway_collector.dialects.messages import (
    events,
    genai,
    langfuse,
    logfire,
    openinference,
    others,
    steps,
    traceloop,
    vercel,
)
from headway_collector.dialects.messages.readings import Found, read_json, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

Finder = Callable[[OtelSpan], Found | None]


class Content(msgspec.Struct, gc=False, frozen=True):
    """The content of one span, and why the model stopped where its messages say so."""

    input: msgspec.Raw = EMPTY
    output: msgspec.Raw = EMPTY
    finish_reasons: list[str] = []


# From the dialect that says most to the one that says least.
_ROOMS = (genai, vercel, events, openinference, traceloop, logfire, others)
_INPUTS: tuple[Finder, ...] = tuple(room.find_input for room in _ROOMS)
_OUTPUTS: tuple[Finder, ...] = tuple(room.find_output for room in _ROOMS)

_encode = msgspec.json.Encoder().encode


def find_content(otel: OtelSpan, kind: Kind) -> Content:
    """Return the input and output of a span of a kind; each is empty where no dialect says it."""
    given = langfuse.find_input(otel, kind)
    gave = langfuse.find_output(otel, kind)
    if kind != "llm":
        given = given or steps.find_input(otel, kind)
        gave = gave or steps.find_output(otel, kind)
    given = given or _find(otel, _INPUTS) or _find_generic(otel.attributes, "input")
    gave = gave or _find(otel, _OUTPUTS) or _find_generic(otel.attributes, "output")
    if gave is None or not _are_messages(gave.value):
        return Content(_encode_found(given), _encode_found(gave))
    gave = _add_finish_reasons(gave, otel.attributes)
    reasons = [message.get("finish_reason") for message in gave.value]
    return Content(
        _encode_found(given),
        _encode_found(gave),
        [reason for reason in reasons if type(reason) is str and reason],
    )


def _find(otel: OtelSpan, finders: tuple[Finder, ...]) -> Found | None:
    for find in finders:
        found = find(otel)
        if found is not None:
            return found
    return None


def _find_generic(attributes: Attributes, what: str) -> Found | None:
    """Return a text that any kind of span may bear, read where its type or itself says JSON."""
    value = attributes.get(f"{what}.value")
    if value is not None and value != "":
        mime_type = attributes.get(f"{what}.mime_type")
        if type(value) is str and mime_type == "application/json":
            return read_json(value) or Found(value)
        return Found(value) if mime_type == "text/plain" else read_value(value)
    value = attributes.get(f"traceloop.entity.{what}")
    if type(value) is str and value:
        # Always JSON there, a text in quotation marks too.
        return read_json(value) or Found(value)
    return read_value(attributes.get(what))


def _are_messages(value: Any) -> bool:
    return type(value) is list and all(
        type(item) is dict and "parts" in item and "role" in item for item in value
    )


def _add_finish_reasons(found: Found, attributes: Attributes) -> Found:
    """Return output messages with the reasons that the span says beside them."""
    messages = found.value
    if all("finish_reason" in message for message in messages):
        return found
    said = attributes.get(
        "gen_ai.response.finish_reasons",
        attributes.get("gen_ai.response.finish_reason", attributes.get("llm.finish_reason")),
    )
    reasons = said if type(said) is list else [said]
    if len(reasons) != len(messages) or None in reasons:
        return found
    # The messages may be the attributes' own, which stay as they came.
    return Found(
        [
            {**message, "finish_reason": message.get("finish_reason", reason)}
            for message, reason in zip(messages, reasons, strict=True)
        ]
    )


def _encode_found(found: Found | None) -> msgspec.Raw:
    if found is None or found.value is None:
        return EMPTY
    try:
        if found.text is not None:
            return msgspec.Raw(found.text.encode())
        return msgspec.Raw(_encode(found.value))
    except (UnicodeEncodeError, RecursionError):
        return msgspec.Raw(_encode(_make_sayable(found.value)))


def _make_sayable(value: Any, depth: int = 0) -> Any:
    """Return a value with what JSON in UTF-8 cannot say, halves of characters, as ``?``."""
    if depth > 100:
        return None
    if type(value) is str:
        return value.encode("utf-8", "replace").decode()
    if type(value) is list:
        return [_make_sayable(item, depth + 1) for item in value]
    if type(value) is dict:
        return {_make_sayable(key): _make_sayable(item, depth + 1) for key, item in value.items()}
    return value
