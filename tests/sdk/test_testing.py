import threading

import pytest

import headway
from headway.lifecycle import current_client
from headway.testing import MemoryTransport, capture
from headway.transports import Batch


@headway.observe
def ask(question: str) -> str:
    return question


def test_capture_gives_what_was_recorded_inside_and_nothing_else() -> None:
    with capture() as outer:
        ask("outer")
        with capture() as inner:
            ask("inner")
            headway.score("s", 1, session_id="x")
        ask("outer again")
        outer_inputs = [bytes(span.input) for span in outer.spans]
        inner_inputs = [bytes(span.input) for span in inner.spans]

    assert outer_inputs == [b'{"question":"outer"}', b'{"question":"outer again"}']
    assert inner_inputs == [b'{"question":"inner"}']
    assert len(inner.scores) == 1


def test_capture_can_be_read_when_it_is_over_and_leaves_no_thread_behind() -> None:
    with capture() as captured:
        ask("one")
        client = current_client()

    assert [span.name for span in captured.spans] == ["ask"]
    assert client.is_closed
    assert "headway-shipper" not in {thread.name for thread in threading.enumerate()}


def test_a_program_that_calls_init_is_captured_all_the_same() -> None:
    with capture() as captured:
        headway.init(project="shop", environment="test")
        ask("one")

    assert captured.span("ask").environment == "test"
    assert captured.projects == {"shop"}


def test_looking_for_a_span_that_is_not_there_says_what_is() -> None:
    with capture() as captured:
        ask("one")
        with pytest.raises(LookupError, match="0 spans are named 'tell'; recorded were: ask"):
            captured.span("tell")


def test_a_memory_transport_accepts_whole_batches() -> None:
    transport = MemoryTransport()
    line = b'{"type":"score","score_id":"1","name":"n","value":true,"time_ns":1}'

    reply = transport.send(Batch("shop", "id", [line, line]))

    assert reply.answer is not None
    assert reply.answer.accepted == 2
    assert len(transport.records) == 2
