import logging

import pytest

import headway
from headway.guards import Guard
from headway.testing import capture


def test_a_cause_is_logged_once_a_minute_and_counted_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = [0.0]
    guard = Guard(clock_s=lambda: now_s[0])
    with caplog.at_level(logging.WARNING, "headway"):
        for moment_s in (0.0, 30.0, 61.0, 62.0):
            now_s[0] = moment_s
            guard.catch("encoding", ValueError(f"at {moment_s}"))
            guard.drop("journal_full", 2, "it is full")

    assert guard.faults == {"encoding": 4}
    assert guard.dropped == {"journal_full": 8}
    assert sorted(caplog.messages) == [
        "encoding: ValueError: at 0.0",
        "encoding: ValueError: at 61.0",
        "it is full",
        "it is full",
    ]
    assert guard.last_error == "it is full"


def test_a_raising_guard_gives_the_error_back() -> None:
    error = ValueError("mine")

    with pytest.raises(ValueError, match="mine") as raised:
        Guard(is_raising=True).catch("encoding", error)

    assert raised.value is error


def test_a_log_handler_that_raises_does_not_reach_the_program() -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise BrokenPipeError("the sink is away")

    guard, handler = Guard(), Broken()
    logging.getLogger("headway").addHandler(handler)
    try:
        guard.fault("thread", "no thread")
    finally:
        logging.getLogger("headway").removeHandler(handler)

    assert guard.faults == {"thread": 1}


def test_the_programs_names_are_in_the_messages_and_not_in_the_causes() -> None:
    with capture(is_raising=False):
        for number in range(3):
            headway.score(f"request {number}", float("nan"), trace_id="a" * 32)
            with headway.span(f"step {number}") as span:
                span.input_tokens = -1
        stats = headway.stats()

    assert stats.faults == {"score": 3, "setting input_tokens": 3}
    assert "step 2" in (stats.last_error or "") or "request" in (stats.last_error or "")
