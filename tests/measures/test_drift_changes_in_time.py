import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from headway_measures.drift.changes_in_time import date_change, is_between, settle_date
from headway_measures.drift.results import ChangeTime

HOUR_NS = 3_600_000_000_000
SPAN_NS = 14 * 24 * HOUR_NS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def moments(rng: Generator, count: int) -> Ints:
    return np.sort(rng.integers(0, SPAN_NS, count))


def dated(start_ns: Ints, values: Floats, units: Ints | None = None, seed: int = 0) -> ChangeTime:
    found = date_change(start_ns, values, np.arange(values.size) if units is None else units, seed)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("count", "place", "move"), [(100, 0.5, 1.0), (300, 0.3, 0.6), (600, 0.8, 0.5)]
)
def test_a_planted_change_lies_in_the_interval(count: int, place: float, move: float) -> None:
    rng = np.random.default_rng(count)
    planted = int(place * SPAN_NS)
    missed = 0
    for draw in range(300):
        start_ns = moments(rng, count)
        found = dated(start_ns, rng.normal(size=count) + move * (start_ns >= planted), seed=draw)
        missed += not found.lower_ns <= planted <= found.upper_ns

    assert missed <= 0.10 * 300


def test_a_rate_that_rises_is_dated_to_the_day() -> None:
    rng = np.random.default_rng(5)
    start_ns = moments(rng, 2_400)
    planted = 10 * 24 * HOUR_NS
    broken = rng.random(2_400) < np.where(start_ns >= planted, 0.3, 0.05)

    found = dated(start_ns, broken.astype(np.float64))

    assert abs(found.start_ns - planted) < 24 * HOUR_NS
    assert found.lower_ns <= planted <= found.upper_ns
    assert found.upper_ns - found.lower_ns < 3 * 24 * HOUR_NS
    assert found.confidence == 0.95


def test_where_nothing_changed_the_interval_is_wide() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for draw in range(40):
        found = dated(moments(rng, 500), rng.normal(size=500), seed=draw)
        widths.append((found.upper_ns - found.lower_ns) / SPAN_NS)

    assert np.quantile(widths, 0.1) > 0.8


def test_an_interval_covers_the_gap_between_windows() -> None:
    rng = np.random.default_rng(4)
    days = np.concatenate([rng.uniform(0, 3, 200), rng.uniform(9, 14, 300)])
    start_ns = (np.sort(days) * 24 * HOUR_NS).astype(np.int64)

    found = dated(start_ns, (start_ns > 5 * 24 * HOUR_NS).astype(np.float64))

    assert found.lower_ns <= 3 * 24 * HOUR_NS
    assert found.upper_ns >= found.start_ns >= 9 * 24 * HOUR_NS


def test_one_wild_value_is_not_a_change() -> None:
    rng = np.random.default_rng(6)
    start_ns, values = moments(rng, 600), rng.normal(size=600)
    changed = values + 1.0 * (start_ns >= SPAN_NS // 2)
    changed[100] = 1e12

    assert abs(dated(start_ns, changed).start_ns - SPAN_NS // 2) < 24 * HOUR_NS


def test_calls_of_one_session_count_once() -> None:
    rng = np.random.default_rng(7)
    sessions = np.repeat(np.arange(60), 20)
    start_ns = np.sort(rng.integers(0, SPAN_NS, 60))[sessions] + np.arange(1_200)
    values = rng.normal(size=60)[sessions]

    together = dated(start_ns, values, sessions)
    apart = dated(start_ns, values)

    assert together.upper_ns - together.lower_ns > apart.upper_ns - apart.lower_ns


def test_neither_the_order_of_calls_nor_a_second_run_changes_the_date() -> None:
    rng = np.random.default_rng(8)
    start_ns = rng.integers(0, 50, 800) * HOUR_NS
    values = rng.normal(size=800) + (start_ns > 20 * HOUR_NS)
    shuffled = rng.permutation(800)

    assert dated(start_ns, values) == dated(start_ns[shuffled], values[shuffled])
    assert dated(start_ns, values) == dated(start_ns, values)


def test_a_second_change_is_named() -> None:
    rng = np.random.default_rng(9)
    start_ns = np.arange(0, SPAN_NS, SPAN_NS // 1_200)
    days = start_ns / (24 * HOUR_NS)
    twice = rng.normal(size=days.size) + 2 * (days >= 9) + 0.8 * ((days >= 3) & (days < 9))

    assert "and perhaps again at 1970-01-0" in dated(start_ns, twice).note
    assert not dated(start_ns, rng.normal(size=days.size) + 2 * (days >= 9)).note


@pytest.mark.parametrize(
    ("start_ns", "values"),
    [
        (np.arange(20), np.arange(20.0)),
        (np.arange(100), np.ones(100)),
        (np.repeat([1, 2], 100), np.repeat([0.0, 1.0], 100)),
        (np.arange(100), np.full(100, np.nan)),
        (np.arange(0), np.zeros(0)),
    ],
)
def test_too_few_moments_or_values_have_no_date(start_ns: Ints, values: Floats) -> None:
    assert date_change(start_ns, values, np.arange(values.size), 0) is None


def test_values_that_are_not_finite_are_left_out() -> None:
    start_ns = np.arange(200) * HOUR_NS
    values = (start_ns >= 100 * HOUR_NS).astype(np.float64)
    values[::7] = np.inf

    assert abs(dated(start_ns, values).start_ns - 100 * HOUR_NS) <= 2 * HOUR_NS


def test_what_lies_next_to_the_change_is_no_second_one() -> None:
    rng = np.random.default_rng(3)
    start_ns = np.arange(0, SPAN_NS, SPAN_NS // 1_000)
    grows = np.clip((np.arange(start_ns.size) - 500) / 60, 0, 1)

    assert not dated(start_ns, rng.normal(size=start_ns.size) + 4 * grows).note


def span(first_h: float, last_h: float) -> Ints:
    return np.linspace(first_h * HOUR_NS, last_h * HOUR_NS, 100).astype(np.int64)


def change_at(start_h: float, lower_h: float, upper_h: float) -> ChangeTime:
    start, lower, upper = (int(each * HOUR_NS) for each in (start_h, lower_h, upper_h))
    return ChangeTime(start, lower, upper, 0.95, "x")


@pytest.mark.parametrize(
    "found", [change_at(1_003, 95, 1_005), change_at(1_003, 1_001, 1_004), change_at(98, 60, 99)]
)
def test_a_change_at_the_gap_came_between_the_windows(found: ChangeTime) -> None:
    settled = settle_date(found, span(0, 100), span(1_000, 1_100))

    assert settled is not None
    assert is_between(settled)
    assert (settled.lower_ns, settled.upper_ns) == (100 * HOUR_NS, 1_000 * HOUR_NS)
    assert settled.start_ns == 1_000 * HOUR_NS


def test_a_change_within_a_window_or_where_there_is_no_gap_keeps_its_date() -> None:
    late, at_border = change_at(1_050, 1_040, 1_060), change_at(101, 95, 105)

    assert settle_date(late, span(0, 100), span(1_000, 1_100)) == late
    assert settle_date(at_border, span(0, 100), span(101, 200)) == at_border


def test_an_interval_over_a_whole_window_is_no_date() -> None:
    windows = span(0, 100), span(101, 200)

    assert settle_date(change_at(150, 101, 195), *windows) is None
    assert settle_date(change_at(50, 2, 100), *windows) is None
