"""What was said in the stored JSON of a call: the text asked and the text answered.

    input   {"message": "Where is my parcel?"}                        → Where is my parcel?
    input   [{"role": "user", "parts": [{"type": "text", …}]}]        → what the user wrote
    output  {"kind": "delivery"}                                      → the JSON itself
    output  [{"role": "assistant", "parts": [{"type": "tool_call", …}]}]  → the call as JSON

Instructions of the system are not read as a part of the prompt, which would then resemble itself
in every call: they are the prompt's version. Reasoning, images and other data are left out.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec

_ASKING = ("user", "human")
_INSTRUCTING = ("system", "developer")
_TOOL_CALLS = ("tool_call", "tool_use", "function_call")
_TEXT_KEYS = ("content", "text", "refusal")
_UNREAD = ("reasoning", "thinking", "blob", "uri", "file", "image_url", "input_audio")
_BETWEEN = "\n\n"


def read_prompt(raw: bytes | str | None) -> str | None:
    """Return what a call was asked, None where nothing is stored."""
    return _read(raw, _find_prompt)


def read_answer(raw: bytes | str | None) -> str | None:
    """Return what a call answered, None where nothing is stored."""
    return _read(raw, _find_answer)


def _read(raw: bytes | str | None, find: Callable[[Any], str]) -> str | None:
    value = _decode(raw)
    if raw is None or value is None:
        return None
    try:
        return find(value)
    except (RecursionError, OverflowError):
        # Nested a thousand deep, or a number of hundreds of digits: nobody's message.
        return _clean(raw if isinstance(raw, str) else raw.decode(errors="replace"))


def _find_prompt(value: Any) -> str:
    messages = _find_messages(value)
    if messages is None:
        return _BETWEEN.join(_find_strings(value)) if isinstance(value, dict) else _show(value)
    asked = [each for each in messages if each["role"] in _ASKING]
    others = [each for each in messages if each["role"] not in _INSTRUCTING]
    return _BETWEEN.join(filter(None, map(_read_message, asked or others or messages)))


def _find_answer(value: Any) -> str:
    messages = _find_messages(value)
    if messages is None:
        return _show(value)
    return _BETWEEN.join(filter(None, map(_read_message, messages)))


def _decode(raw: bytes | str | None) -> Any:
    """Return stored JSON as values; text that is none stands for itself."""
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        text = raw if isinstance(raw, str) else raw.decode(errors="replace")
    try:
        # It knows lone surrogates, which no text may hold, and which models do write.
        return _replace_surrogates(json.loads(text))
    except (ValueError, RecursionError):
        return _clean(text)


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_replace_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_clean(key): _replace_surrogates(each) for key, each in value.items()}
    return value


def _clean(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _find_messages(value: Any) -> list[dict[str, Any]] | None:
    """Return the messages that a value is, or holds under that name; None where it has none."""
    if isinstance(value, dict):
        if isinstance(value.get("role"), str) and ("content" in value or "parts" in value):
            return [value]
        value = value.get("messages")
    if not isinstance(value, list) or not value:
        return None
    are_messages = all(
        isinstance(each, dict) and isinstance(each.get("role"), str) for each in value
    )
    return value if are_messages else None


def _read_message(message: dict[str, Any]) -> str:
    said = message.get("parts", message.get("content"))
    parts = said if isinstance(said, list) else [said]
    texts = [_read_part(part) for part in parts]
    calls = message.get("tool_calls")
    texts += [_read_tool_call(call) for call in calls if call] if isinstance(calls, list) else []
    return _BETWEEN.join(filter(None, texts))


def _read_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return "" if part is None else _show(part)
    kind = part.get("type")
    if kind in _UNREAD:
        return ""
    if kind in _TOOL_CALLS:
        return _read_tool_call(part)
    for key in _TEXT_KEYS:
        if part.get(key) is not None:
            return _show(part[key])
    return _show(part["response"]) if "response" in part else ""


def _read_tool_call(call: Any) -> str:
    """Return a tool's name and arguments, in one form for every provider."""
    if not isinstance(call, dict):
        return _show(call)
    function = call.get("function")
    called = function if isinstance(function, dict) else call
    arguments = called.get("arguments", called.get("input"))
    if isinstance(arguments, str):
        arguments = _decode(arguments)
    return _show({"name": called.get("name"), "arguments": arguments})


def _find_strings(value: Any) -> list[str]:
    """Return the strings of arguments in the order of their names, numbers among them."""
    if _find_messages(value) is not None:
        asked = _find_prompt(value)
        return [asked] if asked else []
    if isinstance(value, dict):
        return [text for key in sorted(value) for text in _find_strings(value[key])]
    if isinstance(value, list):
        return [text for each in value for text in _find_strings(each)]
    return [] if value is None or isinstance(value, bool) or value == "" else [_show(value)]


def _show(value: Any) -> str:
    """Return a text as it is, and any other value as compact JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
