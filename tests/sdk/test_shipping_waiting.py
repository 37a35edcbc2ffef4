"""When the shipper waits, and for whom: nobody answers, a flush, what others left."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.leftovers import survey
from headway.places import Place
from headway.shipping import Shipper
from headway.transports import HttpTransport
from tests.sdk.conftest import Answer, StandIn
from tests.sdk.lines import DEADLINE_S, Line, names, span_named


def test_waiting_grows_and_obeys_the_collector() -> None:
    guard = Guard()
    journal = Journal(Place(None, "shop"), guard, Identities())
    transport = HttpTransport("http://127.0.0.1:9")
    shipper = Shipper(journal, transport, guard, clock_s=lambda: 100.0, chance=lambda: 1.0)
    waits = []
    for retry_after_s in (0.0, 0.0, 0.0, 20.0, *[0.0] * 10):
        shipper._back_off(shipper._routes.latest, retry_after_s)
        waits.append(shipper._routes.due_s - 100.0)

    assert waits[:5] == [0.5, 1.0, 2.0, 20.0, 8.0]
    assert waits[-1] == 30.0


def test_many_processes_do_not_try_again_at_the_same_moment() -> None:
    guard = Guard()
    journal = Journal(Place(None, "shop"), guard, Identities())
    waits = []
    for chance in (0.0, 0.5, 1.0):
        shipper = Shipper(
            journal,
            HttpTransport("http://127.0.0.1:9"),
            guard,
            clock_s=lambda: 0.0,
            chance=lambda chance=chance: chance,  # type: ignore[misc]
        )
        shipper._back_off(shipper._routes.latest, 0.0)
        waits.append(shipper._routes.due_s)

    assert waits == [0.25, 0.375, 0.5]


def test_while_nobody_answers_records_wait_and_it_is_said_once(
    make_line: Callable[..., Line], caplog: pytest.LogCaptureFixture
) -> None:
    line = make_line("http://127.0.0.1:9")
    with caplog.at_level(logging.WARNING, "headway"):
        line.record("one", "two")
        is_delivered = line.flush(0.5)

    assert not is_delivered
    assert line.journal.pending == 2
    assert len(caplog.messages) == 1
    assert "headway up" in caplog.messages[0]


def test_an_impatient_flush_leaves_at_the_first_failure(make_line: Callable[..., Line]) -> None:
    line = make_line("http://127.0.0.1:9")
    line.record("one")
    done = threading.Event()

    def flush() -> None:
        line.shipper.flush(3600.0, is_patient=False)
        done.set()

    threading.Thread(target=flush, daemon=True).start()

    assert done.wait(DEADLINE_S)


def test_flush_does_not_wait_for_what_comes_after_it(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    line = make_line()
    stop = threading.Event()

    def keep_recording() -> None:
        number = 0
        while not stop.wait(0.001):
            line.record(f"later {number}")
            number += 1

    thread = threading.Thread(target=keep_recording)
    line.record("before")
    thread.start()
    is_delivered = line.flush()
    stop.set()
    thread.join()

    assert is_delivered
    assert "before" in names(collector)


def test_what_another_application_left_for_another_collector_is_left_to_it(
    collector: StandIn, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    for url in ("http://127.0.0.1:9", collector.url, ""):
        dead = Journal(Place(folder, "shop", url=url), Guard(), Identities())
        dead.append(span_named(f"left for {url}"))
        dead.close()
    line = Line(folder, collector.url)
    line.journal.move(Place(folder, "shop", url=collector.url))
    is_delivered = line.flush()
    line.close()
    rest = survey(folder)

    assert is_delivered
    assert sorted(names(collector)) == ["left for ", f"left for {collector.url}"]
    assert [each.content.header.url for each in rest if each.content] == ["http://127.0.0.1:9"]


def test_what_another_application_left_is_shipped_for_its_own_project(
    make_line: Callable[..., Line], collector: StandIn, tmp_path: Path
) -> None:
    dead = Journal(Place(tmp_path / "journal", "desk"), Guard(), Identities())
    for number in range(600):
        dead.append(span_named(f"left {number}"))
    dead.close()
    line = make_line(project="shop")
    line.record("mine")

    assert line.flush()
    assert len(names(collector)) == 601
    assert {request.project for request in collector.requests} == {"shop", "desk"}
    assert line.journal.adopted == 600
    assert line.journal.shipped == 601
    assert len(list((tmp_path / "journal").iterdir())) == 1


def test_what_another_application_left_and_our_key_may_not_send_does_not_hold_us_up(
    make_line: Callable[..., Line], collector: StandIn, tmp_path: Path
) -> None:
    dead = Journal(Place(tmp_path / "journal", "desk"), Guard(), Identities())
    dead.append(span_named("left"))
    dead.close()
    collector.decide = lambda request: Answer(403) if request.project == "desk" else None
    line = make_line(project="shop")
    line.record("one")

    assert line.flush()
    line.record("two")
    assert line.flush()
    assert names(collector) == ["one", "two"]
    assert len(list((tmp_path / "journal").glob("*.segment"))) == 2


def test_the_thread_rests_when_nothing_comes_and_the_next_record_wakes_it(
    tmp_path: Path, collector: StandIn
) -> None:
    now_s = [0.0]
    line = Line(tmp_path / "journal", collector.url, clock_s=lambda: now_s[0])
    line.record("one")
    assert line.flush()
    now_s[0] = 60.0
    tick, deadline_s = threading.Event(), time.monotonic() + DEADLINE_S
    while not line.journal.is_unattended and time.monotonic() < deadline_s:
        tick.wait(0.01)
    was_resting = line.journal.is_unattended
    line.record("two")

    assert was_resting
    assert collector.wait_until(lambda: names(collector) == ["one", "two"])
    line.close()
