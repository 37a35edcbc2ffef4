"""Conversations in whatever wrapping they come: a list, a request, a completion, a bare text."""

import operator
from typing import Any

from headway_collector.dialects.messages.chats import (
    ROLE_TYPES,
    Message,
    read_message,
    unwrap,
)
from headway_collector.dialects.messages.readings import Found

_CONTENTS = ("content", "parts", "tool_calls", "function_call", "contents")

# What stands beside the messages in a request to a model, and is no content.
_SETTINGS = frozenset(
    (
        "model",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "response_format",
        "temperature",
        "top_p",
        "top_k",
        "n",
        "seed",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "frequency_penalty",
        "presence_penalty",
        "reasoning_effort",
        "user",
        "metadata",
    )
)


def read_messages(value: Any, role: str) -> list[Message]:
    """Return messages in canonical form; those that were so already are the same objects.

    Args:
        value: a list, one message, an object with ``messages``, a completion, or a text.
        role: of what says none itself.
    """
    items = _find_items(value) or value
    if type(items) is not list:
        items = [items]
    elif items and all(map(_is_bare_part, items)):
        items = [{"role": role, "content": items}]
    return [read_message(item, role) for item in items if item is not None]


def recognise(value: Any, role: str) -> list[Message] | None:
    """Return the messages that a value of any kind holds; None where it is no conversation."""
    items = _find_items(value)
    if items is None and type(value) is list:
        items = value
    if items is None and is_message(value):
        items = [value]
    if not items or not all(map(is_message, items)):
        return None
    return [read_message(item, role) for item in items]


def find_messages(found: Found | None, role: str) -> Found | None:
    """Return what was found as messages; None where it holds none."""
    if found is None or not found.value:
        return None
    messages = read_messages(found.value, role)
    if not messages:
        return None
    return keep_text(found, messages)


def prefer_messages(found: Found | None, role: str) -> Found | None:
    """Return what was found as messages where it is a conversation, else as it is."""
    if found is None or type(found.value) not in (list, dict):
        return found
    messages = recognise(found.value, role)
    return found if messages is None else keep_text(found, messages)


def keep_text(found: Found, messages: list[Message]) -> Found:
    """Return the messages, with the text they were sent as where they are exactly what it says."""
    value = found.value
    is_same = type(value) is list and len(value) == len(messages)
    return found if is_same and all(map(operator.is_, value, messages)) else Found(messages)


def is_message(value: Any) -> bool:
    """Return whether a value is unmistakably a chat message, or a choice with one inside."""
    if type(value) is not dict:
        return False
    if type(value.get("message")) is dict:
        return is_message(value["message"])
    value = unwrap(value)
    role = value.get("role")
    if type(role) is not str:
        kind = value.get("type")
        if type(kind) is not str or kind not in ROLE_TYPES:
            return False
    return any(name in value for name in _CONTENTS)


def are_messages(value: Any) -> bool:
    """Return whether a value is a list of messages in canonical form."""
    return type(value) is list and all(
        type(item) is dict and "parts" in item and "role" in item for item in value
    )


def _find_items(value: Any) -> list[Any] | None:
    """Return the list of messages or choices inside a request or a completion."""
    if type(value) is not dict:
        return None
    items = value.get("choices")
    if type(items) is list:
        return items
    items = value.get("generations")
    if items is None and value.keys() - {"messages"} <= _SETTINGS:
        items = value.get("messages")
    if type(items) is not list:
        return None
    # LangChain sends a batch; a span of one call holds one conversation.
    return items[0] if len(items) == 1 and type(items[0]) is list else items


def _is_bare_part(item: Any) -> bool:
    return (
        type(item) is dict
        and "role" not in item
        and item.get("type") in ("text", "image_url", "image", "input_text", "input_image", "file")
    )
