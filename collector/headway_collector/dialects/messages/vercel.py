"""What the Vercel AI SDK says: ``ai.prompt.messages``, ``ai.response.text``, ``ai.toolCall``."""

from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import read_message
from headway_collector.dialects.messages.conversations import find_messages
from headway_collector.dialects.messages.parts import Part, read_part
from headway_collector.dialects.messages.readings import Found, read_plain, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

NAMES = Names(prefixes=("ai.",))


def find_input(otel: OtelSpan) -> Found | None:
    """Return the messages of a model's span, or the arguments of a tool's."""
    attributes = otel.attributes
    found = find_messages(read_value(attributes.get("ai.prompt.messages")), "user")
    if found is None:
        found = _find_prompt(attributes.get("ai.prompt"))
    return found or read_value(attributes.get("ai.toolCall.args"))


def find_output(otel: OtelSpan) -> Found | None:
    """Return what the model gave as one message, or the result of a tool."""
    attributes = otel.attributes
    parts = _find_parts(attributes)
    if not parts:
        return read_value(attributes.get("ai.toolCall.result"))
    message: dict[str, Any] = {"role": "assistant", "parts": parts}
    reason = attributes.get("ai.response.finishReason", attributes.get("ai.finishReason"))
    if type(reason) is str:
        message["finish_reason"] = reason
    return Found([message])


def _find_prompt(prompt: Any) -> Found | None:
    """Read ``{"system": …, "prompt": …}`` or ``{"system": …, "messages": […]}``."""
    found = read_value(prompt)
    if found is None or type(found.value) is not dict:
        return find_messages(found, "user")
    given = found.value
    rest = given.get("messages", given.get("prompt"))
    messages = find_messages(None if rest is None else Found(rest), "user")
    system = given.get("system")
    if messages is None and system is None:
        return find_messages(found, "user")
    first = [] if system is None else [read_message(system, "system")]
    return Found(first + (messages.value if messages is not None else []))


def _find_parts(attributes: Attributes) -> list[Part]:
    parts: list[Part] = []
    for kind, name in (("reasoning", "reasoning"), ("text", "text"), ("text", "object")):
        content = attributes.get(f"ai.response.{name}", attributes.get(f"ai.result.{name}"))
        if content is not None and content != "":
            parts.append({"type": kind, "content": content})
    calls = read_plain(
        attributes.get("ai.response.toolCalls", attributes.get("ai.result.toolCalls"))
    )
    if type(calls) is list:
        for call in calls:
            if type(call) is dict:
                named = {key: value for key, value in call.items() if key != "toolCallType"}
                parts.append(read_part({**named, "type": "tool-call"}))
    return parts
