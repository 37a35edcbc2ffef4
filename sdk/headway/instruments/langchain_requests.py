"""What LangChain's callbacks tell of a run at its start: its name, its model, its labels."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from headway.instruments.tools import DEFINITIONS, tool_definitions
from headway.tracing import ActiveSpan

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "amazon_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
    "ibm": "ibm.watsonx.ai",
}
"""LangChain's words for OpenTelemetry's; the others are the same."""

_PARAMS = (
    *("temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "top_p", "top_k"),
    *("n", "seed", "stop", "stop_sequences", "frequency_penalty", "presence_penalty", "stream"),
    *("tool_choice", "parallel_tool_calls", "response_format", "reasoning", "reasoning_effort"),
    *("thinking", "service_tier", "num_predict", "num_ctx", "repeat_penalty"),
)
"""By name, as others among them may be keys and addresses."""

_SESSIONS = ("session_id", "thread_id", "conversation_id")
_OWN_TAGS = ("seq:", "map:", "langsmith:")
_OWN_METADATA = ("ls_", "lc_", "langgraph_")


class Told:
    """What a callback was told at the start of a run."""

    def __init__(self, serialized: Any, more: Mapping[str, Any]) -> None:
        self.serialized: Mapping[str, Any] = serialized or {}
        self.more = more
        self.run_id: UUID = more["run_id"]
        self.parent_run_id: UUID | None = more.get("parent_run_id")
        self.metadata: Mapping[str, Any] = more.get("metadata") or {}
        self.tags: list[str] = more.get("tags") or []


def name_of(told: Told) -> str:
    """Return the name of a run, else of its class."""
    path = told.serialized.get("id") or ["run"]
    return str(told.more.get("name") or told.serialized.get("name") or path[-1])


def is_agent(told: Told) -> bool:
    """Whether a chain is an agent; those of older versions tell so only when they act."""
    if "AgentExecutor" in name_of(told):
        return True
    is_made_so = str(told.metadata.get("ls_integration", "")).endswith("create_agent")
    return is_made_so and name_of(told) in ("LangGraph", told.metadata.get("lc_agent_name"))


def read_request(told: Told) -> dict[str, Any]:
    """Return provider, model, params and attributes of the call of a model."""
    asked: Mapping[str, Any] = told.more.get("invocation_params") or {}
    provider = told.metadata.get("ls_provider")
    return {
        "provider": _PROVIDERS.get(str(provider), provider),
        "model": told.metadata.get("ls_model_name")
        or asked.get("model")
        or asked.get("model_name"),
        "params": {name: asked[name] for name in _PARAMS if asked.get(name) is not None},
        "attributes": {
            "langchain.name": name_of(told),
            DEFINITIONS: tool_definitions(asked.get("tools"), asked.get("functions")),
        },
    }


def label(span: ActiveSpan, told: Told) -> None:
    """Give a span the tags and metadata of its run, and the session and user among them."""
    tags = [tag for tag in told.tags if not tag.startswith(_OWN_TAGS)]
    if tags:
        span.tags = list(dict.fromkeys((*span.record.tags, *tags)))
    for name, value in told.metadata.items():
        if name in _SESSIONS and not span.record.session_id:
            span.session_id = str(value)
        elif name == "user_id" and not span.record.user_id:
            span.user_id = str(value)
        elif not name.startswith(_OWN_METADATA):
            span.attributes[f"langchain.metadata.{name}"] = value
