"""The noise floor: what the same weights answer in another batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from headway_evals.models.bases import find_base
from headway_evals.models.checkpoints import Checkpoint
from headway_evals.models.requests import Ask, Choices, Completion, Generate, Request

CHOICES = Choices(("yes", "no", "maybe"))


def ask(model: Checkpoint, each: Ask, count: int = 40) -> list[Completion]:
    texts = [f"{'where is my parcel? ' * (1 + number % 3)}{number}" for number in range(count)]
    requests = [Request(text, text, text, each) for text in texts]
    return model.generate(requests, lambda index, completion: None)


@contextmanager
def altered(
    checkpoint: Path, change: Callable[[torch.Tensor], torch.Tensor | None]
) -> Iterator[None]:
    model = find_base(checkpoint, torch.device("cpu"), "float32").wearing(None)

    def alter(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
        return change(output)

    handle = model.lm_head.register_forward_hook(alter)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("each", [Generate(12), Generate(12, temperature=1.0), CHOICES], ids=str)
def test_a_model_without_noise_has_none(checkpoint: Path, each: Ask) -> None:
    model = Checkpoint(checkpoint, device="cpu", noise_floor=True)

    ask(model, each)

    noise = model.settings["noise_floor"]
    assert (noise["items"], noise["changed"]) == (40, 0)
    assert noise["difference"] < 1e-3


def test_answers_that_depend_on_the_rows_beside_them_are_counted(checkpoint: Path) -> None:
    model = Checkpoint(checkpoint, device="cpu", noise_floor=True)

    def lean(logits: torch.Tensor) -> torch.Tensor | None:
        return logits + 1e4 * torch.eye(logits.shape[-1])[5] if len(logits) > 20 else None

    with altered(checkpoint, lean):
        ask(model, Generate(12))

    assert model.settings["noise_floor"] == {"items": 40, "changed": 40, "difference": 0.0}


def test_likelihoods_that_are_never_twice_the_same_are_told(checkpoint: Path) -> None:
    model = Checkpoint(checkpoint, device="cpu", noise_floor=True)
    torch.manual_seed(3)

    with altered(checkpoint, lambda logits: logits + 9 * torch.randn_like(logits)):
        ask(model, CHOICES)

    noise = model.settings["noise_floor"]
    assert 0 < noise["changed"] < 40
    assert noise["difference"] > 1


def test_nothing_is_asked_twice_unless_that_is_wanted(checkpoint: Path) -> None:
    model = Checkpoint(checkpoint, device="cpu")

    ask(model, Generate(2))

    assert model.settings["noise_floor"] is None
