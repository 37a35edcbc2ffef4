"""Decoding in slots says what each prompt would get alone, whatever comes in beside it."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from headway_evals.engine.budgets import Budget
from headway_evals.engine.decoding import Decoder
from headway_evals.engine.sampling import Sampling
from headway_evals.engine.slots import fits_slots
from headway_evals.engine.token_rows import Answer, TokenPrompt
from tests.evals.decoded_prompts import (
    SYSTEM,
    TEXTS,
    alone,
    answers,
    loaded,
    made_sliding_model,
    made_tied_model,
    prompt,
    varied,
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


@pytest.mark.parametrize("slots", [1, 2, 7, 64])
def test_rows_that_come_and_go_answer_as_transformers_answers_one_by_one(
    model: Any, tokenizer: Any, slots: int
) -> None:
    prompts = varied(tokenizer)

    found = answers(model, tokenizer, prompts, slots=slots)

    assert [each.tokens for each in found] == [alone(model, each) for each in prompts]
    assert found[3].text == tokenizer.decode(found[3].tokens, skip_special_tokens=True)


def test_a_model_with_tied_embeddings_and_one_head_of_keys_answers_the_same(
    tied_model: Any, tokenizer: Any
) -> None:
    prompts = varied(tokenizer, before=SYSTEM)

    found = answers(tied_model, tokenizer, prompts, slots=5)

    assert [each.tokens for each in found] == [alone(tied_model, each) for each in prompts]


def test_eager_attention_answers_the_same(checkpoint: Path, tokenizer: Any) -> None:
    eager = loaded(checkpoint, attn_implementation="eager")
    prompts = varied(tokenizer, 12, before=SYSTEM)

    found = answers(eager, tokenizer, prompts, slots=3)

    assert [each.tokens for each in found] == [alone(eager, each) for each in prompts]


def test_a_model_with_a_short_window_is_decoded_in_batches_of_its_own_cache(
    sliding_model: Any, tokenizer: Any
) -> None:
    prompts = varied(tokenizer, 20)

    found = answers(sliding_model, tokenizer, prompts)

    assert not fits_slots(sliding_model, 17)
    assert [each.tokens for each in found] == [alone(sliding_model, each) for each in prompts]


def test_a_window_that_no_row_outgrows_is_no_hindrance(sliding_model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, text, most=16 - len(text)) for text in ("abc", "d", "efghij")]

    found = answers(sliding_model, tokenizer, prompts, slots=2)

    assert fits_slots(sliding_model, 16)
    assert [each.tokens for each in found] == [alone(sliding_model, each) for each in prompts]


def test_an_answer_says_whether_it_ended_by_itself(model: Any, tokenizer: Any) -> None:
    (plain,) = answers(model, tokenizer, [prompt(tokenizer, TEXTS[1], most=40)])
    stop = (plain.text[6:9],)

    (stopped,) = answers(model, tokenizer, [prompt(tokenizer, TEXTS[1], most=40, stop=stop)])

    assert plain.is_full
    assert not stopped.is_full
    assert stopped.text == plain.text[: plain.text.index(stop[0])]


def test_nan_ends_its_row_and_reaches_no_other_in_the_same_slot(
    checkpoint: Path, tokenizer: Any
) -> None:
    broken = loaded(checkpoint)
    (poison,) = tokenizer("~")["input_ids"]
    with torch.no_grad():
        broken.model.embed_tokens.weight[poison] = torch.nan
        broken.lm_head.weight[poison] = 0  # so that no answer has it
    prompts = [
        prompt(tokenizer, f"{'~' if i % 3 == 0 else 'b'}{TEXTS[i % 6]}", 1 + i) for i in range(12)
    ]

    found = answers(broken, tokenizer, prompts, slots=2)

    assert [each.is_nan for each in found] == [i % 3 == 0 for i in range(12)]
    assert found[0].tokens == ()
    assert [each.tokens for each in found if not each.is_nan] == [
        alone(broken, each) for i, each in enumerate(prompts) if i % 3
    ]


def test_sampled_answers_are_the_same_in_any_slot(model: Any, tokenizer: Any) -> None:
    prompts = [
        TokenPrompt(each.ids, each.max_new_tokens, sampling=Sampling(1.5, 0.95, seed=index))
        for index, each in enumerate(varied(tokenizer, 24))
    ]

    together = answers(model, tokenizer, prompts, slots=64)
    one_by_one = answers(model, tokenizer, prompts, slots=1)

    assert [each.tokens for each in together] == [each.tokens for each in one_by_one]
    assert together[5].tokens != alone(model, prompts[5])


def test_latencies_count_from_when_a_prompt_is_taken_up(model: Any, tokenizer: Any) -> None:
    seconds = iter(range(1_000))
    found: dict[int, Answer] = {}
    decoder = Decoder(
        model, tokenizer, budget=Budget(4096), slots=1, clock=lambda: float(next(seconds))
    )

    decoder.generate([prompt(tokenizer, text, most=5) for text in "abc"], found.__setitem__)

    assert [found[index].latency_ms for index in range(3)] == [5_000.0] * 3


def test_no_prompts_are_no_work(model: Any, tokenizer: Any) -> None:
    assert answers(model, tokenizer, []) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_graphs_answer_as_transformers_answers_one_by_one(
    checkpoint: Path, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    on_gpu = loaded(checkpoint).to("cuda")
    prompts = varied(tokenizer, before=SYSTEM)

    found = answers(on_gpu, tokenizer, prompts, slots=12)

    on_cpu = on_gpu.to("cpu")
    assert [each.tokens for each in found] == [alone(on_cpu, each) for each in prompts]
    assert not caplog.records
