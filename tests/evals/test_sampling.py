"""Tokens are drawn from the right shares, and the same ones whatever the batch."""

import math

import pytest
import torch

from headway_evals.engine.sampling import NAN_TOKEN, Draws, Sampling, seed_of

CPU = torch.device("cpu")
SHARES = [0.1, 0.5, 0.15, 0.25]
LOGITS = torch.tensor([[math.log(share) for share in SHARES]])


def drawn(sampling: Sampling, count: int) -> list[float]:
    """Return how often each token is drawn, as shares."""
    draws = Draws([sampling], [0], count, CPU)
    tokens = [int(draws.choose(LOGITS, step)) for step in range(count)]
    return [tokens.count(token) / count for token in range(len(SHARES))]


def test_tokens_are_drawn_as_often_as_the_model_says() -> None:
    found = drawn(Sampling(1.0, seed=7), 4_000)

    assert found == pytest.approx(SHARES, abs=0.03)


def test_a_temperature_sharpens_or_flattens() -> None:
    squares = [share**2 for share in SHARES]

    found = drawn(Sampling(0.5, seed=7), 4_000)

    assert found == pytest.approx([each / sum(squares) for each in squares], abs=0.03)


def test_top_p_draws_from_the_likeliest_tokens_that_come_to_it() -> None:
    found = drawn(Sampling(1.0, top_p=0.7, seed=7), 4_000)

    assert found == pytest.approx([0, 0.5 / 0.75, 0, 0.25 / 0.75], abs=0.03)
    assert drawn(Sampling(1.0, top_p=0.01, seed=7), 50) == [0, 1, 0, 0]


def test_a_very_small_temperature_takes_the_likeliest() -> None:
    assert drawn(Sampling(1e-30, seed=7), 50) == [0, 1, 0, 0]


def test_a_token_depends_on_the_seed_and_its_index_and_on_no_other_row() -> None:
    sampling, other = Sampling(1.0, seed=3), Sampling(2.0, seed=4)
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))

    whole = Draws([sampling], [0], 6, CPU)
    later = Draws([other, sampling, None], [9, 4, 1], 2, CPU)

    for step in range(2):
        alone = whole.choose(logits[1:2], 4 + step)
        assert later.choose(logits, step)[1] == alone[0]
    assert later.choose(logits, 0)[2] == logits[2].argmax()


def test_nan_is_chosen_where_the_model_gave_nan_and_nowhere_else() -> None:
    logits = torch.zeros(4, 5)
    logits[0, 3] = logits[1, 3] = torch.nan
    logits[2:, 2] = 1e9

    tokens = Draws([None, Sampling(1.0), None, Sampling(1.0)], [0] * 4, 1, CPU).choose(logits, 0)

    assert tokens.tolist() == [NAN_TOKEN, NAN_TOKEN, 2, 2]


def test_every_case_and_repeat_has_a_seed_of_its_own() -> None:
    seeds = {
        seed_of(seed, case_id, sample)
        for seed in range(3)
        for case_id in ("a", "b", "1:a", "")
        for sample in range(3)
    }

    assert len(seeds) == 36
    assert seed_of(1, "a", 0) == seed_of(1, "a", 0)


def test_draws_are_spread_evenly() -> None:
    numbers = sorted(Sampling(1.0, seed=5).uniform(index) for index in range(1_000))

    assert 0 <= numbers[0] <= numbers[-1] < 1
    assert max(abs(number - place / 1_000) for place, number in enumerate(numbers)) < 0.05


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_must_be_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        Sampling(temperature)


@pytest.mark.parametrize("top_p", [0.0, 1.5, math.nan])
def test_top_p_is_a_share(top_p: float) -> None:
    with pytest.raises(ValueError, match="top_p"):
        Sampling(1.0, top_p)
