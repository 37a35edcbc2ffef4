"""A chat message of any provider or framework as a message of the GenAI conventions.

    {"role": "assistant", "content": "On its way.", "tool_calls": []}
    {"role": "assistant", "parts": [{"type": "text", "content": "On its way."}]}

A message that is in the second form already comes back as the same object.
"""

import operator
from typing import Any

from headway_collector.dialects.messages.parts import Part, read_part, read_tool_call
from headway_collector.dialects.messages.readings import read_plain

Message = dict[str, Any]

# What frameworks call a role; LangChain gives it as the type or the class of the message.
_ROLES = {
    "human": "user",
    "HumanMessage": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "model": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "function": "tool",
}
ROLE_TYPES = frozenset((*_ROLES, "system", "tool"))
"""Types of messages that stand for their role."""

_RESPONSES = frozenset(("tool_result", "tool-result", "tool_call_response"))


def read_message(message: Any, role: str) -> Message:
    """Return one message in canonical form.

    Args:
        message: as it was sent; a choice of a completion holds it inside.
        role: of a message that says none itself.
    """
    if type(message) is not dict:
        return {"role": role, "parts": [read_part(message)]}
    if type(message.get("message")) is dict:
        return _read_choice(message, role)
    parts, given = message.get("parts"), message.get("role")
    if type(parts) is not list or type(given) is not str:
        return _read_item(message) or _read_foreign(message, role)
    read = [read_part(part) for part in parts]
    if all(map(operator.is_, read, parts)) and given not in _ROLES:
        return message
    return {**message, "role": _ROLES.get(given, given), "parts": read}


def _read_choice(choice: Message, role: str) -> Message:
    inner = unwrap(choice["message"])
    if "tool_calls" in choice and "tool_calls" not in inner:
        # Traceloop's events say the calls beside the message.
        inner = {**inner, "tool_calls": choice["tool_calls"]}
    read = read_message(inner, role)
    info = choice.get("generation_info")
    reason = choice.get("finish_reason")
    if reason is None:
        reason = choice.get("finishReason")
    if reason is None and type(info) is dict:
        reason = info.get("finish_reason")
    return read if reason is None else {**read, "finish_reason": reason}


def unwrap(message: Any) -> Any:
    """Return the message inside LangChain's way to write down an object."""
    if type(message) is not dict or type(message.get("kwargs")) is not dict:
        return message
    names = message.get("id")
    name = names[-1] if type(names) is list and names else None
    is_role = type(name) is str and name in ROLE_TYPES
    return {"type": name, **message["kwargs"]} if is_role else message["kwargs"]


def _read_item(message: Message) -> Message | None:
    """Read an item of OpenAI's Responses that is no message and has no role."""
    kind = message.get("type")
    if kind == "function_call":
        call = {**message, "type": None, "id": message.get("call_id", message.get("id"))}
        return {"role": "assistant", "parts": [read_tool_call(call)]}
    if kind == "function_call_output":
        return {"role": "tool", "parts": [_respond(message.get("call_id"), message.get("output"))]}
    if kind == "reasoning" and "role" not in message:
        summary = message.get("summary") or message.get("content") or message.get("text")
        texts = summary if type(summary) is list else [summary]
        return {"role": "assistant", "parts": [_reason(text) for text in texts if text]}
    return None


def _read_foreign(message: Message, role: str) -> Message:
    message = unwrap(message)
    given, kind = message.get("role"), message.get("type")
    if type(given) is not str:
        given = kind if type(kind) is str and kind in ROLE_TYPES else role
    read: Message = {"role": _ROLES.get(given, given)}
    if message.get("name") is not None:
        read["name"] = message["name"]
    read["parts"] = _read_parts(message, read["role"])
    reason = message.get("finish_reason") or message.get("stop_reason")
    if reason is not None:
        read["finish_reason"] = reason
    return read


def _read_parts(message: Message, role: str) -> list[Part]:
    parts: list[Part] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if type(reasoning) is str and reasoning:
        parts.append(_reason(reasoning))
    parts += _read_content(message, role)
    refusal = message.get("refusal")
    if type(refusal) is str and refusal:
        parts.append({"type": "refusal", "content": refusal})
    calls = _read_tool_calls(message)
    if not calls:
        return parts
    # Where calls stand apart, the content is often empty or says them a second time.
    known = {str(call.get("id")) for call in calls}
    kept = [
        part
        for part in parts
        if part.get("content") != ""
        and (part.get("type") != "tool_call" or str(part.get("id")) not in known)
    ]
    return kept + calls


def _read_content(message: Message, role: str) -> list[Part]:
    content: Any = message.get("content")
    if content is None:
        content = message.get("contents", message.get("parts", message.get("text")))
    is_list = type(content) is list
    if role == "tool" and not (is_list and any(map(_is_response, content))):
        return [_respond(message.get("tool_call_id", message.get("id")), content)]
    if is_list:
        return [read_part(part) for part in content]
    return [] if content is None else [read_part(content)]


def _read_tool_calls(message: Message) -> list[Part]:
    calls = message.get("tool_calls")
    if type(calls) is not list:
        calls = []
    if calls and type(calls[0]) is str:
        # In an attribute of an event, each is the JSON text of one.
        calls = [read_plain(call) for call in calls]
    read = [read_tool_call(call) for call in calls if type(call) is dict]
    function = message.get("function_call")
    if type(function) is dict:
        read.append(read_tool_call({"function": function}))
    return read


def _is_response(part: Any) -> bool:
    if type(part) is not dict:
        return False
    kind = part.get("type")
    return "toolResult" in part or (type(kind) is str and kind in _RESPONSES)


def _respond(call_id: Any, response: Any) -> Part:
    part: Part = {"type": "tool_call_response"}
    if call_id is not None:
        part["id"] = call_id
    part["response"] = response
    return part


def _reason(text: Any) -> Part:
    if type(text) is dict:
        text = text.get("text", text.get("content"))
    return {"type": "reasoning", "content": text}
