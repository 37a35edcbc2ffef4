"""Judgements that come as telemetry become scores, once however often they come."""

from typing import Any

import pytest

from headway.records import Score
from headway_collector.dialects.evaluations import EVALUATION_EVENT, find_scores, read_evaluation
from headway_collector.otlp.telemetry import OtelEvent, OtelLog
from tests.collector.dialects.examples import make_span

_TRACE_ID = "5b8efff798038103d269b633813fc60c"
_SPAN_ID = "eee19b7ec3c1b001"


_ARRIVED_NS = 1_763_800_000_000_000_000


def make_log(attributes: dict[str, Any], **fields: Any) -> OtelLog:
    """Return an evaluation event of a span."""
    said: dict[str, Any] = {
        "event_name": EVALUATION_EVENT,
        "time_ns": 5,
        "trace_id": _TRACE_ID,
        "span_id": _SPAN_ID,
        "attributes": {f"gen_ai.evaluation.{name}": value for name, value in attributes.items()},
    }
    said["attributes"] |= fields.pop("beside", {})
    return OtelLog(**(said | fields))


def read(attributes: dict[str, Any], **fields: Any) -> Score:
    """Return the score of an evaluation event."""
    score = read_evaluation(make_log(attributes, **fields), _ARRIVED_NS)
    assert score is not None
    return score


def test_an_evaluation_event_judges_its_span() -> None:
    score = read({"name": "relevance", "score.value": 0.85, "explanation": "to the point"})

    assert (score.name, score.value, score.comment) == ("relevance", 0.85, "to the point")
    assert (score.trace_id, score.span_id, score.time_ns) == (_TRACE_ID, _SPAN_ID, 5)


def test_a_label_is_the_value_where_there_is_no_number_and_a_note_where_there_is() -> None:
    assert read({"name": "tone", "score.label": "polite"}).value == "polite"
    noted = read({"name": "tone", "score.label": "polite", "score.value": 1})
    assert (noted.value, noted.comment) == (1, "polite")


def test_an_event_without_a_time_was_seen_or_came_then_and_is_the_same_again() -> None:
    said = {"name": "tone", "score.value": 1}

    assert read(said, time_ns=0, observed_ns=7).time_ns == 7
    first = read(said, time_ns=0)
    assert first.time_ns == _ARRIVED_NS
    again = read_evaluation(make_log(said, time_ns=0), _ARRIVED_NS + 1)
    assert again is not None
    assert again.score_id == first.score_id != read(said).score_id


def test_an_event_without_a_span_judges_its_conversation() -> None:
    score = read(
        {"name": "solved", "score.value": 1},
        trace_id="",
        span_id="",
        beside={"gen_ai.conversation.id": "conv-9"},
    )

    assert (score.session_id, score.trace_id, score.span_id) == ("conv-9", None, None)


@pytest.mark.parametrize(
    ("attributes", "fields"),
    [
        ({"score.value": 1}, {}),
        ({"name": "tone"}, {}),
        ({"name": "tone", "score.value": float("nan")}, {}),
        ({"name": "", "score.value": 1}, {}),
        ({"name": "tone", "score.value": 1}, {"trace_id": "", "span_id": ""}),
    ],
)
def test_a_judgement_without_name_value_or_object_is_none(
    attributes: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert read_evaluation(make_log(attributes, **fields), _ARRIVED_NS) is None


def test_a_replay_has_the_same_id_and_another_judgement_another() -> None:
    said = {"name": "relevance", "score.value": 0.85}

    first = read(said)

    assert read(said).score_id == first.score_id
    others = [
        read(said | {"score.value": 0.8}),
        read(said, time_ns=6),
        read(said, span_id="eee19b7ec3c1b002"),
    ]
    assert len({first.score_id, *(other.score_id for other in others)}) == 4


def test_an_event_on_the_span_is_the_same_judgement_as_a_log_record() -> None:
    attributes = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.85}

    [score] = find_scores(make_span(events=[OtelEvent(EVALUATION_EVENT, 5, attributes)]))

    assert score == read({"name": "relevance", "score.value": 0.85})


def test_annotations_are_read_with_gaps_alone_and_in_lists() -> None:
    attributes = {
        "annotations.12.annotation.name": "far",
        "annotations.12.annotation.score": 1,
        "evaluation.name": "alone",
        "evaluation.label": "yes",
        "trace.annotation.name": "whole",
        "trace.annotation.score": "0.5",
        "gen_ai.evaluation.name": "no annotation",
        "gen_ai.evaluation.score.value": 1,
    }

    scores = {score.name: score for score in find_scores(make_span(attributes))}

    assert {name: score.value for name, score in scores.items()} == {
        "far": 1,
        "alone": "yes",
        "whole": 0.5,
    }
    assert (scores["far"].span_id, scores["whole"].span_id) == (_SPAN_ID, None)


def test_an_annotation_of_a_session_that_has_no_name_judges_the_trace() -> None:
    attributes = {"session.annotation.name": "solved", "session.annotation.score": 1}

    [unnamed] = find_scores(make_span(attributes))
    [named] = find_scores(make_span(attributes | {"session.id": "s-9"}))

    assert (unnamed.trace_id, unnamed.session_id) == (_TRACE_ID, None)
    assert (named.trace_id, named.session_id) == (None, "s-9")


@pytest.mark.parametrize(
    ("kind", "source"),
    [("HUMAN", "human"), ("LLM", "judge"), ("CODE", "code"), ("ORACLE", "code"), (7, "code")],
)
def test_who_annotated_is_the_source(kind: object, source: str) -> None:
    attributes = {
        "annotation.name": "tone",
        "annotation.score": 1,
        "annotation.annotator_kind": kind,
        "annotation.identifier": "anna",
    }

    [score] = find_scores(make_span(attributes))

    assert (score.source, score.author) == (source, "anna")


@pytest.mark.parametrize("strange", [True, [], {}, b"x", "", None])
def test_a_judgement_of_strange_values_is_passed_over(strange: object) -> None:
    parts = ("name", "score", "label", "explanation", "annotator_kind", "identifier")

    assert find_scores(make_span({f"annotation.{part}": strange for part in parts})) == []
