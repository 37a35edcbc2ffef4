"""Messages by the GenAI conventions since 1.37, on the span or on an event beside it.

The values are lists of messages, as JSON text on most spans and as structured values on events;
system instructions stand apart and become the first message.
"""

from collections.abc import Iterator
from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.conversations import (
    are_messages,
    find_messages,
    keep_text,
)
from headway_collector.dialects.messages.parts import read_part
from headway_collector.dialects.messages.readings import Found, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

INPUT = "gen_ai.input.messages"
OUTPUT = "gen_ai.output.messages"
SYSTEM = "gen_ai.system_instructions"
_DETAILS = "gen_ai.client.inference.operation.details"
NAMES = Names(INPUT, OUTPUT, SYSTEM)


def find_input(otel: OtelSpan) -> Found | None:
    """Return the messages given to the model, instructions first."""
    found = _read_input(otel.attributes)
    if found is None and (otel.events or otel.logs):
        for attributes in _find_details(otel):
            found = found or _read_input(attributes)
    return found


def find_output(otel: OtelSpan) -> Found | None:
    """Return the messages that the model gave, one for each choice."""
    found = find_messages(read_value(otel.attributes.get(OUTPUT)), "assistant")
    if found is None and (otel.events or otel.logs):
        for attributes in _find_details(otel):
            found = found or find_messages(read_value(attributes.get(OUTPUT)), "assistant")
    return found


def prepend_instructions(instructions: Any, messages: Found | None) -> Found | None:
    """Return the messages with the system's instructions, a list of parts, before them."""
    system = read_value(instructions)
    if system is None or not system.value:
        return messages
    given = system.value if type(system.value) is list else [system.value]
    parts = [read_part(part) for part in given]
    first = {"role": "system", "parts": parts}
    if messages is None:
        return Found([first])
    value = [first, *messages.value]
    text = keep_text(system, parts).text
    if text is None or messages.text is None or text[:1] != "[" or messages.text[:1] != "[":
        return Found(value)
    # Put together as texts, each of the two can be told again from the whole.
    return Found(value, f'[{{"role":"system","parts":{text}}},{messages.text[1:]}')


def complete_input(otel: OtelSpan, found: Found | None) -> Found | None:
    """Return what was given to the model, as any dialect says it, with the instructions before it.

    Where nothing else was found they are all there is. A conversation that begins with a system's
    message has them already.
    """
    instructions = next((each[SYSTEM] for each in _find_places(otel) if SYSTEM in each), None)
    if instructions is None:
        return found
    if found is None:
        return prepend_instructions(instructions, None)
    if not are_messages(found.value) or any(item["role"] == "system" for item in found.value):
        return found
    return prepend_instructions(instructions, found)


def _read_input(attributes: Attributes) -> Found | None:
    messages = find_messages(read_value(attributes.get(INPUT)), "user")
    instructions = attributes.get(SYSTEM)
    if messages is None or instructions is None:
        return messages
    return prepend_instructions(instructions, messages)


def _find_places(otel: OtelSpan) -> Iterator[Attributes]:
    yield otel.attributes
    yield from _find_details(otel)


def _find_details(otel: OtelSpan) -> Iterator[Attributes]:
    for event in otel.events:
        if event.name == _DETAILS:
            yield event.attributes
    for log in otel.logs:
        if log.event_name == _DETAILS or log.attributes.get("event.name") == _DETAILS:
            yield log.body if type(log.body) is dict and log.body else log.attributes
