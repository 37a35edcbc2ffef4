"""Sampling: traces whole or not at all, what fails in any case, and rows that say what they are."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.client_settings import ClientSettings, read_settings
from headway.clients import Client
from headway.contexts import CURRENT, Remote
from headway.errors import SettingsError
from headway.instruments.model_calls import open_call
from headway.lifecycle import install
from headway.records import Span
from headway.sampling import LeftOut, Rates, Sampler, parse_rates
from headway.settings import load_sources
from headway.testing import Captured, MemoryTransport
from tests.sdk.programs import run

NOTHING = Rates(other=0.0)


class Sampled:
    """A client that samples, and what came of it."""

    def __init__(self, rates: Rates) -> None:
        self.transport = MemoryTransport()
        settings = ClientSettings(is_raising=True, sample=rates)
        self.client = Client(settings, transport=self.transport)
        self.captured = Captured(self.client, self.transport)

    def __enter__(self) -> Captured:
        self._previous = install(self.client)
        return self.captured

    def __exit__(self, *_: object) -> None:
        install(self._previous)
        self.client.close()


def attributes_of(span: Span) -> Any:
    return json.loads(bytes(span.attributes) or b"{}")


@headway.observe
def shout(text: str) -> str:
    return text.upper()


@headway.observe
def fail() -> None:
    raise ValueError("no")


@headway.observe
def chain(text: str) -> str:
    return shout(text) + shout(text)


def begun(trace_id: str, name: str = "chat") -> Span:
    return Span(trace_id=trace_id, span_id="1" * 16, name=name, start_ns=0, end_ns=0)


def test_without_rates_all_is_recorded_and_says_nothing_of_it() -> None:
    with Sampled(Rates()) as captured:
        chain("a")
        stats = headway.stats()

    assert len(captured.spans) == 3
    assert stats.sampled_out == 0
    assert {bytes(span.attributes) for span in captured.spans} == {b""}


def test_what_is_sampled_out_is_counted_and_is_no_loss() -> None:
    with Sampled(NOTHING) as captured:
        assert chain("a") == "AA"
        with headway.span("plain"):
            pass
        stats = headway.stats()

    assert captured.records == []
    assert (stats.sampled_out, stats.recorded, dict(stats.dropped)) == (4, 0, {})


def test_traces_are_recorded_whole_and_say_for_how_many_they_stand() -> None:
    with Sampled(Rates(other=0.5)) as captured:
        for _ in range(60):
            chain("a")
        spans = captured.spans
        left_out = headway.stats().sampled_out
    traces = {span.trace_id for span in spans}

    assert 0 < len(traces) < 60
    assert len(spans) == 3 * len(traces)
    assert left_out == 3 * (60 - len(traces))
    assert {str(attributes_of(span)) for span in spans} == {"{'headway.sample_rate': 0.5}"}


def test_the_share_of_the_traces_is_the_rate() -> None:
    sampler = Sampler(Rates(other=0.25), LeftOut())
    ids = [f"{number:032x}" for number in range(0, 1 << 56, 1 << 46)]

    kept = [trace_id for trace_id in ids if sampler.verdict_on(begun(trace_id)).is_in]

    assert len(kept) == 256


def test_what_one_rate_keeps_every_higher_rate_keeps() -> None:
    low, high = (Sampler(Rates(other=rate), LeftOut()) for rate in (0.1, 0.4))
    ids = [f"{number:032x}" for number in range(0, 1 << 56, 1 << 47)]

    kept = [trace_id for trace_id in ids if low.verdict_on(begun(trace_id)).is_in]

    assert kept
    assert all(high.verdict_on(begun(trace_id)).is_in for trace_id in kept)


def test_another_process_decides_by_the_trace_alone_as_the_first_did() -> None:
    def is_kept_below(parent: Remote) -> bool:
        token = CURRENT.set(parent)
        try:
            with Sampled(Rates(other=0.5)) as captured:
                shout("a")
            return bool(captured.spans)
        finally:
            CURRENT.reset(token)

    assert is_kept_below(Remote("a" * 18 + "f" * 14, "1" * 16))
    assert not is_kept_below(Remote("a" * 18 + "1" * 14, "1" * 16))


def test_the_first_span_of_a_trace_decides_by_its_name_for_those_below() -> None:
    with Sampled(Rates({"shout": 0.0}, 1.0)) as captured:
        shout("left out")
        chain("whole")

    assert [span.name for span in captured.spans] == ["shout", "shout", "chain"]
    assert {bytes(span.attributes) for span in captured.spans} == {b""}


def test_a_failure_is_kept_with_its_ancestors_and_says_that_the_rest_is_missing() -> None:
    with Sampled(NOTHING) as captured, headway.span("root"):
        shout("before")
        with headway.span("inner", attributes={"mine": 1}), pytest.raises(ValueError, match="no"):
            fail()
        shout("after")

    assert [span.name for span in captured.spans] == ["fail", "inner", "shout", "root"]
    kept = {"headway.sample_rate": 1.0, "headway.kept": "error"}
    assert [attributes_of(span) for span in captured.spans] == [
        kept,
        {**kept, "mine": 1},
        kept,
        kept,
    ]


def test_a_failure_in_a_trace_that_was_kept_stands_for_itself() -> None:
    with Sampled(Rates(other=0.5)) as captured:
        for _ in range(40):
            with pytest.raises(ValueError, match="no"):
                fail()
    marks = [attributes_of(span) for span in captured.spans]

    assert len(marks) == 40
    assert {mark["headway.sample_rate"] for mark in marks} == {1.0}
    assert {mark.get("headway.kept") for mark in marks} == {None, "error"}


def test_a_status_set_by_hand_is_a_failure_too() -> None:
    with Sampled(NOTHING) as captured, headway.span("refused") as span:
        span.status = "error"

    assert captured.span("refused").status == "error"


def test_streams_are_sampled_when_they_end() -> None:
    @headway.observe
    def count() -> Iterator[int]:
        yield 1
        yield 2

    with Sampled(NOTHING) as captured:
        assert list(count()) == [1, 2]
        left_out = headway.stats().sampled_out

    assert captured.records == []
    assert left_out == 1


def test_scores_set_on_a_span_go_with_it_and_scores_by_id_are_kept() -> None:
    with Sampled(NOTHING) as captured, headway.span("root") as span:
        span.scores["quick"] = True
        headway.score("helpful", True)

    assert [score.name for score in captured.scores] == ["helpful"]


def test_threads_together_count_every_span_that_they_leave_out() -> None:
    def work() -> None:
        for _ in range(200):
            shout("a")

    with Sampled(NOTHING):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left_out = headway.stats().sampled_out

    assert left_out == 800


def test_init_again_with_another_rate_goes_on_counting() -> None:
    with Sampled(NOTHING) as captured:
        shout("left out")
        headway.init(sample=1)
        shout("kept")
        stats = headway.stats()

    assert [span.name for span in captured.spans] == ["shout"]
    assert stats.sampled_out == 1


def test_the_variable_chooses_rates_by_name(tmp_path: Path) -> None:
    program = """
