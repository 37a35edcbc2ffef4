"""Requests to a model server that misbehaves: what is tried again, what ends a run, and when."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from headway_evals.errors import ModelError
from headway_evals.models.paces import Pace, parse_rate
from headway_evals.models.requests import Completion
from headway_evals.models.server_addresses import Address
from headway_evals.models.server_calls import Calls
from headway_evals.models.servers import Server
from headway_evals.models.specs import ModelOptions, make_model
from tests.evals.served_models import (
    Asked,
    Clock,
    Said,
    Script,
    answers,
    requests_of,
    said,
    serve,
    upper,
)

BUSY = Said({"error": {"message": "slow down"}}, status=429)
LATER = "Mon, 23 Nov 2026 07:28:30 GMT"
BROKEN = Said({"error": {"message": "oops"}}, status=500)


def first(*faults: Said) -> Script:
    """Answer a prompt with these faults, one a try, and rightly after them."""

    def script(asked: Asked) -> Said:
        return faults[asked.count - 1] if asked.count <= len(faults) else upper(asked)

    return script


@pytest.mark.parametrize(
    "fault",
    [
        BUSY,
        BROKEN,
        Said(b"<html>bad gateway</html>", status=502),
        Said(b"<html>all is well</html>"),
        Said(b'{"choices": [{"text": "ha'),
        Said([1]),
        Said(is_dropped=True),
        Said({"choices": []}, missing_bytes=40),
        Said({"error": {"message": "upstream", "code": 503}}),
    ],
)
def test_a_fault_that_passes_is_tried_again(fault: Said) -> None:
    clock = Clock()
    with serve(first(fault, fault)) as served:
        (found,) = answers(served.model(clock), "a")

    assert (found.text, found.error) == ("A", None)
    assert len(served.asked) == 3
    assert clock.waits == [0.5, 1.0]


def test_pauses_double_up_to_a_limit_and_chance_shortens_them() -> None:
    clock = Clock()
    with serve(lambda asked: BROKEN) as served:
        calls = Calls(
            served.url,
            retries=8,
            clock=clock,
            wait=clock.wait,
            chance=iter([1.0, 0.0] * 4).__next__,
        )
        (found,) = answers(Server(Address("m", served.url), calls), "a")

    assert clock.waits == [0.5, 0.5, 2.0, 2.0, 8.0, 8.0, 30.0, 15.0]
    assert found.error == "HTTP 500: oops, after 9 tries"


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7.7),
        ({"Retry-After": "0.5"}, 0.55),
        ({"Retry-After": LATER, "Date": "Mon, 23 Nov 2026 07:28:00 GMT"}, 33.0),
        ({"Retry-After": LATER}, 0.5),
        ({"Retry-After": LATER, "Date": "now"}, 0.5),
        ({"Retry-After": "-3"}, 0.5),
        ({"Retry-After": "soon"}, 0.5),
    ],
)
def test_a_server_is_left_alone_for_as_long_as_it_asks(
    headers: dict[str, str], waited: float
) -> None:
    clock = Clock()
    with serve(first(Said({}, status=429, headers=headers))) as served:
        (found,) = answers(served.model(clock), "a")

    assert found.text == "A"
    assert clock.waits == [pytest.approx(waited)]


def test_one_refusal_holds_all_requests_back() -> None:
    clock = Clock()
    pace = Pace(clock=lambda: 0.0, wait=clock.wait)
    with serve(first(Said({}, status=429, headers={"Retry-After": "20"}))) as served:
        calls = Calls(served.url, pace=pace, wait=Clock().wait)
        answers(Server(Address("m", served.url), calls), "a")

    pace.enter(threading.Event())

    assert clock.waits == [20, 20]


def test_a_wait_that_is_too_long_ends_the_run() -> None:
    later = Said({"error": "quota"}, status=429, headers={"Retry-After": "86400"})
    with serve(first(later)) as served, pytest.raises(ModelError, match="for 86,400 seconds"):
        answers(served.model(Clock()), "a")


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (401, {"error": {"message": "bad key"}}, "HTTP 401: bad key: set OPENAI_API_KEY"),
        (402, {"error": "empty"}, "HTTP 402: empty: the account has no credit"),
        (403, {"detail": "no"}, "HTTP 403: no: the key may not do this"),
        (404, {"message": "no model x"}, "HTTP 404: no model x: check the model's name"),
        (404, b"404 page not found", "no reason given: check the model's name, and the address"),
        (400, {"error": {"message": "?", "code": "model_not_found"}}, "check the model's name"),
        (400, {"error": {"message": "?", "param": "model"}}, "check the model's name"),
        (429, {"error": {"message": "?", "code": "insufficient_quota"}}, "has no credit"),
        (200, {"error": {"message": "?", "code": 401}}, "HTTP 401"),
    ],
)
def test_what_ails_every_case_ends_the_run_at_once(status: int, content: Any, reason: str) -> None:
    refused = Said(content, status=status)
    with serve(lambda asked: refused) as served, pytest.raises(ModelError, match=reason):
        answers(served.model(Clock()), *"abcdefgh")

    assert len(served.asked) == 1


def test_a_redirect_is_told_and_not_followed() -> None:
    def script(asked: Asked) -> Said:
        return Said({}, status=307, headers={"Location": "/v2/completions"})

    with serve(script) as served, pytest.raises(ModelError, match=r"elsewhere \(HTTP 307\): /v2/c"):
        answers(served.model(Clock()), "a")

    assert len(served.asked) == 1


def test_another_refusal_marks_its_case_and_no_other() -> None:
    def script(asked: Asked) -> Said:
        if asked.text == "b":
            return Said({"error": {"message": "context length exceeded"}}, status=400)
        return upper(asked)

    with serve(script) as served:
        found = answers(served.model(Clock()), *"abc")

    assert [each.text for each in found] == ["A", None, "C"]
    assert "HTTP 400: context length exceeded" in str(found[1].error)
    assert len(served.asked) == 3


def test_a_prompt_that_is_no_text_marks_its_case() -> None:
    with serve(upper) as served:
        found = answers(served.model(Clock()), "a", "\ud800")

    assert [each.text for each in found] == ["A", None]
    assert "half a surrogate pair" in str(found[1].error)


def test_a_fault_that_stays_marks_its_case() -> None:
    def script(asked: Asked) -> Said:
        return BROKEN if asked.text == "b" else upper(asked)

    with serve(script) as served:
        found = answers(served.model(Clock(), retries=2), *"abc")

    assert [each.text for each in found] == ["A", None, "C"]
    assert str(found[1].error).endswith("HTTP 500: oops, after 3 tries")


def test_a_server_that_fails_ten_cases_in_a_row_ends_the_run() -> None:
    refused = Said({"error": "too long"}, status=400)
    others = {"y": said("Y"), "n": refused}

    with serve(lambda asked: others.get(asked.text, BROKEN)) as served:
        model = served.model(Clock(), retries=0)
        nine = answers(model, *"012345678", "y", *"abcdefghi", "n", *"ABCDEFGHI")
        with pytest.raises(ModelError, match="failed 10 requests in a row, each after one try"):
            answers(served.model(Clock(), retries=0), *"012345678abcdefgh")

    assert [each.text for each in nine if each.text] == ["Y"]


def test_a_server_that_is_gone_ends_the_run_after_its_retries() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    clock = Clock()
    calls = Calls(url, retries=2, clock=clock, wait=clock.wait, chance=lambda: 1.0)

    with pytest.raises(ModelError, match=f"no server answers at {url}, after 3 tries"):
        answers(Server(Address("m", url), calls, concurrency=1), *"abc")

    assert clock.waits == [0.5, 1.0]


def test_a_slow_answer_is_given_up_after_the_timeout() -> None:
    release = threading.Event()

    def script(asked: Asked) -> Said:
        if asked.text == "slow":
            release.wait(10)
        return upper(asked)

    with serve(script) as served:
        found = answers(served.model(Clock(), retries=1, timeout_s=0.2), "slow", "b")
        release.set()

    assert [each.text for each in found] == [None, "B"]
    assert found[0].error == "no answer within 0.2 s, after 2 tries"


def test_requests_run_side_by_side_up_to_the_limit_and_come_back_in_order() -> None:
    together = threading.Barrier(4, timeout=10)

    def script(asked: Asked) -> Said:
        together.wait()
        return upper(asked)

    reported: dict[int, Completion] = {}
    with serve(script) as served:
        model = served.model(Clock(), concurrency=4)
        found = model.generate(requests_of(*"abcdefgh"), reported.__setitem__)

    assert [each.text for each in found] == list("ABCDEFGH")
    assert [reported[place] for place in range(8)] == found


def test_no_more_requests_are_under_way_than_allowed() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def script(asked: Asked) -> Said:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.01)
        with lock:
            under_way -= 1
        return upper(asked)

    with serve(script) as served:
        answers(served.model(Clock(), concurrency=3), *"abcdefghijklmnop")

    assert most <= 3


def test_a_run_that_ends_does_not_wait_for_what_is_under_way() -> None:
    release, is_asked = threading.Event(), threading.Event()

    def script(asked: Asked) -> Said:
        if asked.text == "slow":
            is_asked.set()
            release.wait(30)
            return upper(asked)
        is_asked.wait(10)
        return Said({"error": "who?"}, status=401)

    with serve(script) as served:
        model = served.model(Clock(), concurrency=2, timeout_s=30)
        with pytest.raises(ModelError, match="HTTP 401"):
            answers(model, "slow", *"abcdefgh")

        threads = [each for each in threading.enumerate() if each.name == "openai"]
        assert all(thread.daemon for thread in threads)
        release.set()
        for thread in threads:
            thread.join(10)
        # And whoever was under way asks no more.
        assert len(served.asked) == 2


def test_a_specs_options_reach_the_calls(tmp_path: Path) -> None:
    together, release = threading.Barrier(3, timeout=10), threading.Event()

    def script(asked: Asked) -> Said:
        if asked.text == "slow":
            release.wait(10)
        else:
            together.wait()
        return upper(asked)

    options = ModelOptions(folder=tmp_path, concurrency=3, retries=0, timeout_s=0.5, rate="100/s")
    with serve(script) as served:
        model = make_model(f"openai:m@{served.url}", options)
        found = model.generate(requests_of(*"abc"), lambda index, completion: None)
        (slow,) = model.generate(requests_of("slow"), lambda index, completion: None)
        release.set()

    assert [each.text for each in found] == ["A", "B", "C"]
    assert str(slow.error).endswith("after one try")


def test_answers_are_reported_where_the_run_waits_for_them() -> None:
    threads = set()
    with serve(upper) as served:
        served.model(Clock(), concurrency=3).generate(
            requests_of(*"abcdef"), lambda index, completion: threads.add(threading.get_ident())
        )

    assert threads == {threading.get_ident()}


def test_a_key_that_a_server_repeats_is_not_shown() -> None:
    def script(asked: Asked) -> Said:
        return Said({"error": f"bad {asked.headers['Authorization']}"}, status=401)

    with serve(script) as served, pytest.raises(ModelError) as caught:
        answers(served.model(Clock(), api_key="sk-secret"), "a")

    assert "bad Bearer …" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_a_rate_spaces_requests_and_retries_alike() -> None:
    clock = Clock()
    times: list[float] = []

    def script(asked: Asked) -> Said:
        times.append(clock.now)
        return first(BROKEN)(asked) if asked.text == "b" else upper(asked)

    with serve(script) as served:
        answers(served.model(clock, interval_s=parse_rate("6/min")), *"abcd")

    assert times == [0, 10, 20, 30, 40]
