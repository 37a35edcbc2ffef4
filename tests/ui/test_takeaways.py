"""The sentences under the charts."""

from headway_ui import formats, takeaways
from headway_ui.buckets import Point


def make_points(series: str, *values: float | None) -> list[Point]:
    return [
        {
            "time": f"2026-11-{day:02d}T00:00:00Z",
            "end": f"2026-11-{day + 1:02d}T00:00:00Z",
            "when": f"{day} Nov 2026",
            "series": series,
            "value": value,
            "text": str(value),
        }
        for day, value in enumerate(values, start=1)
    ]


def test_volume_names_the_total_the_largest_part_and_the_busiest_time() -> None:
    points = make_points("a", 30, 50) + make_points("b", 10, 10)

    sentence = takeaways.of_volume(points, "call")

    assert sentence == "100 calls, 80.0 % of them a; busiest at 2 Nov 2026 with 60."


def test_a_shift_of_the_mix_is_named_with_its_size() -> None:
    points = make_points("refund", 10, 10, 30, 60, 60, 60)
    points += make_points("question", 50, 50, 40, 20, 20, 20)
    points += make_points("other", 40, 40, 30, 20, 20, 20)

    assert takeaways.of_mix(points) == (
        "refund grew from 10.0 % in the first third of the window to 60.0 % in the last."
    )


def test_a_steady_mix_is_called_steady() -> None:
    points = make_points("a", 10, 10, 10) + make_points("b", 10, 10, 10)

    assert takeaways.of_mix(points).startswith("The mix is steady")
    assert takeaways.of_mix(points[:1]).startswith("Too few")


def test_errors_are_named_with_their_share_and_their_worst_time() -> None:
    sentence = takeaways.of_errors(make_points("TimeoutError", 1, 4), 5, 100)

    assert sentence == "5 calls failed, 5.0 % of all; most of them 2 Nov 2026 with 4."
    assert takeaways.of_errors([], 0, 100) == "None of 100 calls failed."


def test_quality_names_the_lowest_and_the_best() -> None:
    sentence = takeaways.of_quality({"v2": 0.97, "v3": 0.61}, formats.share)

    assert sentence == "v3 scores lowest with 61.0 %, v2 best with 97.0 %."
    assert takeaways.of_quality({}, formats.share) == "Nothing was scored in this window."


def test_latency_names_the_newest_and_the_worst_95th_percentile() -> None:
    points = make_points("p50", 1, 1, 1) + make_points("p95", 5, 9, None)

    assert "at most 9 in the newest" in takeaways.of_latency(points)
    assert takeaways.of_latency([]) == "No call in this window has a duration."


def test_spending_names_the_sum_and_who_spent_most() -> None:
    points = make_points("a", 3, 3) + make_points("b", 2)

    assert takeaways.of_spending(points, "Cost", formats.money) == (
        "Cost $8.00 in all, 75.0 % of it by a."
    )
