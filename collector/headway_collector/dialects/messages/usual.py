"""The usual messages: texts alone, in canonical form already, so that nothing has to be read anew.

    [{"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]}]

One typed look at the JSON text tells as much, and the text is then kept as it came. Whatever says
more, or says it otherwise, is for the room of the GenAI conventions.
"""

from typing import Annotated, Any, Literal

import msgspec

from headway_collector.dialects.messages import genai
from headway_collector.originals.texts import has_escapes, is_too_full
from headway_collector.otlp.telemetry import Attributes


class Usual(msgspec.Struct, gc=False, frozen=True):
    """The JSON text of usual messages, and why the model stopped after each that it gave."""

    text: str
    finish_reasons: list[str] = []


class _Part(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    type: Literal["text", "reasoning"]
    content: str


class _Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    parts: list[_Part]
    finish_reason: str | None = None


_messages: msgspec.json.Decoder[list[_Message]] = msgspec.json.Decoder(
    Annotated[list[_Message], msgspec.Meta(min_length=1)]
)


def find_input(attributes: Attributes) -> Usual | None:
    """Return what was given to the model where that is usual, and without instructions."""
    if genai.SYSTEM in attributes:
        return None
    messages = _read(attributes.get(genai.INPUT))
    return None if messages is None else Usual(attributes[genai.INPUT])


def find_output(attributes: Attributes) -> Usual | None:
    """Return what the model gave where that is usual, and each message says why it ended."""
    messages = _read(attributes.get(genai.OUTPUT))
    if messages is None:
        return None
    reasons = [message.finish_reason for message in messages]
    if None in reasons:
        return None
    return Usual(attributes[genai.OUTPUT], [reason for reason in reasons if reason])


def _read(value: Any) -> list[_Message] | None:
    # Escaped letters could not be searched: such a text is written anew.
    if type(value) is not str or value[:1] != "[" or has_escapes(value):
        return None
    if is_too_full(value):
        return None
    try:
        return _messages.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
