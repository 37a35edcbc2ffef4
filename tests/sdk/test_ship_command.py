"""``headway ship``: what dead processes left arrives, and what does not is said with the reason."""

import argparse
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headway.deadlines import PunctualTransport
from headway.deliveries import MAX_RECORDS
from headway.errors import CommandError
from headway.forwarding import Forwarding, Outcome
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.layouts import Header
from headway.leftovers import survey
from headway.losses import Losses
from headway.places import Place
from headway.records import Span, encode_record
from headway.ship_command import SHIP, Progress
from headway.transports import Batch, HttpTransport, Reply
from tests.sdk.conftest import Answer, Request, StandIn

NOWHERE = "http://127.0.0.1:9"
IDENTITY = Header("ship", "shop", 1, "here", 1, client_id="5" * 32)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("URL", "PROJECT", "API_KEY", "JOURNAL_DIR"):
        monkeypatch.delenv(f"HEADWAY_{name}", raising=False)
    monkeypatch.setenv("HEADWAY_JOURNAL_DIR", str(tmp_path / "journal"))


@pytest.fixture
def other() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def leave(tmp_path: Path) -> Callable[..., None]:
    """Be a process that dies with some records unshipped."""

    def leave(url: str, *names: str, project: str = "shop", lost: int = 0) -> None:
        place = Place(tmp_path / "journal", project, url=url)
        journal = Journal(place, Guard(losses=Losses("d" * 32)), Identities())
        for name in names:
            journal.append(line(name))
        if lost:
            journal._guard.drop("journal_full", lost, "it was full", project=project)
        journal.close()

    return leave


def line(name: str) -> bytes:
    span_id = f"{abs(hash(name)):016x}"[-16:]
    return encode_record(Span(trace_id="a" * 32, span_id=span_id, name=name, start_ns=1, end_ns=2))


