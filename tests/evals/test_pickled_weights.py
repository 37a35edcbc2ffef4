"""Pickled weights: read where that is allowed, as tensors and nothing else."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from headway_evals.errors import ModelError
from headway_evals.models.requests import Generate, Request
from headway_evals.models.specs import ModelOptions, make_model


def answers(spec: str, folder: Path, **options: Any) -> list[str | None]:
    model = make_model(spec, ModelOptions(folder=folder, device="cpu", **options))
    requests = [Request(text, text, text, Generate(20)) for text in ("hello", "where is it?")]
    return [each.text for each in model.generate(requests, lambda index, completion: None)]


def in_one(folder: Path, tensors: dict[str, torch.Tensor]) -> str:
    torch.save(tensors, folder / "pytorch_model.bin")
    return "pytorch_model.bin"


def in_several(folder: Path, tensors: dict[str, torch.Tensor]) -> str:
    parts = [dict(list(tensors.items())[half::2]) for half in (0, 1)]
    places: dict[str, str] = {}
    for number, part in enumerate(parts):
        name = f"pytorch_model-0000{number + 1}-of-00002.bin"
        torch.save(part, folder / name)
        places |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return "pytorch_model.bin.index.json"


@pytest.fixture
def pickled(checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint without its weights."""
    left_out = shutil.ignore_patterns("*.safetensors")
    return Path(shutil.copytree(checkpoint, tmp_path / "pickled", ignore=left_out))


@pytest.mark.parametrize("write", [in_one, in_several])
def test_pickled_weights_answer_as_their_safetensors_where_they_are_allowed(
    checkpoint: Path, pickled: Path, write: Callable[[Path, dict[str, torch.Tensor]], str]
) -> None:
    name = write(pickled, load_file(checkpoint / "model.safetensors"))

    told = answers("hf:pickled", pickled.parent, allow_pickle=True)

    assert told == answers("hf:tiny", checkpoint.parent)
    with pytest.raises(ModelError, match=rf"{name} is pickled, and .* say --allow-pickle if"):
        answers("hf:pickled", pickled.parent)


def test_a_missing_part_of_pickled_weights_is_told(checkpoint: Path, pickled: Path) -> None:
    in_several(pickled, load_file(checkpoint / "model.safetensors"))
    (pickled / "pytorch_model-00002-of-00002.bin").unlink()

    with pytest.raises(ModelError, match=r"holds no pytorch_model-00002-of-00002\.bin; it"):
        answers("hf:pickled", pickled.parent, allow_pickle=True)


def test_a_pickled_adapter_answers_as_its_safetensors_where_it_is_allowed(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    left_out = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(adapter, tmp_path / "old", ignore=left_out)
    torch.save(
        load_file(adapter / "adapter_model.safetensors"), tmp_path / "old" / "adapter_model.bin"
    )

    told = answers(f"hf:{checkpoint}+old", tmp_path, allow_pickle=True)

    assert told == answers("hf:tiny+tuned", checkpoint.parent)
    with pytest.raises(ModelError, match=r"adapter_model.bin is pickled, and"):
        answers(f"hf:{checkpoint}+old", tmp_path)


class _Program:
    """Pickled, it writes a file where it is read."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self._trace,))


def test_a_program_in_a_pickle_is_not_run(pickled: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"model.norm.weight": _Program(trace)}, pickled / "pytorch_model.bin")

    with pytest.raises(ModelError, match="pickled cannot be loaded"):
        answers("hf:pickled", pickled.parent, allow_pickle=True)

    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickle.dumps([1], protocol=2), pickle.dumps({"a": 1}, protocol=2)[:-3]],
)
def test_a_damaged_pickle_is_one_message(pickled: Path, content: bytes) -> None:
    (pickled / "pytorch_model.bin").write_bytes(content)

    with pytest.raises(ModelError, match="pickled cannot be loaded"):
        answers("hf:pickled", pickled.parent, allow_pickle=True)


def test_safetensors_are_read_where_both_are_there(checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "both"))
    (folder / "pytorch_model.bin").write_bytes(b"no pickle")

    assert answers("hf:both", tmp_path, allow_pickle=True) == answers("hf:tiny", checkpoint.parent)


def test_pickled_weights_are_known_by_their_content(checkpoint: Path, pickled: Path) -> None:
    def digest() -> str:
        options = ModelOptions(folder=pickled.parent, device="cpu", allow_pickle=True)
        return make_model("hf:pickled", options).digest

    tensors = load_file(checkpoint / "model.safetensors")
    in_one(pickled, tensors)
    before = digest()
    in_one(pickled, {**tensors, "model.norm.weight": tensors["model.norm.weight"] + 1})

    assert digest() != before
