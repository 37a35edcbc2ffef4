"""Messages that Traceloop flattened, ``gen_ai.prompt.0.content``, and what LangSmith says bare.

The prefixes were ``llm.prompts`` and ``llm.completions`` first. A content may be the JSON text of
a list of parts.
"""

from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import Message, read_message
from headway_collector.dialects.messages.conversations import prefer_messages
from headway_collector.dialects.messages.flattened import unflatten
from headway_collector.dialects.messages.readings import Found, read_plain, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

NAMES = Names(prefixes=("gen_ai.prompt", "gen_ai.completion", "llm."))


def find_input(otel: OtelSpan) -> Found | None:
    """Return what was given to the model."""
    return _find(otel.attributes, ("gen_ai.prompt", "llm.prompts"), "user")


def find_output(otel: OtelSpan) -> Found | None:
    """Return what the model gave."""
    return _find(otel.attributes, ("gen_ai.completion", "llm.completions"), "assistant")


def _find(attributes: Attributes, names: tuple[str, str], role: str) -> Found | None:
    for name in names:
        messages = [
            read_message(_read_content(item), role)
            for item in unflatten(attributes, f"{name}.")
            if type(item) is dict
        ]
        if messages:
            return Found(messages)
    for name in names:
        found = read_value(attributes.get(name))
        if found is not None:
            bare = Found([read_message(found.value, role)]) if _is_text(found.value) else found
            return prefer_messages(bare, role)
    return None


def _read_content(message: Message) -> Message:
    content = read_plain(message.get("content"))
    if type(content) is list and all(type(p) is dict and "type" in p for p in content):
        return {**message, "content": content}
    return message


def _is_text(value: Any) -> bool:
    return type(value) is str
