from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.decisions import decide
from headway_measures.drift.embeddings import compare_embeddings
from headway_measures.drift.pieces import permutation_p, pieces_of
from headway_measures.drift.units import Units
from headway_measures.drift.windows import Options
from tests.measures.simulations import ALPHA, Rate

METRIC = Metric("answer_embedding", "embedding", "answer", "", "meaning", "moved", "moved")
FEW = Options(permutations=99)
WIDTH = 16

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def unit_vectors(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def blob(rng: Generator, count: int, *, shift: float = 0.0, spread: float = 0.2) -> Floats:
    """Return vectors around one direction, or as far from it as ``shift``."""
    centre = np.zeros(WIDTH)
    centre[:2] = 1.0, shift
    return unit_vectors(centre + rng.normal(0, spread, (count, WIDTH)))


def alone(n_ref: int, n_cur: int) -> Units:
    return Units(np.arange(n_ref), np.arange(n_ref, n_ref + n_cur))


def is_uniform(p_values: list[float], rng: Generator) -> bool:
    """Return whether p-values of 99 permutations, which are hundredths, are evenly spread."""
    spread = np.asarray(p_values) - rng.random(len(p_values)) / (FEW.permutations + 1)
    return bool(stats.kstest(spread, "uniform").pvalue > 0.01)


def sessions(rng: Generator, units: Ints) -> tuple[Floats, Ints]:
    """Return vectors of sessions of one to eight calls, which are nearly the same call again."""
    calls = np.repeat(units, rng.integers(1, 9, units.size))
    topics = rng.normal(0, 0.4, (int(units.max()) + 1, WIDTH))
    return unit_vectors(1 + topics[calls] + rng.normal(0, 0.1, (calls.size, WIDTH))), calls


def test_p_values_are_uniform_where_nothing_changed_and_calls_share_sessions() -> None:
    rng = np.random.default_rng(crc32(b"embeddings of sessions"))

    p_values = []
    for seed in range(150):
        ref, of_ref = sessions(rng, np.arange(60))
        cur, of_cur = sessions(rng, np.arange(60, 115))
        options = replace(FEW, seed=seed)
        found = compare_embeddings(ref, cur, Units(of_ref, of_cur), METRIC, options)
        p_values.append(found.p_value or 0.0)

    alarms = Rate(sum(p <= ALPHA for p in p_values), len(p_values))
    assert alarms.lower <= ALPHA
    assert is_uniform(p_values, rng)


def test_p_values_are_uniform_where_most_units_are_in_both_windows() -> None:
    rng = np.random.default_rng(crc32(b"shared units"))
    shared, fresh = np.arange(60), np.arange(60, 66)

    p_values = []
    for seed in range(150):
        habits = rng.normal(0, 0.5, (66, WIDTH))
        ref = unit_vectors(1 + habits[shared] + rng.normal(0, 0.2, (60, WIDTH)))
        units = np.concatenate([shared[:54], fresh])
        cur = unit_vectors(1 + habits[units] + rng.normal(0, 0.2, (60, WIDTH)))
        options = replace(FEW, seed=seed)
        found = compare_embeddings(ref, cur, Units(shared, units), METRIC, options)
        p_values.append(found.p_value or 0.0)

    assert found.is_paired
    assert Rate(sum(p <= ALPHA for p in p_values), len(p_values)).lower <= ALPHA
    assert is_uniform(p_values, rng)


def test_a_mean_that_moved_is_found() -> None:
    rng = np.random.default_rng(1)

    found = compare_embeddings(
        blob(rng, 200), blob(rng, 150, shift=0.3), alone(200, 150), METRIC, Options()
    )

    assert found.p_value == 0.001
    assert found.effects[0].value > 0.1
    assert decide([found], ALPHA)[0].state == "drift"
    assert (found.n_ref, found.n_cur, found.units_ref, found.units_cur) == (200, 150, 200, 150)


def test_a_group_that_became_two_with_the_same_mean_is_found() -> None:
    rng = np.random.default_rng(2)
    cur = np.concatenate([blob(rng, 100, shift=0.7), blob(rng, 100, shift=-0.7)])

    found = compare_embeddings(blob(rng, 200, spread=0.25), cur, alone(200, 200), METRIC, Options())

    assert found.p_value == 0.001
    assert decide([found], ALPHA)[0].state == "drift"


def test_a_small_change_of_many_calls_is_sure_but_no_drift() -> None:
    rng = np.random.default_rng(3)

    found = compare_embeddings(
        blob(rng, 3_000), blob(rng, 3_000, shift=0.03), alone(3_000, 3_000), METRIC, Options()
    )

    assert found.p_value == 0.001
    assert found.effects[0].value < found.effects[0].floor
    assert decide([found], ALPHA)[0].state == "no_drift"


def test_the_effect_of_nothing_does_not_grow_where_windows_are_small() -> None:
    rng = np.random.default_rng(4)

    shares = [
        compare_embeddings(blob(rng, 60), blob(rng, 60), alone(60, 60), METRIC, FEW).effects[0]
        for _ in range(40)
    ]

    large = compare_embeddings(
        blob(rng, 60), blob(rng, 60, shift=1.0), alone(60, 60), METRIC, FEW
    ).effects[0]
    assert np.median([share.value for share in shares]) < large.value / 10
    assert 0 <= min(share.value for share in shares) <= large.value <= 2


def test_one_loud_unit_is_no_drift() -> None:
    rng = np.random.default_rng(5)
    loud = Units(np.concatenate([np.arange(60), np.full(500, 7)]), np.arange(60, 120))
    ref = np.concatenate([blob(rng, 60), blob(rng, 500, shift=2.0)])

    found = compare_embeddings(ref, blob(rng, 60), loud, METRIC, Options())

    assert (found.n_ref, found.units_ref) == (560, 60)
    assert (found.p_value or 0) > 0.05
    assert found.note == "the p-value counts the calls of one unit as one"


def test_units_of_both_windows_find_what_their_habits_would_hide() -> None:
    rng = np.random.default_rng(6)
    habits = rng.normal(0, 0.6, (80, WIDTH))
    ref = unit_vectors(1 + habits + rng.normal(0, 0.05, (80, WIDTH)))
    move = np.where(np.arange(WIDTH) < 2, 0.12, 0.0)
    cur = unit_vectors(1 + habits + move + rng.normal(0, 0.05, (80, WIDTH)))
    both = Units(np.arange(80), np.arange(80))

    paired = compare_embeddings(ref, cur, both, METRIC, Options())
    apart = compare_embeddings(ref, cur, alone(80, 80), METRIC, Options())

    assert paired.is_paired
    assert not apart.is_paired
    assert paired.p_value == 0.001
    assert (apart.p_value or 0) > 0.05


def test_the_same_answers_to_the_same_prompts_show_nothing() -> None:
    ref = blob(np.random.default_rng(7), 80)
    both = Units(np.arange(80), np.arange(80))

    found = compare_embeddings(ref, ref.copy(), both, METRIC, Options())

    assert found.p_value == 1
    assert found.effects[0].value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n_ref", "n_cur"), [(49, 500), (500, 49), (0, 60), (1, 1), (0, 0)])
def test_windows_of_few_units_are_not_tested(n_ref: int, n_cur: int) -> None:
    rng = np.random.default_rng(8)

    found = compare_embeddings(
        blob(rng, n_ref), blob(rng, n_cur), alone(n_ref, n_cur), METRIC, Options()
    )

    assert found.state == "not_enough_data"
    assert (found.p_value, found.needs_n) == (None, 50)
    assert (found.units_ref, found.units_cur) == (n_ref, n_cur)


def test_many_calls_of_few_units_are_few() -> None:
    rng = np.random.default_rng(9)
    units = Units(np.arange(400) % 20, np.arange(400) % 20 + 20)

    found = compare_embeddings(blob(rng, 400), blob(rng, 400), units, METRIC, Options())

    assert found.state == "not_enough_data"


def test_vectors_that_are_all_the_same_are_identical() -> None:
    same = np.tile(unit_vectors(np.ones((1, WIDTH))), (60, 1))

    found = compare_embeddings(same, same, alone(60, 60), METRIC, Options())

    assert (found.state, found.p_value, found.needs_n) == ("identical", None, None)


def test_mostly_equal_vectors_are_tested() -> None:
    template = np.tile(unit_vectors(np.ones((1, WIDTH))), (60, 1))
    cur = template.copy()
    cur[:30] = blob(np.random.default_rng(10), 30)

    found = compare_embeddings(template, cur, alone(60, 60), METRIC, Options())

    assert found.p_value == 0.001


def test_vectors_of_two_representations_are_refused() -> None:
    ref, cur = np.ones((60, 3)), np.ones((60, 4))

    with pytest.raises(ValueError, match="of 3 and 4 dimensions"):
        compare_embeddings(ref, cur, alone(60, 60), METRIC, Options())


def test_vectors_that_are_not_finite_are_refused() -> None:
    ref = np.ones((60, 3))
    ref[4, 1] = np.nan

    with pytest.raises(ValueError, match="1 of 120 vectors are not finite"):
        compare_embeddings(ref, np.ones((60, 3)), alone(60, 60), METRIC, Options())


def test_exchanged_pieces_keep_windows_and_pairs() -> None:
    units = Units(np.asarray([5, 5, 9, 2]), np.asarray([9, 9, 4, 3, 1]))

    pieces = pieces_of(units)
    contrasts = pieces.contrasts(500, np.random.default_rng(1))

    assert (pieces.ref_count, pieces.cur_count) == (3, 4)
    assert pieces.pairs.size == 1
    assert contrasts.sum(1) == pytest.approx(np.zeros(501), abs=1e-6)
    assert ((contrasts > 0).sum(1) == 3).all()
    first = int(pieces.pairs[0])
    assert ((contrasts[:, first] > 0) != (contrasts[:, first + 1] > 0)).all()
    assert 0.4 < (contrasts[1:, first] > 0).mean() < 0.6
    # Five others, two of them in the reference: any is there in two of five draws.
    others = np.delete(contrasts[1:], [first, first + 1], axis=1)
    assert np.abs((others > 0).mean(0) - 0.4).max() < 0.1


def test_pieces_are_the_means_of_their_calls() -> None:
    pieces = pieces_of(Units(np.asarray([7, 3, 7]), np.asarray([3, 8])))

    means = pieces.means(np.asarray([[1.0], [2.0], [3.0], [4.0], [5.0]]))

    assert means.tolist() == [[2.0], [4.0], [2.0], [5.0]]
    assert pieces.is_ref.tolist() == [True, False, True, False]


def test_a_p_value_counts_the_observed_and_what_equals_it() -> None:
    assert permutation_p(np.asarray([2.0, 1.0, 2.0, 3.0])) == 0.75
    assert permutation_p(np.asarray([5.0, 1.0, 2.0, 3.0])) == 0.25


def test_draws_depend_on_seed_and_metric_alone() -> None:
    rng = np.random.default_rng(13)
    ref, cur, units = blob(rng, 60), blob(rng, 60), alone(60, 60)

    first = compare_embeddings(ref, cur, units, METRIC, FEW)
    np.random.default_rng(1).random()
    again = compare_embeddings(ref, cur, units, METRIC, FEW)

    other = compare_embeddings(ref, cur, units, replace(METRIC, name="prompt_embedding"), FEW)
    assert again == first
    assert other.p_value != first.p_value
