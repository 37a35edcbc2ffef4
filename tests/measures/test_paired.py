import math

import numpy as np
import pytest
from scipy import optimize, stats

from headway_measures.errors import MeasureError
from headway_measures.paired import BinaryChange, mcnemar, measure_change, tango_interval


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


@pytest.mark.parametrize(("n", "fail", "rise"), [(100, 0.08, 0.04), (200, 0.03, 0.03)])
def test_tango_covers_as_promised(n: int, fail: float, rise: float) -> None:
    rng = np.random.default_rng(7)
    draws = rng.multinomial(n, [fail, rise, 1 - fail - rise], size=2000)

    bounds = [tango_interval(n, int(draw[0]), int(draw[1])) for draw in draws]
    covered = np.mean([each.lower <= rise - fail <= each.upper for each in bounds])

    assert 0.94 <= covered <= 0.965


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
    rng = np.random.default_rng(3)
    old, new = rng.uniform(size=40), rng.uniform(size=40)
    textbook = stats.ttest_rel(new, old)

    change = measure_change(list(old), list(new))
    interval = change.interval(0.05)

    assert (interval.lower, interval.upper) == pytest.approx(textbook.confidence_interval(0.95))
    assert change.p_value == pytest.approx(textbook.pvalue)


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_identical_differences_keep_the_bound_from_no_change_seen(shift: float) -> None:
    n = 50

    change = measure_change([0.5] * n, [0.5 + shift] * n)
    interval = change.interval(0.05)

    unseen = 1 - 0.025 ** (1 / n)
    assert interval.upper - shift == pytest.approx(unseen)
    assert shift - interval.lower == pytest.approx(unseen)


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


def test_paired_t_covers_as_promised() -> None:
    rng = np.random.default_rng(11)
    true_change, covered = -0.02, 0
    for _ in range(1000):
        old = rng.beta(2, 2, size=100)
        new = old + rng.normal(true_change, 0.1, size=100)
        interval = measure_change(list(old), list(new), scale=2.0).interval(0.05)
        covered += interval.lower <= true_change <= interval.upper

    assert 0.935 <= covered / 1000 <= 0.965


@pytest.mark.parametrize(
    ("old", "new"), [([], []), ([1.0], [1.0, 0.0]), ([1.0, math.nan], [1.0, 1.0])]
)
def test_what_cannot_be_paired_is_refused(old: list[float], new: list[float]) -> None:
    with pytest.raises(MeasureError):
        measure_change(old, new)
