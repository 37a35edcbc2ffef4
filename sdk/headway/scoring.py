"""Scores: what a person, a program or a judge makes of a span, a trace or a session."""

import math
import operator
from typing import Any

from headway.contexts import CURRENT
from headway.fields import (
    as_instant,
    as_name,
    as_real,
    as_span_id,
    as_text,
    as_trace_id,
    as_word,
    shown,
)
from headway.lifecycle import current_client
from headway.records import Score, Source
from headway.texts import clip

ScoreValue = bool | int | float | str

_LARGEST_INT = (1 << 63) - 1
_SOURCES: tuple[Source, ...] = ("human", "code", "judge", "eval")


def score(
    name: str,
    value: ScoreValue,
    *,
    span_id: str | None = None,
    trace_id: str | None = None,
    session_id: str | None = None,
    comment: str | None = None,
    source: Source = "code",
    author: str | None = None,
    is_text: bool = False,
    time_ns: int | None = None,
    score_id: str | None = None,
) -> str | None:
    """Record a score of the span, trace or session named, or of the current span.

    Args:
        name: what is judged, for example ``helpful``.
        value: a bool, a number, a category, or with ``is_text`` a free text.
        span_id: the span judged.
        trace_id: the trace judged.
        session_id: the session judged.
        comment: why.
        source: who judges.
        author: the person's, program's or judge's name.
        is_text: ``value`` is free text, not a category.
        time_ns: when; now where it is not given.
        score_id: makes a repetition harmless; a new one where it is not given.

    Returns:
        The score's id, or None where nothing was recorded: Headway is disabled, or the score is
        one that no collector would take, which is counted as a fault.
    """
    client = current_client()
    if not client.is_recording:
        return None
    if span_id is None and trace_id is None and session_id is None:
        current = CURRENT.get()
        if current is None:
            client.guard.fault(
                "score", f"score {shown(name)} was dropped: give span_id, trace_id or session_id"
            )
            return None
        span_id, trace_id = current.span_id, current.trace_id
    try:
        record = Score(
            score_id=as_word(score_id) or client.identities.score_id(),
            name=as_name(name),
            value=_as_value(value, bool(is_text)),
            time_ns=as_instant(time_ns) or client.clock_ns(),
            source=_as_source(source),
            trace_id=as_trace_id(trace_id),
            span_id=as_span_id(span_id),
            session_id=None if session_id is None else as_name(session_id),
            comment=as_text(comment),
            author=as_word(author),
            is_text=bool(is_text),
        )
    except Exception as error:
        client.guard.catch("score", error, of=shown(name))
        return None
    client.record(record)
    return record.score_id


def _as_value(value: Any, is_text: bool) -> ScoreValue:
    if isinstance(value, str):
        return clip(str.__str__(value))
    if is_text:
        raise TypeError(f"{shown(value)} is not a text, and is_text is set")
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":
        return bool(value)
    try:
        whole = operator.index(value)
    except TypeError:
        number = as_real(value)
    else:
        if abs(whole) > _LARGEST_INT:
            raise ValueError("a whole number beyond 64 bits is no score")
        return whole
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


def _as_source(source: Any) -> Source:
    if source not in _SOURCES:
        raise ValueError(f"the source {shown(source)} is not one of {', '.join(_SOURCES)}")
    known: Source = source
    return known
