"""One part of a message, of any provider or framework, as a part of the GenAI conventions.

    {"type": "text", "content": "Where is my parcel?"}
    {"type": "tool_call", "id": "call_1", "name": "track", "arguments": {"parcel": "P-9"}}
    {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}

A part that is in this form already comes back as the same object, and one of a type nobody here
knows as it is: nothing that was said is dropped. An image inside a ``data:`` address stays one,
because the text of it is then stored once.
"""

from typing import Any

from headway_collector.dialects.messages.readings import read_json

Part = dict[str, Any]

# Type to the field without which a part is not in canonical form.
_REQUIRED = {
    "text": "content",
    "tool_call_response": "response",
    "reasoning": "content",
    "blob": "content",
    "uri": "uri",
    "file": "file_id",
    "server_tool_call": "server_tool_call",
    "server_tool_call_response": "server_tool_call_response",
}

# Foreign type to the canonical one, and its fields to ours. Others of its fields are kept.
_RENAMED: dict[str, tuple[str, dict[str, str]]] = {
    **dict.fromkeys(
        ("text", "input_text", "output_text", "summary_text"), ("text", {"text": "content"})
    ),
    "refusal": ("refusal", {"refusal": "content"}),
    "reasoning": ("reasoning", {"text": "content"}),
    "thinking": ("reasoning", {"thinking": "content"}),
    "tool_use": ("tool_call", {"input": "arguments"}),
    "tool_result": ("tool_call_response", {"tool_use_id": "id", "content": "response"}),
    "tool_call_response": ("tool_call_response", {"result": "response"}),
    "tool-call": (
        "tool_call",
        {"toolCallId": "id", "toolName": "name", "args": "arguments", "input": "arguments"},
    ),
    "tool-result": (
        "tool_call_response",
        {"toolCallId": "id", "toolName": "name", "result": "response", "output": "response"},
    ),
    "server_tool_use": ("server_tool_call", {"input": "server_tool_call"}),
}

_MODALITIES = {
    **dict.fromkeys(("image", "image_url", "image-url", "input_image"), "image"),
    **dict.fromkeys(("audio", "audio-url", "input_audio"), "audio"),
    **dict.fromkeys(("video", "video_url", "video-url"), "video"),
    **dict.fromkeys(("document", "document-url", "input_file"), "document"),
    **dict.fromkeys(("file", "binary", "media"), None),
}

_MIME_TYPES = ("mime_type", "mimeType", "media_type", "mediaType", "contentType")
_ADDRESSES = ("uri", "url", "image_url", "file_uri", "fileUri")
_BYTES = ("data", "content", "file_data", "base64", "bytes", "image", "audio")
_FILES = ("file_id", "fileId")


def read_part(part: Any) -> Part:
    """Return a part of a message in canonical form."""
    if type(part) is not dict:
        return {"type": "text", "content": part}
    kind = part.get("type")
    if type(kind) is not str:
        return _read_untyped(part)
    required = _REQUIRED.get(kind)
    if required is not None and required in part:
        return part
    if kind == "tool_call":
        return read_tool_call(part)
    if kind in _MODALITIES:
        return _read_media(part, _MODALITIES[kind]) or part
    renamed = _RENAMED.get(kind)
    if renamed is None:
        return part
    read = _rename(part, *renamed)
    return read_tool_call(read) if read["type"] == "tool_call" else read


def read_tool_call(call: Part) -> Part:
    """Return a tool call, whose function may stand in an object of its own, in canonical form."""
    function = call.get("function")
    inner = function if type(function) is dict else call
    arguments = inner.get("arguments", inner.get("args"))
    parsed = read_arguments(arguments)
    if parsed is arguments and call.get("type") == "tool_call" and "args" not in call:
        return call
    read: Part = {"type": "tool_call"}
    if call.get("id") is not None:
        read["id"] = call["id"]
    read["name"] = inner.get("name")
    if parsed is not None:
        read["arguments"] = parsed
    return read


def read_arguments(arguments: Any) -> Any:
    """Return a tool's arguments as an object where they are the JSON text of one."""
    if type(arguments) is not str or arguments[:1] != "{":
        return arguments
    found = read_json(arguments)
    return arguments if found is None else found.value


def _rename(part: Part, kind: str, fields: dict[str, str]) -> Part:
    read: Part = {"type": kind}
    for key, value in part.items():
        if key != "type":
            read[fields.get(key, key)] = value
    return read


def _read_untyped(part: Part) -> Part:
    """Read the parts of Gemini, Bedrock and Genkit, whose one field says what they are."""
    if type(part.get("text")) is str:
        kind = "reasoning" if part.get("thought") is True else "text"
        return {"type": kind, "content": part["text"]}
    if type(part.get("reasoning")) is str:
        return {"type": "reasoning", "content": part["reasoning"]}
    for name, value in part.items():
        if type(value) is not dict:
            continue
        if name in ("function_call", "functionCall", "toolUse", "toolRequest"):
            call = {"id": _find_call_id(value), "name": value.get("name")}
            return read_tool_call({**call, "arguments": value.get("args", value.get("input"))})
        if name in ("function_response", "functionResponse", "toolResult", "toolResponse"):
            said = value.get("response", value.get("content", value.get("output")))
            call_id = _find_call_id(value) or value.get("name")
            return {"type": "tool_call_response", "id": call_id, "response": said}
        if name in ("inline_data", "inlineData", "file_data", "fileData", "media"):
            return _read_media(value, None) or part
        if name in ("image", "video", "document", "audio"):
            return _read_media(part, name) or part
    return part


def _find_call_id(value: Part) -> Any:
    return value.get("id", value.get("toolUseId", value.get("ref")))


def _read_media(part: Part, modality: str | None) -> Part | None:
    """Return an image, sound or file wherever in the part it stands, or None without one."""
    kind = part.get("type")
    holders = [part]
    for name in (kind, modality, "source", "file"):
        inner = part.get(name) if type(name) is str else None
        if type(inner) is dict:
            source = inner.get("source")
            holders[:0] = [source, inner] if type(source) is dict else [inner]
    mime_type = _find_text(holders, _MIME_TYPES)
    if modality is None:
        family = (mime_type or "").split("/")[0]
        modality = family if family in ("image", "audio", "video") else "document"
    read: Part = {"mime_type": mime_type} if mime_type else {}
    read["modality"] = modality
    if address := _find_text(holders, _ADDRESSES):
        return {"type": "uri", **read, "uri": address}
    if file_id := _find_text(holders, _FILES):
        return {"type": "file", **read, "file_id": file_id}
    if content := _find_text(holders, _BYTES):
        if content.startswith(("http://", "https://", "data:")):
            return {"type": "uri", **read, "uri": content}
        return {"type": "blob", **read, "content": content}
    return None


def _find_text(holders: list[Part], names: tuple[str, ...]) -> str | None:
    for holder in holders:
        for name in names:
            value = holder.get(name)
            if type(value) is str and value:
                return value
    return None
