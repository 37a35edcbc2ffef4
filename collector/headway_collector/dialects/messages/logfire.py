"""What Logfire and pydantic-ai say: the whole conversation in one attribute, or its events.

An agent's span holds all messages, its answer among them, and beside them the final result. The
clients of OpenAI and Anthropic that Logfire follows say the request and the answer:

    request_data = {"model": "…", "messages": […], "temperature": 0.2}
    response_data = {"message": {"role": "assistant", "content": "…"}, "usage": {…}}
"""

from typing import Any

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
from headway_collector.dialects.messages.parts import read_arguments
from headway_collector.dialects.messages.readings import Found, read_plain, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

_ALL = "pydantic_ai.all_messages"
_ALL_EVENTS = "all_messages_events"
_ANTHROPIC = "logfire.anthropic"
_SAYS_NOTHING = {"message", "usage"}
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
        found = _read_request(attributes["request_data"])
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
        found = _read_response(attributes["response_data"], otel.scope.name == _ANTHROPIC)
        if found is not None:
            return found
    return read_value(attributes.get("final_result"))


def _read_all(attributes: Attributes) -> list[Message]:
    if _ALL in attributes:
        value = read_plain(attributes[_ALL])
        return read_messages(value, "user") if type(value) is list else []
    if _ALL_EVENTS in attributes:
        happenings = read_events(attributes[_ALL_EVENTS])
        return read_input_events(happenings) + read_output_events(happenings)
    return []


def _read_request(data: object) -> Found | None:
    """Read what was sent to OpenAI or Anthropic, whose instructions stand apart."""
    found = read_value(data)
    if found is None or type(found.value) is not dict or "model" not in found.value:
        return prefer_messages(found, "user")
    request = found.value
    given = request.get("messages", request.get("prompt"))
    if not given:
        return prefer_messages(found, "user")
    messages = Found(read_messages(given, "user"))
    return prepend_instructions(request.get("system"), messages)


def _read_response(data: object, is_anthropic: bool) -> Found | None:
    """Read an answer, or a stream's whole; None where it says no more than what it took."""
    found = read_value(data)
    if found is None or type(found.value) is not dict:
        return found
    answer = found.value
    for name in ("message", "combined_chunk_content", "text"):
        said = answer.get(name)
        # A text alone may be anybody's.
        if said is not None and (name != "text" or "usage" in answer):
            messages = read_messages(_unwrap_calls(said) if is_anthropic else said, "assistant")
            reason = answer.get("finish_reason")
            if reason is not None:
                messages = [{**each, "finish_reason": reason} for each in messages]
            return Found(messages)
    return None if answer.keys() <= _SAYS_NOTHING else found


def _unwrap_calls(message: Any) -> Any:
    """Return Anthropic's answer with the arguments alone, which come as ``{"input": {…}}``."""
    calls = message.get("tool_calls") if type(message) is dict else None
    if type(calls) is not list:
        return message
    unwrapped = []
    for call in calls:
        function = call.get("function") if type(call) is dict else None
        if type(function) is dict:
            arguments = read_arguments(function.get("arguments"))
            if type(arguments) is dict and arguments.keys() == {"input"}:
                call = {**call, "function": {**function, "arguments": arguments["input"]}}
        unwrapped.append(call)
    return {**message, "tool_calls": unwrapped}
