"""Records that come while their own thread is at the journal: from a garbage collection, a signal
handler or a log handler. None is lost or doubled, and no thread waits for another for ever.
"""

import functools
import gc
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec
import pytest

import headway
from headway.clients import Client
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.places import Place
from headway.records import Span
from headway.shipping import Shipper
from headway.transports import HttpTransport
from tests.sdk.conftest import Request, StandIn
from tests.sdk.lines import DEADLINE_S
from tests.sdk.shipments import ship_all

LIMIT = 256 << 10


class Intruder(Identities):
    """Ids whose making, in the middle of an append that makes a segment, runs something else."""

    def __init__(self) -> None:
        super().__init__()
        self.intrude: Callable[[], None] = lambda: None

    def span_id(self) -> str:
        intrude, self.intrude = self.intrude, lambda: None
        intrude()
        return super().span_id()


class Interrupted(bytes):
    """A record in whose middle something else runs, as a signal handler or a collection can."""

    interrupt: Callable[[], object]

    def __len__(self) -> int:
        interrupt, self.interrupt = self.interrupt, lambda: None
        interrupt()
        return super().__len__()


@pytest.fixture
def identities() -> Intruder:
    return Intruder()


@pytest.fixture
def journal(tmp_path: Path, identities: Intruder) -> Iterator[Journal]:
    journal = Journal(Place(tmp_path / "journal", "shop", LIMIT), Guard(), identities)
    yield journal
    journal.close()


def drop_a_generator(leave: Callable[[], None]) -> None:
    """Leave one behind that only a collection ends, wherever a thread then happens to be."""

    def generate() -> Iterator[list[object]]:
        circle: list[object] = []
        try:
            yield circle
        finally:
            leave()

    generator = generate()
    next(generator).append(generator)


@contextmanager
def collecting_often() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        # Nothing thaws: tests/conftest.py froze what was collected, for the tests after this one.
        gc.collect()


def test_nothing_is_lost_or_doubled_by_what_dropped_generators_record_when_they_are_collected(
    journal: Journal,
) -> None:
    threads, rounds = 3, 300
    shipped: list[bytes] = []
    is_over = threading.Event()

    def log(thread: int) -> None:
        for number in range(rounds):
            drop_a_generator(functools.partial(journal.append, f"ended {thread} {number}".encode()))
            payload = Interrupted(f"called {thread} {number}".encode() + b" " * 300)
            payload.interrupt = gc.collect
            journal.append(payload)

    def ship_on() -> None:
        while not is_over.is_set():
            journal.prepare()
            shipped.extend(ship_all(journal))

    with collecting_often():
        workers = [
            threading.Thread(target=log, args=(each,), daemon=True) for each in range(threads)
        ]
        shipper = threading.Thread(target=ship_on, daemon=True)
        for each in (shipper, *workers):
            each.start()
        for each in workers:
            each.join(60)
        is_over.set()
        shipper.join(60)
    shipped += ship_all(journal)
    expected = {
        f"{kind} {thread} {number}"
        for kind in ("called", "ended")
        for thread in range(threads)
        for number in range(rounds)
    }

    assert not any(each.is_alive() for each in (shipper, *workers))
    assert Counter(each.decode().rstrip() for each in shipped) == Counter(expected)
    assert journal.recorded == journal.settled == len(expected)
    assert not journal._guard.dropped


def test_what_comes_in_the_middle_of_a_record_does_not_take_its_place(journal: Journal) -> None:
    journal.append(b"before")

    def interrupt() -> None:
        journal.move(journal.place)
        journal.append(b"in between")

    payload = Interrupted(b"interrupted")
    payload.interrupt = interrupt
    journal.append(payload)

    assert ship_all(journal) == [b"before", b"interrupted", b"in between"]
    assert journal.pending == 0


def test_thousands_of_records_may_come_in_the_middle_of_one(
    journal: Journal, identities: Intruder
) -> None:
    payloads = [str(number).encode() for number in range(5000)]

    def intrude() -> None:
        for payload in payloads:
            journal.append(payload)

    identities.intrude = intrude
    journal.append(b"the first")
    shipped = ship_all(journal)

    assert shipped == [b"the first", *payloads]
    assert journal.pending == 0


