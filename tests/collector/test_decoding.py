"""Lines that are no records, each refused for the reason that it deserves."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from headway_collector.decoding import decode_records
from headway_collector.errors import BodyTooLargeError, NotNdjsonError
from headway_collector.limits import MAX_LINES, MAX_REJECTS

Lines = Callable[..., bytes]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": "abc"}, "trace_id is 'abc', not 32 lower-case hex digits"),
        ({"trace_id": "A" * 32}, "not 32 lower-case hex digits"),
        ({"trace_id": "0" * 32}, "not 32 lower-case hex digits, or only zeros"),
        ({"span_id": "0" * 16}, "not 16 lower-case hex digits, or only zeros"),
        ({"parent_span_id": ""}, "parent_span_id is ''"),
        ({"end_ns": 5}, "end_ns 5 is before start_ns"),
        ({"start_ns": -1}, "outside 1970 to 2200"),
        ({"start_ns": 2**63 - 1, "end_ns": 2**63 - 1}, "outside 1970 to 2200"),
        ({"end_ns": 2**63}, "outside 1970 to 2200"),
        ({"start_ns": 1.5}, "Expected `int`, got `float` - at `$.start_ns`"),
        ({"kind": "model"}, "allowed are llm, embedding, retriever"),
        ({"status": "fine"}, "allowed are unset, ok, error"),
        ({"input_tokens": -1}, "input_tokens is -1, not a count"),
        ({"output_tokens": 2**63}, "not a count"),
        ({"input_tokens": 10**12 + 1}, "not a count up to 1000000000000"),
        ({"cost_usd": -0.5}, "cost_usd is -0.5, not between 0 and 1e+09"),
        ({"cost_usd": 1e308}, "cost_usd is 1e+308, not between 0 and 1e+09"),
        ({"ttft_ms": 1e308}, "ttft_ms is 1e+308, not between 0 and 1e+12"),
        ({"name": "n" * 1025}, "name has 1025 characters; 1024 are allowed"),
        ({"user_id": "u" * 1025}, "user_id has 1025 characters"),
        ({"tags": ["t"] * 65}, "tags has 65 values; 64 are allowed"),
        ({"finish_reasons": ["r" * 257]}, "a value of finish_reasons has 257 characters"),
        ({"ttft_ms": float("nan")}, "not JSON"),
        ({"tags": "beta"}, "Expected `array`, got `str` - at `$.tags`"),
        ({"type": "event"}, "allowed are span, score, prompt, loss"),
        ({"name": None}, "Expected `str`, got `null` - at `$.name`"),
    ],
)
def test_a_span_that_cannot_be_kept_says_why(
    span_line: Lines, fields: dict[str, Any], reason: str
) -> None:
    decoded = decode_records(b"\n".join([span_line(), span_line(**fields)]))

    assert len(decoded.spans) == 1
    assert [reject.line for reject in decoded.rejects] == [2]
    assert reason in decoded.rejects[0].reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"span_id": None}, "a score needs one of trace_id, span_id and session_id"),
        ({"name": ""}, "must not be empty"),
        ({"score_id": ""}, "must not be empty"),
        ({"value": None}, "at `$.value`"),
        ({"value": [1]}, "at `$.value`"),
        ({"value": 10**30}, "too large a number"),
        ({"value": -1e300}, "value is -1e+300, not a number between"),
        ({"time_ns": -5}, "outside 1970 to 2200"),
        ({"author": "a" * 1025}, "author has 1025 characters; 1024 are allowed"),
        ({"source": "robot"}, "allowed are human, code, judge, eval"),
        ({"span_id": "xyz"}, "span_id is 'xyz'"),
        ({"is_text": True}, "is_text is set"),
    ],
)
def test_a_score_that_cannot_be_kept_says_why(
    score_line: Lines, fields: dict[str, Any], reason: str
) -> None:
    decoded = decode_records(score_line(**fields))

    assert decoded.scores == []
    assert reason in decoded.rejects[0].reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"client_id": "c" * 31}, "client_id is 'ccc"),
        ({"client_id": "C" * 32}, "not 32 lower-case hex digits"),
        ({"reason": ""}, "reason is '', not 1 to 64 of a-z"),
        ({"reason": "r" * 65}, "not 1 to 64 of a-z"),
        ({"reason": "Journal_full"}, "reason is 'Journal_full'"),
        ({"reason": "full\n"}, "reason is 'full\\n'"),
        ({"count": 0}, "count is 0, not between 1 and 1000000000000"),
        ({"count": 10**12 + 1}, "count is 1000000000001, not"),
        ({"count": 2**63}, "count is 9223372036854775808, not"),
        ({"count": 1.5}, "Expected `int`, got `float` - at `$.count`"),
        ({"time_ns": -1}, "time_ns -1 is outside 1970 to 2200"),
        ({"time_ns": 2**63 - 1}, "outside 1970 to 2200"),
        ({"host": "h" * 257}, "host has 257 characters; 256 are allowed"),
        ({"host": None}, "Expected `str`, got `null` - at `$.host`"),
        ({"pid": -1}, "pid is -1, not the number of a process"),
        ({"pid": 2**63}, "pid is 9223372036854775808, not"),
    ],
)
def test_a_loss_that_cannot_be_kept_says_why(
    loss_line: Lines, fields: dict[str, Any], reason: str
) -> None:
    decoded = decode_records(loss_line() + b"\n" + loss_line(**fields))

    assert len(decoded.losses) == 1
    assert [reject.line for reject in decoded.rejects] == [2]
    assert reason in decoded.rejects[0].reason


def test_a_loss_at_every_bound_is_kept(loss_line: Lines) -> None:
    decoded = decode_records(
        loss_line(reason="a-z_0 9" + "r" * 57, count=10**12, time_ns=0, host="h" * 256, pid=0)
    )

    assert (len(decoded.losses), decoded.rejects) == (1, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type":"span","input":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"type":"span"', "not JSON"),
        (b'{"type":"span","input":"\xff"}', "not UTF-8 at byte 25"),
        (b'{"type":"span","input":"\\ud800"}', "not JSON"),
        (b"[1]", "Expected `object`, got `array`"),
        (b"7", "Expected `object`, got `int`"),
    ],
)
def test_a_line_that_is_no_record_says_why(span_line: Lines, line: bytes, reason: str) -> None:
    decoded = decode_records(span_line() + b"\n" + line)

    assert len(decoded.spans) == 1
    assert reason in decoded.rejects[0].reason
    assert decoded.rejects[0].raw == line


def test_blank_lines_and_carriage_returns_are_passed_over_but_counted(span_line: Lines) -> None:
    decoded = decode_records(b"\n\r\n" + span_line() + b"\r\n  \n{}\n")

    assert len(decoded.spans) == 1
    assert [reject.line for reject in decoded.rejects] == [5]


def test_a_field_of_a_newer_client_is_passed_over(span_line: Lines) -> None:
    decoded = decode_records(span_line(invented_in_2031=True))

    assert len(decoded.spans) == 1


def test_a_body_in_another_language_is_refused_whole() -> None:
    with pytest.raises(NotNdjsonError, match="one record a line"):
        decode_records(b"\x0a\x9b\x01\x0a\x20 protobuf, for example")


def test_one_broken_record_is_a_reject_and_not_another_language() -> None:
    line = b'{"type":"span","input":"\\ud800"}'

    decoded = decode_records(line)

    assert [reject.raw for reject in decoded.rejects] == [line]


def test_a_byte_order_mark_is_passed_over(span_line: Lines) -> None:
    decoded = decode_records(b"\xef\xbb\xbf" + span_line())

    assert (len(decoded.spans), decoded.rejects) == (1, [])


def test_content_has_no_limit_of_its_own(span_line: Lines) -> None:
    decoded = decode_records(span_line(input="x" * 10**6, status_message="y" * 10**6))

    assert len(decoded.spans) == 1


def test_json_without_a_single_record_is_answered_line_by_line() -> None:
    decoded = decode_records(json.dumps([{"type": "span"}]).encode())

    assert [reject.line for reject in decoded.rejects] == [1]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (rb'"caf\u00e9"', '"café"'.encode()),
        (rb'"\ud83d\ude00"', '"😀"'.encode()),
        (rb'"C:\\\u00e9t\u00e9"', r'"C:\\été"'.encode()),
        (rb'"C:\\users"', rb'"C:\\users"'),
        (rb'"C:\\u00e9"', rb'"C:\\u00e9"'),
        (rb'"\u001b[0m"', rb'"\u001b[0m"'),
        (rb'"\u001b \u00e9"', '"\\u001b é"'.encode()),
    ],
)
@pytest.mark.parametrize("lines", [1, 100])
def test_letters_are_stored_as_themselves_however_they_were_escaped(
    span_line: Lines, written: bytes, stored: bytes, lines: int
) -> None:
    line = span_line(output="HERE").replace(b'"HERE"', written)

    spans = decode_records(b"\n".join([line] * lines)).spans

    assert [bytes(span.output) for span in spans] == [stored] * lines


def test_bodies_larger_than_a_piece_keep_their_lines_in_order(span_line: Lines) -> None:
    lines = [span_line(name=f"n{number}", input="x" * 3_000) for number in range(100)]

    decoded = decode_records(b"\n".join(lines))

    assert [span.name for span in decoded.spans] == [f"n{number}" for number in range(100)]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (rb'"\u00e9\ud83d\ude42"', '"é🙂"'),
        (rb'"C:\\\u00e9\\u00e9 \"\n"', r'"C:\\é\\u00e9 \"\n"'),
        (rb'"\u0022\u005c\u005Cu00e9\u000a\u000D\u001F\u0000"', r'"\"\\\\u00e9\n\r\u001F\u0000"'),
        (b'{"\\u00e9": [1.50,\t1e400, {}]}', '{"é": [1.50,\t1e400, {}]}'),
    ],
)
def test_letters_among_very_many_items_are_stored_as_themselves_too(
    span_line: Lines, written: bytes, stored: str
) -> None:
    items = b",[]" * 20_000
    line = span_line(input="HERE").replace(b'"HERE"', b"[" + written + items + b"]")

    (span,) = decode_records(line).spans

    assert bytes(span.input) == b"[" + stored.encode() + items + b"]"


def test_a_number_that_is_too_large_stays_beside_escaped_letters(span_line: Lines) -> None:
    line = span_line(input="HERE").replace(b'"HERE"', rb'["\u00e9", 1e400]')

    (span,) = decode_records(line).spans

    assert bytes(span.input) == '["é", 1e400]'.encode()


def test_escapes_among_millions_of_items_take_no_more_than_a_few_times_their_bytes(
    span_line: Lines,
) -> None:
    items = b"[" + rb'"\u00e9"' + b",[]" * 2_000_000 + b"]"
    line = span_line(input="HERE").replace(b'"HERE"', items)
    tracemalloc.start()

    decoded = decode_records(line)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(decoded.spans) == 1
    assert peak_bytes < 8 * len(line)


def test_a_body_of_bad_lines_keeps_some_of_them_and_counts_all(span_line: Lines) -> None:
    bad = [b"1"] * (MAX_REJECTS + 500)

    decoded = decode_records(b"\n".join([*bad, span_line()]))

    assert len(decoded.spans) == 1
    assert len(decoded.rejects) == MAX_REJECTS + 1
    assert sum(reject.count for reject in decoded.rejects) == len(bad)
    assert decoded.rejects[-1].line == MAX_REJECTS + 1
    assert decoded.rejects[-1].reason.startswith("500 lines from here on were refused")


@pytest.mark.parametrize("line", [b"1", b"", b"{"])
def test_a_body_of_more_lines_than_any_client_sends_is_refused_before_they_are_read(
    line: bytes,
) -> None:
    with pytest.raises(BodyTooLargeError, match="over 100000 lines: send smaller batches"):
        decode_records((line + b"\n") * (MAX_LINES + 1))


@pytest.mark.parametrize("count", [1, 100], ids=["in one span", "in a hundred"])
def test_a_million_tags_are_not_made_before_they_are_refused(span_line: Lines, count: int) -> None:
    tags = ["ab"] * (1_000_000 // count)
    body = b"\n".join([span_line(), *(span_line(tags=tags) for _ in range(count)), span_line()])

    tracemalloc.start()
    decoded = decode_records(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # As texts they take sixty bytes each.
    assert peak < 5 * len(body)
    assert len(decoded.spans) == 2
    assert len(decoded.rejects) == count
    assert all(reject.reason.startswith("tags ") for reject in decoded.rejects)


def test_few_tags_of_a_large_span_are_kept(span_line: Lines) -> None:
    line = span_line(tags=["\U0001f9ed" * 256] * 64, input="x" * 2_000_000)

    (span,) = decode_records(line).spans

    assert len(span.tags) == 64
