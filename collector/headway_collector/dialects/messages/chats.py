"""A chat message of any provider or framework as a message of the GenAI conventions.

    {"role": "assistant", "content": "On its way.", "tool_calls": []}
    {"role": "assistant", "parts": [{"type": "text", "content": "On its way."}]}

A message that is in the second form already comes back as the same object.
"""

from typing import Any

from headway_collector.dialects.messages.parts import Part, read_part, read_tool_call

Message = dict[str, Any]

# What frameworks call a role; LangChain gives it as the type of the message.
_ROLES = {
    "human": "user",
    "HumanMessage": "user",
    "ai": "assistant",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "model": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "function": "tool",
}
_TYPES = frozenset((*_ROLES, "system", "tool"))
_CONTENTS = ("content", "parts", "tool_calls", "function_call", "contents")


def is_message(value: Any) -> bool:
    """Return whether a value is unmistakably a chat message."""
    if type(value) is not dict:
        return False
    role = value.get("role", value.get("type"))
    return (
        type(role) is str
        and ("role" in value or role in _TYPES)
        and any(name in value for name in _CONTENTS)
    )


def are_messages(value: Any) -> bool:
    """Return whether a value is a list of chat messages and nothing else."""
    return type(value) is list and bool(value) and all(map(is_message, value))


def read_messages(value: Any, role: str) -> list[Message]:
    """Return messages in whatever way a list of them is given.

    Args:
        value: a list, one message, an object with ``messages``, a completion, or a text.
        role: of what says none itself.
    """
    if type(value) is dict:
        for name in ("messages", "choices", "items"):
            inner = value.get(name)
            if type(inner) is list:
                value = inner
                break
    if type(value) is not list:
        value = [value]
    elif value and all(type(item) is dict and "role" not in item for item in value):
        # Parts without a message around them.
        if all(type(item.get("type")) is str and _is_bare_part(item) for item in value):
            value = [{"role": role, "content": value}]
    return [read_message(item, role) for item in value if item is not None]


def read_message(message: Any, role: str) -> Message:
    """Return one message in canonical form.

    Args:
        message: as it was sent; a choice of a completion holds it inside.
        role: of a message that says none itself.
    """
    if type(message) is not dict:
        return {"role": role, "parts": [read_part(message)]}
    inner = message.get("message")
    if type(inner) is dict:
        return _read_choice(message, inner, role)
    parts = message.get("parts")
    given_role = message.get("role")
    if type(parts) is list and type(given_role) is str:
        read = [read_part(part) for part in parts]
        # With the same objects inside, it is canonical as it came.
        is_same = all(a is b for a, b in zip(read, parts, strict=True))
        if is_same and given_role not in _ROLES:
            return message
        return {**message, "role": _ROLES.get(given_role, given_role), "parts": read}
    return _read_foreign(message, role)


def _read_choice(choice: Message, inner: Message, role: str) -> Message:
    read = read_message(inner, role)
    reason = choice.get("finish_reason")
    return {**read, "finish_reason": reason} if reason is not None else read


def _read_foreign(message: Message, role: str) -> Message:
    kind = message.get("type")
    if kind == "function_call":
        call = {**message, "id": message.get("call_id", message.get("id"))}
        return {"role": "assistant", "parts": [read_tool_call({**call, "type": None})]}
    if kind == "function_call_output":
        return {"role": "tool", "parts": [_respond(message.get("call_id"), message.get("output"))]}
    if kind == "reasoning" and "role" not in message:
        summary = message.get("summary") or message.get("content") or message.get("text")
        texts = summary if type(summary) is list else [summary]
        return {"role": "assistant", "parts": [_reason(text) for text in texts if text]}
    given = message.get("role")
    if type(given) is not str:
        given = kind if kind in _TYPES else role
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
    content = message.get("content")
    if content is None:
        content = message.get("contents", message.get("parts", message.get("text")))
    call_id = message.get("tool_call_id", message.get("id"))
    is_response = role == "tool" and not _has_responses(content)
    if is_response:
        parts.append(_respond(call_id, content))
    elif type(content) is list:
        parts.extend(map(read_part, content))
    elif content is not None:
        parts.append(read_part(content))
    refusal = message.get("refusal")
    if type(refusal) is str and refusal:
        parts.append({"type": "refusal", "content": refusal})
    calls = _read_tool_calls(message)
    if calls:
        known = {call.get("id") for call in calls}
        parts = [
            part
            for part in parts
            if part.get("content") != ""
            and not (part.get("type") == "tool_call" and part.get("id") in known)
        ]
    return parts + calls


def _read_tool_calls(message: Message) -> list[Part]:
    calls = message.get("tool_calls")
    read = [read_tool_call(call) for call in calls or () if type(call) is dict] if (
        type(calls) is list
    ) else []
    function = message.get("function_call")
    if type(function) is dict:
        read.append(read_tool_call({"function": function}))
    return read


def _has_responses(content: Any) -> bool:
    kinds = ("tool_result", "tool-result", "tool_call_response")
    return type(content) is list and any(
        type(part) is dict and (part.get("type") in kinds or "toolResult" in part)
        for part in content
    )


def _is_bare_part(item: Message) -> bool:
    return "content" in item or "text" in item or "image_url" in item


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
