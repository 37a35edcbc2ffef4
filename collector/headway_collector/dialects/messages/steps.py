"""What tools, retrievers, rerankers and embeddings were given and gave: theirs are no messages.

tool: arguments to result           retriever: query to documents
reranker: query and documents to documents
embedding: texts to {"count": 2, "dimensions": 1536}; the vectors are no content
"""

from collections.abc import Mapping
from typing import Any

from headway.records import Kind
from headway_collector.dialects.messages import genai, traceloop
from headway_collector.dialects.messages.flattened import unflatten
from headway_collector.dialects.messages.readings import NOTHING, Found, read_plain, read_value
from headway_collector.otlp.telemetry import Attributes, OtelSpan

_GIVEN = ("gen_ai.tool.call.arguments", "tool_arguments", "gen_ai.retrieval.query.text")
_GAVE = ("gen_ai.tool.call.result", "tool_response", "gen_ai.retrieval.documents")
_DOCUMENTS = ("retrieval.documents", "reranker.output_documents")
# Requests for embeddings: {"input": ["…"]} of OpenAI, {"input": [{"content": [{"text": "…"}]}]}.
_REQUESTS = ("request_data", "genkit:input")
_PARAMETERS = "tool.parameters"


def find_input(otel: OtelSpan, kind: Kind) -> Found | None:
    """Return what such a step was given."""
    attributes = otel.attributes
    if kind == "embedding" or "ai.values" in attributes or "ai.value" in attributes:
        return _find_texts(otel)
    if kind == "reranker":
        return _find_reranking(attributes)
    return _find_first(attributes, _GIVEN)


def find_output(otel: OtelSpan, kind: Kind) -> Found | None:
    """Return what such a step gave."""
    attributes = otel.attributes
    if kind == "embedding" or "ai.values" in attributes or "ai.value" in attributes:
        return _describe_vectors(otel)
    if kind in ("retriever", "reranker"):
        for name in _DOCUMENTS:
            documents = _find_documents(attributes, name)
            if documents:
                return Found(documents)
    return _find_first(attributes, _GAVE)


def find_parameters(attributes: Attributes) -> Found | None:
    """Return a tool's arguments where OpenInference's emitters mean those by its parameters.

    Most of them write there what the tool may be given, a schema.
    """
    found = read_value(attributes.get(_PARAMETERS))
    if found is None or type(found.value) is not dict or _is_schema(found.value):
        return None
    return found


def _is_schema(parameters: dict[str, Any]) -> bool:
    if not parameters or type(parameters.get("properties")) is dict:
        return True
    # Without a frame around them: {"parcel_id": {"type": "string"}}
    return all(type(value) is dict and "type" in value for value in parameters.values())


def _find_first(attributes: Attributes, names: tuple[str, ...]) -> Found | None:
    for name in names:
        if name in attributes:
            return read_value(attributes[name])
    return None


def _find_texts(otel: OtelSpan) -> Found | None:
    attributes = otel.attributes
    texts = [_inner(item, "embedding").get("text") for item in _find_embeddings(attributes)]
    texts = [text for text in texts if text is not None]
    if not texts:
        # Vercel writes each value as JSON.
        values = attributes.get("ai.values", attributes.get("ai.value"))
        texts = [_read_scalar(value) for value in _as_list(values)]
    if not texts:
        texts = _find_requested(attributes)
    if not texts:
        found = genai.find_input(otel) or traceloop.find_input(otel)
        texts = [] if found is None else _gather_texts(found.value)
    return Found(texts) if texts else None


def _find_requested(attributes: Attributes) -> list[Any]:
    for name in _REQUESTS:
        request = read_plain(attributes.get(name))
        if type(request) is dict and request.get("input"):
            return [_join_text(item) for item in _as_list(request["input"])]
    return []


def _join_text(item: Any) -> Any:
    parts = item.get("content") if type(item) is dict else None
    if type(parts) is not list:
        return item
    texts = [part.get("text") for part in parts if type(part) is dict]
    return "".join(text for text in texts if type(text) is str)


def _gather_texts(messages: Any) -> list[Any]:
    """Return the texts that were sent as messages, or as a list of themselves."""
    texts: list[Any] = []
    for message in _as_list(messages):
        parts = message.get("parts") if type(message) is dict else None
        if type(parts) is list:
            texts += [part["content"] for part in parts if "content" in part]
        elif type(message) is str:
            texts.append(message)
    return texts


def _describe_vectors(otel: OtelSpan) -> Found:
    attributes = otel.attributes
    vectors = [_inner(item, "embedding").get("vector") for item in _find_embeddings(attributes)]
    if not vectors:
        vectors = _as_list(attributes.get("ai.embeddings", attributes.get("ai.embedding")))
    if not vectors:
        answer = read_plain(attributes.get("genkit:output"))
        items = _as_list(answer.get("embeddings")) if type(answer) is dict else []
        vectors = [item.get("embedding") for item in items if type(item) is dict]
    lengths = [len(vector) for vector in map(read_plain, vectors) if type(vector) is list]
    texts = _find_texts(otel)
    described: dict[str, int] = {}
    count = len(lengths) or (len(texts.value) if texts is not None else 0)
    if count:
        described["count"] = count
    dimensions = attributes.get("gen_ai.embeddings.dimension.count")
    if type(dimensions) is not int and lengths:
        dimensions = lengths[0]
    if type(dimensions) is int:
        described["dimensions"] = dimensions
    return Found(described) if described else NOTHING


def _find_embeddings(attributes: Attributes) -> list[Any]:
    return unflatten(attributes, "embedding.embeddings.")


def _find_reranking(attributes: Attributes) -> Found | None:
    given: dict[str, Any] = {}
    if "reranker.query" in attributes:
        given["query"] = attributes["reranker.query"]
    documents = _find_documents(attributes, "reranker.input_documents")
    if documents:
        given["documents"] = documents
    if "reranker.top_k" in attributes:
        given["top_k"] = attributes["reranker.top_k"]
    return Found(given) if given else None


def _find_documents(attributes: Attributes, name: str) -> list[dict[str, Any]]:
    documents = []
    for item in unflatten(attributes, f"{name}."):
        document = dict(_inner(item, "document"))
        if "metadata" in document:
            document["metadata"] = read_plain(document["metadata"])
        if document:
            documents.append(document)
    return documents


def _inner(item: Any, name: str) -> Mapping[str, Any]:
    inner = item.get(name) if type(item) is dict else None
    return inner if type(inner) is dict else {}


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if type(value) is list else [value]


def _read_scalar(value: Any) -> Any:
    if type(value) is str and value[:1] == '"':
        found = read_value(f"[{value}]")
        if found is not None and type(found.value) is list:
            return found.value[0]
    return value