def test_a_thread_that_logs_and_one_that_records_in_a_log_handler_do_not_block_each_other(
    journal: Journal, identities: Intruder, tmp_path: Path
) -> None:
    (tmp_path / "journal").touch()
    is_in_handler, is_in_journal = threading.Event(), threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name == "headway":
                return
            is_in_handler.set()
            is_in_journal.wait(10)
            journal.append(b"from the handler")

    def make_a_segment() -> None:
        is_in_handler.wait(10)
        identities.intrude = is_in_journal.set
        journal.append(b"refused a file")
        journal.prepare()

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        threads = [
            threading.Thread(target=make_a_segment, daemon=True),
            threading.Thread(target=logging.getLogger("host").error, args=("?",), daemon=True),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    finally:
        logging.getLogger().removeHandler(handler)

    assert not any(thread.is_alive() for thread in threads)
    assert sorted(ship_all(journal)) == [b"from the handler", b"refused a file"]
    assert "free space" in str(journal._guard.last_error)


def test_a_record_within_a_record_may_wake_a_shipper_that_has_just_delivered(
    collector: StandIn, journal: Journal, identities: Intruder
) -> None:
    shipper = Shipper(journal, HttpTransport(collector.url, ""), journal._guard)
    is_sent, may_answer, never = threading.Event(), threading.Event(), threading.Event()

    def answer_late(request: Request) -> None:
        is_sent.set()
        may_answer.wait(DEADLINE_S)

    def record(name: str) -> None:
        span = Span(trace_id="a" * 32, span_id=name.rjust(16), name=name, start_ns=1, end_ns=2)
        journal.append(msgspec.json.encode(span))
        if journal.is_unattended:
            shipper.wake()

    def intrude() -> None:
        may_answer.set()
        collector.wait_until(lambda: bool(collector.records))
        # Then the shipper soon wants the journal's lock, which this thread has.
        never.wait(0.1)
        journal.is_unattended = True
        record("within")

    def make_a_segment() -> None:
        journal.move(Place(journal.place.folder, "desk"))
        identities.intrude = intrude
        record("around")

    collector.decide = answer_late
    record("first")
    is_sent.wait(DEADLINE_S)
    thread = threading.Thread(target=make_a_segment, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)

    assert not thread.is_alive()
    assert shipper.flush(DEADLINE_S)
    assert [span.name for span in collector.spans] == ["first", "around", "within"]
    shipper.stop()


@contextmanager
def calling(intrude: Callable[[str], object]) -> Iterator[None]:
    """Run something at every point where a collection or a signal handler can come."""

    def look(frame: FrameType, event: str, arg: object) -> None:
        if event in ("call", "c_return"):
            intrude(frame.f_code.co_qualname if event != "c_return" else str(arg))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)


def test_two_threads_are_not_started_by_what_records_while_one_is_started(
    journal: Journal,
) -> None:
    shipper = Shipper(journal, HttpTransport("http://127.0.0.1:9", ""), journal._guard)
    before, points = set(threading.enumerate()), []

    def intrude(point: str) -> None:
        if point.startswith("Thread."):
            points.append(point)
            sys.setprofile(None)
            shipper.wake()

    with calling(intrude):
        shipper.wake()
    started = set(threading.enumerate()) - before
    shipper.stop()

    assert points
    assert len(started) == 1


def test_a_flush_in_the_middle_of_a_record_waits_for_those_before_and_not_for_that_one(
    collector: StandIn, make_client: Callable[..., Client]
) -> None:
    client = make_client(collector.url)
    answers: list[tuple[float, bool]] = []
    arrived: list[list[str]] = []

    def interrupt() -> None:
        began_s = time.monotonic()
        is_delivered = client.flush(DEADLINE_S)
        answers.append((time.monotonic() - began_s, is_delivered))
        arrived.append([span.name for span in collector.spans])

    for number in range(3):
        with headway.span(f"before {number}"):
            pass
    span = Span(trace_id="a" * 32, span_id="c" * 16, name="around", start_ns=1, end_ns=2)
    payload = Interrupted(msgspec.json.encode(span))
    payload.interrupt = interrupt
    client._journal.append(payload)
    is_all_delivered = client.flush(DEADLINE_S)

    assert [is_delivered for _, is_delivered in answers] == [True]
    assert answers[0][0] < DEADLINE_S / 2
    assert arrived == [["before 0", "before 1", "before 2"]]
    assert is_all_delivered
    assert [span.name for span in collector.spans] == [*arrived[0], "around"]


def test_a_flush_in_the_middle_of_a_record_does_not_say_that_what_was_deferred_has_arrived(
    collector: StandIn, make_client: Callable[..., Client]
) -> None:
    client = make_client(collector.url)
    answers: list[bool] = []

    def interrupt() -> None:
        with headway.span("within"):
            pass
        answers.append(client.flush(DEADLINE_S))

    span = Span(trace_id="a" * 32, span_id="c" * 16, name="around", start_ns=1, end_ns=2)
    payload = Interrupted(msgspec.json.encode(span))
    payload.interrupt = interrupt
    client._journal.append(payload)

    assert answers == [False]
    assert client.flush(DEADLINE_S)
    assert {span.name for span in collector.spans} == {"around", "within"}
