"""Judgements that arrive as telemetry, as scores.

Two dialects have them. GenAI has an event ``gen_ai.evaluation.result``, as a log record or on the
span that was judged. OpenInference flattens lists into the span's attributes:

    annotations.0.annotation.name = "helpful"        on the span
    trace.evaluations.0.evaluation.score = 0.8       on its trace
    session.annotations.0.annotation.label = "yes"   on its session

A score's id is a digest of all it says, so that a replay brings no second one.
"""

import hashlib
from typing import Any

import msgspec

from headway.records import Score, Source
from headway_collector.dialects.keys import Names, recall
from headway_collector.dialects.lookups import as_number, as_text, find_text
from headway_collector.dialects.people import find_session
from headway_collector.otlp.telemetry import Attributes, OtelLog, OtelSpan

EVALUATION_EVENT = "gen_ai.evaluation.result"

_SCOPES = ("trace.", "session.", "")
_ANNOTATIONS = Names(
    prefixes=tuple(scope + start for scope in _SCOPES for start in ("annotation", "evaluation"))
)
_ENDS = ("annotation.name", "evaluation.name")
_SOURCES: dict[str, Source] = {"human": "human", "llm": "judge", "code": "code"}
# What each part of a judgement is called: behind "gen_ai.evaluation." and by OpenInference.
_GENAI_PARTS = {
    "name": "name",
    "score": "score.value",
    "label": "score.label",
    "explanation": "explanation",
}
_OPENINFERENCE_PARTS = {
    part: part for part in ("name", "score", "label", "explanation", "annotator_kind", "identifier")
}


def find_scores(otel: OtelSpan) -> list[Score]:
    """Return the judgements that a span carries in its events and attributes."""
    scores = [
        _make_score(
            _pick(event.attributes, "gen_ai.evaluation.", _GENAI_PARTS),
            event.time_ns or otel.end_ns,
            trace_id=otel.trace_id,
            span_id=otel.span_id,
        )
        for event in otel.events
        if event.name == EVALUATION_EVENT
    ]
    keys = recall(otel.attributes)[_ANNOTATIONS]
    scores += [_read_annotation(otel, key) for key in keys if key.endswith(_ENDS)]
    return [score for score in scores if score is not None]


def find_response_id(log: OtelLog) -> str | None:
    """Return the id of the response that an event is about, where it does not name the span."""
    return None if log.trace_id else find_text(log.attributes, ("gen_ai.response.id",))


def read_evaluation(log: OtelLog, arrived_ns: int) -> Score | None:
    """Return the judgement of an evaluation event; None where it says none, or not of what.

    Of one about a response, whoever can look up the response's span sets the score's ids.

    Args:
        log: the event.
        arrived_ns: when it was made, where it does not say.
    """
    said = _pick(log.attributes, "gen_ai.evaluation.", _GENAI_PARTS)
    session_id = None if log.trace_id else find_session(log.attributes)
    response_id = find_response_id(log)
    if not log.trace_id and session_id is None and response_id is None:
        return None
    score = _make_score(
        said,
        log.time_ns or log.observed_ns,
        trace_id=log.trace_id or None,
        span_id=log.span_id or None,
        session_id=session_id,
        response_id=response_id,
    )
    if score is not None and not score.time_ns:
        score.time_ns = arrived_ns  # after its id was made: a replay arrives later
    return score


def _read_annotation(otel: OtelSpan, key: str) -> Score | None:
    """Return the judgement whose name stands under the key, alone or as one of a list."""
    scope = next(scope for scope in _SCOPES if key.startswith(scope))
    session_id = find_session(otel.attributes) if scope == "session." else None
    return _make_score(
        _pick(otel.attributes, key.removesuffix("name"), _OPENINFERENCE_PARTS),
        otel.end_ns,
        trace_id=otel.trace_id if session_id is None else None,
        span_id=None if scope else otel.span_id,
        session_id=session_id,
    )


def _pick(attributes: Attributes, prefix: str, parts: dict[str, str]) -> dict[str, Any]:
    return {part: attributes.get(prefix + name) for part, name in parts.items()}


def _make_score(
    said: dict[str, Any],
    time_ns: int,
    *,
    trace_id: str | None = None,
    span_id: str | None = None,
    session_id: str | None = None,
    response_id: str | None = None,
) -> Score | None:
    name, label = find_text(said, ("name",)), find_text(said, ("label",))
    number = as_number(said["score"])
    value: float | str | None = label if number is None else number
    if name is None or value is None:
        return None
    explanation = as_text(said["explanation"])
    notes = [note for note in (label, explanation) if note and note != value]
    score = Score(
        score_id="",
        name=name,
        value=value,
        time_ns=time_ns,
        source=_SOURCES.get((find_text(said, ("annotator_kind",)) or "").lower(), "code"),
        trace_id=trace_id,
        span_id=span_id,
        session_id=session_id,
        comment=": ".join(notes) or None,
        author=find_text(said, ("identifier",)),
    )
    said_in_all = msgspec.json.encode(score) + (response_id or "").encode()
    score.score_id = hashlib.blake2b(said_in_all, digest_size=16).hexdigest()
    return score
