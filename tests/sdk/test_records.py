from typing import Any

import msgspec
import pytest

from headway.records import KINDS, IngestAnswer, Record, Score, Span, encode_record, encode_value


def test_a_span_travels_without_its_defaults_and_comes_back() -> None:
    ids: dict[str, Any] = {"trace_id": "a" * 32, "span_id": "b" * 16}
    line = encode_record(Span(**ids, name="n", start_ns=1, end_ns=2, output=encode_value([1])))

    assert msgspec.json.decode(line) == {
        "type": "span",
        **ids,
        "name": "n",
        "start_ns": 1,
        "end_ns": 2,
        "output": [1],
    }
    back = msgspec.json.decode(line, type=Record)
    assert isinstance(back, Span)
    assert bytes(back.output) == b"[1]"


@pytest.mark.parametrize("value", [True, 3, 0.5, "good"])
def test_a_score_keeps_the_type_of_its_value(value: bool | int | float | str) -> None:
    score = Score(score_id="1", name="n", value=value, time_ns=1)
    back = msgspec.json.decode(encode_record(score), type=Record)

    assert isinstance(back, Score)
    assert type(back.value) is type(value)


def test_every_record_is_one_line() -> None:
    span = Span(
        trace_id="a", span_id="b", name="two\nlines", start_ns=1, end_ns=2, input=encode_value("\n")
    )

    assert b"\n" not in encode_record(span)


def test_a_kind_that_is_unknown_is_refused() -> None:
    span = Span(trace_id="a", span_id="b", name="n", start_ns=1, end_ns=2, kind="llm")
    line = encode_record(span).replace(b"llm", b"lm")

    assert "llm" in KINDS
    with pytest.raises(msgspec.ValidationError, match="lm"):
        msgspec.json.decode(line, type=Record)


def test_an_answer_may_leave_out_what_is_at_its_default() -> None:
    answer = msgspec.json.decode(b'{"accepted":1,"duplicates":0,"rejected":0}', type=IngestAnswer)

    assert (answer.is_replay, answer.errors) == (False, [])
