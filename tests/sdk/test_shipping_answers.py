"""Answers to a batch: which are a collector's, and what the others cost, which is nothing."""

import io
import time
from collections.abc import Callable

import msgspec
import pytest
import urllib3

from headway.transports import Batch, HttpTransport, read_answer
from tests.sdk.conftest import Answer, StandIn
from tests.sdk.lines import DEADLINE_S, Line, names, span_named


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