import headway

@headway.observe
def often(): pass

@headway.observe
def seldom(): pass

often(); seldom()
print(headway.stats().recorded, headway.stats().sampled_out)
"""
    done = run(program, tmp_path, HEADWAY_SAMPLE="seldom=0", HEADWAY_EXIT_TIMEOUT_S="0")

    assert done.stdout.split() == ["1", "1"], done.stderr


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("0.1", Rates({}, 0.1)),
        ("triage=0.05, *=0.5", Rates({"triage": 0.05}, 0.5)),
        ("triage=0.05", Rates({"triage": 0.05}, 1.0)),
        ("a=b=0.5", Rates({"a=b": 0.5}, 1.0)),
        ('{"a, b": 0.5, "*": 0}', Rates({"a, b": 0.5}, 0.0)),
    ],
)
def test_rates_are_read_from_text(text: str, rates: Rates) -> None:
    assert parse_rates(text) == rates


@pytest.mark.parametrize("given", [0.1, {"a, b": 0.5, "*": 0.25}, "a=0.5"])
def test_an_argument_is_a_number_names_with_numbers_or_their_text(given: Any) -> None:
    expected = {
        "0.1": Rates({}, 0.1),
        "{'a, b': 0.5, '*': 0.25}": Rates({"a, b": 0.5}, 0.25),
        "a=0.5": Rates({"a": 0.5}),
    }

    assert read_settings(load_sources(), sample=given).sample == expected[str(given)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (1.5, "the rate of '\\*' is '1.5', not a number from 0 to 1"),
        (-0.1, "not a number from 0 to 1"),
        (float("nan"), "not a number from 0 to 1"),
        ({"a": 2}, "the rate of 'a' is 2.0"),
        ({"a": None}, "give a rate from 0 to 1"),
        ([0.5], "give a rate from 0 to 1"),
        ("half", "the rate of '\\*' is 'half'"),
        ('{"a":', "give names with rates"),
        ("", "the rate of '\\*' is ''"),
    ],
)
def test_a_rate_that_is_none_says_what_to_give(given: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(load_sources(), sample=given)


def test_an_instrumented_model_call_goes_with_its_trace() -> None:
    with Sampled(NOTHING) as captured:
        for _ in range(2):
            with headway.span("root"):
                call = open_call(operation="chat", provider="openai", model="m")
                assert call is not None
                call.finish(dict)
        left_out = headway.stats().sampled_out

    assert captured.records == []
    assert left_out == 4


def test_a_forked_child_goes_on_with_the_trace_and_counts_for_itself(tmp_path: Path) -> None:
    program = """
import os, sys
import headway

with headway.span("left out"):
    pass
with headway.span("root"):
    child = os.fork()
    with headway.span("inner"):
        pass
    if not child:
        sys.stdout.write(f"child {headway.stats().sampled_out}\\n")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    print("parent", headway.stats().sampled_out)
"""
    done = run(program, tmp_path, HEADWAY_SAMPLE="0", HEADWAY_EXIT_TIMEOUT_S="0")

    assert done.stdout.split("\n")[:2] == ["child 1", "parent 2"], done.stderr
