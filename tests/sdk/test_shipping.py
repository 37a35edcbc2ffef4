import io
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import urllib3

from headway.errors import SettingsError
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.leftovers import survey
from headway.places import Place
from headway.records import Span
from headway.shipping import Shipper
from headway.transports import Batch, HttpTransport, address_of, read_answer
from tests.sdk.conftest import DEADLINE_S, Answer, Request, StandIn
from tests.sdk.programs import run


class Line:
    """A journal with its shipper, as a client has them."""

    def __init__(
        self,
        folder: Path,
        url: str,
        project: str = "shop",
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        transport = HttpTransport(url, "the-key")
        self.guard = Guard()
        self.journal = Journal(Place(folder, project), self.guard, Identities(), clock_s=clock_s)
        self.shipper = Shipper(
            self.journal, transport, self.guard, clock_s=clock_s, chance=lambda: 0.0
        )

    def record(self, *names: str) -> None:
        for name in names:
            self.journal.append(span_named(name))
            if self.journal.is_unattended:
                self.shipper.wake()

    def flush(self, timeout_s: float = DEADLINE_S) -> bool:
        return self.shipper.flush(timeout_s)

    def close(self) -> None:
        self.shipper.stop()
        self.journal.close()


@pytest.fixture
def make_line(tmp_path: Path, collector: StandIn) -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def make(url: str = collector.url, project: str = "shop") -> Line:
        made.append(Line(tmp_path / "journal", url, project))
        return made[-1]

    yield make
    for line in made:
        line.close()


def span_named(name: str) -> bytes:
    span_id = f"{hash(name) & (1 << 64) - 1:016x}"
    span = Span(trace_id="a" * 32, span_id=span_id, name=name, start_ns=1, end_ns=2)
    return msgspec.json.encode(span)


def names(collector: StandIn) -> list[str]:
    return [span.name for span in collector.spans]


def refuse_poison(request: Request) -> Answer | None:
    if any(b"poison" in line for line in request.lines):
        return Answer(400, b'{"code":"bad_batch","message":"it holds poison"}')
    return None


def test_records_arrive_without_being_asked_for(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    make_line().record("one", "two")

    assert collector.wait_until(lambda: names(collector) == ["one", "two"])


def test_a_batch_says_its_project_its_key_and_an_id_that_follows_from_its_place(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    line = make_line()
    collector.answers.append(Answer(503))
    line.record("one")
    assert line.flush()
    refused, accepted = collector.requests

    assert accepted.project == "shop"
    assert accepted.headers["Authorization"] == "Bearer the-key"
    assert accepted.headers["User-Agent"].startswith("headway/")
    assert "Content-Encoding" not in accepted.headers
    assert accepted.batch_id == refused.batch_id
    assert len(accepted.batch_id) <= 128


def test_batches_hold_at_most_1000_records(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    line = make_line()
    for number in range(2403):
        line.journal.append(span_named(str(number)))

    assert line.flush()
    assert [len(request.lines) for request in collector.requests] == [1000, 1000, 403]
    assert names(collector) == [str(number) for number in range(2403)]


def test_what_was_sent_is_not_sent_again(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    line = make_line()
    line.record("one")
    assert line.flush()
    line.record("two")
    assert line.flush()

    assert [len(request.lines) for request in collector.requests] == [1, 1]
    assert line.journal.shipped == 2


@pytest.mark.parametrize("status", [500, 502, 503, 429, 401, 403, 404, 405, 301])
def test_a_refusal_that_may_pass_loses_nothing(
    make_line: Callable[..., Line], collector: StandIn, status: int
) -> None:
    line = make_line()
    collector.answers.extend([Answer(status, b"<html>")] * 2)
    line.record("one")

    assert line.flush()
    assert names(collector) == ["one"]
    assert len(collector.requests) == 3
    assert line.guard.dropped == {}


def test_a_server_that_is_no_collector_gets_no_credit_for_saying_200(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    line = make_line()
    collector.answers.append(Answer(200, b"<html>It works!</html>"))
    line.record("one")

    assert line.flush()
    assert names(collector) == ["one"]
    assert "set HEADWAY_URL" in str(line.guard.last_error)


def test_a_400_from_something_else_than_a_collector_drops_nothing(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    line = make_line()
    collector.answers.append(Answer(400, b"<html>Bad Request</html>"))
    line.record("one")

    assert line.flush()
    assert names(collector) == ["one"]


def test_a_poisonous_record_is_found_and_only_it_is_dropped(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    collector.decide = refuse_poison
    line = make_line()
    line.record(*(f"good {number}" for number in range(20)), "poison", "last")

    assert line.flush()
    assert names(collector) == [*(f"good {number}" for number in range(20)), "last"]
    assert line.guard.dropped == {"refused": 1}
    assert "it holds poison" in str(line.guard.last_error)


def test_one_poisonous_record_in_a_thousand_costs_twenty_odd_requests(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    collector.decide = refuse_poison
    line = make_line()
    for number in range(1000):
        line.journal.append(span_named("poison" if number == 617 else f"good {number}"))

    assert line.flush()
    assert len(names(collector)) == 999
    assert len(collector.requests) <= 2 * 10 + 2
    assert collector.repeated == []


def test_what_comes_in_one_by_one_does_not_travel_one_by_one(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    line = make_line()
    pace = threading.Event()
    for number in range(200):
        line.record(str(number))
        pace.wait(0.002)

    assert line.flush()
    assert len(names(collector)) == 200
    assert len(collector.requests) < 20


def test_a_batch_too_large_is_halved_until_it_fits(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    def limit(request: Request) -> Answer | None:
        if len(request.lines) > 3:
            return Answer(413, b"<html>nginx</html>", is_strangers=True)
        return Answer(413) if any(b"huge" in line for line in request.lines) else None

    collector.decide = limit
    line = make_line()
    line.record(*(str(number) for number in range(10)), "huge")

    assert line.flush()
    assert names(collector) == [str(number) for number in range(10)]
    assert line.guard.dropped == {"too_large": 1}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_somebody_else_than_a_collector_refuses_waits_for_a_collector(
    make_line: Callable[..., Line], collector: StandIn, status: int
) -> None:
    collector.answers.extend(Answer(status, is_strangers=True) for _ in range(3))
    line = make_line()
    line.record("one")

    assert line.flush()
    assert names(collector) == ["one"]
    assert line.guard.dropped == {}


@pytest.mark.parametrize(
    ("accepted", "duplicates", "rejected"), [(0, 0, 0), (2, 0, 0), (2, 0, -1), (0, 0, 5)]
)
def test_an_answer_that_does_not_add_up_is_no_collectors(
    make_line: Callable[..., Line],
    collector: StandIn,
    accepted: int,
    duplicates: int,
    rejected: int,
) -> None:
    answer = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
    collector.answers.append(Answer(200, msgspec.json.encode(answer)))
    line = make_line()
    line.record("one")

    assert line.flush()
    assert names(collector) == ["one"]
    assert line.guard.dropped == {}
    assert "no Headway collector" in str(line.guard.last_error)


def test_an_answer_without_an_end_is_left_after_a_megabyte() -> None:
    with open("/dev/zero", "rb") as endless:
        response = urllib3.HTTPResponse(endless, preload_content=False)
        content = read_answer(response, time.monotonic() + DEADLINE_S)

    assert len(content) == 1 << 20


def test_an_answer_that_drips_is_left_when_the_time_is_over() -> None:
    class Drip(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read1(self, size: int = -1) -> bytes:
            return b" "

    response = urllib3.HTTPResponse(Drip(), preload_content=False)
    with pytest.raises(TimeoutError):
        read_answer(response, time.monotonic() + 0.05)


def test_a_project_that_cannot_travel_is_told_and_not_thrown(collector: StandIn) -> None:
    reply = HttpTransport(collector.url).send(Batch("two\nlines", "1", [b"{}"]))

    assert reply.answer is None
    assert "two\\nlines" in reply.message


def test_records_that_the_collector_rejects_are_counted_with_its_reason(
    make_line: Callable[..., Line], collector: StandIn
) -> None:
    answer = {
        "accepted": 1,
        "duplicates": 0,
        "rejected": 1,
        "errors": [{"line": 2, "reason": "end before start"}],
    }
    collector.answers.append(Answer(200, msgspec.json.encode(answer)))
    line = make_line()
    line.journal.append(span_named("one"))
    line.journal.append(span_named("two"))

    assert line.flush()
    assert line.guard.dropped == {"rejected": 1}
    assert line.journal.shipped == 1
    assert "end before start" in str(line.guard.last_error)


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


def test_retry_after_is_read_as_seconds_or_as_a_date_and_an_odd_one_ignored(
    collector: StandIn,
) -> None:
    # Two minutes before the date below.
    transport = HttpTransport(collector.url, clock_s=lambda: 1792567680.0 - 120)
    waits = []
    for value in (
        "2.5",
        "-1",
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "1e9",
        "nan",
        "soon",
    ):
        collector.answers.append(Answer(503, headers={"Retry-After": value}))
        waits.append(transport.send(Batch("shop", "id", [b"{}"])).retry_after_s)

    assert waits == [2.5, 0.0, 120.0, 0.0, 300.0, 0.0, 0.0]


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


def test_a_file_that_somebody_cut_short_is_set_aside_and_the_rest_goes_on(
    make_line: Callable[..., Line], collector: StandIn, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    line = make_line()
    line.journal.append(span_named("cut off"))
    line.journal.move(Place(folder, "desk"))
    os.truncate(next(folder.iterdir()), 4096)
    line.record("after")

    assert line.flush()
    assert names(collector) == ["after"]
    assert len(list(folder.glob("*.damaged"))) == 1
    assert line.guard.faults == {"damaged segment": 1}
    assert line.guard.dropped == {"damaged": 1}
    assert line.journal.pending == 0


SEND = """
from headway.transports import Batch, HttpTransport
transport = HttpTransport("http://0.0.0.0:" + __import__("sys").argv[1])
line = b'{"type":"score","score_id":"s1","name":"n","value":1,"time_ns":1}'
print(transport.send(Batch("shop", "id", [line])).status)
"""


@pytest.mark.parametrize(
    ("module", "encoding"),
    [
        # Whatever the module is made of: the name and the function are those of ``zstandard``.
        (
            "import pyarrow\n"
            "def compress(data): return pyarrow.compress(data, codec='zstd', asbytes=True)\n",
            "zstd",
        ),
        ("raise ImportError('nobody has brought it')", "gzip"),
    ],
)
def test_what_leaves_the_machine_is_compressed_with_zstd_where_something_has_brought_it(
    collector: StandIn, tmp_path: Path, module: str, encoding: str
) -> None:
    (tmp_path / "zstandard.py").write_text(module)

    done = run(SEND, tmp_path, collector.url.rpartition(":")[2])

    assert done.stdout.strip() == "200", done.stderr
    assert collector.requests[0].headers["Content-Encoding"] == encoding
    assert list(collector.records) == ["s1"]


def test_a_password_in_an_address_goes_nowhere() -> None:
    assert address_of("HTTP://me:secret@Host:4318/in/?key=secret#x") == "http://Host:4318/in"
    with pytest.raises(SettingsError) as refusal:
        address_of("ftp://me:secret@host")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "localhost:4318", "ftp://host", "http://", "http://h:x"])
def test_an_address_that_is_none_is_refused_by_name(url: str) -> None:
    with pytest.raises(SettingsError, match="HEADWAY_URL"):
        HttpTransport(url)
