import os
import subprocess
import sys
from zlib import crc32

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.clusterings import ClusterResult, compare_clusters
from headway_measures.drift.decisions import decide
from headway_measures.drift.units import Units
from headway_measures.drift.windows import Options
from tests.measures.simulations import ALPHA, Rate

METRIC = Metric("prompt_cluster", "cluster", "prompt", "", "topics", "moved", "moved")
TOPICS = ["refund money back", "parcel delivery late", "password login account", "coffee beans"]
WIDTH = 12

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def vectors_of(rng: Generator, topics: Ints) -> Floats:
    rows = 3 * np.eye(WIDTH)[topics] + rng.normal(0, 0.3, (topics.size, WIDTH))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def texts_of(topics: Ints) -> list[str]:
    return [f"Please, help me with the {TOPICS[topic]} {at}!" for at, topic in enumerate(topics)]


def compare(ref: Ints, cur: Ints, seed: int = 0, units: Units | None = None) -> ClusterResult:
    rng = np.random.default_rng(seed)
    alone = Units(np.arange(ref.size), np.arange(ref.size, ref.size + cur.size))
    return compare_clusters(
        vectors_of(rng, ref),
        vectors_of(rng, cur),
        (texts_of(ref), texts_of(cur)),
        units or alone,
        METRIC,
        Options(seed=seed),
    )


def mix(*counts: int) -> Ints:
    return np.repeat(np.arange(len(counts)), counts)


def test_the_cluster_that_grew_is_found_and_named() -> None:
    result = compare(mix(50, 50, 50, 50), mix(50, 130, 50, 50))

    grown = result.clusters[0]
    assert set(grown.words) >= {"parcel", "delivery", "late"}
    assert not {"please", "help", "the"} & set(grown.words)
    assert (grown.n_ref, grown.n_cur) == (50, 130)
    assert [grown.share_ref, grown.share_cur] == pytest.approx([50 / 200, 130 / 280])
    assert grown.change == pytest.approx(130 / 280 - 0.25)
    assert grown.q_value < 0.01
    assert decide([result.evidence], ALPHA)[0].state == "drift"
    assert result.evidence.method == "homogeneity_permutation"
    assert result.evidence.before == f"25 % {grown.name}"
    assert result.evidence.after == f"46 % {grown.name}"


def test_the_effect_is_the_share_of_calls_that_lie_elsewhere() -> None:
    result = compare(mix(60, 40, 50, 50), mix(40, 60, 50, 50))

    effect = result.evidence.effects[0]
    assert (effect.name, effect.floor) == ("tvd", 0.05)
    assert effect.value == pytest.approx(0.1)


def test_shares_and_clusters_add_up_and_each_call_has_its_own() -> None:
    ref, cur = mix(70, 40, 50, 40), mix(20, 60, 50, 50)
    result = compare(ref, cur)

    assert sum(each.n_ref for each in result.clusters) == 200
    assert sum(each.share_cur for each in result.clusters) == pytest.approx(1)
    for place, cluster in enumerate(result.clusters):
        assert int((result.ref == place).sum()) == cluster.n_ref
        assert np.unique(cur[result.cur == place]).size == 1
    p_values = [each.p_value for each in result.clusters]
    assert p_values == sorted(p_values)
    assert all(each.q_value >= each.p_value for each in result.clusters)


def test_p_values_are_uniform_where_nothing_changed_and_calls_share_sessions() -> None:
    rng = np.random.default_rng(crc32(b"clusters of sessions"))

    p_values, surest = [], []
    for seed in range(100):
        calls = np.repeat(np.arange(120), rng.integers(1, 9, 120))
        topics = rng.choice(4, 120, p=[0.4, 0.3, 0.2, 0.1])[calls]
        in_ref = calls < 60
        units = Units(calls[in_ref], calls[~in_ref])
        result = compare(topics[in_ref], topics[~in_ref], seed, units)
        p_values.append(result.evidence.p_value or 0.0)
        surest.append(min(each.q_value for each in result.clusters))

    assert Rate(sum(p <= ALPHA for p in p_values), len(p_values)).lower <= ALPHA
    assert Rate(sum(q <= ALPHA for q in surest), len(p_values)).lower <= ALPHA
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_one_loud_unit_makes_no_cluster_grow() -> None:
    ref, cur = mix(30, 30, 30, 30), mix(330, 30, 30, 30)
    units = Units(np.arange(120), 120 + np.maximum(np.arange(420) - 300, 0))

    result = compare(ref, cur, units=units)

    assert (result.evidence.n_cur, result.evidence.units_cur) == (420, 120)
    assert result.evidence.effects[0].value > 0.4
    assert (result.evidence.p_value or 0) > 0.5


