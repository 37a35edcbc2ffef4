"""Adapters take turns on one base, and each finds it as it came."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from headway_evals.errors import ModelError
from headway_evals.models.bases import Base, find_base
from headway_evals.models.checkpoints import Checkpoint
from headway_evals.models.requests import Generate, Request

CPU = torch.device("cpu")


def make_adapter(checkpoint: Path, folder: Path, **changes: Any) -> Path:
    torch.manual_seed(13)
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    changes = {"target_modules": ["o_proj", "down_proj"], "init_lora_weights": False, **changes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        tuned = peft.get_peft_model(model, peft.LoraConfig(r=4, **changes))
        with torch.no_grad():
            for name, parameter in tuned.named_parameters():
                if "bias" in name or "modules_to_save" in name:
                    parameter += 1
        tuned.save_pretrained(folder)
    return folder


@pytest.fixture
def other(checkpoint: Path, tmp_path: Path) -> Path:
    return make_adapter(checkpoint, tmp_path / "other")


@pytest.fixture
def biased(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint whose projections have biases."""
    folder = tmp_path / "biased"
    config = transformers.AutoConfig.from_pretrained(checkpoint)
    config.attention_bias = True
    torch.manual_seed(17)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    for file in checkpoint.glob("tokenizer*"):
        shutil.copy(file, folder)
    return folder


def content(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


def answers(model: Checkpoint) -> list[str | None]:
    requests = [Request(text, text, text, Generate(20)) for text in ("hello", "where is it?")]
    return [each.text for each in model.generate(requests, lambda index, completion: None)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_base_is_its_own_bytes_after_any_number_of_adapters(
    checkpoint: Path, adapter: Path, other: Path, dtype: str
) -> None:
    base = Base(checkpoint, CPU, dtype)
    fresh = content(Base(checkpoint, CPU, dtype).wearing(None))

    tuned = [content(base.wearing(each)) for each in (adapter, other, adapter)]

    assert equal(tuned[0], tuned[2])
    assert equal(tuned[1], content(Base(checkpoint, CPU, dtype).wearing(other)))
    assert not equal(tuned[0], tuned[1])
    assert equal(content(base.wearing(None)), fresh)


def test_candidates_on_one_base_load_it_once_and_answer_as_each_alone(
    checkpoint: Path, adapter: Path, other: Path
) -> None:
    specs = [None, adapter, other]
    alone = [answers(Checkpoint(checkpoint, each)) for each in specs]

    together = [Checkpoint(checkpoint, each) for each in specs]
    before = find_base(checkpoint, CPU, "float32").wearing(None)
    in_turn = [answers(model) for model in together]
    again = [answers(model) for model in reversed(together)][::-1]

    assert in_turn == alone == again
    assert len({tuple(each) for each in alone}) == 3
    assert find_base(checkpoint, CPU, "float32").wearing(None) is before


@pytest.mark.parametrize("changes", [{"bias": "all"}, {"modules_to_save": ["lm_head"]}])
def test_an_adapter_that_changes_more_than_it_merges_leaves_no_trace(
    biased: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    deep = make_adapter(biased, tmp_path / "deep", target_modules=["q_proj"], **changes)
    base = Base(biased, CPU, "float32")
    before = content(base.wearing(None))

    tuned = content(base.wearing(deep))

    assert not equal(tuned, before)
    assert equal(content(base.wearing(None)), before)


def test_an_adapter_that_does_not_fit_leaves_its_base_whole(
    checkpoint: Path, adapter: Path, biased: Path, tmp_path: Path
) -> None:
    alien = Path(shutil.copytree(adapter, tmp_path / "alien"))
    config = (alien / "adapter_config.json").read_text()
    (alien / "adapter_config.json").write_text(config.replace('"r": 4', '"r": 5'))
    base = Base(checkpoint, CPU, "float32")
    before = content(base.wearing(adapter))

    with pytest.raises(ModelError, match="alien does not fit its base"):
        base.wearing(alien)

    assert equal(content(base.wearing(adapter)), before)


def test_weights_that_were_written_over_are_another_base(checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "trained"))
    before = find_base(folder, CPU, "float32")

    assert find_base(folder, CPU, "float32") is before
    assert find_base(folder, CPU, "bfloat16") is not before
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert find_base(folder, CPU, "float32") is not before
