"""Messages as events, one for each: log events until GenAI 1.36, span events before them.

gen_ai.user.message {"content": "Where is my parcel?"}
gen_ai.choice {"index": 0, "finish_reason": "stop", "message": {"content": "On its way."}}
gen_ai.content.prompt with the attribute gen_ai.prompt
"""

from dataclasses import dataclass
from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import Message, read_message
from headway_collector.dialects.messages.conversations import find_messages
from headway_collector.dialects.messages.readings import Found, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

NAMES = Names()
"""Of attributes: none are read."""

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"


@dataclass(frozen=True, slots=True)
class _Happening:
    """One event, wherever it came from: its name, and what it says."""

    name: str
    body: Attributes
    time_ns: int


def find_input(otel: OtelSpan) -> Found | None:
    """Return the messages that events say were given to the model."""
    if not otel.events and not otel.logs:
        return None
    happenings = _gather(otel)
    messages = read_input_events(happenings)
    return Found(messages) if messages else _find_text(happenings, "prompt", "user")


def find_output(otel: OtelSpan) -> Found | None:
    """Return the choices that events say the model gave."""
    if not otel.events and not otel.logs:
        return None
    happenings = _gather(otel)
    messages = read_output_events(happenings)
    return Found(messages) if messages else _find_text(happenings, "completion", "assistant")


def read_events(bodies: Any) -> list[_Happening]:
    """Return events that were written down as a list of bodies with their names inside."""
    found = read_value(bodies)
    if found is None or type(found.value) is not list:
        return []
    return [
        _Happening(str(body.get("event.name")), body, 0)
        for body in found.value
        if type(body) is dict
    ]


def read_input_events(happenings: list[_Happening]) -> list[Message]:
    """Return the messages among events that are no choices."""
    return [
        read_message(each.body, _ROLES[each.name]) for each in happenings if each.name in _ROLES
    ]


def read_output_events(happenings: list[_Happening]) -> list[Message]:
    """Return the choices among events, by their index."""
    bodies = [each.body for each in happenings if each.name == _CHOICE]
    bodies.sort(key=_find_index)
    return [read_message(_with_message(body), "assistant") for body in bodies]


def _gather(otel: OtelSpan) -> list[_Happening]:
    happenings = [
        _Happening(event.name, _find_body(None, event.attributes), event.time_ns)
        for event in otel.events
        if event.name.startswith("gen_ai.")
    ]
    for log in otel.logs:
        name = log.event_name or log.attributes.get("event.name")
        if type(name) is str and name.startswith("gen_ai."):
            body = _find_body(log.body, log.attributes)
            happenings.append(_Happening(name, body, log.time_ns or log.observed_ns))
    happenings.sort(key=_find_time)
    return happenings


def _find_body(body: Any, attributes: Attributes) -> Attributes:
    for candidate in (body, attributes.get("gen_ai.event.content")):
        found = read_value(candidate)
        if found is not None and type(found.value) is dict:
            return found.value
    return attributes if body is None else {"content": body}


def _with_message(body: Attributes) -> Attributes:
    message = read_value(body.get("message"))
    if message is None:
        return body
    inner = message.value if type(message.value) is dict else {"content": message.value}
    return {**body, "message": inner}


def _find_text(happenings: list[_Happening], what: str, role: str) -> Found | None:
    for each in happenings:
        if each.name == f"gen_ai.content.{what}":
            found = find_messages(read_value(each.body.get(f"gen_ai.{what}")), role)
            if found is not None:
                return found
    return None


def _find_index(body: Attributes) -> int:
    index = body.get("index")
    return index if type(index) is int else 0


def _find_time(happening: _Happening) -> int:
    return happening.time_ns
