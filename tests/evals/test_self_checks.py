"""An engine that errs is found before any of its answers count."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from headway_evals.commands import EVAL
from headway_evals.demo import messages
from headway_evals.errors import ModelError
from headway_evals.models.bases import find_base
from headway_evals.models.checkpoints import Checkpoint
from headway_evals.models.requests import Ask, Choices, Completion, Generate, Request, Rolling

SHIPPED = Path(messages.__file__).parent / "models" / "triage-base"
KINDS: list[Ask] = [
    Generate(8),
    Generate(8, temperature=1.0),
    Choices(("yes", "no"), unconditional=True),
    Rolling(),
]


def requests(each: Ask, count: int = 24) -> list[Request]:
    texts = [f"{'where is my parcel? ' * (1 + number % 3)}{number}" for number in range(count)]
    return [Request(f"case {text}", text, text, each) for text in texts]


def ask(model: Checkpoint, each: Ask) -> list[Completion]:
    seen: list[int] = []
    try:
        return model.generate(requests(each), lambda index, completion: seen.append(index))
    except ModelError:
        assert not seen  # nothing counted that should not
        raise


def model_of(checkpoint: Path) -> Any:
    return find_base(checkpoint, torch.device("cpu"), "float32").wearing(None)


@contextmanager
def altered(module: Any, change: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """Change what a module returns wherever the engine packs: the plain path masks nothing."""

    def alter(module: Any, inputs: Any, options: Any, output: Any) -> None:
        if options.get("attention_mask") is not None:
            change(output[0])

    handle = module.register_forward_hook(alter, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def overwritten(weights: torch.Tensor) -> Iterator[None]:
    """Give weights back what they held."""
    kept = weights.detach().clone()
    try:
        with torch.no_grad():
            yield
    finally:
        with torch.no_grad():
            weights.copy_(kept)


@pytest.mark.parametrize("each", KINDS, ids=str)
def test_a_sound_engine_passes_and_the_run_remembers(checkpoint: Path, each: Ask) -> None:
    model = Checkpoint(checkpoint, device="cpu", self_check=3)

    completions = ask(model, each)

    assert all(completion.error is None for completion in completions)
    assert model.settings["self_check"]["items"] == 3
    assert model.settings["self_check"]["difference"] < 1e-3


@pytest.mark.parametrize("each", KINDS[:3], ids=str)
def test_an_engine_that_errs_in_batches_is_stopped_with_case_and_difference(
    checkpoint: Path, each: Ask
) -> None:
    model = Checkpoint(checkpoint, device="cpu", self_check=4)

    def shift(states: torch.Tensor) -> None:
        states[:, :, 0] += 3

    with (
        altered(model_of(checkpoint).model, shift),
        pytest.raises(
            ModelError, match=r"failed at case 'case where .*': .* on the plain path -?\d"
        ),
    ):
        ask(model, each)


def test_no_check_is_made_where_none_is_wanted(checkpoint: Path) -> None:
    model = Checkpoint(checkpoint, device="cpu", self_check=0)

    with altered(model_of(checkpoint).model, lambda states: states.fill_(1)):
        ask(model, Generate(4))

    assert model.settings["self_check"] is None


def test_tokens_that_only_rounding_tells_apart_may_be_taken_in_turn(checkpoint: Path) -> None:
    model = Checkpoint(checkpoint, device="cpu", self_check=4)
    inner = model_of(checkpoint)

    def lean(logits: torch.Tensor) -> None:
        logits[..., 60:99] += 1e-4

    with overwritten(inner.lm_head.weight):
        inner.lm_head.weight[60:99] = inner.lm_head.weight[10:49] * (1 - 1e-6)
        plain = [each.text for each in ask(model, Generate(1))]
        with altered(inner, lean):
            leaning = [each.text for each in ask(model, Generate(1))]

    assert plain != leaning
    assert 0 < model.settings["self_check"]["difference"] < 1e-3


@pytest.mark.parametrize("each", KINDS[:3], ids=str)
def test_a_model_that_gives_nan_is_no_fault_of_the_engine(checkpoint: Path, each: Ask) -> None:
    model = Checkpoint(checkpoint, device="cpu", self_check=24)
    embeddings = model_of(checkpoint).model.embed_tokens.weight

    with overwritten(embeddings):
        embeddings[4 + ord("7") - ord(" ")] = torch.nan
        completions = ask(model, each)

    assert [completions[7].text, completions[17].text] == [None, None]
    assert completions[5].error is None


@pytest.mark.parametrize("each", [Generate(24), Choices(("refund", "other", "{"))], ids=str)
def test_rounding_in_sixteen_bits_is_no_fault(each: Ask) -> None:
    model = Checkpoint(SHIPPED, device="cpu", dtype="bfloat16", self_check=24)

    ask(model, each)

    assert model.settings["self_check"]["items"] == 24


@pytest.mark.parametrize(
    ("words", "checked", "asked_twice"),
    [([], 4, None), (["--self-check", "0"], None, None), (["--noise-floor"], 4, 6)],
)
def test_the_command_checks_the_engine_unless_told_otherwise(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    checked: int | None,
    asked_twice: int | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    cases = [{"id": f"c{number}", "input": f"hi {number}", "expected": "?"} for number in range(6)]
    suite = {"suite": "greetings", "scorers": ["exact"], "cases": cases}
    (tmp_path / "suite.yaml").write_text(json.dumps(suite))
    parser = argparse.ArgumentParser()
    EVAL.configure(parser)

    arguments = ["run", "suite.yaml", "--model", f"hf:{checkpoint}", "--no-publish", *words]
    EVAL.run(parser.parse_args(arguments))

    (file,) = tmp_path.glob(".headway/runs/*/run.json")
    settings = json.loads(file.read_text())["settings"]["model"]
    assert (settings["self_check"] or {}).get("items") == checked
    assert (settings["noise_floor"] or {}).get("items") == asked_twice
