"""What MLflow, Google's ADK and Braintrust say, each in an attribute or two."""

from typing import Any

from headway_collector.dialects.keys import Names
from headway_collector.dialects.messages.chats import Message, read_message
from headway_collector.dialects.messages.conversations import prefer_messages
from headway_collector.dialects.messages.readings import Found, read_json, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

NAMES = Names(prefixes=("mlflow.", "gcp.", "braintrust."))
_INPUTS = (
    "mlflow.spanInputs",
    "gcp.vertex.agent.tool_call_args",
    "braintrust.input_json",
)
_OUTPUTS = (
    "mlflow.spanOutputs",
    "gcp.vertex.agent.tool_response",
    "braintrust.output_json",
)
_ALWAYS_JSON = frozenset(
    ("mlflow.spanInputs", "mlflow.spanOutputs", "braintrust.input_json", "braintrust.output_json")
)


def find_input(otel: OtelSpan) -> Found | None:
    """Return the input that one of them says."""
    return _find_google_request(otel.attributes.get("gcp.vertex.agent.llm_request")) or _find(
        otel.attributes, _INPUTS, "user"
    )


def find_output(otel: OtelSpan) -> Found | None:
    """Return the output that one of them says."""
    return _find_google_response(otel.attributes.get("gcp.vertex.agent.llm_response")) or _find(
        otel.attributes, _OUTPUTS, "assistant"
    )


def _find(attributes: Attributes, names: tuple[str, ...], role: str) -> Found | None:
    for name in names:
        value = attributes.get(name)
        if value is None or value == "":
            continue
        # MLflow and Braintrust write every value as JSON, a text in quotation marks too.
        is_json = type(value) is str and name in _ALWAYS_JSON
        found = read_json(value) if is_json else None
        return prefer_messages(found or read_value(value), role)
    return None


def _find_google_request(request: Any) -> Found | None:
    """Read ``{"contents": [{"role", "parts"}], "config": {"system_instruction": …}}``."""
    found = read_value(request)
    if found is None or type(found.value) is not dict or not found.value:
        return None
    contents = found.value.get("contents")
    if type(contents) is not list:
        return found
    config = found.value.get("config")
    instruction = config.get("system_instruction") if type(config) is dict else None
    messages: list[Message] = []
    if instruction is not None:
        messages.append(read_message(instruction, "system"))
    return Found(messages + [read_message(content, "user") for content in contents])


def _find_google_response(response: Any) -> Found | None:
    """Read ``{"content": {"role", "parts"}, "finish_reason": "STOP"}``."""
    found = read_value(response)
    if found is None or type(found.value) is not dict or not found.value:
        return None
    content = found.value.get("content")
    if type(content) is not dict:
        return found
    message = {**content, "finish_reason": found.value.get("finish_reason")}
    return Found([read_message(message, "assistant")])
