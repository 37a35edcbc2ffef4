"""Rows of metrics made ready for charts."""

from typing import Any

from headway_ui import buckets, formats

ROWS: list[dict[str, Any]] = [
    {"time": "2026-11-22T12:00:00.000000000Z", "model": "a", "count": 5},
    {"time": "2026-11-22T10:00:00.000000000Z", "model": "a", "count": 3},
    {"time": "2026-11-22T10:00:00.000000000Z", "model": None, "count": 1},
]


def test_points_come_in_order_of_time_with_the_end_of_their_bucket() -> None:
    points = buckets.to_points(ROWS, "count", "hour", formats.count, by="model")

    assert [point["time"][11:13] for point in points] == ["10", "10", "12"]
    assert points[0]["end"] == "2026-11-22T11:00:00Z"
    assert points[0]["when"] == "22 Nov, 10:00 UTC"
    assert {point["series"] for point in points} == {"a", buckets.UNKNOWN}


def test_a_mean_says_how_many_values_it_is_made_of() -> None:
    rows = [{"time": "2026-11-22T10:00:00Z", "mean": 0.5, "n": 1200}]

    points = buckets.to_points(rows, "mean", "hour", formats.score, n="n")

    assert points[0]["text"] == "0.5 (n = 1,200)"


def test_a_bucket_without_a_value_is_a_gap_and_not_a_zero() -> None:
    points = buckets.to_points(ROWS[:2], "count", "hour", formats.count, by="model")

    filled = buckets.with_gaps(points, "hour")

    assert [point["value"] for point in filled] == [3, None, 5]


def test_too_long_a_stretch_is_not_filled_with_gaps() -> None:
    rows = [{"time": f"{year}-01-01T00:00:00Z", "count": 1} for year in (2020, 2026)]
    points = buckets.to_points(rows, "count", "minute", formats.count)

    assert len(buckets.with_gaps(points, "minute")) == 2
    assert buckets.with_gaps([], "minute") == []


def test_rare_values_are_added_up_as_other() -> None:
    rows = [{"time": "t", "tag": str(n), "count": 10 - n} for n in range(10)]

    folded = buckets.fold(rows, "tag", "count", keep=3)

    assert {row["tag"]: row["count"] for row in folded} == {"0": 10, "1": 9, "2": 8, "other": 28}
    assert buckets.largest(folded, "tag", "count")[-1] == buckets.OTHER
