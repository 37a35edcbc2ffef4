"""The same prompts in both windows: when they are paired, and what pairing finds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
from scipy import stats

from headway_measures.drift.columns import compare_column
from headway_measures.drift.pairing import pair_up, read_design
from headway_measures.drift.pairs import compare_category_pairs, compare_pairs, signed_rank
from headway_measures.drift.units import Pairs, Units
from headway_measures.drift.windows import Options
from tests.measures.drift_worlds import metric_of

Pairing = Literal["auto", "never", "prompt"]


def named(count: int, letter: str) -> list[str]:
    return [f"{letter}{place}" for place in range(count)]


def paired(
    ref: Sequence[object], cur: Sequence[object], prompts: tuple[list[int], list[int]]
) -> Pairs:
    pairs = pair_up(
        pl.Series(ref, strict=False),
        pl.Series(cur, strict=False),
        (np.array(prompts[0]), np.array(prompts[1])),
        (named(len(ref), "r"), named(len(cur), "c")),
        Options(pair="prompt"),
    )
    assert pairs is not None
    return pairs


def of_prompts(ref: np.ndarray, cur: np.ndarray) -> Pairs:
    return Pairs(ref.astype(np.float64), cur.astype(np.float64), np.arange(ref.size))


@pytest.mark.parametrize(
    ("ref", "cur", "pair", "design"),
    [
        (range(100), range(100), "auto", "fixed"),
        (range(100), range(100), "never", "unpaired"),
        ([*range(98), 0, 1], [*range(98), 0, 1], "auto", "fixed"),
        (range(100), range(15, 115), "auto", "paired"),
        (range(100), range(30, 130), "auto", "unpaired"),
        (range(100), range(30, 130), "prompt", "paired"),
        (range(100), range(200, 300), "prompt", "unpaired"),
        (list(range(50)) * 9, range(50), "auto", "paired"),
        ([], range(50), "prompt", "unpaired"),
    ],
)
def test_prompts_are_paired_where_nearly_all_are_asked_in_both_windows(
    ref: range, cur: range, pair: Pairing, design: str
) -> None:
    prompts = np.array(list(ref), np.int64), np.array(list(cur), np.int64)

    assert read_design(prompts, Options(pair=pair)) == design


def test_windows_that_ask_else_are_not_paired_up() -> None:
    found = pair_up(
        pl.Series([1, 2]),
        pl.Series([1, 2]),
        (np.array([1, 2]), np.array([3, 4])),
        (["a", "b"], ["c", "d"]),
        Options(),
    )

    assert found is None


def test_prompts_are_paired_in_any_order_and_the_others_left_out() -> None:
    pairs = paired([1.0, 2.0, 3.0, 9.0], [30.0, 10.0, 7.0], ([5, 6, 7, 1], [7, 5, 8]))

    assert pairs.prompts.tolist() == [5, 7]
    assert pairs.ref.tolist() == [1.0, 3.0]
    assert pairs.cur.tolist() == [10.0, 30.0]


def test_calls_of_one_prompt_are_a_mean_and_missing_ones_do_not_count() -> None:
    pairs = paired([1.0, 3.0, None, 4.0], [5.0, 7.0, 1.0], ([1, 1, 1, 2], [1, 1, 3]))

    assert pairs.prompts.tolist() == [1]
    assert (pairs.ref.tolist(), pairs.cur.tolist()) == ([2.0], [6.0])


def test_as_many_calls_of_a_prompt_count_on_either_side() -> None:
    rng = np.random.default_rng(3)
    values = (rng.random(2_000) < 0.2).astype(float).tolist()
    prompts = np.tile(np.arange(200), 10).tolist(), list(range(200))

    pairs = paired(values, (rng.random(200) < 0.2).tolist(), prompts)

    # The mean of ten calls would nearly always lie above 0, where most single calls lie.
    assert set(pairs.ref.tolist()) == {0.0, 1.0}
    assert (compare_pairs(pairs, metric_of("rate"), Options()).p_value or 0) > 0.01


def test_flips_are_counted_by_mcnemar() -> None:
    ref, cur = np.zeros(100), np.zeros(100)
    cur[:6] = 1

    found = compare_pairs(of_prompts(ref, cur), metric_of("rate"), Options())

    assert (found.method, found.state, found.is_paired) == ("mcnemar", "no_drift", True)
    assert found.p_value == pytest.approx(2 * 0.5**6 - 0.5**6)
    assert (found.before, found.after) == ("0 %", "6 %")
    effect = found.effects[0]
    assert effect.value == pytest.approx(0.06)
    assert effect.lower is not None
    assert 0 < effect.lower < 0.06


def test_pairing_finds_what_two_windows_hide() -> None:
    rng = np.random.default_rng(1)
    ref = rng.normal(0, 10, 100)
    cur = ref + rng.normal(0.5, 0.5, 100)
    alone, names = Units(np.arange(100), np.arange(100, 200)), named(100, "r")

    found = compare_pairs(of_prompts(ref, cur), metric_of("number"), Options())
    (apart,) = compare_column(
        pl.Series(ref), pl.Series(cur), metric_of("number"), Options(), alone, (names, names)
    )

    assert found.method == "signed_rank"
    assert found.p_value is not None
    assert found.p_value < 1e-9
    assert found.effects[0].name == "cliffs_delta"
    assert found.effects[0].value > 0.5
    assert apart.p_value is not None
    assert apart.p_value > 0.5


@pytest.mark.parametrize("zeros", [0, 7])
def test_few_signed_ranks_are_counted_out(zeros: int) -> None:
    changes = np.concatenate([np.random.default_rng(zeros).normal(0.3, 1, 12), np.zeros(zeros)])

    ranks = stats.rankdata(np.abs(changes))[:12]
    signs = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    away = np.abs(signs @ ranks - ranks.sum() / 2)
    seen = abs(ranks[changes[:12] > 0].sum() - ranks.sum() / 2)
    assert signed_rank(changes) == pytest.approx((away >= seen - 1e-9).mean())


def test_many_signed_ranks_are_wilcoxons() -> None:
    changes = np.round(np.random.default_rng(2).normal(0.2, 1, 200), 1)

    expected = stats.wilcoxon(changes, zero_method="pratt", method="approx").pvalue
    assert signed_rank(changes) == pytest.approx(expected)
    assert signed_rank(np.zeros(50)) == 1.0


def test_pairs_that_are_all_equal_are_no_question_and_unmoved_ones_are() -> None:
    constant = compare_pairs(of_prompts(np.ones(50), np.ones(50)), metric_of("rate"), Options())
    unmoved = np.arange(50) % 2
    same = compare_pairs(of_prompts(unmoved, unmoved), metric_of("rate"), Options())

    assert (constant.state, constant.p_value) == ("identical", None)
    assert (same.state, same.p_value) == ("no_drift", 1.0)


def test_means_of_flags_are_a_rate_and_other_numbers_are_not() -> None:
    rng = np.random.default_rng(5)
    thirds = of_prompts(rng.integers(0, 4, 60) / 3, rng.integers(0, 4, 60) / 3)
    stars = of_prompts(rng.integers(1, 6, 60), rng.integers(1, 6, 60))

    assert compare_pairs(thirds, metric_of("rate"), Options()).method == "mcnemar"
    assert compare_pairs(stars, metric_of("rate"), Options()).method == "signed_rank"


@pytest.mark.parametrize("n", [0, 1, 29])
def test_too_few_prompts_are_not_enough(n: int) -> None:
    values = np.arange(n) * 1.0

    found = compare_pairs(of_prompts(values, values + 5), metric_of("number"), Options())

    assert (found.state, found.p_value) == ("not_enough_data", None)
    assert found.needs_n is not None
    assert found.needs_n >= 30


def test_what_pairs_could_have_shown_shrinks_with_their_number() -> None:
    few, many = (
        compare_pairs(of_prompts(np.arange(n) % 2, np.zeros(n)), metric_of("rate"), Options())
        for n in (40, 4_000)
    )

    assert few.detectable is not None
    assert many.detectable is not None
    assert few.detectable > 5 * many.detectable


def test_categories_of_the_same_prompts_are_swapped_prompt_by_prompt() -> None:
    prompts = np.arange(120)
    kinds = np.array(["a", "b", "c"])
    ref = kinds[prompts % 3]
    cur = np.where(prompts < 14, "c", ref)
    names = named(120, "r")

    found = compare_category_pairs(
        pl.Series(ref.tolist()),
        pl.Series(cur.tolist()),
        (prompts, prompts),
        (names, names),
        metric_of("category"),
        Options(),
    )

    assert found is not None
    assert (found.method, found.is_paired, found.units_ref) == ("homogeneity_paired", True, 120)
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert stats.chi2_contingency([[40, 40, 40], [35, 35, 50]]).pvalue > 0.3
    assert found.effects[0].value == pytest.approx(10 / 120)


def test_as_many_prompts_that_move_there_and_back_are_no_change() -> None:
    ref = ["a", "b", "c"] * 20
    cur = ["b", "c", "a"] * 10 + ["a", "b", "c"] * 10
    prompts, names = np.arange(60), named(60, "r")

    found = compare_category_pairs(
        pl.Series(ref),
        pl.Series(cur),
        (prompts, prompts),
        (names, names),
        metric_of("category"),
        Options(),
    )

    assert found is not None
    assert found.p_value == 1.0


@pytest.mark.parametrize(
    ("ref", "cur", "state"),
    [
        (["a"] * 40, ["a"] * 40, "identical"),
        ([f"r{i}" for i in range(40)], [f"c{i}" for i in range(40)], "not_enough_data"),
        (["a", "b"] * 5, ["b", "a"] * 5, "not_enough_data"),
        (["a", "b"] * 20, ["a", "b"] * 20, "no_drift"),
        ([None] * 40, [None] * 40, "identical"),
    ],
)
def test_paired_categories_say_what_they_cannot_say(
    ref: list[str], cur: list[str], state: str
) -> None:
    prompts, names = np.arange(len(ref)), named(len(ref), "r")

    found = compare_category_pairs(
        pl.Series(ref, dtype=pl.String),
        pl.Series(cur, dtype=pl.String),
        (prompts, prompts),
        (names, names),
        metric_of("category"),
        Options(),
    )

    assert found is not None
    assert found.state == state


def test_the_real_logs_flips_and_lengths_are_found_where_prompts_repeat(llmdrift_csv: Path) -> None:
    path = llmdrift_csv.with_name("SENSITIVEQ_EVAL.csv")
    if not path.is_file():
        pytest.skip(f"real logs are not here: {path}")
    rows = pl.read_csv(path, infer_schema_length=10_000)
    march, june = (
        rows.filter(pl.col("model").str.contains(f"3.5.*{snapshot}"))
        for snapshot in ("0301", "0613")
    )
    numbers = {text: place for place, text in enumerate(sorted({*march["query"], *june["query"]}))}
    asked = [np.array([numbers[text] for text in side["query"]]) for side in (march, june)]
    names = named(march.height, "m"), named(june.height, "j")

    def pairs_of(column: pl.Expr) -> Pairs:
        ref, cur = (side.select(column).to_series() for side in (march, june))
        found = pair_up(ref, cur, (asked[0], asked[1]), names, Options())
        assert found is not None
        return found

    answered = compare_pairs(pairs_of(pl.col("Response Rate")), metric_of("rate"), Options())
    length = pairs_of(pl.col("answer").str.len_chars())
    shorter = compare_pairs(length, metric_of("number"), Options())

    assert read_design((asked[0], asked[1]), Options()) == "fixed"
    assert length.prompts.size == 98
    assert answered.p_value is not None
    assert answered.p_value < 0.035
    assert shorter.p_value is not None
    assert shorter.p_value < 1e-4
    assert shorter.before.startswith("median 3")
    assert shorter.after.startswith("median 4")


def test_shares_of_prompts_asked_often_have_an_interval_that_agrees_with_their_test() -> None:
    ref = np.zeros(40)
    cur = np.repeat([0.0, 0.125, 0.25], [2, 30, 8])

    found = compare_pairs(of_prompts(ref, cur), metric_of("rate"), Options())

    effect = found.effects[0]
    assert found.p_value is not None
    assert found.p_value < 1e-8
    assert effect.lower is not None
    assert effect.upper is not None
    assert 0.1 < effect.lower < effect.value < effect.upper < 0.2
