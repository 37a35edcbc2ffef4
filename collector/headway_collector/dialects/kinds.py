"""What a span is: a call of a model, a tool, an agent, or the chain around them.

Each dialect says it in an attribute of its own. The first that has a word we know decides; only
where none has, a tool's name, a model's or an agent's tells. All else is a plain span.
"""

from headway.records import Kind
from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import as_object, as_text
from headway_collector.dialects.models import LOGFIRE_REQUEST, MODEL_SIGNS, is_logfire_call
from headway_collector.otlp.telemetry import Attributes

_NAMES = Names(
    "langfuse.observation.type",
    "openinference.span.kind",
    # LangSmith writes gen_ai.operation.name from this, and calls a retriever "embeddings" there.
    "langsmith.span.kind",
    "gen_ai.operation.name",
    "traceloop.span.kind",
    "llm.request.type",
    "ai.operationId",
    "mlflow.spanType",
    "genkit:metadata:subtype",
)
# The dialects agree on what their words mean, so that one list serves all, in lower case.
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        (
            "llm",
            "generation",
            "chat",
            "chat_model",
            "completion",
            "text_completion",
            "generate",
            "generate_content",
            "llm_request",
            "model",
            "ai.generatetext.dogenerate",
            "ai.generateobject.dogenerate",
            "ai.streamtext.dostream",
            "ai.streamobject.dostream",
        ),
        "llm",
    ),
    **dict.fromkeys(
        ("embedding", "embeddings", "embedder", "ai.embed.doembed", "ai.embedmany.doembed"),
        "embedding",
    ),
    **dict.fromkeys(("retriever", "retrieval", "vector_db_retrieve"), "retriever"),
    **dict.fromkeys(("reranker", "rerank", "ai.rerank.dorerank"), "reranker"),
    **dict.fromkeys(("tool", "tool.v2", "execute_tool", "ai.toolcall"), "tool"),
    **dict.fromkeys(("agent", "invoke_agent", "create_agent"), "agent"),
    **dict.fromkeys(
        (
            "chain",
            "workflow",
            "invoke_workflow",
            "plan",
            "flow",
            "util",
            "executable-prompt",
            # The calls of the Vercel AI SDK that wrap those of the model.
            "ai.generatetext",
            "ai.generateobject",
            "ai.streamtext",
            "ai.streamobject",
            "ai.embed",
            "ai.embedmany",
            "ai.rerank",
        ),
        "chain",
    ),
    "guardrail": "guardrail",
    **dict.fromkeys(("evaluator", "score"), "evaluator"),
    **dict.fromkeys(
        (
            "span",
            "event",
            "prompt",
            "parser",
            "task",
            "execute_task",
            "memory",
            "indexer",
            "fetch_response",
        ),
        "span",
    ),
}
# Where no word tells, the first of these does.
_HINTS: dict[str, Kind] = {
    **dict.fromkeys(("gen_ai.tool.name", "gen_ai.tool.call.id", "lk.function_tool.name"), "tool"),
    # LiveKit names the model on its nodes as well, around the request to it and beside speech.
    "lk.function_tools": "chain",
    **dict.fromkeys(("lk.tts.label", "lk.response.ttfb"), "span"),
    **dict.fromkeys((*MODEL_SIGNS, LOGFIRE_REQUEST), "llm"),
    **dict.fromkeys(("gen_ai.agent.name", "agent_name", "lk.generation_id"), "agent"),
}
_HINT_NAMES = Names(*_HINTS)


def find_kind(attributes: Attributes, keys: Keys) -> Kind:
    """Return the kind that the attributes tell."""
    for name in keys[_NAMES]:
        word = attributes[name]
        if word is not None:
            kind = _KINDS.get((as_text(word) or "").lower())
            if kind is not None:
                return kind
    return _find_braintrust_kind(attributes) or _guess_kind(attributes, keys)


def _find_braintrust_kind(attributes: Attributes) -> Kind | None:
    said = as_object(attributes.get("braintrust.span_attributes"))
    word = attributes.get("braintrust.span_attributes.type") if said is None else said.get("type")
    return _KINDS.get(word.lower()) if type(word) is str else None


def _guess_kind(attributes: Attributes, keys: Keys) -> Kind:
    for name in keys[_HINT_NAMES]:
        if name != LOGFIRE_REQUEST or is_logfire_call(attributes):
            return _HINTS[name]
    return "span"
