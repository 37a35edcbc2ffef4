"""Messages that OpenInference flattens, ``llm.input_messages.0.message.content``.

Texts of completions stand under ``llm.prompts.0.prompt.text`` and
``llm.choices.0.completion.text``; the prompts were a plain list ``llm.prompts`` first.
"""

from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import Message, read_message
from headway_collector.dialects.messages.flattened import unflatten
from headway_collector.dialects.messages.readings import Found
from headway_collector.otlp.telemetry import Attributes, OtelSpan

NAMES = Names(prefixes=("llm.",))


def find_input(otel: OtelSpan) -> Found | None:
    """Return the messages, or the prompt, given to the model."""
    attributes = otel.attributes
    return (
        _find(attributes, "llm.input_messages.", "user")
        or _find_texts(attributes, "llm.prompts.", "prompt", "user")
        or _read_prompts(attributes.get("llm.prompts"))
    )


def find_output(otel: OtelSpan) -> Found | None:
    """Return the messages, or the completions, that the model gave."""
    return _find(otel.attributes, "llm.output_messages.", "assistant") or _find_texts(
        otel.attributes, "llm.choices.", "completion", "assistant"
    )


def _find(attributes: Attributes, prefix: str, role: str) -> Found | None:
    messages = [
        read_message(_gather(item["message"]), role)
        for item in unflatten(attributes, prefix)
        if type(item) is dict and type(item.get("message")) is dict
    ]
    return Found(messages) if messages else None


def _find_texts(attributes: Attributes, prefix: str, name: str, role: str) -> Found | None:
    messages = [
        read_message(item[name]["text"], role)
        for item in unflatten(attributes, prefix)
        if type(item) is dict and type(item.get(name)) is dict and "text" in item[name]
    ]
    return Found(messages) if messages else None


def _read_prompts(prompts: Any) -> Found | None:
    if type(prompts) is not list or not all(type(prompt) is str for prompt in prompts):
        return None
    return Found([read_message(prompt, "user") for prompt in prompts]) if prompts else None


def _gather(message: Message) -> Message:
    """Return a message with its contents and tool calls out of their wrappings."""
    gathered = dict(message)
    contents = _take(message, "contents", "message_content")
    if contents:
        gathered["contents"] = [
            {name: _take_inner(name, value) for name, value in part.items()} for part in contents
        ]
        # The same as one text beside the parts.
        gathered.pop("content", None)
    gathered["tool_calls"] = _take(message, "tool_calls", "tool_call")
    if "function_call_name" in message:
        gathered["function_call"] = {
            "name": message["function_call_name"],
            "arguments": message.get("function_call_arguments_json"),
        }
    return gathered


def _take(message: Message, name: str, wrapping: str) -> list[Message]:
    items = message.get(name)
    return [
        item[wrapping]
        for item in (items if type(items) is list else ())
        if type(item) is dict and type(item.get(wrapping)) is dict
    ]


def _take_inner(name: str, value: Any) -> Any:
    return value.get(name, value) if type(value) is dict else value
