import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from headway_measures.binary_changes import BinaryChange, mcnemar, tango_interval
from headway_measures.errors import MeasureError
from headway_measures.paired import measure_change


def test_tango_gives_the_published_bounds() -> None:
    """Airway reactivity of 21 children: Fagerland, Lydersen, Laake 2014, table VII."""
    interval = tango_interval(n=21, to_fail=7, to_pass=1)

    assert interval.estimate == pytest.approx(-6 / 21)
    assert (interval.lower, interval.upper) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_tangos_bounds_are_where_the_likelihood_puts_them() -> None:
    """An independent way: the nuisance parameter by search instead of in closed form."""
    n, to_fail, to_pass = 80, 9, 3
    interval = tango_interval(n, to_fail, to_pass)

    for delta, sign in ((interval.lower, 1), (interval.upper, -1)):

        def unlikelihood(fail: float, delta: float = delta) -> float:
            stay = 1 - 2 * fail - delta
            if min(fail, fail + delta, stay) <= 0:
                return math.inf
            return -(
                to_fail * math.log(fail)
                + to_pass * math.log(fail + delta)
                + (n - to_fail - to_pass) * math.log(stay)
            )

        low, high = max(0.0, -delta), (1 - delta) / 2
        found = optimize.minimize_scalar(
            unlikelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
        )
        spread = math.sqrt(n * (2 * found.x + delta - delta**2))
        z = (to_pass - to_fail - n * delta) / spread

        assert z == pytest.approx(sign * 1.959964, abs=1e-4)


@pytest.mark.parametrize("n", [1, 5, 100, 5000])
def test_without_a_flip_the_bound_is_what_n_allows(n: int) -> None:
    z2 = stats.norm.isf(0.025) ** 2

    interval = tango_interval(n, 0, 0)

    assert interval.upper == pytest.approx(z2 / (n + z2))
    assert interval.lower == pytest.approx(-interval.upper)


def test_when_every_case_flips_the_bound_is_the_end_of_the_scale() -> None:
    worse, better = tango_interval(5, 5, 0), tango_interval(5, 0, 5)

    assert (worse.estimate, worse.lower) == (-1.0, -1.0)
    assert worse.upper < 0
    assert (better.upper, better.lower) == pytest.approx((1.0, -worse.upper))


def test_no_pairs_leave_the_whole_scale_open() -> None:
    interval = tango_interval(0, 0, 0)

    assert (interval.lower, interval.upper) == (-1.0, 1.0)


def test_more_flips_than_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 3 flips of 5 pairs"):
        tango_interval(5, 3, 3)


def test_mcnemar_gives_the_published_mid_p() -> None:
    """The same 21 children: Fagerland, Lydersen, Laake 2013."""
    assert mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)


def test_mcnemar_without_a_flip_or_with_as_many_either_way_sees_nothing() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(4, 4) == 1.0
    assert mcnemar(0, 6) == pytest.approx(1 / 64)


def test_passes_and_fails_are_counted_in_four_cells() -> None:
    change = measure_change([1, 1, 1, 0, 0], [1, 0, 0, 1, 0])

    assert isinstance(change, BinaryChange)
    assert (change.both_pass, change.to_fail, change.to_pass) == (1, 2, 1)
    assert (change.baseline, change.candidate) == (0.6, 0.4)
    assert change.interval(0.05) == tango_interval(5, 2, 1)


def test_scores_have_the_paired_t_interval_of_the_textbook() -> None:
    half = np.random.default_rng(3).uniform(-0.2, 0.2, size=20)
    old, new = np.full(40, 0.5), 0.52 + np.concatenate([half, -half])
    textbook = stats.ttest_rel(new, old)

    change = measure_change(list(old), list(new))
    interval = change.interval(0.05)

    bounds = textbook.confidence_interval(0.95)
    assert (interval.lower, interval.upper) == pytest.approx((bounds.low, bounds.high))
    assert change.p_value == pytest.approx(textbook.pvalue)


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_identical_differences_keep_the_bound_from_no_change_seen(shift: float) -> None:
    n = 50

    change = measure_change([0.5] * n, [0.5 + shift] * n)
    interval = change.interval(0.05)

    unseen = 1 - 0.025 ** (1 / n)
    assert interval.upper - shift == pytest.approx(unseen * (1 - shift))
    assert shift - interval.lower == pytest.approx(unseen * (1 + shift))


