"""Own functions in their processes: whatever one does costs its own values alone."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway.errors import CommandError
from headway_collector.own_functions import REST_S, ClosedError, OwnFunctions
from headway_collector.own_settings import FunctionSetting
from headway_collector.sampling import Budget, is_sampled
from tests.collector.call_worlds import (
    SECOND_NS,
    Clock,
    describe_all,
    describe_in_bulk,
    make_span,
    open_world,
)

HOUR_NS = 3600 * SECOND_NS
FUNCTIONS = """
import math, os, signal, time

class Scalar:
    shape = ()
    def __init__(self, value):
        self.item = lambda: value

SAID = {
    "number": 3, "float": 2.5, "yes": True, "word": "warm", "numpy": Scalar(0.5),
    "flag": Scalar(True), "none": None, "nan": math.nan, "inf": -math.inf, "huge": 10**400,
    "list": [1], "megabyte": "x" * 2**20, "half": "\\ud800", "lines": "a\\nb",
}

def say(prompt, answer):
    return SAID[answer]

def act(prompt, answer):
    if answer == "hang":
        while True:
            time.sleep(1)
    if answer == "end":
        os._exit(3)
    if answer == "exit":
        raise SystemExit(4)
    if answer == "stop":
        os.kill(os.getpid(), signal.SIGTERM)
    if answer == "print":
        print("x" * 100_000)
    return len(prompt)

def nap(prompt, answer):
    time.sleep(0.02)
    return True
