"""How far a run is, as a terminal and as a pipe see it."""

import os
import select
import time
from collections.abc import Callable
from io import StringIO

from rich.console import Console

from headway_evals.progress import progress


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def shown(work: Callable[[Clock], list[tuple[float, int, bool]]], total: int) -> list[str]:
    clock, file = Clock(), StringIO()
    with progress("m on s", total, Console(file=file, width=200), clock) as tally:
        for passed_s, tokens, is_kept in work(clock):
            clock.now_s += passed_s
            tally.advance(tokens, is_kept=is_kept)
    return file.getvalue().splitlines()


def test_a_short_run_is_two_lines_on_a_pipe() -> None:
    assert shown(lambda clock: [(0.5, 30, False), (1.0, 60, False)], 2) == [
        "m on s: 2 cases",
        "m on s: done in 1.5 s, 60 tokens/s",
    ]


def test_a_pipe_gets_a_line_every_ten_seconds_with_pace_and_time_left() -> None:
    lines = shown(lambda clock: [(4.0, 1000, False)] * 100, 100)

    assert lines[1] == "m on s: 3 of 100 cases, 250 tokens/s, 6 min left"
    assert lines[2] == "m on s: 6 of 100 cases, 250 tokens/s, 6 min left"
    assert lines[-2] == "m on s: 99 of 100 cases, 250 tokens/s, 4 s left"
    assert len(lines) == 35


def test_kept_answers_tell_nothing_of_the_pace() -> None:
    lines = shown(lambda clock: [(0.0, 900, True)] * 8 + [(20.0, 100, False)] * 2, 10)

    assert lines[1] == "m on s: 9 of 10 cases, 5 tokens/s, 20 s left"
    assert lines[-1] == "m on s: done in 40.0 s, 8 of 10 cases were answered earlier, 5 tokens/s"


def test_models_that_count_no_tokens_have_no_pace_but_time() -> None:
    lines = shown(lambda clock: [(3600.0, 0, False)] * 3, 3)

    assert lines[1:3] == [
        "m on s: 1 of 3 cases, 2 h 0 min left",
        "m on s: 2 of 3 cases, 60 min left",
    ]


def test_a_terminal_sees_a_bar_with_the_pace() -> None:
    clock, file = Clock(), StringIO()
    console = Console(file=file, force_terminal=True, width=100)
    with progress("m on s", 2, console, clock) as tally:
        clock.now_s += 2.0
        tally.advance(10)
        shown_once = tally.done, tally.speed(2.0), tally.time_left(2.0)
        tally.advance(10)

    assert shown_once == (1, "5 tokens/s", "2 s left")
    assert "2/2" in file.getvalue()


def test_a_narrow_terminal_sees_the_pace_and_the_time_left() -> None:
    ours, theirs = os.openpty()
    clock, seen, deadline = Clock(), b"", time.monotonic() + 10.0
    with (
        os.fdopen(theirs, "w") as file,
        progress("m on s" * 20, 90_000, Console(file=file, width=80), clock) as tally,
    ):
        clock.now_s += 0.002
        tally.advance(30)
        while b"15,000 tokens/s, 3 min left" not in seen and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                seen += os.read(ours, 4096)
    os.close(ours)

    assert b"1/90000" in seen
    assert b"15,000 tokens/s, 3 min left" in seen
