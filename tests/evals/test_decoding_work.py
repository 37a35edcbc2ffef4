"""Decoding keeps its slots busy, computes nothing twice, and takes no more memory than there is."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.overrides import TorchFunctionMode

from headway_evals.engine.budgets import Budget, OutOfMemory
from headway_evals.engine.decoding import shared_prefix
from headway_evals.engine.slots import SlotCache, step
from headway_evals.engine.token_rows import TokenPrompt
from tests.evals.decoded_prompts import (
    SYSTEM,
    TEXTS,
    answers,
    loaded,
    made_sliding_model,
    made_tied_model,
    prompt,
    varied,
    watched,
)


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return loaded(checkpoint)


@pytest.fixture(scope="module")
def sliding_model() -> Any:
    return made_sliding_model()


@pytest.fixture(scope="module")
def tied_model() -> Any:
    return made_tied_model()


def test_a_slot_is_taken_again_as_soon_as_its_row_ends(model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, "hello", most=40)]
    prompts += [prompt(tokenizer, f"no {i:02}", most=2) for i in range(15)]
    rows: list[int] = []

    with watched(model, lambda ids: rows.append(len(ids)) if ids.shape[1] == 1 else None):
        found = answers(model, tokenizer, prompts, slots=2)

    assert len(rows) == len(found[0].tokens)  # the others pass beside the longest
    assert sum(rows) == sum(len(each.tokens) for each in found)


def test_what_all_prompts_begin_with_is_computed_once(model: Any, tokenizer: Any) -> None:
    prompts = varied(tokenizer, 12, before=SYSTEM)
    whole = sum(len(each.ids) for each in prompts)
    seen: list[int] = []

    with watched(model, lambda ids: seen.append(ids.numel())):
        found = answers(model, tokenizer, prompts, slots=1)

    shared = len(tokenizer(SYSTEM)["input_ids"])
    new = sum(len(each.tokens) - 1 for each in found)
    assert sum(seen) == whole - (len(prompts) - 1) * shared + new


def test_a_prefix_leaves_each_prompt_a_token_of_its_own() -> None:
    system = list(range(20))

    assert shared_prefix([TokenPrompt(system, 1), TokenPrompt([*system, 7], 1)]) == system[:19]
    assert shared_prefix([TokenPrompt([1, 2], 1), TokenPrompt([1, 2, 3], 1)]) == ()
    assert shared_prefix([TokenPrompt(system, 1)]) == ()


def test_work_that_does_not_fit_halves_the_budget_and_loses_no_token(
    model: Any, tokenizer: Any
) -> None:
    texts = [f"{TEXTS[i % 6]}{i}" for i in range(20)]
    prompts = [prompt(tokenizer, text, most=90 - len(text)) for text in texts]
    expected = answers(model, tokenizer, prompts)
    budget = Budget(8 * 90)
    steps = taken = 0

    def run_out(ids: torch.Tensor) -> None:
        nonlocal steps, taken
        steps += 1
        # Full only after a while, when rows have tokens that must not be lost or asked again.
        if steps > 10 and len(ids) > 2:
            raise torch.OutOfMemoryError(f"{len(ids)} rows")
        taken += len(ids) if ids.shape[1] == 1 else 0

    with watched(model, run_out):
        found = answers(model, tokenizer, prompts, budget=budget)

    assert [each.tokens for each in found] == [each.tokens for each in expected]
    assert budget.halvings == 2
    assert taken == sum(len(each.tokens) for each in found)


@pytest.mark.parametrize("kind", ["model", "sliding_model"])
def test_a_single_prompt_that_does_not_fit_is_an_error(
    request: pytest.FixtureRequest, tokenizer: Any, kind: str
) -> None:
    model = request.getfixturevalue(kind)

    def run_out(_: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("no room")

    with watched(model, run_out), pytest.raises(OutOfMemory, match="no room"):
        answers(model, tokenizer, [prompt(tokenizer, "ab", most=30)] * 3)


def test_a_padded_batch_that_does_not_fit_is_halved(sliding_model: Any, tokenizer: Any) -> None:
    prompts = varied(tokenizer, 12)
    expected = answers(sliding_model, tokenizer, prompts)

    def run_out(ids: torch.Tensor) -> None:
        if len(ids) > 3:
            raise torch.OutOfMemoryError(f"{len(ids)} rows")

    with watched(sliding_model, run_out):
        found = answers(sliding_model, tokenizer, prompts, budget=Budget(1_000))

    assert [each.tokens for each in found] == [each.tokens for each in expected]


def test_rows_half_as_long_get_twice_the_slots_where_memory_limits_them(
    model: Any, tokenizer: Any
) -> None:
    prompts = [prompt(tokenizer, "long", most=60)] * 4 + [prompt(tokenizer, "go", most=8)] * 16
    rows: list[int] = []

    with watched(model, lambda ids: rows.append(len(ids))):
        answers(model, tokenizer, prompts, budget=Budget(2 * 64))

    assert max(rows[:60]) == 2
    assert max(rows) == 12


def test_a_step_writes_each_row_at_its_own_column_and_reads_no_further_than_the_span(
    model: Any,
) -> None:
    cache = SlotCache(2, slots=4, capacity=32, device=model.device)
    with torch.inference_mode():
        step(model, cache, torch.tensor([5, 6]), torch.tensor([0, 0]), 1)
        step(model, cache, torch.tensor([7]), torch.tensor([1]), 2)

    keys = cache.layers[0].keys
    written = keys.abs().sum(dim=(1, 3)) > 0
    assert written[:, :3].tolist() == [
        [True, True, False],
        [True, False, False],
        [False, False, False],
        [False, False, False],
    ]


class AttentionWatch(TorchFunctionMode):
    """Keeps the shapes of queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is torch.nn.functional.scaled_dot_product_attention:
            self.seen.add((*args[0].shape[1:3], args[1].shape[1]))
        return function(*args, **kwargs or {})


def test_keys_that_heads_share_are_read_once_and_the_model_is_left_as_it_was(
    tied_model: Any, tokenizer: Any
) -> None:
    with AttentionWatch() as watch:
        answers(tied_model, tokenizer, [prompt(tokenizer, "a", most=4)])

    assert watch.seen == {(1, 4, 1)}  # four heads are the queries of the one that has keys
    assert tied_model.config._attn_implementation == "sdpa"
