"""Records on their way: in batches, once, and past those that no collector takes."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.errors import SettingsError
from headway.places import Place
from headway.transports import Batch, HttpTransport, address_of
from tests.sdk.conftest import Answer, Request, StandIn
from tests.sdk.lines import Line, names, span_named
from tests.sdk.programs import run


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


def test_a_project_that_cannot_travel_is_told_and_not_thrown(collector: StandIn) -> None:
    reply = HttpTransport(collector.url).send(Batch("two\nlines", "1", [b"{}"]))

    assert reply.answer is None
    assert "two\\nlines" in reply.message


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
