"""A stream of work is told from a trickle, and does not flicker."""

from headway_collector.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_work_that_fills_a_quarter_of_the_time_is_a_stream() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(50):
        clock.now_s += 0.06
        pace.rest()
        clock.now_s += 0.03
        pace.work()

    assert pace.is_busy


def test_work_now_and_then_is_none() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(50):
        clock.now_s += 0.27
        pace.rest()
        clock.now_s += 0.03
        pace.work()

    assert not pace.is_busy


def test_a_stream_that_thins_out_stays_one_until_little_is_left() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now_s += 0.5
    pace.work()
    seen = []
    for _ in range(3):
        clock.now_s += 0.7
        pace.rest()
        seen.append(pace.is_busy)

    assert seen == [True, False, False]