"""

Make = Callable[..., OwnFunctions]


@pytest.fixture
def clock() -> Clock:
    """The time of day, which stands still."""
    return Clock(HOUR_NS)


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Iterator[Make]:
    """Make the functions of ``FUNCTIONS``; they are closed at the end."""
    (tmp_path / "functions_of_tests.py").write_text(FUNCTIONS)
    made = []

    def make(*names: str, module: str = "functions_of_tests", **options: Any) -> OwnFunctions:
        settings = [
            FunctionSetting(name, "own", f"{module}:{name}", tmp_path, **options) for name in names
        ]
        made.append(OwnFunctions(settings, lambda: clock.now_ns))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ask(own: OwnFunctions, *answers: str | None) -> list[Any]:
    """Return what is said of calls that gave these answers, each as an object or None."""
    calls = [{"span_key": number} for number in range(len(answers))]
    said = own.describe(calls, [{"prompt": "abc", "answer": each} for each in answers])
    return [None if each is None else msgspec.json.decode(each) for each in said]


def test_values_are_numbers_truth_values_and_words(make: Make) -> None:
    said = ask(make("say"), "number", "float", "yes", "word", "numpy", "flag", "none")

    assert [None if each is None else each["say"] for each in said] == [
        3.0,
        2.5,
        True,
        "warm",
        0.5,
        True,
        None,
    ]


def test_what_is_no_value_is_a_fault_and_told(make: Make) -> None:
    own = make("say")
    faults = {
        "nan": "not finite",
        "inf": "not finite",
        "huge": "not finite",
        "list": "it gave list, but a value is a number",
        "megabyte": "1,048,576 characters",
        "half": "cannot be printed",
        "lines": "cannot be printed",
        "unknown": "KeyError: 'unknown'",
    }

    for place, (answer, why) in enumerate(faults.items(), start=1):
        assert ask(own, answer, "number") == [None, {"say": 3.0}]
        (told,) = own.tell()
        assert (told["calls"], told["faults"], told["left_out"]) == (2 * place, place, 0)
        assert why in told["last_fault"]


def test_a_function_that_hangs_or_ends_costs_that_call_alone(make: Make) -> None:
    own = make("act", "say", timeout_s=1.5)
    own.start()
    said = ask(own, "number", "hang", "word", "end", "exit", "print", "stop", "yes")

    assert said == [
        {"act": 3.0, "say": 3.0},
        None,
        {"act": 3.0, "say": "warm"},
        None,
        None,
        {"act": 3.0},
        {"act": 3.0},
        {"act": 3.0, "say": True},
    ]
    assert own.tell()[0]["faults"] == 3
    assert own.tell()[0]["last_fault"] == "SystemExit: 4"


def test_a_function_that_is_lost_again_and_again_rests(make: Make, clock: Clock) -> None:
    own = make("act")
    rested = ask(own, "end", "end", "end", "number", "number")
    clock.now_ns += int(REST_S) * SECOND_NS

    assert rested == [None] * 5
    assert own.tell()[0]["left_out"] == 2
    assert ask(own, "number") == [{"act": 3.0}]


def test_a_used_up_hour_leaves_calls_out_until_the_next(make: Make, clock: Clock) -> None:
    own = make("nap", budget_s_per_hour=0.05)
    own.start()
    said = ask(own, *["x"] * 20)
    asked = own.tell()[0]["calls"]
    clock.now_ns += HOUR_NS

    assert 1 <= asked <= 3
    assert [each is not None for each in said] == [True] * asked + [False] * (20 - asked)
    assert own.tell()[0]["left_out"] == 20 - asked
    assert ask(own, "x") == [{"nap": True}]


def test_a_budget_is_of_the_hour_of_the_clock(clock: Clock) -> None:
    budget = Budget(60.0, lambda: clock.now_ns)
    budget.spend(45)
    left_s = budget.left_s
    budget.spend(45)
    over_s = budget.left_s
    clock.now_ns += HOUR_NS

    assert (left_s, over_s, budget.left_s) == (15.0, 0.0, 60.0)


def test_a_sample_is_the_same_calls_every_time_and_of_the_size_that_was_asked() -> None:
    keys = [number * 2**40 - 2**62 for number in range(20_000)]
    small = {key for key in keys if is_sampled(key, 0.05)}

    assert 850 < len(small) < 1_150
    assert small == {key for key in keys if is_sampled(key, 0.05)}
    assert small < {key for key in keys if is_sampled(key, 0.2)}
    assert not any(is_sampled(key, 0.0) for key in keys)
    assert all(is_sampled(key, 1.0) for key in keys)


def test_calls_outside_of_the_sample_are_not_asked_about(make: Make) -> None:
    own = make("say", sample=0.5)
    said = ask(own, *["number"] * 100)

    expected = [is_sampled(key, 0.5) for key in range(100)]
    assert [each is not None for each in said] == expected
    assert (own.tell()[0]["calls"], own.tell()[0]["left_out"]) == (sum(expected), 0)


def test_slow_functions_make_small_chunks(make: Make) -> None:
    own = make("nap")
    before = own.most_calls
    ask(own, *["x"] * 5)

    assert OwnFunctions().most_calls is None
    assert before == 50
    assert own.most_calls is not None
    assert 1 <= own.most_calls <= 250, "five seconds of 20 ms each"


@pytest.mark.parametrize(
    ("module", "name", "why"),
    [
        ("functions_of_tests", "nothing", "has no 'nothing'"),
        ("functions_of_tests", "SAID", "of 'functions_of_tests' is dict, no function"),
        ("nowhere", "say", "No module named 'nowhere'"),
    ],
)
def test_what_cannot_be_imported_is_told_at_the_start(
    make: Make, module: str, name: str, why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        make(name, module=module).start()


def test_what_is_asked_while_they_are_closed_is_kept_nowhere(make: Make) -> None:
    own = make("act", timeout_s=60.0)
    own.start()
    closing = threading.Timer(0.3, own.close)
    closing.start()

    with pytest.raises(ClosedError):
        ask(own, "hang")
    closing.join()


def test_values_stand_beside_descriptors_and_a_raised_version_asks_again(make: Make) -> None:
    def describe(world: Any, *names: str, **options: Any) -> tuple[int, list[Any]]:
        rows = describe_all(world.make_describer(own=make(*names, **options)))
        return rows, [row["own"] for row in world.list_rows("own")]

    with open_world() as world:
        world.append(make_span(1, "number"), make_span(2, "word"), make_span(3, input=None))
        first = describe(world, "say")
        same = describe(world, "act", "say")
        raised = describe(world, "act", "say", version=2)
        again = world.make_describer(own=make("act"))

        assert first == (3, ['{"say":3.0}', '{"say":"warm"}', None])
        assert same == (0, first[1]), "a new function is asked about what comes"
        assert raised[0] == 3
        assert raised[1][:2] == ['{"act":18.0,"say":3.0}', '{"act":18.0,"say":"warm"}']
        assert describe_in_bulk(again, is_all=True) == 3
        assert [row["own"] for row in world.list_rows("own")][:2] == ['{"act":18.0}'] * 2
