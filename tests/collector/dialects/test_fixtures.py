"""Every dialect and era becomes the canonical fields that its fixture names, and no others."""

import json
from typing import Any

import msgspec
import pytest

from headway.records import Score, Span
from headway_collector.dialects.evaluations import find_scores, read_evaluation
from headway_collector.dialects.mapping import MAPPER_VERSION, is_pending, map_span, project_of
from headway_collector.soundness import find_score_fault, find_span_fault
from tests.collector.dialects.examples import NAMES, load_example

_OTLP = {"trace_id", "span_id", "parent_span_id", "name", "start_ns", "end_ns"}
_CONTENT = {"input", "output", "attributes"}


def as_fields(record: Span | Score) -> dict[str, Any]:
    """Return what of a record is not at its default."""
    fields: dict[str, Any] = json.loads(msgspec.json.encode(record))
    del fields["type"]
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_becomes_its_canonical_fields(name: str) -> None:
    example = load_example(name)

    for otel in example.spans:
        expected = example.expected[otel.span_id]
        if expected is None:
            assert is_pending(otel)
            continue
        mapped = map_span(otel)
        fields = as_fields(mapped.span)
        if mapped.derived.is_usage_inconsistent:
            fields["is_usage_inconsistent"] = True

        assert {"kind": "span"} | without(fields, _OTLP | _CONTENT) == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_otlp_itself_says_stands_unchanged(name: str) -> None:
    for otel in load_example(name).spans:
        mapped = map_span(otel)

        assert (mapped.span.trace_id, mapped.span.span_id) == (otel.trace_id, otel.span_id)
        assert (mapped.span.start_ns, mapped.span.end_ns) == (otel.start_ns, otel.end_ns)
        assert mapped.span.name == otel.name
        assert (mapped.span.parent_span_id or "") == otel.parent_span_id
        assert mapped.derived.mapper_version == MAPPER_VERSION
        assert find_span_fault(mapped.span) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_lands_in_its_project(name: str) -> None:
    example = load_example(name)

    projects = {project_of(span.resource, None, span.attributes) for span in example.spans}

    assert projects == {example.project}


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_brings_its_scores(name: str) -> None:
    example = load_example(name)

    scores = [score for span in example.spans for score in find_scores(span)]
    judged = [read_evaluation(log, 0) for log in example.logs]
    scores += [score for score in judged if score is not None]

    assert [find_score_fault(score) for score in scores] == [None] * len(scores)
    said = [{"source": "code"} | without(as_fields(score), {"score_id"}) for score in scores]
    assert said == example.scores


def without(fields: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return the fields without some."""
    return {name: value for name, value in fields.items() if name not in names}
