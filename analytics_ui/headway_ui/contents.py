"""Prompts and completions as a person reads them: chat as chat, text as text, JSON laid out.

What was logged can be anything. It is looked at once, told apart, and shown as plain text: never
as Markdown or HTML, because an image in a logged prompt would make the browser call out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from headway_ui.formats import count, shorten

MOST_CHARACTERS = 20_000
_PREVIEW = 200
_AVATARS = {
    "user": ":material/person:",
    "human": ":material/person:",
    "assistant": ":material/smart_toy:",
    "ai": ":material/smart_toy:",
    "system": ":material/settings:",
    "developer": ":material/settings:",
    "tool": ":material/build:",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation."""

    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Text:
    """Words, with their line breaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Structure:
    """Data, laid out as JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class Fields:
    """A function's arguments, or any other mapping: each name with its own content."""

    parts: Mapping[str, Text | Structure]


Content = Chat | Text | Structure | Fields


def read(value: Any) -> Content:
    """Tell what a logged value is."""
    messages = _messages(value)
    if messages:
        return Chat(messages)
    if isinstance(value, Mapping) and value and any(isinstance(v, str) for v in value.values()):
        return Fields({str(name): _leaf(part) for name, part in value.items()})
    return _leaf(value)


def draw(value: Any, key: str) -> None:
    """Draw a logged value.

    Args:
        value: JSON data.
        key: names this place on the page.
    """
    content = read(value)
    if isinstance(content, Chat):
        for number, message in enumerate(content.messages):
            avatar = _AVATARS.get(message.role, ":material/forum:")
            with st.chat_message(message.role, avatar=avatar):
                st.caption(message.role)
                _draw_text(message.text, f"{key}_{number}")
    elif isinstance(content, Fields):
        with st.container(border=True, gap="xsmall"):
            for name, part in content.parts.items():
                st.caption(f"`{name.replace('`', '')}`")
                _draw_leaf(part, f"{key}_{name}")
    elif isinstance(content, Text):
        with st.container(border=True):
            _draw_text(content.text, key)
    else:
        _draw_leaf(content, key)


def preview(text: str | None) -> str:
    """Return one line for a table, made of the first characters of a logged value.

    The one argument of a function, or the last message of a chat, stands for the whole.
    """
    try:
        content = read(json.loads(text or ""))
    except ValueError:
        return shorten(text or "", _PREVIEW)
    if isinstance(content, Chat):
        return shorten(content.messages[-1].text, _PREVIEW)
    if isinstance(content, Fields) and len(content.parts) == 1:
        return shorten(next(iter(content.parts.values())).text, _PREVIEW)
    return shorten(content.text if isinstance(content, Text) else text or "", _PREVIEW)


def as_text(value: Any) -> str:
    """Return a logged value as one text, for a table or a comparison."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _messages(value: Any) -> list[Message]:
    if isinstance(value, Mapping):
        value = value.get("messages") or ([value] if {"role", "content"} <= value.keys() else None)
    if not isinstance(value, list) or not value:
        return []
    if not all(isinstance(each, Mapping) and isinstance(each.get("role"), str) for each in value):
        return []
    return [Message(each["role"].lower(), _message_text(each)) for each in value]


def _message_text(message: Mapping[str, Any]) -> str:
    # OpenAI calls the parts of a message "content", OpenTelemetry calls them "parts".
    content = message.get("content", message.get("parts"))
    parts = content if isinstance(content, list) else [content]
    texts = [_part_text(part) for part in parts if part is not None]
    if message.get("tool_calls"):
        texts.append(_pretty(message["tool_calls"]))
    return "\n".join(texts)


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        for name in ("text", "content"):
            if isinstance(part.get(name), str):
                return str(part[name])
    return _pretty(part)


def _leaf(value: Any) -> Text | Structure:
    if not isinstance(value, str):
        return Structure(_pretty(value))
    # A model that answers in JSON answers with text; laid out it is easier to check.
    if value.lstrip()[:1] in ("{", "["):
        try:
            return Structure(_pretty(json.loads(value)))
        except ValueError:
            return Text(value)
    return Text(value)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _draw_leaf(part: Text | Structure, key: str) -> None:
    if isinstance(part, Text) or len(part.text) > MOST_CHARACTERS:
        _draw_text(part.text, key)
    else:
        st.code(part.text, "json", wrap_lines=True)


def _draw_text(text: str, key: str) -> None:
    if not text:
        st.caption("(empty)")
        return
    st.text(text[:MOST_CHARACTERS])
    if len(text) > MOST_CHARACTERS:
        st.caption(f"The first {count(MOST_CHARACTERS)} of {count(len(text))} characters.")
        st.download_button(
            "All of it", text, f"{key}.txt", "text/plain", icon=":material/download:", key=key
        )
