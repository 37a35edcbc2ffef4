"""Every word of a dialect for a parameter of the request is known, and the newer of two wins."""

import json
from itertools import pairwise
from typing import Any

import pytest

from headway.records import Span
from headway_collector.dialects.mapping import map_span
from tests.collector.dialects.examples import make_span

PARAMS = {
    "max_tokens": (
        "gen_ai.request.max_tokens",
        "llm.request.max_tokens",
        "ai.settings.maxTokens",
        "ai.settings.maxOutputTokens",
    ),
    "temperature": ("gen_ai.request.temperature", "llm.temperature", "ai.settings.temperature"),
    "top_p": ("gen_ai.request.top_p", "llm.top_p", "ai.settings.topP"),
    "top_k": ("gen_ai.request.top_k", "llm.top_k", "ai.settings.topK"),
    "stop_sequences": (
        "gen_ai.request.stop_sequences",
        "llm.chat.stop_sequences",
        "ai.settings.stopSequences",
    ),
    "frequency_penalty": (
        "gen_ai.request.frequency_penalty",
        "llm.frequency_penalty",
        "ai.settings.frequencyPenalty",
    ),
    "presence_penalty": (
        "gen_ai.request.presence_penalty",
        "llm.presence_penalty",
        "ai.settings.presencePenalty",
    ),
    "seed": ("gen_ai.request.seed", "gen_ai.openai.request.seed", "ai.settings.seed"),
    "choice_count": ("gen_ai.request.choice.count", "gen_ai.request.n"),
    "stream": ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    "encoding_formats": ("gen_ai.request.encoding_formats",),
    "reasoning_effort": ("gen_ai.request.reasoning.level", "gen_ai.request.reasoning_effort"),
    "max_completion_tokens": ("gen_ai.request.max_completion_tokens",),
    "repetition_penalty": (
        "gen_ai.request.repetition_penalty",
        "llm.request.repetition_penalty",
    ),
    "structured_output_schema": ("gen_ai.request.structured_output_schema",),
    "output_type": ("gen_ai.output.type",),
    "response_format": ("gen_ai.openai.request.response_format",),
    "service_tier": ("openai.request.service_tier", "gen_ai.openai.request.service_tier"),
    "max_retries": ("ai.settings.maxRetries",),
    "max_steps": ("ai.settings.maxSteps",),
}
HOLDERS_OF_PARAMS = (
    "langfuse.observation.model.parameters",
    "llm.invocation_parameters",
    "embedding.invocation_parameters",
    "braintrust.metadata",
)


def map_attributes(attributes: dict[str, Any]) -> Span:
    """Return the span of one second with the attributes, mapped."""
    return map_span(make_span(attributes)).span


def spread(table: dict[str, tuple[Any, ...]]) -> list[tuple[str, Any]]:
    """Return every field with every word for it."""
    return [(field, word) for field, words in table.items() for word in words]


@pytest.mark.parametrize(("param", "name"), spread(PARAMS))
def test_a_parameter_is_read_by_any_of_its_names(param: str, name: str) -> None:
    assert json.loads(bytes(map_attributes({name: 0.25}).params)) == {param: 0.25}


@pytest.mark.parametrize(
    ("param", "newer", "older"),
    [(param, *pair) for param, names in PARAMS.items() for pair in pairwise(names)],
)
def test_the_newer_of_two_names_of_a_parameter_wins(param: str, newer: str, older: str) -> None:
    span = map_attributes({older: 0.25, newer: 0.75})

    assert json.loads(bytes(span.params)) == {param: 0.75}


@pytest.mark.parametrize("holder", HOLDERS_OF_PARAMS)
def test_an_object_of_parameters_stands_between_the_current_names_and_the_older_ones(
    holder: str,
) -> None:
    said = json.dumps({"temperature": 0.5, "top_k": 5})
    names = {"llm.top_k": 9, "llm.temperature": 0.9, "gen_ai.request.temperature": 0.1}

    span = map_attributes(names | {holder: said})

    assert json.loads(bytes(span.params)) == {"temperature": 0.1, "top_k": 5}


@pytest.mark.parametrize("holder", HOLDERS_OF_PARAMS)
@pytest.mark.parametrize(
    ("name", "param"),
    [
        ("temperature", "temperature"),
        ("max_output_tokens", "max_tokens"),
        ("n", "choice_count"),
        ("stop", "stop_sequences"),
    ],
)
def test_a_parameter_is_read_from_an_object_of_them(holder: str, name: str, param: str) -> None:
    span = map_attributes({holder: json.dumps({name: 2, "messages": ["hi"], "model": "m"})})

    assert json.loads(bytes(span.params)) == {param: 2}


@pytest.mark.parametrize(
    "name",
    ["contents", "functions", "input", "messages", "model", "model_name", "prompt", "system"],
)
def test_what_has_a_place_of_its_own_is_no_parameter(name: str) -> None:
    said = json.dumps({name: "said elsewhere", "seed": 7})

    span = map_attributes({"llm.invocation_parameters": said})

    assert json.loads(bytes(span.params)) == {"seed": 7}


@pytest.mark.parametrize(
    ("holder", "name"),
    [
        ("llm.invocation_parameters", "model"),
        ("llm.invocation_parameters", "model_name"),
        ("embedding.invocation_parameters", "model"),
        ("braintrust.metadata", "model"),
    ],
)
def test_a_model_may_be_one_of_the_settings(holder: str, name: str) -> None:
    span = map_attributes({holder: json.dumps({name: "m", "provider": "openai"})})

    assert (span.request_model, span.provider) == ("m", "openai")


def test_parameters_of_openinference_and_traceloop_give_way_to_the_conventions() -> None:
    said = {
        "llm.request.max_tokens": 900,
        "llm.temperature": 0.9,
        "llm.top_p": 0.9,
        "gen_ai.request.max_tokens": 300,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_completion_tokens": 256,
    }

    span = map_attributes(said)

    assert json.loads(bytes(span.params)) == {
        "max_tokens": 300,
        "temperature": 0.2,
        "max_completion_tokens": 256,
        "top_p": 0.9,
    }
