"""What the charts of live traffic are made of, read from their specifications."""

from typing import Any

from headway_ui import charts
from headway_ui.buckets import Point


def make_point(hour: int, series: str, value: float | None) -> Point:
    return {
        "time": f"2026-11-22T{hour:02d}:00:00Z",
        "end": f"2026-11-22T{hour + 1:02d}:00:00Z",
        "when": f"22 Nov, {hour}:00 UTC",
        "series": series,
        "value": value,
        "text": str(value),
    }


POINTS = [make_point(10, "a", 30), make_point(10, "b", 10), make_point(11, "a", 5)]


def bars_of(specification: dict[str, Any]) -> list[tuple[str, float, float]]:
    rows = specification["data"]["values"]
    return [(row["series"], row["low"], row["high"]) for row in rows]


def test_bars_stand_on_one_another_in_the_order_of_the_series() -> None:
    bars = charts.stacked_bars(POINTS, ["b", "a"]).to_dict()

    assert bars_of(bars) == [("b", 0, 10), ("a", 10, 40), ("a", 0, 5)]
    assert bars["encoding"]["color"]["scale"]["domain"] == ["b", "a"]


def test_shares_of_a_bucket_add_up_to_one() -> None:
    bars = bars_of(charts.shares(POINTS, ["a", "b"]).to_dict())

    assert bars == [("a", 0, 0.75), ("a", 0, 1), ("b", 0.75, 1)]


def test_a_bucket_of_zeros_has_no_share_and_breaks_nothing() -> None:
    bars = bars_of(charts.shares([make_point(10, "a", 0)], ["a"]).to_dict())

    assert bars == [("a", 0, 0)]


def test_time_runs_in_utc_and_a_bar_is_as_wide_as_its_bucket() -> None:
    bars = charts.stacked_bars(POINTS, ["a", "b"]).to_dict()
    x = bars["encoding"]["x"]

    assert x["scale"]["type"] == "utc"
    assert bars["data"]["values"][0]["edge"] == "2026-11-22T10:54:00Z"
    assert x["scale"]["domain"][1] - x["scale"]["domain"][0] == 8 * 3_600_000


def test_every_mark_can_be_picked_by_its_time_and_series() -> None:
    drawn = (charts.stacked_bars(POINTS, ["a"]), charts.lines(POINTS, ["a"]))
    for specification in (chart.to_dict() for chart in drawn):
        (pick,) = specification["params"]

        assert pick["name"] == charts.PICK
        assert pick["select"]["fields"] == ["time", "end", "series"]


def test_lines_keep_their_gaps_and_tell_series_apart_without_colour() -> None:
    lines = charts.lines([*POINTS, make_point(12, "a", None)], ["a", "b"]).to_dict()

    assert lines["data"]["values"][-1]["value"] is None
    assert "shape" in lines["layer"][1]["encoding"]


def test_limits_fix_the_axis_of_a_rate() -> None:
    lines = charts.lines(POINTS, ["a"], limits=(0, 1)).to_dict()

    assert lines["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_a_single_series_needs_no_legend() -> None:
    bars = charts.stacked_bars(POINTS[:1], ["a"]).to_dict()

    assert bars["encoding"]["color"]["legend"] is None
