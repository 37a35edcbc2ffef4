"""How values read."""

import pytest

from headway_ui import formats


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "–"),
        (0, "0.0 ms"),
        (0.44, "0.4 ms"),
        (412, "412 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1250, "1.25 s"),
        (59_900, "59.9 s"),
        (59_990, "1 min 0 s"),
        (125_000, "2 min 5 s"),
        (7_260_000, "2 h 1 min"),
    ],
)
def test_a_duration_carries_the_unit_that_fits(milliseconds: float | None, text: str) -> None:
    assert formats.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (None, "–"),
        (0, "$0.00"),
        (0.00000012, "< $0.0001"),
        (0.00123, "$0.0012"),
        (3.4, "$3.40"),
        (1204.2, "$1,204"),
    ],
)
def test_money_keeps_the_digits_that_say_something(dollars: float | None, text: str) -> None:
    assert formats.money(dollars) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (None, "–"),
        (0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.42, "42.0 %"),
        (0.9996, "> 99.9 %"),
        (1, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(fraction: float | None, text: str) -> None:
    assert formats.share(fraction) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "–"), (0, "0"), (980, "980"), (12_480, "12.5k"), (999_000, "999k"), (3.2e6, "3.2M")],
)
def test_a_large_number_is_cut_to_four_signs(number: float | None, text: str) -> None:
    assert formats.compact(number) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (112, 100, "+12 %"),
        (88, 100, "-12 %"),
        (100.2, 100, "0"),
        (5, 0, None),
        (5, None, None),
        (None, 5, None),
        (5000, 10, "+500×"),
    ],
)
def test_a_change_needs_something_to_compare_with(
    now: float | None, before: float | None, text: str | None
) -> None:
    assert formats.change(now, before) == text


def test_every_time_is_read_as_utc_and_says_so() -> None:
    assert formats.when("2026-11-22T10:00:05.123456789Z") == "22 Nov 2026, 10:00:05 UTC"
    assert formats.when("2026-11-22T12:00:05+02:00") == "22 Nov 2026, 10:00:05 UTC"
    assert formats.when("2026-11-22T10:00:05") == "22 Nov 2026, 10:00:05 UTC"
    assert formats.when(None) == "–"


def test_logged_text_shows_as_it_is_and_not_as_markdown() -> None:
    shown = formats.plain("![x](http://a.b/c.png) :red[x] $a$ `b`\n# c")

    assert "\\!\\[x\\]\\(http\\:" in shown
    assert "\n" not in shown


def test_a_long_text_becomes_one_short_line() -> None:
    assert formats.shorten("a\n  b " + "c" * 100, 10) == "a b ccccc…"
    assert formats.shorten("short") == "short"
