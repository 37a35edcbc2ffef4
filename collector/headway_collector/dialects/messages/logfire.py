"""What Logfire and pydantic-ai say: the whole conversation in one attribute, or its events.

An agent's span holds all messages, its answer among them, and beside them the final result.
"""

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import Message
from headway_collector.dialects.messages.conversations import (
    find_messages,
    prefer_messages,
    read_messages,
)
from headway_collector.dialects.messages.events import (
    read_events,
    read_input_events,
    read_output_events,
)
from headway_collector.dialects.messages.genai import prepend_instructions
from headway_collector.dialects.messages.readings import Found, read_plain, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

_ALL = "pydantic_ai.all_messages"
_ALL_EVENTS = "all_messages_events"
NAMES = Names(
    _ALL,
    _ALL_EVENTS,
    "events",
    "request_data",
    "response_data",
    "prompt",
    "final_result",
)


def find_input(otel: OtelSpan) -> Found | None:
    """Return the conversation before the answer."""
    attributes = otel.attributes
    conversation = _read_all(attributes)
    if conversation:
        before = conversation[:-1] if conversation[-1]["role"] == "assistant" else conversation
        return prepend_instructions(attributes.get("gen_ai.system_instructions"), Found(before))
    if "events" in attributes:
        messages = read_input_events(read_events(attributes["events"]))
        if messages:
            return Found(messages)
    if "request_data" in attributes:
        found = prefer_messages(read_value(attributes["request_data"]), "user")
        if found is not None:
            return found
    return find_messages(read_value(attributes.get("prompt")), "user")


def find_output(otel: OtelSpan) -> Found | None:
    """Return the answer, as a message where there is one."""
    attributes = otel.attributes
    conversation = _read_all(attributes)
    if conversation and conversation[-1]["role"] == "assistant":
        return Found(conversation[-1:])
    if "events" in attributes:
        messages = read_output_events(read_events(attributes["events"]))
        if messages:
            return Found(messages)
    if "response_data" in attributes:
        return _read_response(attributes["response_data"])
    return read_value(attributes.get("final_result"))


def _read_all(attributes: Attributes) -> list[Message]:
    if _ALL in attributes:
        value = read_plain(attributes[_ALL])
        return read_messages(value, "user") if type(value) is list else []
    if _ALL_EVENTS in attributes:
        happenings = read_events(attributes[_ALL_EVENTS])
        return read_input_events(happenings) + read_output_events(happenings)
    return []


def _read_response(data: object) -> Found | None:
    """Read ``{"message": {…}, "usage": {…}}`` of Logfire's clients, or a stream's whole."""
    found = read_value(data)
    if found is None or type(found.value) is not dict:
        return found
    message = found.value.get("message", found.value.get("combined_chunk_content"))
    return found if message is None else Found(read_messages(message, "assistant"))
