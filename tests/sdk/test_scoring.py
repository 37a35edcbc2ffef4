import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import headway
from headway.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def test_a_score_without_ids_is_of_the_current_span(captured: Captured) -> None:
    with headway.span("call") as span:
        score_id = headway.score("helpful", True, source="human", comment="quick", author="ada")
    score = captured.scores[0]

    assert (score.span_id, score.trace_id) == (span.span_id, span.trace_id)
    assert (score.score_id, score.value, score.source) == (score_id, True, "human")
    assert (score.comment, score.author) == ("quick", "ada")


def test_a_score_can_be_of_any_span_trace_or_session(captured: Captured) -> None:
    with headway.span("call"):
        headway.score("a", 1, span_id="b" * 16)
        headway.score("b", 1, trace_id="c" * 32)
        headway.score("c", 1, session_id="s", time_ns=5, score_id="mine")
    spans, traces, sessions = captured.scores

    assert (spans.span_id, spans.trace_id) == ("b" * 16, None)
    assert (traces.span_id, traces.trace_id) == (None, "c" * 32)
    assert (sessions.session_id, sessions.time_ns, sessions.score_id) == ("s", 5, "mine")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (True, True),
        (np.True_, True),
        (3, 3),
        (np.int32(3), 3),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        ("good", "good"),
    ],
)
def test_values_keep_their_type(captured: Captured, given: Any, kept: object) -> None:
    headway.score("s", given, session_id="s")
    value = captured.scores[0].value

    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    "arguments",
    [
        {"value": float("nan")},
        {"value": None},
        {"value": object()},
        {"value": 1, "source": "cat"},
        {"value": 1, "name": ""},
        {"value": 1, "session_id": object()},
        {"value": 1, "session_id": ""},
        {"value": 1, "trace_id": "abc"},
        {"value": 1, "span_id": "A" * 16},
        {"value": 1, "trace_id": "0" * 32},
        {"value": 1, "span_id": "0" * 16},
        {"value": 1, "time_ns": 2**63},
        {"value": 10**30},
        {"value": 1, "is_text": True},
    ],
)
def test_a_score_that_makes_no_sense_is_a_fault_and_not_an_error(
    arguments: dict[str, Any],
) -> None:
    with capture(is_raising=False) as captured:
        given = headway.score(**{"name": "s", "session_id": "s", **arguments})
        faults = headway.stats().faults
        records = captured.records

    assert given is None
    assert records == []
    assert sum(faults.values()) == 1


def test_a_score_of_nothing_is_dropped_and_says_what_to_give(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with capture(is_raising=False), caplog.at_level(logging.WARNING, "headway"):
        given = headway.score("helpful", True)

    assert given is None
    assert "give span_id, trace_id or session_id" in caplog.text


def test_a_score_whose_number_fails_is_a_fault_and_not_an_error() -> None:
    class Hostile:
        def __float__(self) -> float:
            raise RuntimeError

    class Guarded:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    with capture(is_raising=False):
        given: list[Any] = [Hostile(), Guarded(), np.complex128(1j), np.complex64(1)]
        ids = [headway.score("s", value, session_id="s") for value in given]
        faults = headway.stats().faults

    assert ids == [None] * 4
    assert sum(faults.values()) == 4
