"""A checkpoint answers by continuous batching where it can, and nothing else changes by that."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from headway_evals.engine.continuous import suits_continuous
from headway_evals.models.bases import find_base
from headway_evals.models.checkpoints import Checkpoint
from headway_evals.models.requests import Completion, Generate, Request


def completions(model: Checkpoint, ask: Generate, count: int = 12) -> list[Completion]:
    requests = [Request(text, text, text, ask) for text in (f"no {i} " * 3 for i in range(count))]
    return model.generate(requests, lambda *_: None)


@contextmanager
def erring(checkpoint: Path) -> Iterator[None]:
    """Have every other token be the likeliest in transformers' own thread."""
    model = find_base(checkpoint, torch.device("cpu"), "float32").wearing(None)

    def err(module: Any, inputs: Any, logits: torch.Tensor) -> torch.Tensor | None:
        is_ours = threading.current_thread() is threading.main_thread()
        return None if is_ours else -logits

    handle = model.lm_head.register_forward_hook(err)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("ask", [Generate(9), Generate(20, ("a", "7")), Generate(9, (), 1.0)])
def test_a_checkpoint_answers_by_either_path_alike_and_tells_which(
    checkpoint: Path, ask: Generate
) -> None:
    usual = Checkpoint(checkpoint, device="cpu", self_check=3)
    paged = Checkpoint(checkpoint, device="cpu", self_check=3, paged_attention="sdpa")

    expected, found = (completions(model, ask) for model in (usual, paged))

    assert [replace(each, latency_ms=0) for each in found] == [
        replace(each, latency_ms=0) for each in expected
    ]
    assert paged.settings["self_check"]["items"] == 3
    assert paged.settings["continuous_batching"] == {
        "attention": "sdpa",
        "fault": None,
        "asked_again": 0,
    }
    assert usual.settings["continuous_batching"] is None


def test_answers_are_kept_by_the_path_that_gave_them(checkpoint: Path) -> None:
    usual, paged, flash = (
        Checkpoint(checkpoint, device="cpu", paged_attention=each)
        for each in (None, "sdpa", "flash_attention_2")
    )

    assert len({usual.cache_key, paged.cache_key, flash.cache_key}) == 3


def test_the_self_check_leaves_continuous_batching_that_errs_for_good(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = [each.text for each in completions(Checkpoint(checkpoint), Generate(9))]
    checked = Checkpoint(checkpoint, device="cpu", self_check=3, paged_attention="sdpa")
    trusting = Checkpoint(checkpoint, device="cpu", self_check=0, paged_attention="sdpa")

    with erring(checkpoint):
        found = [completions(checked, Generate(9)) for _ in range(2)]
        wrong = completions(trusting, Generate(9))

    assert [[each.text for each in answers] for answers in found] == [expected] * 2
    assert [each.text for each in wrong] != expected
    assert checked.settings["continuous_batching"]["fault"].startswith("the self-check failed at")
    assert len(caplog.records) == 1


LLAMA = transformers.LlamaConfig(num_hidden_layers=2)
FIT = {"device": "cuda", "dtype": "bfloat16", "attention": "flash_attention_2"}


@pytest.mark.parametrize(
    ("config", "settings", "expected"),
    [
        (LLAMA, {}, True),
        (LLAMA, {"dtype": "float16", "attention": "flash_attention_3"}, True),
        (LLAMA, {"device": "cpu"}, False),
        (LLAMA, {"dtype": "float32"}, False),
        (LLAMA, {"attention": None}, False),
        (transformers.MistralConfig(num_hidden_layers=2, sliding_window=16), {}, False),
        (transformers.MistralConfig(num_hidden_layers=2, sliding_window=None), {}, True),
        (transformers.Gemma2Config(num_hidden_layers=2), {}, False),
        (transformers.MambaConfig(num_hidden_layers=2), {}, False),
        (transformers.BloomConfig(num_hidden_layers=2), {}, False),
    ],
)
def test_the_path_is_taken_where_fast_attention_fits_the_model(
    config: Any, settings: dict[str, Any], expected: bool
) -> None:
    assert suits_continuous(config, **FIT | settings) is expected
