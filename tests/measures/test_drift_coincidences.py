import numpy as np
import polars as pl
import pytest
from numpy.random import Generator

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.changes_in_time import date_change
from headway_measures.drift.coincidences import coincides, find_coincidences
from headway_measures.drift.results import ChangeTime
from headway_measures.drift.windows import Query, Window

REFUSED = Metric("is_refusal", "rate", "answer", "", "refusals", "more refusals", "fewer refusals")
OPENER = Metric("opener", "category", "answer", "", "opener", "", "")

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS


def windows(rows: pl.DataFrame, parted_ns: int = 7 * DAY_NS) -> tuple[Window, Window]:
    before, after = (
        rows.filter(pl.col("start_ns") < parted_ns),
        rows.filter(pl.col("start_ns") >= parted_ns),
    )
    return Window(Query(), before, before.height), Window(Query(), after, after.height)


def traffic(rng: Generator, *, share: float, from_ns: int, count: int = 3_000) -> pl.DataFrame:
    """Return two weeks in which a share of the calls moves to another model, which refuses."""
    start_ns = np.sort(rng.integers(0, 14 * DAY_NS, count))
    is_new = (start_ns >= from_ns) & (rng.random(count) < share)
    return pl.DataFrame(
        {
            "start_ns": start_ns,
            "request_model": np.where(is_new, "model-b", "model-a"),
            "environment": rng.choice(["live", "trial"], count),
            "is_refusal": rng.random(count) < np.where(is_new, 0.6, 0.1),
        }
    )


def dated(rows: pl.DataFrame) -> ChangeTime:
    values = rows["is_refusal"].cast(pl.Float64).to_numpy()
    found = date_change(rows["start_ns"].to_numpy(), values, np.arange(rows.height), 0)
    assert found is not None
    return found


def test_a_switch_of_the_model_is_named_and_calls_without_it_did_not_change() -> None:
    rows = traffic(np.random.default_rng(1), share=0.5, from_ns=9 * DAY_NS)
    since = dated(rows)

    found = find_coincidences(*windows(rows), REFUSED, since)

    assert [(each.field, each.value) for each in found] == [("request_model", "model-b")]
    assert 0 <= found[0].first_ns - 9 * DAY_NS < HOUR_NS
    assert coincides(found[0], since)
    assert found[0].share_ref == 0
    assert found[0].share_cur == pytest.approx(0.5 * 5 / 7, abs=0.05)
    assert found[0].within_without == pytest.approx(0, abs=0.04)


def test_the_change_left_without_an_innocent_newcomer_is_the_change() -> None:
    rng = np.random.default_rng(2)
    rows = traffic(rng, share=0.5, from_ns=9 * DAY_NS).with_columns(
        release=pl.when(pl.col("start_ns") >= 9 * DAY_NS)
        .then(pl.Series(rng.choice(["r1", "r2"], 3_000)))
        .otherwise(pl.lit("r1"))
    )

    found = find_coincidences(*windows(rows), REFUSED, dated(rows))

    without = {each.value: each.within_without for each in found}
    assert without["model-b"] == pytest.approx(0, abs=0.04)
    assert (without["r2"] or 0) > 0.12


def test_where_everything_switched_no_calls_are_left_to_compare() -> None:
    rows = traffic(np.random.default_rng(3), share=1.0, from_ns=7 * DAY_NS)

    (found,) = find_coincidences(*windows(rows), REFUSED, dated(rows))

    assert (found.value, found.share_cur, found.within_without) == ("model-b", 1.0, None)


def test_what_came_after_the_change_is_no_cause() -> None:
    rows = traffic(np.random.default_rng(4), share=0.6, from_ns=8 * DAY_NS).with_columns(
        release=pl.when(pl.col("start_ns") >= 12 * DAY_NS).then(pl.lit("late"))
    )

    found = find_coincidences(*windows(rows), REFUSED, dated(rows))

    assert [each.value for each in found] == ["model-b"]


def test_the_nearest_in_time_comes_first() -> None:
    rows = traffic(np.random.default_rng(5), share=0.6, from_ns=9 * DAY_NS)
    rows = rows.rename({"request_model": "release"}).with_columns(
        request_model=pl.when(pl.col("start_ns") >= 7 * DAY_NS).then(pl.lit("early"))
    )

    found = find_coincidences(*windows(rows), REFUSED, dated(rows))

    assert [each.value for each in found] == ["model-b", "early"]


def test_a_value_that_was_tried_before_is_dated_when_it_became_common() -> None:
    rows = traffic(np.random.default_rng(6), share=1.0, from_ns=9 * DAY_NS)
    tried = pl.int_range(pl.len()).is_in([40, 700])
    rows = rows.with_columns(
        request_model=pl.when(tried).then(pl.lit("model-b")).otherwise("request_model")
    )

    found = find_coincidences(*windows(rows), REFUSED, dated(rows))

    assert abs(found[0].first_ns - 9 * DAY_NS) < DAY_NS / 2


def test_traffic_that_moves_to_a_known_model_is_a_switch() -> None:
    rng = np.random.default_rng(7)
    rows = traffic(rng, share=0.0, from_ns=0)
    share = pl.when(pl.col("start_ns") >= 9 * DAY_NS).then(0.9).otherwise(0.2)
    rows = rows.with_columns(
        request_model=pl.when(pl.Series(rng.random(3_000)) < share)
        .then(pl.lit("model-b"))
        .otherwise("request_model")
    ).with_columns(is_refusal=pl.col("request_model") == "model-b")
    since = ChangeTime(9 * DAY_NS, 9 * DAY_NS - HOUR_NS, 9 * DAY_NS + HOUR_NS, 0.95)

    (found,) = find_coincidences(*windows(rows), REFUSED, since)

    assert (found.field, found.value) == ("request_model", "model-b")
    assert abs(found.first_ns - 9 * DAY_NS) < DAY_NS / 2
    assert found.within_without == 0


def test_where_nothing_is_new_nothing_coincides() -> None:
    rows = traffic(np.random.default_rng(8), share=0.0, from_ns=0)

    assert find_coincidences(*windows(rows), REFUSED, dated(rows)) == ()


def test_without_a_date_the_windows_say_what_is_new() -> None:
    rng = np.random.default_rng(9)
    rows = traffic(rng, share=0.3, from_ns=7 * DAY_NS)
    ref, cur = windows(rows)

    (found,) = find_coincidences(ref, cur, REFUSED, None)
    (of_category,) = find_coincidences(ref, cur, OPENER, None)

    assert (found.field, found.value) == ("request_model", "model-b")
    assert of_category.within_without is None
