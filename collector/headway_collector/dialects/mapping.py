"""A span of any dialect to the canonical one: the table of the families, read line by line."""

from typing import Any

import msgspec

from headway.records import DEFAULT_PROJECT, EMPTY, Span, encode_value
from headway_collector.dialects.contents import find_content
from headway_collector.dialects.failures import find_outcome
from headway_collector.dialects.keys import recall
from headway_collector.dialects.kinds import find_kind
from headway_collector.dialects.lookups import Fields, as_field, as_texts
from headway_collector.dialects.models import (
    MODEL_NAMES,
    complete_models,
    find_finish_reasons,
)
from headway_collector.dialects.params import find_params
from headway_collector.dialects.people import PLACE_NAMES, find_tags
from headway_collector.dialects.prompts import PROMPT_NAMES, find_prompt_variables
from headway_collector.dialects.timings import find_ttft_ms
from headway_collector.dialects.usage import find_usage
from headway_collector.limits import MAX_NAME_CHARS, MAX_TEXT_CHARS
from headway_collector.originals.envelopes import pack
from headway_collector.otlp.people import PEOPLE_NAMES
from headway_collector.otlp.telemetry import Attributes, OtelSpan, Resource
from headway_collector.store.batches import Derived

MAPPER_VERSION = 1
"""Of what stands in ``dialects``. A higher one makes ``headway remap`` derive older rows anew."""

_TEXTS = Fields(as_field, MODEL_NAMES | PEOPLE_NAMES | PLACE_NAMES | PROMPT_NAMES)
_PLACES = Fields(as_field, PLACE_NAMES)
PROJECT_ATTRIBUTE = "langsmith.trace.session_name"
"""What names the project of a span in its own attributes."""

_UNNAMED_SERVICE = "unknown_service"


class Mapped(msgspec.Struct, gc=False, frozen=True):
    """One row: the span in our words, and what was found out of it."""

    span: Span
    derived: Derived


def map_span(otel: OtelSpan) -> Mapped:
    """Return the canonical span of what was sent, with the original kept beside it.

    Nothing about the attributes is refused: what has no place, or is not of the type that a place
    has, stays an attribute, and what is too long for a field is cut there and whole here.
    """
    attributes, resource = otel.attributes, otel.resource.attributes
    keys = recall(attributes)
    texts = _PLACES.find(resource, recall(resource)) | _TEXTS.find(attributes, keys)
    complete_models(texts, otel, keys)
    kind = find_kind(attributes, keys)
    usage = find_usage(otel, kind, keys)
    counts = usage.counts
    outcome = find_outcome(otel, keys)
    content = find_content(otel, kind, keys)
    span = Span(
        trace_id=otel.trace_id,
        span_id=otel.span_id,
        name=otel.name[:MAX_TEXT_CHARS],
        start_ns=otel.start_ns,
        end_ns=otel.end_ns,
        parent_span_id=otel.parent_span_id or None,
        kind=kind,
        status=outcome.status,
        status_message=outcome.message,
        error_type=outcome.error_type,
        error_stack=outcome.error_stack,
        input=content.input,
        output=content.output,
        provider=texts.get("provider"),
        request_model=texts.get("request_model"),
        response_model=texts.get("response_model"),
        response_id=texts.get("response_id"),
        finish_reasons=find_finish_reasons(attributes, keys) or as_texts(content.finish_reasons),
        params=_encode(find_params(attributes, keys)),
        input_tokens=counts.input,
        output_tokens=counts.output,
        cache_read_tokens=counts.cache_read,
        cache_write_tokens=counts.cache_write,
        reasoning_tokens=counts.reasoning,
        audio_input_tokens=counts.audio_input,
        audio_output_tokens=counts.audio_output,
        cost_usd=usage.cost_usd,
        ttft_ms=find_ttft_ms(otel, keys),
        user_id=texts.get("user_id"),
        session_id=texts.get("session_id"),
        tags=find_tags(attributes, keys),
        environment=texts.get("environment"),
        release=texts.get("release"),
        prompt_name=texts.get("prompt_name"),
        prompt_version=texts.get("prompt_version"),
        prompt_variables=_encode(find_prompt_variables(attributes, keys)),
    )
    packed = pack(otel, span, content.texts, content.values)
    span.attributes = packed.attributes
    return Mapped(span, Derived(None, usage.is_inconsistent, MAPPER_VERSION, packed.otel))


def is_pending(otel: OtelSpan) -> bool:
    """Return whether the span only announces another, as Logfire's do: it makes no row.

    It has an id of its own, and the span it announces comes when it has ended; as a row it would
    count every call twice.
    """
    return otel.attributes.get("logfire.span_type") == "pending_span"


def project_of(
    resource: Resource, header: str | None = None, attributes: Attributes | None = None
) -> str:
    """Return the project that a span or log record belongs to.

    Args:
        resource: what emitted it.
        header: of the request; what it says holds for all.
        attributes: of the span, where LangSmith names the project.
    """
    if header:
        return header
    said = as_field(resource.attributes.get("openinference.project.name"))
    if said is None and attributes is not None:
        said = as_field(attributes.get(PROJECT_ATTRIBUTE))
    if said is None:
        said = as_field(resource.attributes.get("service.name"))
        if said is None or said.startswith(_UNNAMED_SERVICE):
            return DEFAULT_PROJECT
    return said[:MAX_NAME_CHARS]


def _encode(value: dict[str, Any] | None) -> msgspec.Raw:
    return EMPTY if value is None else encode_value(value)
