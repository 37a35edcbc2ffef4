"""From a case's input to what the model is asked: one text, or a list of chat messages.

A template names ``{input}`` or the fields of an input that is a mapping. Every other brace stands
for itself, so that JSON can be written in a prompt as it is; ``{{input}}`` gives ``{input}``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_FIELD = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")

Prompt = str | tuple["Message", ...]
"""What a model is asked: a text to go on from, or the messages of a chat."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat; the role is system, user, assistant, or the model's own word."""

    role: str
    content: str


def render_prompt(template: Prompt, value: Any) -> Prompt:
    """Return the prompt for an input: text, a mapping, or the messages of a chat.

    Messages replace a template that is text, and follow one that is messages.

    Raises:
        KeyError: the template names a field that the input does not have.
    """
    if isinstance(template, str):
        return chat(value) if is_chat(value) else _fill(template, value)
    if is_chat(value):
        return (*template, *chat(value))
    return tuple(Message(each.role, _fill(each.content, value)) for each in template)


def has_fields(template: Prompt) -> bool:
    """Return whether a template has a place for anything of the input."""
    texts = [template] if isinstance(template, str) else [each.content for each in template]
    return any(name for text in texts for _, name in _FIELD.findall(text))


def is_chat(value: Any) -> bool:
    """Return whether an input is a list of messages, each with a role and a content."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(
            isinstance(each, Mapping)
            and each.keys() == {"role", "content"}
            and all(isinstance(part, str) for part in each.values())
            for each in value
        )
    )


def chat(value: Sequence[Mapping[str, str]]) -> tuple[Message, ...]:
    """Return messages as values."""
    return tuple(Message(each["role"], each["content"]) for each in value)


def as_text(value: Any) -> str:
    """Return a value as it stands in a text: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fill(template: str, value: Any) -> str:
    fields = {"input": value, **(value if isinstance(value, Mapping) else {})}

    def replace(match: re.Match[str]) -> str:
        literal, name = match.groups()
        return as_text(fields[name]) if name else f"{{{literal}}}"

    return _FIELD.sub(replace, template)
