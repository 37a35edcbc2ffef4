"""Messages of Anthropic in the form of the GenAI conventions.

    {"role": "assistant", "content": [{"type": "thinking", "thinking": "Look it up."}]}
    {"role": "assistant", "parts": [{"type": "reasoning", "content": "Look it up."}]}

A block of a type that is not known here stays as it is, and no iterator that the program handed
over is read: the client would find it empty.
"""

from collections.abc import Mapping
from typing import Any

from headway.instruments.media import Part, media_part
from headway.instruments.messages import Message, reasoning_part, text_part
from headway.instruments.plain import plain

_RENAMED: dict[str, tuple[str, dict[str, str]]] = {
    "text": ("text", {"text": "content"}),
    "thinking": ("reasoning", {"thinking": "content"}),
    "tool_use": ("tool_call", {"input": "arguments"}),
    "tool_result": ("tool_call_response", {"tool_use_id": "id", "content": "response"}),
    "server_tool_use": ("server_tool_call", {"input": "server_tool_call"}),
}
_SERVER_RESULT = (
    "server_tool_call_response",
    {"tool_use_id": "id", "content": "server_tool_call_response"},
)
_LEFT_OUT = frozenset(("type", "signature", "cache_control", "parsed_output"))
"""What says nothing about the content; a signature is as long as the thought it signs."""
_MEDIA = {"image": "image", "document": "document"}


def request_messages(body: Mapping[str, Any]) -> list[Message]:
    """Return the system prompt and the messages of a request."""
    system = _listed(body.get("system"))
    first = [{"role": "system", "parts": system}] if system else []
    messages = plain(body.get("messages"))
    if not isinstance(messages, (list, tuple)):
        return first
    return first + [
        {"role": message.get("role"), "parts": _listed(message.get("content"))}
        for message in messages
        if isinstance(message, Mapping)
    ]


def answer_message(answer: Mapping[str, Any]) -> Message:
    """Return the message that an answer is."""
    role, reason = answer.get("role") or "assistant", answer.get("stop_reason")
    message: Message = {"role": role, "parts": _listed(answer.get("content"))}
    return message if reason is None else {**message, "finish_reason": reason}


def block_part(block: Any) -> Part:
    """Return a block of the content of a message as a part."""
    if not isinstance(block, Mapping):
        return text_part(block)
    kind = str(block.get("type"))
    if kind in _MEDIA and isinstance(block.get("source"), Mapping):
        return _media(block["source"], _MEDIA[kind]) or dict(block)
    if kind == "redacted_thinking":
        # What it holds can be read by the provider alone.
        return reasoning_part("[redacted]")
    renamed = _RENAMED.get(kind)
    if renamed is None and kind.endswith("_tool_result"):
        renamed = _SERVER_RESULT
    if renamed is None:
        return dict(block)
    part_type, names = renamed
    part: Part = {"type": part_type}
    for name, value in block.items():
        if value is not None and name not in _LEFT_OUT:
            part[str(names.get(name, name))] = value
    if part_type == "tool_call_response":
        part["response"] = _response(part.get("response"))
    return part


def _listed(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [text_part(content)]
    content = plain(content)
    return [block_part(block) for block in content] if isinstance(content, (list, tuple)) else []


def _response(content: Any) -> Any:
    # Most tools answer one text, which the client may have wrapped.
    if isinstance(content, (list, tuple)):
        parts = [block_part(block) for block in content]
        only = parts[0] if len(parts) == 1 else {}
        return only["content"] if only.keys() == {"type", "content"} else parts
    return content


def _media(source: Mapping[str, Any], modality: str) -> Part | None:
    if source.get("type") == "text":  # a document that is nothing but its text
        return {**text_part(source.get("data")), "modality": modality}
    return media_part(
        modality,
        uri=source.get("url"),
        file_id=source.get("file_id"),
        content=source.get("data"),
        mime_type=source.get("media_type"),
    )
