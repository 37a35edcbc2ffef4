import logging

import pytest

from headway.guards import Guard


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