def ship(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    SHIP.configure(parser)
    return SHIP.run(parser.parse_args(arguments))


def names(collector: StandIn) -> list[str]:
    return sorted(span.name for span in collector.spans)


def test_each_segment_goes_to_its_own_collector_and_the_folder_is_empty_then(
    collector: StandIn,
    other: StandIn,
    leave: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leave(collector.url, "one", "two")
    leave(other.url, "three", project="desk")
    code = ship()

    assert code == 0
    assert names(collector) == ["one", "two"]
    assert names(other) == ["three"]
    assert other.requests[0].project == "desk"
    assert list((tmp_path / "journal").iterdir()) == []
    assert capsys.readouterr().out.startswith("3 calls, 0.0 MB shipped from ")


def test_all_of_it_goes_where_it_is_told_to(
    collector: StandIn, leave: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    leave(NOWHERE, "one")
    leave("", "two")

    assert ship("--url", collector.url) == 0
    assert names(collector) == ["one", "two"]


def test_the_key_in_force_is_not_shown_to_another_collector(
    collector: StandIn,
    other: StandIn,
    leave: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADWAY_API_KEY", "secret")
    monkeypatch.setenv("HEADWAY_URL", collector.url)
    leave(collector.url, "ours")
    leave(other.url, "theirs")
    ship()
    leave(other.url, "theirs again")
    ship("--api-key", "for all")
    keys = [request.headers.get("Authorization") for request in other.requests]

    assert collector.requests[0].headers["Authorization"] == "Bearer secret"
    assert keys == [None, "Bearer for all"]


def test_what_cannot_be_shipped_remains_and_the_others_go_on(
    collector: StandIn,
    leave: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leave(NOWHERE, "one", "two")
    leave(NOWHERE, "three")
    leave(collector.url, "four")
    code = ship()
    said = capsys.readouterr().out

    assert code == 1
    assert names(collector) == ["four"]
    assert f"Remains: 2 calls of shop: no collector answers at {NOWHERE}" in said
    assert f"Remains: 1 calls of shop: no collector answers at {NOWHERE}" in said
    assert sum(each.content.pending for each in survey(tmp_path / "journal") if each.content) == 3


def test_one_project_can_be_shipped_alone(
    collector: StandIn, leave: Callable[..., None], tmp_path: Path
) -> None:
    leave(collector.url, "one", project="shop")
    leave(collector.url, "two", project="desk")

    assert ship("--project", "desk") == 0
    assert names(collector) == ["two"]
    assert len(survey(tmp_path / "journal")) == 1


def test_living_processes_are_counted_and_left_alone(
    collector: StandIn,
    leave: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alive = Journal(Place(tmp_path / "journal", "shop", url=collector.url), Guard(), Identities())
    alive.append(line("mine"))
    leave(collector.url, "left")
    code = ship()

    assert code == 0
    assert names(collector) == ["left"]
    assert "1 files in use by living processes" in capsys.readouterr().out
    assert alive.pending == 1
    alive.close()


def test_losses_of_the_dead_are_told_with_their_records(
    collector: StandIn, leave: Callable[..., None], tmp_path: Path
) -> None:
    leave(collector.url, "one", lost=37)
    leave(collector.url, lost=40)

    assert ship() == 0
    assert collector.lost_by("d" * 32) == {"journal_full": 40}
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_poisonous_record_is_dropped_alone_said_and_told(
    collector: StandIn, leave: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    collector.decide = lambda request: (
        Answer(400, b'{"code":"bad","message":"poison"}')
        if any(b"poison" in each for each in request.lines)
        else None
    )
    leave(collector.url, "one", "poison", "two")
    code = ship()

    assert code == 1
    assert names(collector) == ["one", "two"]
    assert "Dropped: 1 calls (refused)." in capsys.readouterr().out
    assert [loss.count for loss in collector.losses.values()] == [1]


def test_a_busy_collector_is_given_the_time_it_asks_for(
    collector: StandIn, leave: Callable[..., None], tmp_path: Path
) -> None:
    leave(collector.url, "one")
    collector.answers.extend([Answer(503, headers={"Retry-After": "7"}), Answer(429)])
    now_s, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now_s[0] += seconds

    outcome = Forwarding(
        HttpTransport, IDENTITY, timeout_s=60.0, clock_s=lambda: now_s[0], sleep=sleep
    ).run(tmp_path / "journal")

    assert waits == [7.0, 1.0]
    assert (outcome.records, outcome.remaining) == (1, [])


def test_the_time_given_is_kept(
    collector: StandIn, leave: Callable[..., None], tmp_path: Path
) -> None:
    leave(collector.url, *(str(number) for number in range(MAX_RECORDS + 5)))
    now_s = [0.0]

    def decide(request: Request) -> None:
        now_s[0] += 61.0

    collector.decide = decide
    outcome = Forwarding(HttpTransport, IDENTITY, timeout_s=60.0, clock_s=lambda: now_s[0]).run(
        tmp_path / "journal"
    )

    assert outcome.records == MAX_RECORDS
    assert outcome.remaining == ["5 calls of shop: the time given by --timeout is over"]


def test_an_answer_that_does_not_end_does_not_keep_anybody(
    leave: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    is_over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not is_over.wait(0.02):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        leave(f"http://127.0.0.1:{listener.getsockname()[1]}", "one")
        code = ship("--timeout", "0.3")
        is_over.set()
        thread.join()

    assert code == 1
    assert "Remains: 1 calls of shop" in capsys.readouterr().out


def test_a_transport_that_never_comes_back_does_not_keep_anybody() -> None:
    is_over = threading.Event()

    class Stuck:
        def send(self, batch: Batch) -> Reply:
            is_over.wait()
            return Reply(200)

    reply = PunctualTransport(Stuck()).send(Batch("shop", "1", [], timeout_s=0.1))
    is_over.set()

    assert reply.message == "the answer was not whole after 0.1 s"


def test_nobody_waits_for_a_collector_that_asks_for_more_time_than_there_is(
    collector: StandIn, leave: Callable[..., None], tmp_path: Path
) -> None:
    leave(collector.url, "one")
    collector.answers.append(Answer(503, headers={"Retry-After": "60"}))
    waits: list[float] = []
    outcome = Forwarding(
        HttpTransport, IDENTITY, timeout_s=30.0, clock_s=lambda: 0.0, sleep=waits.append
    ).run(tmp_path / "journal")

    assert waits == []
    assert outcome.remaining == [f"1 calls of shop: {collector.url} answered 503: some reason"]


def test_progress_is_said_when_it_takes_long_and_not_at_every_batch() -> None:
    now_s, said = [0.0], list[str]()
    progress = Progress(said.append, clock_s=lambda: now_s[0])
    for second in (0.5, 1.0, 2.5, 3.0, 5.0):
        now_s[0] = second
        progress(Outcome(records=int(second * 1000), payload_bytes=3 << 20))

    assert said == ["2,500 calls, 3.0 MB so far ...\n", "5,000 calls, 3.0 MB so far ...\n"]


def test_a_strange_file_and_a_damaged_one_are_told(
    collector: StandIn,
    leave: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leave(collector.url, "whole", "broken")
    path = next(tmp_path.glob("journal/*.segment"))
    path.write_bytes(path.read_bytes().replace(b"broken", b"brokem"))
    (tmp_path / "journal" / "0.segment").write_bytes(b"somebody's holiday photos" * 1000)
    code = ship()
    said = capsys.readouterr().out

    assert code == 1
    assert names(collector) == ["whole"]
    assert "is not a journal segment" in said
    assert ".damaged is damaged; what was whole is shipped" in said


def test_an_empty_or_missing_folder_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ship() == 0
    assert capsys.readouterr().out.startswith("0 calls")


@pytest.mark.parametrize("timeout", ["0", "-1", "nan"])
def test_a_time_that_is_none_is_refused_by_name(timeout: str) -> None:
    with pytest.raises(CommandError, match="--timeout is"):
        ship("--timeout", timeout)


def test_a_folder_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be read"):
        ship("--journal-dir", str(tmp_path / "file"))


def test_a_segment_names_no_key(leave: Callable[..., None], tmp_path: Path) -> None:
    leave(NOWHERE, "one")
    header = next(tmp_path.glob("journal/*.segment")).read_bytes()[24:2048].rstrip(b"\0")

    assert sorted(json.loads(header)) == [
        "client_id",
        "created_ns",
        "host",
        "pid",
        "project",
        "segment_id",
        "url",
    ]
