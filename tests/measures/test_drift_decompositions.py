import math

import numpy as np
import polars as pl
import pytest
from numpy.random import Generator

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.decompositions import decompose, is_mostly_mix
from headway_measures.drift.results import Mix
from headway_measures.drift.units import Units
from tests.measures.simulations import Rate

REFUSED = Metric("is_refusal", "rate", "answer", "", "refusals", "more refusals", "fewer refusals")
CHARS = Metric("answer_chars", "number", "answer", "chars", "length", "longer", "shorter")


def answers(counts: dict[str, int], rates: dict[str, float]) -> pl.DataFrame:
    """Return calls by model, of which exactly such a share is refused."""
    rows = [
        (model, place < round(rates[model] * count))
        for model, count in counts.items()
        for place in range(count)
    ]
    return pl.DataFrame(rows, schema=["request_model", "is_refusal"], orient="row")


def mixed(ref: pl.DataFrame, cur: pl.DataFrame, by: str = "request_model") -> Mix:
    found = decompose(ref, cur, REFUSED, by, seed=1)
    assert found is not None
    return found


def random_calls(rng: Generator, strata: int) -> pl.DataFrame:
    count = int(rng.integers(1, 300))
    chars = rng.lognormal(3, 1, count)
    chars[rng.random(count) < 0.1] = np.nan
    names = [f"m{number}" if number else None for number in rng.integers(0, strata, count)]
    return pl.DataFrame({"request_model": names, "answer_chars": chars})


@pytest.mark.parametrize("draw", range(60))
def test_the_parts_add_up_to_the_difference_of_the_means(draw: int) -> None:
    rng = np.random.default_rng(draw)
    ref, cur = (random_calls(rng, int(rng.integers(1, 12))) for _ in range(2))
    means = [rows["answer_chars"].fill_nan(None).mean() for rows in (ref, cur)]

    found = decompose(ref, cur, CHARS, "request_model", seed=draw)

    if None in means:
        assert found is None
    else:
        assert found is not None
        before, after = (float(str(mean)) for mean in means)
        assert found.total == pytest.approx(after - before, abs=1e-9)
        assert found.mix + found.within + found.new_or_gone == pytest.approx(found.total, abs=1e-9)
        assert found.within_lower <= found.within_upper


def test_simpsons_case_is_mix() -> None:
    rates = {"small": 0.1, "large": 0.5}

    found = mixed(
        answers({"small": 800, "large": 200}, rates), answers({"small": 200, "large": 800}, rates)
    )

    assert found.total == pytest.approx(0.24)
    assert found.mix == pytest.approx(0.24)
    assert found.within == pytest.approx(0)
    assert is_mostly_mix(found)


def test_other_answers_to_the_same_calls_are_within() -> None:
    counts = {"small": 500, "large": 500}

    found = mixed(
        answers(counts, {"small": 0.1, "large": 0.2}), answers(counts, {"small": 0.2, "large": 0.3})
    )

    assert found.within == pytest.approx(0.1)
    assert found.mix == pytest.approx(0)
    assert 0 < found.within_lower < 0.1 < found.within_upper
    assert not is_mostly_mix(found)


def test_a_change_that_the_mix_hides_is_within_and_against_it() -> None:
    found = mixed(
        answers({"small": 800, "large": 200}, {"small": 0.1, "large": 0.5}),
        answers({"small": 200, "large": 800}, {"small": 0.0, "large": 0.2}),
    )

    assert found.mix > 0 > found.within
    assert found.total < 0
    assert not is_mostly_mix(found)


def test_strata_that_come_or_go_are_neither_mix_nor_within() -> None:
    found = mixed(
        answers({"kept": 500, "old": 500}, {"kept": 0.1, "old": 0.1}),
        answers({"kept": 500, "new": 500}, {"kept": 0.1, "new": 0.5}),
    )

    assert found.new_or_gone == pytest.approx(0.2)
    assert found.mix == pytest.approx(0)
    assert found.within == pytest.approx(0)


def test_values_with_few_calls_are_one_stratum() -> None:
    before = {f"rare{number}": 5 for number in range(20)}
    after = {f"rare{number}": 5 for number in range(10, 30)}

    found = mixed(
        answers(before | {"kept": 100}, dict.fromkeys(before, 0.0) | {"kept": 0.2}),
        answers(after | {"kept": 100}, dict.fromkeys(after, 1.0) | {"kept": 0.2}),
    )

    assert found.within == pytest.approx(0.5)
    assert found.new_or_gone == 0


def test_a_tag_family_and_calls_without_a_value_are_strata() -> None:
    ref = pl.DataFrame(
        {
            "tags": [["kind:refund", "beta"]] * 20 + [None] * 80,
            "is_refusal": [True] * 20 + [False] * 80,
        }
    )
    cur = pl.DataFrame(
        {"tags": [["kind:refund"]] * 60 + [[]] * 40, "is_refusal": [True] * 60 + [False] * 40}
    )

    found = mixed(ref, cur, "kind:*")

    assert found.mix == pytest.approx(0.4)
    assert found.within == pytest.approx(0)


def test_the_interval_of_within_holds_it_at_its_rate() -> None:
    rng = np.random.default_rng(2)
    missed = 0
    for draw in range(150):
        frames = [
            pl.DataFrame(
                {"request_model": names, "is_refusal": rng.random(400) < 0.2 + move + 0.3 * names}
            )
            for names, move in ((rng.random(400) < 0.3, 0.0), (rng.random(400) < 0.6, 0.1))
        ]
        found = decompose(frames[0], frames[1], REFUSED, "request_model", seed=draw)
        assert found is not None
        missed += not found.within_lower <= 0.1 <= found.within_upper

    assert Rate(missed, 150).lower <= 0.05


def test_calls_of_one_session_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    sessions = np.repeat(np.arange(40), 10)
    refused = (rng.random(80) < 0.5)[np.repeat(np.arange(80), 10)]
    model = ["m"] * 400
    ref = pl.DataFrame({"request_model": model, "is_refusal": refused[:400]})
    cur = pl.DataFrame({"request_model": model, "is_refusal": refused[400:]})

    apart = decompose(ref, cur, REFUSED, "request_model", 1)
    together = decompose(ref, cur, REFUSED, "request_model", 1, Units(sessions, sessions + 40))

    assert apart is not None
    assert together is not None
    ratio = (together.within_upper - together.within_lower) / (
        apart.within_upper - apart.within_lower
    )
    assert ratio == pytest.approx(math.sqrt(10), rel=0.3)


def test_what_is_no_number_has_no_mix() -> None:
    opener = Metric("opener", "category", "answer", "", "opener", "", "")
    rows = pl.DataFrame({"opener": ["a"], "request_model": ["m"]})

    assert decompose(rows, rows, opener, "request_model", 0) is None
    assert decompose(rows, rows, REFUSED, "request_model", 0) is None
