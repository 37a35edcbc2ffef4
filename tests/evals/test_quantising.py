"""Weights in fewer bits, where a library for it is installed, and a clear word where none is."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from headway_evals.errors import ModelError
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.quantising import find_quantisation
from headway_evals.models.requests import Generate, Request
from headway_evals.models.specs import ModelOptions, make_model

LIBRARIES = {
    "int8": ("torchao", "optimum.quanto", "bitsandbytes"),
    "int4": ("torchao",),
    "nf4": ("bitsandbytes",),
}


def is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def make(folder: Path, form: str | None, spec: str = "hf:tiny") -> Any:
    return make_model(spec, ModelOptions(folder=folder, device="cpu", quantise=form, self_check=2))


@pytest.mark.filterwarnings("ignore")  # the libraries' own
@pytest.mark.parametrize("form", LIBRARIES)
def test_quantised_weights_answer_and_are_a_model_of_their_own(tmp_path: Path, form: str) -> None:
    if not any(map(is_installed, LIBRARIES[form])):
        pytest.skip(f"none of {', '.join(LIBRARIES[form])} is installed")
    # Wide enough for blocks of 64 weights, which the tiny one is not.
    plain, model = (make(tmp_path, each, "hf:triage-base") for each in (None, form))
    requests = [Request(text, text, text, Generate(8)) for text in ("hello", "where is it?")]

    completions = model.generate(requests, lambda index, completion: None)

    assert [each.error for each in completions] == [None, None]
    assert model.settings["quantise"] == form
    assert model.settings["quantised_by"].split()[0] in {
        "torchao",
        "optimum-quanto",
        "bitsandbytes",
    }
    assert cache_key_of(model) != cache_key_of(plain)
    layer = model._model.model.layers[0].self_attn.q_proj
    assert type(layer.weight) is not torch.nn.Parameter


@pytest.mark.parametrize("form", LIBRARIES)
def test_without_a_library_it_is_said_how_to_install_one(checkpoint: Path, form: str) -> None:
    if any(map(is_installed, LIBRARIES[form])):
        pytest.skip("one is installed")

    with pytest.raises(ModelError, match=rf"--quantise {form} needs a library .*`pip install "):
        make(checkpoint.parent, form)


def test_an_adapter_is_not_merged_into_quantised_weights(checkpoint: Path, adapter: Path) -> None:
    with pytest.raises(ModelError, match="int8 does not go with the adapter tuned: merging it"):
        make(checkpoint.parent, "int8", "hf:tiny+tuned")


def test_a_form_that_there_is_not_is_refused() -> None:
    with pytest.raises(ModelError, match="no quantisation 'int2'; known: int8, int4, nf4"):
        find_quantisation("int2", torch.float32)


def test_weights_stay_as_they_are_where_nothing_is_said() -> None:
    assert find_quantisation(None, torch.float32) is None
