"""Messages of OpenAI's two interfaces in the form of the GenAI conventions.

    {"role": "user", "content": "Where is my parcel?"}
    {"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]}

It is what the collector makes of the spans of other instrumentations, so that all look the same:
https://github.com/open-telemetry/semantic-conventions-genai. A part of a type that is not known
here stays as it is.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from headway.instruments.media import Part, media_part

Message = dict[str, Any]

_TEXTS = frozenset(("text", "input_text", "output_text", "summary_text", "reasoning_text"))
_MODALITIES = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "file": "document",
    "input_file": "document",
}


def text_part(text: Any) -> Part:
    """Return a text as a part."""
    return {"type": "text", "content": text}


def reasoning_part(text: Any) -> Part:
    """Return what a model thought as a part."""
    return {"type": "reasoning", "content": text}


def call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    """Return a tool call as a part; arguments that are the JSON text of an object are read."""
    part: Part = {"type": "tool_call"}
    if call_id is not None:
        part["id"] = call_id
    part["name"] = name
    if isinstance(arguments, str) and arguments[:1] == "{":
        with suppress(ValueError):  # a stream that was left inside of them, or a model's mistake
            arguments = msgspec.json.decode(arguments)
    if arguments is not None and arguments != "":
        part["arguments"] = arguments
    return part


def response_part(call_id: Any, response: Any) -> Part:
    """Return what a tool answered as a part."""
    part: Part = {"type": "tool_call_response"}
    if call_id is not None:
        part["id"] = call_id
    part["response"] = response
    return part


def chat_message(message: Mapping[str, Any], finish_reason: Any = None) -> Message:
    """Return a message of chat completions."""
    role = message.get("role") or "assistant"
    read: Message = {"role": role}
    if message.get("name"):
        read["name"] = message["name"]
    if role in ("tool", "function"):
        read["role"] = "tool"
        parts = [response_part(message.get("tool_call_id"), message.get("content"))]
    else:
        parts = _chat_parts(message)
    read["parts"] = parts
    if finish_reason is not None:
        read["finish_reason"] = finish_reason
    return read


def prompt_messages(prompt: Any) -> list[Message]:
    """Return the prompts of a request that completes texts: one, several, or their tokens."""
    is_one = isinstance(prompt, str) or (
        isinstance(prompt, (list, tuple)) and not isinstance(next(iter(prompt), None), (str, list))
    )
    prompts = [prompt] if is_one else prompt or ()
    return [{"role": "user", "parts": [text_part(each)]} for each in prompts]


def response_messages(value: Any) -> list[Message]:
    """Return the input or the output of a response: a text, or items."""
    if isinstance(value, str):
        return [{"role": "user", "parts": [text_part(value)]}]
    return [_item(item) for item in value or () if isinstance(item, Mapping)]


def content_parts(content: Any) -> list[Part]:
    """Return the content of a message: a text, or parts."""
    if content is None or content == "":
        return []
    if not isinstance(content, (list, tuple)):
        return [text_part(content)]
    return [_part(part) for part in content]


def _chat_parts(message: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = []
    # What servers of open models send beside the content.
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str):
        parts.append(reasoning_part(reasoning))
    parts += content_parts(message.get("content"))
    if message.get("refusal"):
        parts.append({"type": "refusal", "content": message["refusal"]})
    audio = message.get("audio")
    if isinstance(audio, Mapping) and audio.get("transcript"):
        parts.append({**text_part(audio["transcript"]), "modality": "audio"})
    for call in message.get("tool_calls") or ():
        function = call.get("function") or call.get("custom") or {}
        arguments = function.get("arguments", function.get("input"))
        parts.append(call_part(call.get("id"), function.get("name"), arguments))
    if function := message.get("function_call"):
        parts.append(call_part(None, function.get("name"), function.get("arguments")))
    return parts


def _item(item: Mapping[str, Any]) -> Message:
    kind = item.get("type")
    if kind in ("function_call", "custom_tool_call"):
        arguments = item.get("arguments", item.get("input"))
        part = call_part(item.get("call_id", item.get("id")), item.get("name"), arguments)
        return {"role": "assistant", "parts": [part]}
    if kind in ("function_call_output", "custom_tool_call_output"):
        return {"role": "tool", "parts": [response_part(item.get("call_id"), item.get("output"))]}
    if kind == "reasoning":
        said = item.get("summary") or item.get("content") or ()
        return {"role": "assistant", "parts": [reasoning_part(each.get("text")) for each in said]}
    if "role" in item:
        return {"role": item["role"], "parts": content_parts(item.get("content"))}
    # A search, a call of a server's own tool, a reference to an earlier item.
    return {"role": "assistant", "parts": [dict(item)]}


def _part(part: Any) -> Part:
    if not isinstance(part, Mapping):
        return text_part(part)
    kind = part.get("type")
    if kind in _TEXTS:
        return text_part(part.get("text"))
    if kind == "refusal":
        return {"type": "refusal", "content": part.get("refusal")}
    modality = _MODALITIES.get(kind or "")
    return (modality and _media(part, modality)) or dict(part)


def _media(part: Mapping[str, Any], modality: str) -> Part | None:
    inner = part.get(str(part["type"]))
    found = {**part, **inner} if isinstance(inner, Mapping) else {**part, "url": inner}
    sources = (found.get(name) for name in ("url", "image_url", "file_url"))
    has_format = modality == "audio" and found.get("format")
    return media_part(
        modality,
        uri=next((source for source in sources if isinstance(source, str)), None),
        file_id=found.get("file_id"),
        content=found.get("data") or found.get("file_data"),
        mime_type=f"audio/{found['format']}" if has_format else None,
    )
