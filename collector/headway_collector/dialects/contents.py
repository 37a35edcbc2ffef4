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
from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.messages import (
    events,
    genai,
    genkit,
    langfuse,
    livekit,
    logfire,
    openinference,
    others,
    steps,
    traceloop,
    usual,
    vercel,
)
from headway_collector.dialects.messages.conversations import are_messages
from headway_collector.dialects.messages.readings import Found, read_json, read_value
from headway_collector.dialects.messages.usual import Usual
from headway_collector.otlp.telemetry import Attributes, OtelSpan

Finder = Callable[[OtelSpan], Found | None]


class Content(msgspec.Struct, gc=False, frozen=True):
    """The content of one span, and why the model stopped where its messages say so.

    What is at hand of input and output is kept for whoever looks at them next: ``texts`` where
    they are a JSON text as it was sent, ``values`` where another one said just that.
    """

    input: msgspec.Raw = EMPTY
    output: msgspec.Raw = EMPTY
    finish_reasons: list[str] = []
    texts: dict[str, str] = {}
    values: dict[str, Any] = {}


ROOMS = (genai, vercel, events, openinference, traceloop, logfire, others, livekit, genkit)
"""From the dialect that says most to the one that says least."""

_NAMES = Names(
    *(name for room in ROOMS for name in room.NAMES.names),
    prefixes=tuple(prefix for room in ROOMS for prefix in room.NAMES.prefixes),
)
_INPUTS: tuple[tuple[Names, Finder], ...] = tuple((room.NAMES, room.find_input) for room in ROOMS)
_OUTPUTS: tuple[tuple[Names, Finder], ...] = tuple((room.NAMES, room.find_output) for room in ROOMS)

_encode = msgspec.json.Encoder().encode


def find_content(otel: OtelSpan, kind: Kind, keys: Keys) -> Content:
    """Return the input and output of a span of a kind; each is empty where no dialect says it."""
    given: Found | Usual | None = None
    gave: Found | Usual | None = None
    if keys[langfuse.NAMES]:
        given = langfuse.find_input(otel, kind)
        gave = langfuse.find_output(otel, kind)
    if kind != "llm":
        given = given or steps.find_input(otel, kind)
        gave = gave or steps.find_output(otel, kind)
    attributes = otel.attributes
    given = given or usual.find_input(attributes) or _find(otel, keys, _INPUTS)
    gave = gave or usual.find_output(attributes) or _find(otel, keys, _OUTPUTS)
    given = given or _find_generic(attributes, "input")
    if given is None and kind == "tool":
        given = steps.find_parameters(attributes)
    if not isinstance(given, Usual) and (otel.events or otel.logs or genai.SYSTEM in attributes):
        given = genai.complete_input(otel, given)
    gave = gave or _find_generic(attributes, "output")
    reasons: list[str] = []
    if isinstance(gave, Usual):
        reasons = gave.finish_reasons
    elif gave is not None and are_messages(gave.value):
        gave = _add_finish_reasons(gave, attributes)
        said = [message.get("finish_reason") for message in gave.value]
        reasons = [reason for reason in said if type(reason) is str and reason]
    texts: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, found in (("input", given), ("output", gave)):
        if found is not None:
            if found.text is not None:
                texts[name] = found.text
            elif found.is_json:
                values[name] = found.value
    return Content(_encode_found(given), _encode_found(gave), reasons, texts, values)


def _find(otel: OtelSpan, keys: Keys, finders: tuple[tuple[Names, Finder], ...]) -> Found | None:
    has_events = bool(otel.events or otel.logs)
    if not has_events and not keys[_NAMES]:
        return None
    for names, find in finders:
        if has_events or keys[names]:
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


def _encode_found(found: Found | Usual | None) -> msgspec.Raw:
    if isinstance(found, Usual):
        return msgspec.Raw(found.text.encode())
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
