"""Means of people's scores, of which few are known: they cover, and are shorter than the labels."""

import numpy as np
import pytest

from headway_measures.errors import MeasureError
from headway_measures.prediction_powered import corrected_mean
from tests.measures.labelled_worlds import WORLDS, coverage
from tests.measures.simulations import simulation_draws


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize(("n", "count"), [(50, 1000), (200, 1000), (100, 5000)])
def test_intervals_hold_the_truth_and_are_shorter_than_those_of_the_labels(
    name: str, n: int, count: int
) -> None:
    found = coverage(WORLDS[name], n, count, simulation_draws(300))

    assert found.corrected.lower < 0.96
    assert found.corrected.upper > 0.94
    assert found.width < found.labels_width
    assert found.judge_alone.value < 0.8


def test_the_estimate_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    y, f, rest = rng.random(40), rng.random(40), rng.random(60)
    weight = np.cov(y, f)[0, 1] / ((1 + 40 / 60) * np.concatenate([f, rest]).var(ddof=1))
    weight = min(max(float(weight), 0.0), 1.0)

    found = corrected_mean(y.tolist(), f.tolist(), rest.tolist())

    assert found.weight == pytest.approx(weight)
    assert found.estimate == pytest.approx((y - weight * f).mean() + weight * rest.mean())


def test_of_yes_and_no_the_rates_at_which_people_agree_are_weighed_by_all_answers() -> None:
    labels, judged = [1.0] * 18 + [0.0] * 12, [1.0] * 20 + [0.0] * 10
    others = [1.0] * 30 + [0.0] * 40

    found = corrected_mean(labels, judged, others)

    assert found.estimate == pytest.approx(0.5 * 18 / 20 + 0.5 * 0 / 10)


def test_a_judge_that_says_one_thing_adds_nothing() -> None:
    labels = [1.0] * 15 + [0.0] * 15

    found = corrected_mean(labels, [1.0] * 30, [1.0] * 970)

    assert (found.weight, found.estimate) == (0.0, 0.5)


def test_labels_that_all_agree_with_the_judge_leave_room_for_those_that_would_not() -> None:
    rng = np.random.default_rng(5)
    scores = rng.integers(-1, 2, 400).astype(float).tolist()

    found = corrected_mean(scores[:30], scores[:30], scores[30:], lowest=-1.0).interval()

    assert found.upper - found.lower > 0.3


def test_answers_of_one_cluster_count_as_one_piece_of_evidence() -> None:
    rng = np.random.default_rng(1)
    good = np.repeat(rng.random(25), 8)
    judged = np.clip(good + 0.1 * rng.normal(size=200), 0, 1)
    clusters = [place // 8 for place in range(200)]
    parts = good[:80].tolist(), judged[:80].tolist(), judged[80:].tolist()

    alone = corrected_mean(*parts)
    shared = corrected_mean(
        *parts,
        clusters=clusters[:80],
        other_clusters=clusters[80:],
    )

    assert shared.estimate == alone.estimate
    assert shared.error > 1.5 * alone.error
    assert shared.freedom < alone.freedom


def test_differences_are_means_from_minus_one_to_one() -> None:
    rng = np.random.default_rng(2)
    people = rng.integers(-1, 2, 60).astype(float).tolist()
    judged = [max(-1.0, min(1.0, each + (0.5 if rng.random() < 0.2 else 0))) for each in people]

    found = corrected_mean(people, judged, judged * 10, lowest=-1.0)

    interval = found.interval()
    assert -1 < interval.lower < found.estimate < interval.upper < 1
    assert 0 < found.p_value() <= 1


@pytest.mark.parametrize(
    ("labels", "judged", "told"),
    [([1.0] * 19, [1.0] * 19, "19 labels are too few"), ([1.0] * 20, [2.0] * 20, "from 1 to 2")],
)
def test_what_cannot_be_corrected_is_refused(
    labels: list[float], judged: list[float], told: str
) -> None:
    with pytest.raises(MeasureError, match=told):
        corrected_mean(labels, judged, [1.0])
