"""Continuous batching by transformers itself, on the CPU, where it attends by sdpa.

What it is for, flash attention on a GPU, is not here: see ``test_checkpoint_paths`` for the choice.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from headway_evals.engine.budgets import Budget
from headway_evals.engine.continuous import ContinuousDecoder
from headway_evals.engine.decoding import Decoder
from headway_evals.engine.sampling import Sampling
from headway_evals.engine.token_rows import Answer, TokenPrompt
from tests.evals.decoded_prompts import TEXTS, alone, answers, loaded, prompt, varied


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoint)


@pytest.fixture
def model(checkpoint: Path) -> Any:
    return loaded(checkpoint)


def made(model: Any, tokenizer: Any, *, tokens: int = 2_048, **settings: Any) -> ContinuousDecoder:
    budget = Budget(tokens)
    return ContinuousDecoder(
        model,
        tokenizer,
        budget=budget,
        otherwise=Decoder(model, tokenizer, budget=budget),
        **{"attention": "sdpa"} | settings,
    )


def answered(decoder: Decoder | ContinuousDecoder, prompts: Sequence[TokenPrompt]) -> list[Answer]:
    found: dict[int, Answer] = {}

    def keep(index: int, answer: Answer) -> None:
        assert index not in found
        found[index] = answer

    decoder.generate(prompts, keep)
    return [found[index] for index in range(len(prompts))]


def said(found: Sequence[Answer]) -> list[tuple[Any, ...]]:
    """Return all of answers but their latencies."""
    return [(each.text, each.tokens, each.is_nan, each.is_full) for each in found]


@contextmanager
def watched(model: Any, on_pass: Callable[[], object]) -> Iterator[None]:
    """Call a function before each forward pass of transformers' own thread."""

    def watch(*_: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            on_pass()

    handle = model.register_forward_pre_hook(watch)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("tokens", [1, 600, 2_048])
def test_answers_are_those_that_transformers_gives_one_by_one(
    model: Any, tokenizer: Any, tokens: int, caplog: pytest.LogCaptureFixture
) -> None:
    prompts, passes = varied(tokenizer), []
    decoder = made(model, tokenizer, tokens=tokens)

    with watched(model, lambda: passes.append(1)):
        found = answered(decoder, prompts)

    assert [each.tokens for each in found] == [alone(model, each) for each in prompts]
    assert said(found) == said(answers(model, tokenizer, prompts))
    assert {each.is_full for each in found} == {True, False}  # at their longest, or by themselves
    assert all(each.latency_ms > 0 for each in found)
    assert (decoder.fault, decoder.asked_again) == (None, 0)
    assert tokens < 600 or len(passes) < sum(len(each.tokens) for each in found)
    assert not caplog.records


def test_a_stop_text_ends_its_answer_and_no_other(model: Any, tokenizer: Any) -> None:
    free = answers(model, tokenizer, [prompt(tokenizer, text, 60) for text in TEXTS])
    prompts = [
        prompt(tokenizer, text, 60, (each.text[3:5], "~~~") if index % 2 else ())
        for index, (text, each) in enumerate(zip(TEXTS, free, strict=True))
    ]
    decoder = made(model, tokenizer)

    found = answered(decoder, prompts)

    assert said(found) == said(answers(model, tokenizer, prompts))
    assert [each.text == before.text for each, before in zip(found, free, strict=True)] == [
        True,
        False,
    ] * 3
    assert decoder.asked_again == 0


def test_an_answer_that_its_stop_text_ended_is_carried_on_no_further(
    model: Any, tokenizer: Any
) -> None:
    (free,) = answers(model, tokenizer, [prompt(tokenizer, TEXTS[1], 100)])
    passes: list[int] = []

    with watched(model, lambda: passes.append(1)):
        (found,) = answered(
            made(model, tokenizer), [prompt(tokenizer, TEXTS[1], 100, (free.text[:2],))]
        )

    assert found.text == ""
    assert len(passes) < len(free.tokens)


def test_nan_marks_its_prompt_and_no_other(model: Any, tokenizer: Any) -> None:
    (poison,) = tokenizer("~")["input_ids"]
    with torch.no_grad():
        model.model.embed_tokens.weight[poison] = torch.nan
        model.lm_head.weight[poison] = 0  # so that no answer has it
    prompts = [prompt(tokenizer, f"{'~' if i % 3 == 0 else 'b'}{i}", 1 + i) for i in range(12)]
    decoder = made(model, tokenizer)

    found = answered(decoder, prompts)

    assert [each.is_nan for each in found] == [i % 3 == 0 for i in range(12)]
    assert said(found) == said(answers(model, tokenizer, prompts))
    assert decoder.asked_again >= 4
    assert decoder.fault is None


def test_what_draws_its_tokens_stays_with_our_decoder(model: Any, tokenizer: Any) -> None:
    prompts = [
        TokenPrompt(each.ids, each.max_new_tokens, sampling=Sampling(1.5, 0.95, seed=index))
        for index, each in enumerate(varied(tokenizer, 8))
    ]
    passes: list[int] = []
    decoder = made(model, tokenizer)

    with watched(model, lambda: passes.append(1)):
        found = answered(decoder, prompts)

    assert said(found) == said(answers(model, tokenizer, prompts))
    assert not passes
    assert decoder.asked_again == 0


def test_an_error_on_the_way_is_told_once_and_all_the_rest_is_asked_again(
    model: Any, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    prompts, passes = varied(tokenizer), 0
    expected = said(answers(model, tokenizer, prompts))

    def run_out() -> None:
        nonlocal passes
        passes += 1
        if passes > 4:
            raise torch.OutOfMemoryError("no room for pages")

    decoder = made(model, tokenizer)
    with watched(model, run_out):
        found = [answered(decoder, prompts) for _ in range(2)]

    assert [said(each) for each in found] == [expected] * 2
    assert 0 < decoder.asked_again < len(prompts)
    assert passes == 5  # the second time it was not tried
    assert decoder.fault == "no room for pages"
    (record,) = caplog.records
    assert record.getMessage() == (
        "generation goes on without continuous batching: no room for pages"
    )
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("attention", ["flash_attention_2", "flex_attention"])
def test_an_attention_that_is_not_there_leaves_the_model_as_it_was(
    model: Any, tokenizer: Any, attention: str, caplog: pytest.LogCaptureFixture
) -> None:
    prompts = varied(tokenizer, 5)
    decoder = made(model, tokenizer, attention=attention)

    found = answered(decoder, prompts)

    assert said(found) == said(answers(model, tokenizer, prompts))
    assert "Error: " in str(decoder.fault)
    assert len(caplog.records) == 1
    assert model.config._attn_implementation == "sdpa"


def test_a_stalled_generation_is_waited_for_no_longer_than_the_patience(
    model: Any, tokenizer: Any
) -> None:
    held, prompts = threading.Event(), varied(tokenizer, 5)
    expected = said(answers(model, tokenizer, prompts))
    decoder = made(model, tokenizer, patience=0.0)
    # Another step is let go once it was given up, so that it can be ended.
    logger = logging.getLogger("headway_evals.engine.continuous")
    opener = _Opener(held)
    logger.addHandler(opener)

    with watched(model, lambda: held.wait(30)):
        found = answered(decoder, prompts)

    logger.removeHandler(opener)
    assert said(found) == expected
    assert decoder.fault == "5 prompts came back without an answer"


class _Opener(logging.Handler):
    """Opens a gate at the first record."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self._gate = gate

    def emit(self, record: logging.LogRecord) -> None:
        self._gate.set()


def test_what_the_caller_raises_reaches_the_caller_and_ends_the_work(
    model: Any, tokenizer: Any
) -> None:
    decoder = made(model, tokenizer)

    def fail(index: int, answer: Answer) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        decoder.generate(varied(tokenizer), fail)

    assert decoder.fault is None
    assert [each for each in threading.enumerate() if "generation" in each.name] == []
    assert model.config._attn_implementation == "sdpa"


def test_no_prompts_are_no_work(model: Any, tokenizer: Any) -> None:
    assert answered(made(model, tokenizer), []) == []
