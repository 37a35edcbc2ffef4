"""Prompts for the tiny checkpoint, models beside it, and what decoding makes of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from headway_evals.engine.budgets import Budget
from headway_evals.engine.decoding import Decoder
from headway_evals.engine.token_rows import Answer, TokenPrompt

TEXTS = ["a", "where is my parcel?", "Transfer: 12 EUR", "x" * 60, "refund please " * 3, "?"]
SYSTEM = "You sort the messages of a shop. "


def loaded(checkpoint: Path, **settings: Any) -> Any:
    """Return a checkpoint's model."""
    return transformers.AutoModelForCausalLM.from_pretrained(checkpoint, **settings).eval()


def made_sliding_model() -> Any:
    """Return a model whose layers see the last 16 tokens only."""
    torch.manual_seed(3)
    config = transformers.MistralConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=16,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return transformers.MistralForCausalLM(config).eval()


def made_tied_model() -> Any:
    """Return a model with tied embeddings and one head of keys for four."""
    torch.manual_seed(5)
    config = transformers.Qwen2Config(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=1,
        max_position_embeddings=256,
        initializer_range=0.5,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return transformers.Qwen2ForCausalLM(config).eval()


def prompt(tokenizer: Any, text: str, most: int = 24, stop: tuple[str, ...] = ()) -> TokenPrompt:
    """Return a prompt in tokens."""
    return TokenPrompt(tokenizer(text)["input_ids"], most, stop)


def varied(tokenizer: Any, count: int = 30, before: str = "") -> list[TokenPrompt]:
    """Return prompts of many lengths whose answers have many lengths too."""
    return [
        prompt(tokenizer, f"{before}{TEXTS[i % 6]}{i}"[:80], most=1 + 7 * i % 23)
        for i in range(count)
    ]


def answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[TokenPrompt],
    *,
    slots: int | None = None,
    budget: Budget | None = None,
) -> list[Answer]:
    """Return the answer to each prompt by our decoder."""
    found: dict[int, Answer] = {}
    decoder = Decoder(model, tokenizer, budget=budget or Budget(100_000), slots=slots)
    decoder.generate(prompts, found.__setitem__)
    assert sorted(found) == list(range(len(prompts)))
    return [found[index] for index in range(len(prompts))]


def alone(model: Any, each: TokenPrompt) -> tuple[int, ...]:
    """Return what transformers itself answers to the prompt, one by one."""
    ids = torch.tensor([each.ids])
    whole = model.generate(ids, do_sample=False, max_new_tokens=each.max_new_tokens)
    return tuple(whole[0, len(each.ids) :].tolist())


@contextmanager
def watched(model: Any, on_ids: Any) -> Iterator[None]:
    """Show the ids of each forward pass to a function, before it."""
    handle = model.register_forward_pre_hook(
        lambda _, __, given: on_ids(given["input_ids"]), with_kwargs=True
    )
    try:
        yield
    finally:
        handle.remove()
