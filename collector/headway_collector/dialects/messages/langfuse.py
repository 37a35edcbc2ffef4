"""What Langfuse's own clients say: ``langfuse.observation.input`` and ``.output``.

It is whatever the user gave; for a model that is a list of messages, a request or a reply.
"""

from headway.records import Kind
from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.conversations import find_messages, prefer_messages
from headway_collector.dialects.messages.readings import Found, read_value
from headway_collector.otlp.telemetry import OtelSpan

NAMES = Names(prefixes=("langfuse.",))


def find_input(otel: OtelSpan, kind: Kind) -> Found | None:
    """Return the observation's input; the trace's on a root that has none."""
    return _find(otel, kind, "langfuse.observation.input", "langfuse.trace.input", "user")


def find_output(otel: OtelSpan, kind: Kind) -> Found | None:
    """Return the observation's output; the trace's on a root that has none."""
    return _find(otel, kind, "langfuse.observation.output", "langfuse.trace.output", "assistant")


def _find(otel: OtelSpan, kind: Kind, name: str, root_name: str, role: str) -> Found | None:
    value = otel.attributes.get(name)
    if value is None and not otel.parent_span_id:
        value = otel.attributes.get(root_name)
    if value is None:
        return None
    found = read_value(value)
    if kind == "llm" and found is not None and type(found.value) is str:
        return find_messages(found, role)
    return prefer_messages(found, role)
