"""Cells of the world's logs as the types of a span."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from headway_collector.importing.fields import (
    CellFault,
    is_empty,
    read_choice,
    read_count,
    read_duration,
    read_flag,
    read_json,
    read_number,
    read_score,
    read_text,
    read_texts,
    read_time,
)

NS = 1_688_333_320_000_000_000


@pytest.mark.parametrize(
    ("value", "form", "time_ns"),
    [
        ("2023-07-02T21:28:40Z", None, NS),
        ("2023-07-02 23:28:40.000000001+02:00", None, NS + 1),
        (1688333320, None, NS),
        ("1688333320", None, NS),
        ("1688333320.000000001", None, NS + 1),
        (1688333320.5, None, NS + 500_000_000),
        (1688333320123, None, NS + 123_000_000),
        ("1688333320123456", None, NS + 123_456_000),
        (NS + 7, None, NS + 7),
        ("07/02/2023, 21:28:40", "%m/%d/%Y, %H:%M:%S", NS),
        ("02.07.2023 23:28:40 +0200", "%d.%m.%Y %H:%M:%S %z", NS),
        (20230702, "%Y%m%d", NS - 77_320_000_000_000),
        (datetime(2023, 7, 2, 21, 28, 40, 5), None, NS + 5_000),
        (datetime(2023, 7, 2, 23, 28, 40, tzinfo=timezone(timedelta(hours=2))), None, NS),
        (datetime(2023, 7, 2, 21, 28, 40, tzinfo=UTC), None, NS),
        (date(2023, 7, 2), None, NS - 77_320_000_000_000),
    ],
)
def test_a_time_is_read_in_whatever_form(value: Any, form: str | None, time_ns: int) -> None:
    assert read_time(value, form) == time_ns


@pytest.mark.parametrize(
    ("value", "form", "message"),
    [
        ("07/02/2023", None, "--time-format"),
        ("07/02/2023", "%Y-%m-%d", "does not match format '%Y-%m-%d'"),
        (20230702, None, "is it a date"),
        (-5, None, "is it a date"),
        ("1e400", None, "outside the years"),
        ("nan", None, "is not a time"),
        (True, None, "is not a time"),
        ([1], None, "is not a time"),
        (datetime(1900, 1, 1), None, "outside the years"),
    ],
)
def test_what_is_no_time_says_what_to_do(value: Any, form: str | None, message: str) -> None:
    with pytest.raises(CellFault, match=message):
        read_time(value, form)


@pytest.mark.parametrize("value", [None, "", float("nan")])
def test_an_empty_cell_says_nothing(value: object) -> None:
    assert is_empty(value)


@pytest.mark.parametrize("value", [0, False, 0.0, [], {}, " "])
def test_a_cell_of_nothing_much_still_says_it(value: object) -> None:
    assert not is_empty(value)


def test_numbers_are_read_from_text() -> None:
    assert (read_count("156"), read_count("156.0"), read_count(2**60 + 1)) == (156, 156, 2**60 + 1)
    assert (read_number(" 4.5 "), read_number("1e-3"), read_number(7)) == (4.5, 0.001, 7.0)


@pytest.mark.parametrize("value", ["1,5", "abc", True, [1], "inf", "nan", {}])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(CellFault, match="is not a number"):
        read_number(value)


def test_a_duration_is_read_to_the_nanosecond_and_has_an_end() -> None:
    assert (read_duration(10**9, "1.5"), read_duration(10**6, 0.25)) == (1_500_000_000, 250_000)
    with pytest.raises(CellFault, match=r"1e\+300 is too long"):
        read_duration(10**6, 1e300)


def test_a_fraction_is_no_count() -> None:
    with pytest.raises(CellFault, match=r"1\.5 is not a whole number"):
        read_count(1.5)


def test_flags_choices_and_lists_are_read_from_text() -> None:
    assert [read_flag(value) for value in ("True", "no", 1, False, " Y ")] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert read_choice(("ok", "error"), " ERROR ") == "error"
    assert read_texts('["a, b", 3]') == ["a, b", "3"]
    assert read_texts("a, b,,c") == ["a", "b", "c"]
    assert read_texts(["x", {"y": 1}]) == ["x", '{"y":1}']
    assert (read_text(7), read_text({"a": [1]}), read_text("x")) == ("7", '{"a":[1]}', "x")


@pytest.mark.parametrize("cell", [(read_flag, "perhaps"), (read_texts, "[1,")])
def test_what_is_no_flag_and_no_list_is_refused(cell: Any) -> None:
    read, value = cell

    with pytest.raises(CellFault, match=r"neither true nor false|is not JSON"):
        read(value)


def test_text_is_a_json_string_unless_it_is_to_be_parsed() -> None:
    assert bytes(read_json('{"a": 1}')) == b'"{\\"a\\": 1}"'
    assert bytes(read_json('{"a": 1}', is_parsed=True)) == b'{"a":1}'
    assert bytes(read_json({"a": [1, None]})) == b'{"a":[1,null]}'
    with pytest.raises(CellFault, match=r"'\{a' is not JSON"):
        read_json("{a", is_parsed=True)
    with pytest.raises(CellFault, match="cannot be written as JSON"):
        read_json("\ud800")


def test_a_score_is_a_flag_a_number_or_a_word() -> None:
    values = ["TRUE", "false", "0.5", "3", "good", True, 2]

    assert [read_score(value) for value in values] == [True, False, 0.5, 3, "good", True, 2]
