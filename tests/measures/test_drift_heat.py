"""A map of evidence: a shift stands out, none does without one, and what is left out is told."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from headway_measures.drift.heat import MOST_ROWS, HeatMap, heat_map
from headway_measures.drift.windows import Options

DAY_NS = 86_400_000_000_000
MONDAY_NS = 20_600 * DAY_NS - 20_600 % 7 * DAY_NS + 4 * DAY_NS
ASKED = ("answer_chars", "is_refusal", "tag:kind")


def make_days(a_day: Sequence[int], shift_day: int = 99, seed: int = 5) -> pl.DataFrame:
    """Return calls of days in a row; from the day of the shift on they answer half as long."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange(len(a_day)), a_day)
    lengths = rng.lognormal(5, 0.5, days.size) * np.where(days >= shift_day, 0.5, 1.0)
    return pl.DataFrame(
        {
            "span_id": [f"s{place}" for place in range(days.size)],
            "session_id": pl.Series([None] * days.size, dtype=pl.String),
            "start_ns": MONDAY_NS + days * DAY_NS + rng.integers(0, DAY_NS, days.size),
            "answer_chars": lengths.astype(np.int64),
            "is_refusal": rng.random(days.size) < 0.1,
            "tags": [[f"kind:{kind}"] for kind in rng.choice(["a", "b", "c"], days.size)],
        }
    ).sort("start_ns")


def mapped(
    rows: pl.DataFrame, baseline: tuple[int, int] | None = None, options: Options | None = None
) -> HeatMap:
    return heat_map(rows, DAY_NS, baseline, options or Options(metrics=ASKED))


def days_of(heat: HeatMap, state: str) -> set[tuple[str, int]]:
    return {
        (cell.metric, (cell.start_ns - MONDAY_NS) // DAY_NS)
        for cell in heat.cells
        if cell.state == state
    }


def test_a_shift_stands_out_in_its_metric_from_its_day_on() -> None:
    heat = mapped(make_days([150] * 9, shift_day=6))

    assert days_of(heat, "drift") == {("answer_chars", day) for day in (6, 7, 8)}
    (cell, *_) = [each for each in heat.cells if each.state == "drift"]
    assert (cell.n, cell.baseline_n) == (150, 450)
    assert cell.q_value is not None
    assert cell.q_value < 1e-6
    assert cell.effect is not None
    assert cell.effect > 0.1
    assert cell.before.startswith("median ")


def test_without_a_shift_nearly_every_map_is_empty() -> None:
    alarmed = [
        seed for seed in range(20) if days_of(mapped(make_days([60] * 6, seed=seed)), "drift")
    ]

    assert len(alarmed) <= 3


def test_the_first_third_is_the_baseline_and_is_not_compared_with_itself() -> None:
    heat = mapped(make_days([60] * 7))

    assert heat.baseline == (MONDAY_NS, MONDAY_NS + 2 * DAY_NS)
    assert len(heat.buckets) == 7
    assert {cell.start_ns for cell in heat.cells} == set(heat.buckets[2:])


def test_a_chosen_baseline_leaves_days_on_both_of_its_sides() -> None:
    heat = mapped(make_days([60] * 6), (MONDAY_NS + 2 * DAY_NS, MONDAY_NS + 4 * DAY_NS))

    assert {(start - MONDAY_NS) // DAY_NS for start in {each.start_ns for each in heat.cells}} == {
        0, 1, 4, 5,
    }  # fmt: skip


def test_a_day_with_few_calls_is_not_enough_and_one_without_is_no_cell() -> None:
    heat = mapped(make_days([100, 100, 100, 100, 5, 0, 100]))

    assert {day for _, day in days_of(heat, "not_enough_data")} == {4}
    assert MONDAY_NS + 5 * DAY_NS in heat.buckets
    assert MONDAY_NS + 5 * DAY_NS not in {cell.start_ns for cell in heat.cells}


def test_calls_of_one_session_do_not_count_for_many() -> None:
    rows = make_days([60] * 3, shift_day=2)
    sessions = pl.Series("session_id", [f"u{start // DAY_NS}" for start in rows["start_ns"]])

    assert not days_of(mapped(rows.with_columns(sessions)), "drift")
    assert days_of(
        mapped(rows.with_columns(sessions), options=Options(unit="row", metrics=ASKED)), "drift"
    )


def test_a_day_of_many_calls_is_drawn_by_digest_whatever_their_order() -> None:
    rows = make_days([MOST_ROWS + 500, MOST_ROWS + 500])

    heat = mapped(rows)

    assert {cell.n for cell in heat.cells} == {MOST_ROWS}
    assert {cell.baseline_n for cell in heat.cells} == {MOST_ROWS}
    assert mapped(rows.reverse()) == heat


def test_a_column_that_cannot_be_compared_costs_itself_alone() -> None:
    rows = make_days([60] * 3).with_columns(is_refusal=pl.Series([["a"]] * 180))

    heat = mapped(rows)

    assert {cell.metric for cell in heat.cells if cell.state == "failed"} == {"is_refusal"}
    assert {cell.metric for cell in heat.cells if cell.state == "no_drift"} >= {"answer_chars"}


def test_weeks_begin_on_mondays() -> None:
    heat = heat_map(make_days([40] * 15), 7 * DAY_NS, None, Options())

    assert heat.buckets == tuple(MONDAY_NS + week * 7 * DAY_NS for week in range(3))


def test_no_calls_are_a_map_without_buckets() -> None:
    assert mapped(make_days([10])[:0]).buckets == ()


@pytest.mark.parametrize(("bucket_ns", "says"), [(0, "longer than 0 ns"), (1_000, "a map holds")])
def test_a_bucket_that_makes_no_map_is_refused_in_words(bucket_ns: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        heat_map(make_days([10, 10]), bucket_ns, None, Options())
