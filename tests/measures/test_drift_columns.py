"""Columns of two windows: what is found, how large it is, and what is no question at all."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from scipy import stats

from headway_measures.descriptors.metrics import Kind
from headway_measures.drift.columns import compare_column
from headway_measures.drift.numbers import cliffs_delta
from headway_measures.drift.results import Evidence
from headway_measures.drift.samples import Sample, rank_names
from headway_measures.drift.units import Units, draw_one_a_unit
from headway_measures.drift.windows import Options
from tests.measures.drift_worlds import metric_of

RNG_SEED = 11


def compare(
    ref: Sequence[object], cur: Sequence[object], kind: Kind, units: Units | None = None
) -> tuple[Evidence, ...]:
    names = [f"r{place}" for place in range(len(ref))], [f"c{place}" for place in range(len(cur))]
    alone = Units(np.arange(len(ref)), np.arange(len(ref), len(ref) + len(cur)))
    return compare_column(
        pl.Series(ref, strict=False),
        pl.Series(cur, strict=False),
        metric_of(kind),
        Options(),
        units or alone,
        names,
    )


def flags(true: int, false: int) -> Sequence[object]:
    return [True] * true + [False] * false


def normal(n: int, shift: float = 0.0) -> Sequence[object]:
    values: Sequence[object] = np.random.default_rng([RNG_SEED, n]).normal(shift, 1, n).tolist()
    return values


def whole(sample: np.ndarray) -> Sample:
    return Sample(sample, np.arange(sample.size))


def test_a_rate_that_rose_is_found_with_its_interval_and_its_words() -> None:
    (found,) = compare(flags(20, 380), flags(60, 340), "rate")

    assert (found.state, found.method, found.n_ref, found.units_cur) == (
        "no_drift", "storer_kim", 400, 400,
    )  # fmt: skip
    assert found.p_value == pytest.approx(stats.fisher_exact([[20, 380], [60, 340]])[1], rel=0.6)
    assert (found.before, found.after) == ("5 %", "15 %")
    effect = found.effects[0]
    assert effect.name == "risk_difference"
    assert effect.value == pytest.approx(0.1)
    assert (effect.lower, effect.upper) == pytest.approx((0.0583, 0.1416), abs=2e-3)


def test_rare_outcomes_of_large_windows_go_by_fishers_test() -> None:
    (found,) = compare(flags(1, 1999), flags(9, 1991), "rate")

    assert found.method == "fisher"
    assert found.p_value == pytest.approx(stats.fisher_exact([[1, 1999], [9, 1991]])[1])


def test_numbers_go_by_exact_ks_with_delta_and_distance() -> None:
    ref, cur = normal(300), normal(200, 0.5)

    (found,) = compare(ref, cur, "number")

    expected = stats.ks_2samp(np.array(ref), np.array(cur), method="exact").pvalue
    assert found.method == "ks"
    assert found.p_value == pytest.approx(expected)
    assert {effect.name for effect in found.effects} == {"cliffs_delta", "wasserstein_sd"}
    assert abs(found.effects[0].value) >= abs(found.effects[1].value)


def test_a_spread_that_grew_matters_though_the_order_stayed() -> None:
    ref = normal(500)
    (found,) = compare(ref, [3 * value for value in ref], "number")  # type: ignore[operator]

    assert found.effects[0].name == "wasserstein_sd"
    assert found.effects[0].value > found.effects[0].floor
    assert abs(found.effects[1].value) < 0.1


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_no_unit_is_too_large_or_too_small(scale: float) -> None:
    ref, cur = (np.random.default_rng(seed).random(60) + seed for seed in (1, 2))

    (usual,) = compare(ref.tolist(), cur.tolist(), "number")
    (found,) = compare((ref * scale).tolist(), (cur * scale).tolist(), "number")

    assert [effect.value for effect in found.effects] == pytest.approx(
        [effect.value for effect in usual.effects]
    )


def test_cliffs_delta_is_mann_whitneys_with_an_interval_that_holds_it() -> None:
    rng = np.random.default_rng(4)
    ref, cur = rng.poisson(3, 80).astype(float), rng.poisson(4, 60).astype(float)

    effect = cliffs_delta(whole(ref), whole(cur), 0.05)

    u = stats.mannwhitneyu(cur, ref).statistic
    assert effect.value == pytest.approx(2 * u / (80 * 60) - 1)
    assert effect.lower is not None
    assert effect.upper is not None
    assert effect.lower < effect.value < effect.upper


def test_windows_without_any_overlap_are_not_wholly_certain() -> None:
    effect = cliffs_delta(whole(np.arange(30.0)), whole(np.arange(30.0) + 100), 0.05)

    assert effect.value == 1
    assert effect.lower is not None
    assert 0.5 < effect.lower < 1


def test_ties_are_shuffled_and_sure_findings_are_not() -> None:
    rng = np.random.default_rng(2)
    ref, near, far = (rng.poisson(mean, 300).tolist() for mean in (5, 5.3, 8))

    (tied,), (sure,) = compare(ref, near, "number"), compare(ref, far, "number")

    assert tied.method == "ks_permutation"
    assert tied.p_value is not None
    assert tied.p_value < stats.ks_2samp(ref, near).pvalue
    assert sure.method == "ks"


def test_many_ties_of_long_columns_are_shuffled_in_steps() -> None:
    rng = np.random.default_rng(8)
    ref, cur = (rng.integers(0, 3_000, 6_000).tolist() for _ in range(2))

    (found,) = compare(ref, cur, "number")

    assert found.method == "ks_permutation"
    assert found.p_value is not None
    assert found.p_value > 0.01


def test_categories_are_compared_as_two_samples() -> None:
    ref = ["a"] * 100 + ["b"] * 60 + ["c"] * 40
    cur = ["a"] * 60 + ["b"] * 60 + ["c"] * 80

    (found,) = compare(ref, cur, "category")

    expected = stats.chi2_contingency([[100, 60, 40], [60, 60, 80]], correction=False)
    assert found.method == "homogeneity"
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.effects[0].name == "tvd"
    assert found.effects[0].value == pytest.approx(0.2)
    assert found.before == "a 50 %, c 20 %, b 30 %"


def test_rare_and_unseen_levels_are_counted_as_one() -> None:
    ref = ["a"] * 100 + ["b"] * 100 + [f"once {place}" for place in range(8)]
    cur = ["a"] * 50 + ["b"] * 60 + [f"new {place}" for place in range(40)]

    (found,) = compare(ref, cur, "category")

    assert found.state == "no_drift"
    assert "other 26.7 %" in found.after
    assert found.p_value is not None
    assert found.p_value < 1e-6


def test_a_level_that_only_the_current_window_has_keeps_its_name() -> None:
    (found,) = compare(["a"] * 60 + ["b"] * 40, ["a"] * 40 + ["new"] * 60, "category")

    assert "new 60 %" in found.after


def test_a_level_too_rare_for_chi_square_is_shuffled() -> None:
    ref, cur = ["a"] * 50 + ["b"] * 48 + ["c"] * 2, ["a"] * 50 + ["b"] * 49 + ["d"]

    (found,) = compare(ref, cur, "category")

    assert found.method == "homogeneity_permutation"
    assert found.p_value is not None
    assert found.p_value > 0.3


def test_two_levels_are_a_rate_of_the_rarer() -> None:
    (found,) = compare(["stop"] * 95 + ["length"] * 5, ["stop"] * 80 + ["length"] * 20, "category")

    assert found.effects[0].name == "risk_difference"
    assert (found.before, found.after) == ("length 5 %", "length 20 %")


def test_one_level_with_a_name_is_told_by_it() -> None:
    rest = [f"once {place}" for place in range(80)]

    (found,) = compare(["yes"] * 120 + rest[:30], ["yes"] * 80 + rest, "category")

    assert (found.before, found.after) == ("yes 80 %", "yes 50 %")


def test_texts_that_are_all_different_are_no_categories() -> None:
    (found,) = compare([f"r{i}" for i in range(99)], [f"c{i}" for i in range(99)], "category")

    assert (found.state, found.p_value) == ("not_enough_data", None)


def test_a_number_that_is_nearly_always_the_same_is_compared_as_a_category() -> None:
    (found,) = compare([0.0] * 999 + [7.0], [0.0] * 990 + list(range(5, 15)), "number")

    assert found.state == "no_drift"
    assert found.effects[0].name == "risk_difference"
    assert found.p_value is not None
    assert found.p_value < 0.05


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [(3, "number", "3"), ("stop", "category", "stop"), (False, "rate", "never")],
)
def test_what_is_constant_is_no_question(value: object, kind: Kind, words: str) -> None:
    (found,) = compare([value] * 50, [value] * 40, kind)

    assert (found.state, found.p_value, found.effects) == ("identical", None, ())
    assert (found.before, found.after) == (words, words)


def test_windows_that_are_equal_by_chance_still_count_as_a_test() -> None:
    (found,) = compare(flags(3, 97), flags(3, 97), "rate")

    assert (found.state, found.p_value) == ("no_drift", 1.0)


def test_a_constant_that_became_another_is_found() -> None:
    (found,) = compare([1] * 50, [2] * 50, "number")

    assert found.p_value is not None
    assert found.p_value < 1e-9


def test_missing_values_are_a_rate_of_their_own() -> None:
    holed: Sequence[object] = [*normal(60), None, math.nan, math.inf]

    values, missing = compare(normal(100), holed, "number")

    assert (values.metric, values.n_cur) == ("column", 60)
    assert (missing.metric, missing.kind, missing.n_cur) == ("column:missing", "rate", 63)
    assert (missing.before, missing.after) == ("0 %", "4.76 %")


def test_a_column_that_vanished_is_found_by_its_missing_values() -> None:
    values, missing = compare(normal(50), [None] * 50, "number")

    assert (values.state, values.p_value) == ("not_enough_data", None)
    assert missing.p_value is not None
    assert missing.p_value < 1e-9


@pytest.mark.parametrize("kind", ["number", "category", "rate"])
def test_a_column_without_any_value_is_no_question(kind: Kind) -> None:
    (found,) = compare([None] * 50, [None] * 50, kind)

    assert (found.state, found.n_ref, found.note) == ("identical", 0, "no call has a value")


@pytest.mark.parametrize("kind", ["number", "category", "rate"])
@pytest.mark.parametrize("n", [0, 1, 29])
def test_too_few_units_are_not_enough_and_say_how_many_are(kind: Kind, n: int) -> None:
    values: dict[Kind, Sequence[object]] = {
        "number": normal(100),
        "category": ["a", "b", "c", "d"] * 25,
        "rate": flags(20, 80),
    }

    found = compare(values[kind], values[kind][:n], kind)[0]

    assert (found.state, found.p_value) == ("not_enough_data", None)
    assert found.needs_n is not None
    assert found.needs_n >= 30


def test_one_call_of_each_unit_counts_and_all_calls_are_told_of() -> None:
    sessions = np.repeat(np.arange(40), 5)
    ref, cur = (np.random.default_rng(seed).normal(0, 1, 200).tolist() for seed in (1, 2))
    units = Units(sessions, sessions + 40)

    (found,) = compare(ref, cur, "number", units)

    drawn = draw_one_a_unit(sessions, [f"r{place}" for place in range(200)], 0)
    others = draw_one_a_unit(sessions, [f"c{place}" for place in range(200)], 0)
    expected = stats.ks_2samp(np.array(ref)[drawn], np.array(cur)[others], method="exact").pvalue
    assert (found.n_ref, found.units_ref, found.units_cur) == (200, 40, 40)
    assert found.p_value == pytest.approx(expected)
    assert found.before == f"median {np.median(ref):.3g}"
    assert found.note == "p counts one call a unit"


def test_a_unit_in_both_windows_counts_in_the_reference() -> None:
    sessions = np.repeat(np.arange(40), 5)

    (found,) = compare(normal(200), normal(200, 0.1), "number", Units(sessions, sessions + 5))

    assert (found.units_ref, found.units_cur) == (40, 5)


def test_a_test_says_the_same_again_and_for_ranks_made_before() -> None:
    rng = np.random.default_rng(6)
    ref, cur = (pl.Series(rng.poisson(4, 300)) for _ in range(2))
    units = Units(np.arange(300) // 3, 100 + np.arange(300) // 3)
    names = [f"r{place}" for place in range(300)], [f"c{place}" for place in range(300)]
    ranks = rank_names(names[0], 0), rank_names(names[1], 0)
    metric = metric_of("number")

    first = compare_column(ref, cur, metric, Options(), units, names)
    again = compare_column(ref, cur, metric, Options(), units, names, ranks=ranks)

    assert first[0].method == "ks_permutation"
    assert first == again