def test_a_small_change_of_many_calls_is_no_drift() -> None:
    result = compare(mix(1_000, 1_000, 1_000, 1_000), mix(1_140, 1_000, 930, 930))

    assert (result.evidence.p_value or 1) <= ALPHA
    assert decide([result.evidence], ALPHA)[0].state == "no_drift"


def test_what_so_many_units_can_show_is_said() -> None:
    few, many = compare(mix(25, 25), mix(25, 25)), compare(mix(250, 250), mix(250, 250))

    assert (many.evidence.detectable or 1) < (few.evidence.detectable or 0) < 1
    assert (few.evidence.needs_n or 0) > 500


def test_windows_of_few_units_are_not_tested() -> None:
    for ref, cur in [(mix(20, 29), mix(100, 100)), (mix(0), mix(60)), (mix(0), mix(0))]:
        result = compare(ref, cur)

        assert result.evidence.state == "not_enough_data"
        assert result.evidence.needs_n == 50
        assert result.clusters == ()


def test_vectors_that_are_all_the_same_are_identical() -> None:
    same = np.tile(np.eye(WIDTH)[:1], (60, 1))
    units = Units(np.arange(60), np.arange(60, 120))

    result = compare_clusters(same, same, (["a"] * 60, ["a"] * 60), units, METRIC, Options())

    assert (result.evidence.state, result.evidence.p_value) == ("identical", None)
    assert result.clusters == ()


def test_fewer_different_vectors_than_clusters_are_no_fault() -> None:
    two = np.eye(WIDTH)[[0] * 40 + [1] * 20]
    units = Units(np.arange(60), np.arange(60, 120))

    result = compare_clusters(two, two[::-1], (["a"] * 60, [""] * 60), units, METRIC, Options())

    assert {(each.n_ref, each.n_cur) for each in result.clusters} == {(40, 40), (20, 20)}
    assert result.evidence.p_value == 1
    assert result.clusters[0].name == "texts without words of their own"


def test_one_endless_text_does_not_name_its_cluster() -> None:
    ref, cur = mix(30, 30), mix(30, 30)
    rng = np.random.default_rng(3)
    texts = texts_of(ref), texts_of(cur)
    texts[0][0] = "spam " * 200_000 + "eggs"
    units = Units(np.arange(60), np.arange(60, 120))

    result = compare_clusters(
        vectors_of(rng, ref), vectors_of(rng, cur), texts, units, METRIC, Options()
    )

    assert "spam" not in {each.words[0] for each in result.clusters}
    assert "eggs" not in {word for each in result.clusters for word in each.words}


SCRIPT = """
import sys, numpy as np
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.clusterings import compare_clusters
from headway_measures.drift.embeddings import compare_embeddings
from headway_measures.drift.units import Units
from headway_measures.drift.windows import Options
rng = np.random.default_rng(1)
rows = rng.normal(size=(300, 20)) + 2 * np.eye(20)[np.arange(300) % 7]
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
texts = [f"w{at % 7} w{at % 5} w{at % 3}" for at in range(300)]
metric = Metric("m", "cluster", "answer", "", "", "", "")
ref, cur, units = rows[:160], rows[160:], Units(np.arange(160) // 2, np.arange(160, 300))
found = compare_clusters(ref, cur, (texts[:160], texts[160:]), units, metric, Options())
sys.stdout.write(repr((found, compare_embeddings(ref, cur, units, metric, Options()))))
"""


def test_two_processes_give_the_same_bytes() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
        )
        for seed in ("0", "1")
    ]
    first, second = (each.communicate(timeout=120)[0] for each in processes)

    assert first == second
    assert b"p_value=" in first
