"""Times in and out, to the nanosecond."""

import pytest

from headway_collector.times import format_time, parse_absolute, parse_time

NS = 1_763_806_600_123_456_789


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2025-11-22T10:16:40.123456789Z", NS),
        ("2025-11-22T10:16:40.1234567891Z", NS),
        ("2025-11-22t10:16:40,123456789z", NS),
        ("2025-11-22 11:16:40.123456789+01:00", NS),
        ("2025-11-22T05:16:40.123456789-0500", NS),
        ("2025-11-22T10:16:40.5", NS - 123_456_789 + 500_000_000),
        ("2025-11-22T10:16", NS - 40_123_456_789),
        ("2025-11-22", NS - 37_000_123_456_789),
        ("1970-01-01", 0),
    ],
)
def test_a_time_is_read_as_it_is_written(text: str, time_ns: int) -> None:
    assert parse_absolute(text) == time_ns


def test_a_time_is_written_as_it_is_read() -> None:
    assert format_time(NS) == "2025-11-22T10:16:40.123456789Z"
    assert parse_absolute(format_time(NS)) == NS


@pytest.mark.parametrize(
    ("text", "back_s"),
    [("-1s", 1), ("-90m", 5400), ("-24h", 86_400), ("-7d", 604_800), ("-2w", 1_209_600)],
)
def test_a_time_counts_back(text: str, back_s: int) -> None:
    assert parse_time(text, NS) == NS - back_s * 10**9


def test_counting_back_stops_at_the_epoch() -> None:
    assert parse_time("-999999999w", NS) == 0


@pytest.mark.parametrize(
    "text", ["", "now", "24h", "-24", "2025-13-01", "2025-11-22T25:00", "1969-12-31", "2201-01-01"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time|must be in|outside the years"):
        parse_time(text, NS)
