"""What Genkit says: the input and output of every action, always as JSON.

    genkit:metadata:subtype = model
    genkit:input = {"messages": [{"role": "user", "content": [{"text": "…"}]}], "config": {}}
    genkit:output = {"message": {"role": "model", "content": []}, "finishReason": "stop"}

Models answered in a list of ``candidates`` first.
"""

from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import read_message
from headway_collector.dialects.messages.conversations import prefer_messages
from headway_collector.dialects.messages.readings import Found, read_json, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

NAMES = Names(prefixes=("genkit:",))

_STEP = "genkit:metadata:subtype"
# A model, and what calls it in turn with its tools.
_ASKING = ("model", "util")


def find_input(otel: OtelSpan) -> Found | None:
    """Return the messages given to a model, or what another action was given."""
    found = _read(otel.attributes, "genkit:input")
    request = _find_exchange(otel.attributes, found)
    if type(request.get("messages")) is list:
        return Found([read_message(message, "user") for message in request["messages"]])
    return prefer_messages(found, "user")


def find_output(otel: OtelSpan) -> Found | None:
    """Return what a model answered, or what another action gave."""
    found = _read(otel.attributes, "genkit:output")
    answer = _find_exchange(otel.attributes, found)
    if type(answer.get("candidates")) is list:
        return Found([read_message(choice, "assistant") for choice in answer["candidates"]])
    if type(answer.get("message")) is dict:
        return Found([read_message(answer, "assistant")])
    return prefer_messages(found, "assistant")


def _read(attributes: Attributes, name: str) -> Found | None:
    value = attributes.get(name)
    if value is None or value == "":
        return None
    return (read_json(value) if type(value) is str else None) or read_value(value)


def _find_exchange(attributes: Attributes, found: Found | None) -> dict[str, Any]:
    """Return a request to a model, or its answer; empty for other actions."""
    is_asking = attributes.get(_STEP) in _ASKING
    return found.value if is_asking and found is not None and type(found.value) is dict else {}
