"""How fast requests leave: rates as they are typed, and one pace for all threads."""

import threading

import pytest

from headway_evals.models.paces import Pace, parse_rate
from tests.evals.served_models import Clock


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("600/min", 0.1), ("10/s", 0.1), ("3600/hour", 1.0), ("0.5/sec", 2.0), ("60/m", 1.0)],
)
def test_a_rate_is_read(text: str, seconds: float) -> None:
    assert parse_rate(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["600", "0/min", "-1/s", "600/day", "x/min", ""])
def test_what_is_no_rate_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate, such as 10/s"):
        parse_rate(text)


def test_a_pace_spaces_the_requests_of_all_threads() -> None:
    clock = Clock()
    pace = Pace(2.0, clock=clock, wait=clock.wait)

    entered = [pace.enter(threading.Event()) for _ in range(4)]

    assert all(entered)
    assert clock.now == 6.0


def test_a_pace_that_waits_is_woken_by_the_end() -> None:
    stop = threading.Event()
    pace = Pace(3600.0)
    pace.enter(stop)
    turns: list[bool] = []
    thread = threading.Thread(target=lambda: turns.append(pace.enter(stop)))
    thread.start()

    stop.set()
    thread.join(10)

    assert turns == [False]
