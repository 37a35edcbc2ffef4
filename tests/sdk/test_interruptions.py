"""Exceptions and shutdowns at any point of a record's way: nothing is lost, held, or doubled."""

import functools
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway.clients import Client
from headway.contexts import CURRENT
from headway.guards import Guard
from headway.identities import Identities
from headway.interruptions import is_from_outside
from headway.journals import Journal
from headway.places import Place
from headway.records import Span
from headway.shipping import Shipper
from headway.transports import HttpTransport
from tests.sdk.conftest import StandIn
from tests.sdk.lines import DEADLINE_S
from tests.sdk.shipments import ship_all
from tests.sdk.test_reentrance import LIMIT, Intruder, calling


@pytest.fixture
def identities() -> Intruder:
    return Intruder()


@pytest.fixture
def journal(tmp_path: Path, identities: Intruder) -> Iterator[Journal]:
    journal = Journal(Place(tmp_path / "journal", "shop", LIMIT), Guard(), identities)
    yield journal
    journal.close()


@pytest.mark.parametrize("point", ["Thread.__init__", "Thread.start", "Event.wait"])
def test_a_start_of_the_thread_that_is_interrupted_is_made_good_by_the_next_record(
    collector: StandIn, journal: Journal, point: str
) -> None:
    shipper = Shipper(journal, HttpTransport(collector.url, ""), journal._guard)
    span = Span(trace_id="a" * 32, span_id="b" * 16, name="ask", start_ns=1, end_ns=2)
    journal.append(msgspec.json.encode(span))

    def interrupt(reached: str) -> None:
        if reached == point:
            raise OutOfTime

    with pytest.raises(OutOfTime), calling(interrupt):
        shipper.wake()
    shipper.wake()

    assert collector.wait_until(lambda: [each.name for each in collector.spans] == ["ask"])
    assert collector.repeated == []
    shipper.stop()


def test_an_exception_at_any_point_of_a_turn_to_the_next_file_keeps_no_space(
    journal: Journal, tmp_path: Path
) -> None:
    kept: list[bytes] = []
    shipped: list[bytes] = []
    points = 0

    def interrupt(at: int, point: str) -> None:
        nonlocal points
        points += 1
        if points == at:
            raise OutOfTime

    at = 0
    while points >= at:
        # So large that each has a file for itself; and there is room for no more than four.
        payload = f"{at:05d}".encode() + b"x" * (50 << 10)
        points, at = 0, at + 1
        with suppress(OutOfTime), calling(functools.partial(interrupt, at)):
            journal.append(payload)
            kept.append(payload)
        shipped += ship_all(journal)
        assert journal.adopt() is None
    journal.close()

    assert at > 50
    assert [each for each in shipped if each in set(kept)] == kept
    assert len(shipped) == len(set(shipped))
    assert journal._guard.dropped == {}
    assert list(tmp_path.glob("journal/*")) == []


def test_a_shutdown_at_any_point_of_a_turn_to_the_next_file_loses_no_record(
    journal: Journal,
) -> None:
    expected: list[bytes] = []
    shipped: list[bytes] = []
    points = at = 0
    next_process = Journal(journal.place, Guard(), Identities())

    def shut_down(point: str) -> None:
        nonlocal points
        points += 1
        if points == at:
            sys.setprofile(None)
            journal.close()

    while points >= at:
        expected += [f"{at:05d} {each}".encode() + b"x" * (50 << 10) for each in range(2)]
        points, at = 0, at + 1
        journal.append(expected[-2])
        with calling(shut_down):
            journal.append(expected[-1])
        journal.close()
        while (left := next_process.adopt()) is not None:
            extract = left.read(100, LIMIT)
            next_process.acknowledge(left, extract.stops[-1], len(extract.payloads))
            shipped += extract.payloads

    assert at > 30
    assert sorted(shipped) == expected
    assert journal._guard.dropped == {}


def test_a_shutdown_at_every_attempt_to_keep_a_record_loses_that_one_and_counts_it(
    journal: Journal,
) -> None:
    def shut_down(point: str) -> None:
        if point == "Segment.append":
            journal.close()

    with calling(shut_down):
        journal.append(b"in vain")
    journal.append(b"kept")

    assert ship_all(journal) == [b"kept"]
    assert journal._guard.dropped == {"shut_down": 1}


def test_a_file_that_an_exception_keeps_anybody_from_knowing_is_removed(
    journal: Journal, tmp_path: Path
) -> None:
    def interrupt(point: str) -> None:
        if point == "Holdings.turn_to":
            raise OutOfTime

    with suppress(OutOfTime), calling(interrupt):
        journal.append(b"interrupted")

    assert (tmp_path / "journal").exists()
    assert list(tmp_path.glob("journal/*")) == []


class OutOfTime(Exception):
    """What a program's own signal handler raises, as task queues do when a task takes too long."""


@pytest.fixture
def raised() -> Iterator[list[int]]:
    """The signals so far; the handler raises at each."""
    signals: list[int] = []

    def raise_it(number: int, frame: object) -> None:
        signals.append(number)
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, raise_it)
    yield signals
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_what_a_signal_handler_raises_reaches_the_program_and_leaves_nothing_held(
    make_client: Callable[..., Client], raised: list[int]
) -> None:
    client, chance = make_client(is_raising=False), random.Random(7)

    @headway.observe
    def ask(question: object) -> object:
        return question

    # Python's own start of a thread does not survive an exception in its middle.
    ask("the shipper starts")
    reached, rounds = 0, 300
    for round_number in range(rounds):
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0002, 0.002))
            while len(raised) == round_number:
                ask({"lines": ["a line"] * 10})
        except OutOfTime:
            reached += 1
    other = threading.Thread(target=ask, args=("x",), daemon=True)
    other.start()
    other.join(DEADLINE_S)

    assert reached == rounds
    assert CURRENT.get() is None
    assert not other.is_alive()
    assert (client.stats().faults, client.stats().dropped) == ({}, {})


@pytest.mark.parametrize(
    ("place", "is_outside"),
    [("handlers.py", True), (headway.__file__, False), (threading.__file__, False)],
)
def test_an_exception_is_the_programs_where_a_frame_of_the_program_raised_it(
    place: str, is_outside: bool
) -> None:
    scope: dict[str, Any] = {}
    exec(compile("def fail(): raise OSError", place, "exec"), scope)
    caught = None
    try:
        scope["fail"]()
    except OSError as error:
        # Without the frame of this test.
        caught = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)

    assert is_from_outside(caught or OSError()) is is_outside
