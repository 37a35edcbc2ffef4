"""Checkpoints that do not fit together: one line that says so, and no table of transformers'."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

from headway_evals.errors import ModelError
from headway_evals.models.requests import Generate, Request
from headway_evals.models.specs import ModelOptions, make_model


class Heard(logging.Handler):
    """What transformers logs."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler = Heard()
    transformers.utils.logging.add_handler(handler)
    yield handler
    transformers.utils.logging.remove_handler(handler)


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "odd"))


def load(folder: Path) -> None:
    model = make_model(f"hf:{folder}", ModelOptions(device="cpu"))
    model.generate([Request("c", "hi", "hi", Generate(2))], lambda index, completion: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 3}, r"missing: 9 tensors, model.layers.2.input_layernorm.weight"),
        ({"intermediate_size": 48}, r"do not fit its config.json: another shape: 6 tensors"),
    ],
)
def test_weights_that_are_not_the_configs_are_told_in_one_line(
    folder: Path, heard: Heard, change: dict[str, Any], message: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    verbosity = transformers.utils.logging.get_verbosity()

    with pytest.raises(ModelError, match=message) as caught:
        load(folder)

    assert "\n" not in str(caught.value)
    assert heard.records == []
    assert transformers.utils.logging.get_verbosity() == verbosity


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        ("quuxformer", r"odd has model_type 'quuxformer', which transformers \S+ does not know: "),
        ("vit", r"model_type 'vit' is no causal language model in transformers \S+$"),
    ],
)
def test_an_architecture_that_cannot_be_had_is_told_in_one_line(
    folder: Path, heard: Heard, model_type: str, message: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type}))

    with pytest.raises(ModelError, match=message) as caught:
        load(folder)

    assert "\n" not in str(caught.value)
    assert heard.records == []


def test_an_adapter_of_another_rank_is_told_in_one_line(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    odd = Path(shutil.copytree(adapter, tmp_path / "ranked"))
    config = json.loads((odd / "adapter_config.json").read_text())
    (odd / "adapter_config.json").write_text(json.dumps({**config, "r": 2 * config["r"]}))
    given, wanted = config["r"], 2 * config["r"]

    with pytest.raises(ModelError, match="ranked does not fit its base: ") as caught:
        make_model(f"hf:{checkpoint}+{odd}", ModelOptions(device="cpu")).generate(
            [Request("c", "hi", "hi", Generate(2))], lambda index, completion: None
        )

    told = str(caught.value)
    assert "\n" not in told
    assert f"another shape than its adapter_config.json (r={wanted}) and the base say" in told
    assert f": ({given}, " in told
    assert f"({wanted}, " in told


def test_a_folder_without_a_tokenizer_says_what_to_copy(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()

    with pytest.raises(ModelError, match=r"holds no tokenizer: copy tokenizer\.json there"):
        load(folder)


def test_an_empty_tokenizer_is_told_before_anything_is_loaded(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("")

    with pytest.raises(ModelError, match=r"tokenizer.json is empty: copy it again"):
        load(folder)
