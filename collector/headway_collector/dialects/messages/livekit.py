"""What LiveKit's voice agents say: the context and the answer of a node, and what was spoken.

    lk.chat_ctx = {"items": [{"type": "message", "role": "user", "content": ["…"]}]}
    lk.response.text = "…"
    lk.response.function_calls = [{"id": "item_1/fnc_0", "call_id": "call_1", "name": …}]

Since 2026 whatever people said stands under ``lk.pii.``, and by the GenAI conventions beside it.
"""

from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import Message, read_message
from headway_collector.dialects.messages.conversations import prefer_messages
from headway_collector.dialects.messages.readings import Found, read_plain, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

NAMES = Names(prefixes=("lk.",))

_INPUTS = ("function_tool.arguments", "user_input", "input_text")
_OUTPUTS = ("function_tool.output", "user_transcript")
# Others in a context are no messages: a handoff to another agent, a change of its settings.
_ITEMS = frozenset(("message", "function_call", "function_call_output"))


def find_input(otel: OtelSpan) -> Found | None:
    """Return the conversation before the answer, or what a tool or a turn was given."""
    return _find_context(_pick(otel.attributes, "chat_ctx")) or _find(
        otel.attributes, _INPUTS, "user"
    )


def find_output(otel: OtelSpan) -> Found | None:
    """Return the answer as one message, or what a tool gave or a user said."""
    return _find_answer(otel.attributes) or _find(otel.attributes, _OUTPUTS, "assistant")


def _pick(attributes: Attributes, name: str) -> Any:
    value = attributes.get(f"lk.{name}")
    return attributes.get(f"lk.pii.{name}") if value is None else value


def _find(attributes: Attributes, names: tuple[str, ...], role: str) -> Found | None:
    for name in names:
        value = _pick(attributes, name)
        if value is not None and value != "":
            return prefer_messages(read_value(value), role)
    return None


def _find_context(context: Any) -> Found | None:
    found = read_value(context)
    items = found.value.get("items") if found is not None and type(found.value) is dict else None
    if type(items) is not list:
        return found
    return Found([read_message(item, "user") for item in items if _is_said(item)])


def _is_said(item: Any) -> bool:
    if type(item) is not dict:
        return True
    kind = item.get("type")
    return kind is None or (type(kind) is str and kind in _ITEMS)


def _find_answer(attributes: Attributes) -> Found | None:
    text = _pick(attributes, "response.text")
    calls = read_plain(_pick(attributes, "response.function_calls"))
    message: Message = {}
    if text is not None and text != "":
        message["content"] = text
    if type(calls) is list and calls:
        message["tool_calls"] = [_name_call(call) for call in calls]
    return Found([read_message(message, "assistant")]) if message else None


def _name_call(call: Any) -> Any:
    """Return a call by the id that its result answers to."""
    return {**call, "id": call["call_id"]} if type(call) is dict and "call_id" in call else call
