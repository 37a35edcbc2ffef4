import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from headway_evals.generation import Answer, Generator, TokenPrompt
from headway_evals.packing import pack


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(checkpoint).eval()


def answers(
    model: Any, tokenizer: Any, prompts: Sequence[TokenPrompt], batch_tokens: int = 4096
) -> list[Answer]:
    found: dict[int, Answer] = {}
    generator = Generator(model, tokenizer, batch_tokens=batch_tokens)
    generator.generate(prompts, found.__setitem__)
    return [found[index] for index in range(len(prompts))]


def prompt(tokenizer: Any, text: str, most: int = 24, stop: tuple[str, ...] = ()) -> TokenPrompt:
    return TokenPrompt(tokenizer(text)["input_ids"], most, stop)


TEXTS = ["a", "where is my parcel?", "Transfer: 12 EUR", "x" * 60, "refund please " * 3, "?"]


def test_a_batch_answers_as_transformers_answers_one_by_one(model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, text, most=8 + 5 * i) for i, text in enumerate(TEXTS)]

    batched = answers(model, tokenizer, prompts)

    for each, answer in zip(prompts, batched, strict=True):
        ids = torch.tensor([each.ids])
        whole = model.generate(ids, do_sample=False, max_new_tokens=each.max_new_tokens)
        alone = whole[0, len(each.ids) :]
        assert answer.text == tokenizer.decode(alone, skip_special_tokens=True)
        assert answer.token_count == len(alone)


def test_a_row_ends_with_its_end_token_and_the_others_go_on(model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, text, most=30) for text in TEXTS]
    plain = answers(model, tokenizer, prompts)
    # What the first answer says as its fifth token becomes a second end token.
    fifth = tokenizer(plain[0].text)["input_ids"][4]
    ending = copy.deepcopy(model)
    ending.generation_config.eos_token_id = [tokenizer.eos_token_id, fifth]

    found = answers(ending, tokenizer, prompts)

    for index, before in enumerate(plain):
        ids = tokenizer(before.text)["input_ids"]
        kept = ids[: ids.index(fifth)] if fifth in ids else ids
        assert found[index].text == tokenizer.decode(kept)
    assert len({answer.token_count for answer in found}) > 1


def test_a_stop_text_ends_the_answer_and_is_no_part_of_it(model: Any, tokenizer: Any) -> None:
    (plain,) = answers(model, tokenizer, [prompt(tokenizer, TEXTS[1], most=40)])
    stop = plain.text[6:9]

    stopped, free = answers(
        model,
        tokenizer,
        [
            prompt(tokenizer, TEXTS[1], most=40, stop=("never said", stop)),
            prompt(tokenizer, TEXTS[1], most=40, stop=("never said",)),
        ],
    )

    assert stopped.text == plain.text[: plain.text.index(stop)]
    assert stopped.token_count < plain.token_count
    assert free.text == plain.text


def test_the_answers_do_not_depend_on_the_batches(model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, text) for text in TEXTS * 3]

    one_by_one = answers(model, tokenizer, prompts, batch_tokens=1)
    together = answers(model, tokenizer, prompts, batch_tokens=100_000)

    assert [each.text for each in one_by_one] == [each.text for each in together]


class NarrowMemory(torch.nn.Module):
    """A model that runs out of memory above a number of rows."""

    def __init__(self, model: Any, most_rows: int) -> None:
        super().__init__()
        self.inner, self.most_rows = model, most_rows
        self.config, self.generation_config = model.config, model.generation_config
        self.device = model.device

    def forward(self, input_ids: Any, **rest: Any) -> Any:
        if len(input_ids) > self.most_rows:
            raise torch.OutOfMemoryError(f"{len(input_ids)} rows")
        return self.inner(input_ids=input_ids, **rest)


def test_a_batch_that_does_not_fit_is_halved(model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, text) for text in TEXTS]
    expected = answers(model, tokenizer, prompts)

    found = answers(NarrowMemory(model, 2), tokenizer, prompts)

    assert [each.text for each in found] == [each.text for each in expected]


def test_a_single_prompt_that_does_not_fit_is_an_error(model: Any, tokenizer: Any) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        answers(NarrowMemory(model, 0), tokenizer, [prompt(tokenizer, "a")])


def test_nan_ends_its_row_and_no_other(checkpoint: Path, tokenizer: Any) -> None:
    broken = transformers.AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    (poison,) = tokenizer("~")["input_ids"]
    with torch.no_grad():
        broken.model.embed_tokens.weight[poison] = torch.nan

    bad, good = answers(
        broken, tokenizer, [prompt(tokenizer, "a~b", 4), prompt(tokenizer, "abc", 4)]
    )

    assert bad.is_nan
    assert (good.is_nan, good.token_count) == (False, 4)


def test_batches_hold_what_the_budget_allows_and_the_longest_come_first() -> None:
    lengths = [3, 10, 4, 9, 1]

    batches = pack(lengths, budget_tokens=20)

    assert batches == [[1, 3], [2, 0, 4]]
    assert pack([50, 60], budget_tokens=20) == [[1], [0]]
    assert pack([], budget_tokens=20) == []