def test_scores_that_come_in_steps_are_moved_half_a_step_away_from_the_bound() -> None:
    old = np.full(400, 0.8)
    drops = np.repeat([0.2, 0.0], [100, 300])
    nudges = np.linspace(0, 1e-6, 400)

    stepped = measure_change(old.tolist(), (old - drops).tolist(), scale=1.0)
    smooth = measure_change(old.tolist(), (old - drops - nudges).tolist(), scale=1.0)

    gaps = np.subtract(
        [smooth.interval(0.05).lower, smooth.interval(0.05).upper],
        [stepped.interval(0.05).lower, stepped.interval(0.05).upper],
    )
    assert gaps == pytest.approx([0.2 / 400 / 2, -0.2 / 400 / 2], abs=2e-6)
    assert stepped.p_value > smooth.p_value


def test_one_tiny_change_among_five_scores_is_no_certainty_either() -> None:
    change = measure_change([0.5] * 5, [0.5, 0.5, 0.5, 0.5, 0.499])

    assert change.interval(0.05).lower < -0.5


def test_a_scale_widens_the_bound_from_no_change_seen() -> None:
    narrow = measure_change([3.0] * 20, [3.0] * 20).interval(0.05)
    wide = measure_change([3.0] * 20, [3.0] * 20, scale=4.0).interval(0.05)

    assert wide.upper == pytest.approx(4 * narrow.upper)


def test_cases_of_one_cluster_that_flip_together_are_one_piece_of_evidence() -> None:
    clusters = [index // 10 for index in range(100)]
    old = [1.0] * 100
    new = [0.0 if cluster in (0, 1) else 1.0 for cluster in clusters]

    alone = measure_change(old, new)
    together = measure_change(old, new, clusters)

    assert alone.interval(0.05).upper < 0 < together.interval(0.05).upper
    assert alone.p_value < 0.001 < 0.2 < together.p_value


def test_clusters_of_one_case_change_nothing() -> None:
    old, new = [1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]

    assert measure_change(old, new, list("abcd")) == measure_change(old, new)


def test_clustered_scores_repeated_inside_their_cluster_add_no_certainty() -> None:
    rng = np.random.default_rng(5)
    old, new = list(rng.uniform(size=12)), list(rng.uniform(size=12))

    once = measure_change(old, new).interval(0.05)
    thrice = measure_change(old * 3, new * 3, list(range(12)) * 3).interval(0.05)

    assert thrice.lower == pytest.approx(once.lower)


@pytest.mark.parametrize("score", [1.0, 0.5])
def test_one_cluster_alone_says_next_to_nothing(score: float) -> None:
    interval = measure_change([score] * 30, [score] * 30, ["one"] * 30).interval(0.05)

    assert interval.lower < -0.9


def test_one_whole_drop_alone_is_no_regression() -> None:
    assert measure_change([0.99], [0.0]).interval(0.05).upper > 0.9


def test_where_less_is_better_a_fall_is_a_gain() -> None:
    slow, fast = [100.0, 120, 110, 99, 105, 107, 130, 90], [50.0, 55, 52, 51, 60, 70, 65, 55]

    change = measure_change(slow, fast, direction="down", scale=None)
    interval = change.interval(0.05)

    assert (change.baseline, change.candidate) == (107.625, 57.25)
    assert interval.estimate == 107.625 - 57.25
    assert 0 < interval.lower < interval.estimate < interval.upper


def test_a_case_without_a_score_counts_as_the_worst() -> None:
    def gain(new: list[float | None], **options: Any) -> float:
        return measure_change([0.5, 0.25], new, **options).interval(0.05).estimate

    assert gain([0.5, None]) == pytest.approx(-0.125)
    assert gain([0.5, None], direction="down") == pytest.approx(-0.375)
    assert gain([0.75, None], direction="down", scale=None) == pytest.approx(-0.375)


@pytest.mark.parametrize("score", [0.0, 7.0])
def test_five_identical_scores_without_a_scale_prove_nothing(score: float) -> None:
    interval = measure_change([score] * 5, [score] * 5, scale=None).interval(0.05)

    assert interval.lower <= -0.5 * score
    assert interval.lower < 0


def test_unequal_clusters_of_which_few_change_count_as_one_piece_each() -> None:
    clusters = [0] * 30 + [1] * 30 + list(range(2, 42))
    new = [1.0] * 60 + [0.0] * 4 + [1.0] * 36

    interval = measure_change([1.0] * 100, new, clusters).interval(0.05)

    assert interval.lower < -0.3


@pytest.mark.parametrize(
    ("old", "new"), [([], []), ([1.0], [1.0, 0.0]), ([1.0, math.nan], [1.0, 1.0])]
)
def test_what_cannot_be_paired_is_refused(old: list[float], new: list[float]) -> None:
    with pytest.raises(MeasureError):
        measure_change(old, new)


def test_no_score_at_all_cannot_be_paired_where_nothing_bounds_it() -> None:
    with pytest.raises(MeasureError, match="neither model has a single score"):
        measure_change([None], [None], scale=None)
