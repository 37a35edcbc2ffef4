"""The parts of ``make bench-evals`` that its figures rest on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import eval_tasks
from tests.benchmarks.eval_peers import (
    HEADWAY_SIDE,
    LM_EVAL_SIDE,
    Answered,
    SideProcess,
    is_here,
)
from tests.benchmarks.eval_rounds import (
    BATCHES,
    Race,
    compare_measured,
    count_equal,
    neighbours,
    tried_first,
)

PROMPTS = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    eval_tasks.make_model(folder, eval_tasks.TINY)
    return folder


@pytest.fixture(scope="module")
def ours(model: Path) -> Iterator[SideProcess]:
    with SideProcess(HEADWAY_SIDE, model, device="cpu", dtype="float32") as side:
        yield side


def test_the_last_token_of_a_prompt_sets_the_length_of_its_answer(
    ours: SideProcess, tmp_path: Path
) -> None:
    items = eval_tasks.write_items(tmp_path / "items.jsonl", eval_tasks.countdowns(PROMPTS))

    answered = ours.answer(items, 0)

    # The end token is the last of them and has no text.
    assert answered.found == [
        "".join(f"<|{number}|>" for number in range(length - 1, 0, -1))
        for length in eval_tasks.lengths(PROMPTS)
    ]


def test_both_sides_give_the_same_answers(ours: SideProcess, model: Path, tmp_path: Path) -> None:
    if not is_here():
        pytest.skip("lm-eval is not here; make bench-evals installs it")
    shared = eval_tasks.write_items(tmp_path / "shared.jsonl", eval_tasks.shared(2))
    prompts = eval_tasks.write_items(tmp_path / "prompts.jsonl", eval_tasks.countdowns(2))

    with SideProcess(LM_EVAL_SIDE, model, device="cpu", dtype="float32") as theirs:
        measured = compare_measured(ours.answer(shared, 0), theirs.answer(shared, 8))
        equal = count_equal(ours.answer(prompts, 0), theirs.answer(prompts, 8))

    assert measured.count == 2 * 4
    assert measured.logprob < 1e-3
    assert equal == 2


def test_answers_are_as_long_as_the_bench_says() -> None:
    lengths = eval_tasks.lengths(1_000)

    assert min(lengths) == eval_tasks.SHORTEST
    assert max(lengths) == eval_tasks.LONGEST
    assert 40 < sorted(lengths)[500] < 60


@pytest.mark.parametrize("count", [1, 8, 100, 512, 4_000])
def test_every_useful_batch_size_can_be_the_best(count: int) -> None:
    useful = {size for size in BATCHES if size < 2 * count or size == BATCHES[0]}
    first = tried_first(count)

    tried = {*first, *(size for best in first for size in neighbours(best, count))}

    assert useful <= tried


def test_a_race_takes_our_median_and_their_fastest_round() -> None:
    race = Race("race", [Answered(seconds, []) for seconds in (1.0, 9.0, 2.0)])
    race.theirs = {8: [Answered(8.0, []), Answered(6.0, [])], 32: [Answered(7.0, [])], 512: []}

    assert race.best_batch == 8
    assert race.times_as_fast == 3.0
    assert race.row()[-1] == "8: 6.0, 32: 7.0, 512: out of memory"
