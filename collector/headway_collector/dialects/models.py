"""Which model was asked, of whom, which one answered, and why it stopped."""

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import as_object, find_object, find_text, find_texts
from headway_collector.otlp.telemetry import Attributes, OtelSpan

LOGFIRE_REQUEST = "request_data"
"""What Logfire says was sent to a provider, as JSON."""

_LANGFUSE_MODEL = "langfuse.observation.model.name"
_LOGFIRE_SCOPE = "logfire."
_GENKIT_STEP = "genkit:metadata:subtype"
_GENKIT_NAME = "genkit:name"
_GENKIT_MODELS = ("model", "embedder")

MODEL_NAMES = {
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "ai.model.provider",
        "llm.vendor",
        "mlflow.llm.provider",
    ),
    "request_model": (
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.model_name",
        "ai.model.id",
        "gen_ai.request_model",
        "llm.request.model",
        "embedding.model_name",
        "reranker.model_name",
        "mlflow.llm.model",
    ),
    # Where nobody says which model answered, the one that was asked did; no field repeats it.
    "response_model": (
        _LANGFUSE_MODEL,
        "gen_ai.response.model",
        "llm.response.model_name",
        "llm.response.model",
        "ai.response.model",
    ),
    "response_id": ("gen_ai.response.id", "ai.response.id"),
}
# What the dialects call a provider, and what the GenAI conventions call it.
_PROVIDERS = {
    "amazon-bedrock": "aws.bedrock",
    "api.anthropic.com": "anthropic",
    "api.openai.com": "openai",
    "aws": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "googleai": "gcp.gemini",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
}
# Where a model is one of many settings, as in {"model": "gpt-4.1", "temperature": 0.2}.
_SETTINGS = Names(
    "llm.invocation_parameters", "embedding.invocation_parameters", "braintrust.metadata"
)
# What else may name a model that nothing above does.
_CLUES = Names(_LANGFUSE_MODEL, LOGFIRE_REQUEST, _GENKIT_NAME)

MODEL_SIGNS = (
    *MODEL_NAMES["request_model"],
    *MODEL_NAMES["response_model"],
    "llm.invocation_parameters",
)
"""What names a model, or says how one was asked."""

_FINISH_REASONS = Names(
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "gen_ai.response.stop_reason",
    "llm.finish_reason",
    "ai.response.finishReason",
    "langfuse.observation.metadata.finish_reason",
)


def complete_models(texts: dict[str, str], otel: OtelSpan, keys: Keys) -> None:
    """Name the provider as the GenAI conventions do, and add what only settings say."""
    attributes = otel.attributes
    if "request_model" not in texts and (keys[_SETTINGS] or keys[_CLUES]):
        _add_settings(texts, attributes, keys)
    provider = texts.get("provider")
    if provider is None and LOGFIRE_REQUEST in attributes:
        provider = _find_client(otel)
    if provider is not None:
        texts["provider"] = _rename(provider, "ai.model.provider" in attributes)


def is_logfire_call(attributes: Attributes) -> bool:
    """Return whether this is what Logfire says of a client's call: anybody may have such data."""
    tags = attributes.get("logfire.tags")
    return type(tags) is list and "LLM" in tags and LOGFIRE_REQUEST in attributes


def find_finish_reasons(attributes: Attributes, keys: Keys) -> list[str]:
    """Return why the model stopped, one reason for each answer."""
    return find_texts(attributes, keys[_FINISH_REASONS])


def _find_client(otel: OtelSpan) -> str | None:
    """Return the provider whose client Logfire followed, as its first releases tell it."""
    scope = otel.scope.name
    return scope.removeprefix(_LOGFIRE_SCOPE) if scope.startswith(_LOGFIRE_SCOPE) else None


def _read_genkit_name(attributes: Attributes) -> dict[str, str]:
    """Read ``googleai/gemini-2.5-flash``: the plugin that asks, and the model."""
    plugin, _, model = (find_text(attributes, (_GENKIT_NAME,)) or "").rpartition("/")
    return {"provider": plugin, "model": model}


def _add_settings(texts: dict[str, str], attributes: Attributes, keys: Keys) -> None:
    settings = find_object(attributes, keys[_SETTINGS]) or {}
    if is_logfire_call(attributes):
        settings = as_object(attributes[LOGFIRE_REQUEST]) or {}
    elif attributes.get(_GENKIT_STEP) in _GENKIT_MODELS:
        settings = _read_genkit_name(attributes)
    model = find_text(settings, ("model", "model_name"))
    if model is None and _LANGFUSE_MODEL in attributes:
        # Langfuse says one model only: the one that was asked for is the one that answered.
        model = texts.get("response_model")
    if model is not None:
        texts["request_model"] = model
    provider = find_text(settings, ("provider",))
    if provider is not None:
        texts.setdefault("provider", provider)


def _rename(provider: str, is_vercel: bool) -> str:
    word = provider.lower()
    if is_vercel and word not in _PROVIDERS:
        # The Vercel AI SDK names the interface as well: openai.chat, google.vertex.chat.
        word = word.rpartition(".")[0] or word
    return _PROVIDERS.get(word, word)
