"""``--quantise``: weights in 8 or 4 bits, by whichever library is installed and can do it here.

transformers does the work while it loads; the configurations are its own. None of the libraries
is needed otherwise, so none comes with Headway.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import import_utils

from headway_evals.errors import ModelError


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How weights are made smaller.

    Args:
        form: ``int8``, ``int4`` or ``nf4``.
        library: what does it, with its version: another rounds otherwise.
        config: what transformers is given.
    """

    form: str
    library: str
    config: Any


@dataclass(frozen=True, slots=True)
class _Library:
    """What does it.

    Args:
        name: as pip knows it.
        is_here: whether it is installed, in a version that transformers takes.
        make: makes what transformers is given.
        needs: what must be installed besides.
    """

    name: str
    is_here: Callable[[], bool]
    make: Callable[[torch.dtype], Any]
    needs: str = ""


def _bytes(dtype: torch.dtype) -> Any:
    from torchao.quantization import Int8WeightOnlyConfig

    return transformers.TorchAoConfig(Int8WeightOnlyConfig())


def _half_bytes(dtype: torch.dtype) -> Any:
    # Plain torch, and so on every device; what is faster needs a kernel for each.
    from torchao.quantization import IntxWeightOnlyConfig
    from torchao.quantization.granularity import PerGroup

    return transformers.TorchAoConfig(
        IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(_GROUP))
    )


def _by_quanto(dtype: torch.dtype) -> Any:
    return transformers.QuantoConfig("int8")


def _in_8_bits(dtype: torch.dtype) -> Any:
    return transformers.BitsAndBytesConfig(load_in_8bit=True)


def _in_normal_floats(dtype: torch.dtype) -> Any:
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )


_TORCHAO = import_utils.is_torchao_available
_BITS = import_utils.is_bitsandbytes_available
_QUANTO = import_utils.is_optimum_quanto_available
# Weights that share a scale.
_GROUP = 32
# Weights alone before weights and activations: the first of a line that is installed is taken.
_LIBRARIES: dict[str, tuple[_Library, ...]] = {
    "int8": (
        _Library("torchao", _TORCHAO, _bytes),
        _Library("optimum-quanto", _QUANTO, _by_quanto, needs="optimum"),
        _Library("bitsandbytes", _BITS, _in_8_bits),
    ),
    "int4": (_Library("torchao", _TORCHAO, _half_bytes),),
    "nf4": (_Library("bitsandbytes", _BITS, _in_normal_floats),),
}
FORMS = tuple(_LIBRARIES)
"""What ``--quantise`` takes."""


def find_quantisation(
    form: str | None, dtype: torch.dtype, adapter: Path | None = None
) -> Quantisation | None:
    """Return how weights are brought into a form, by the first library that is installed.

    Args:
        form: a key of ``_LIBRARIES``; None leaves them as they are.
        dtype: what is computed in.
        adapter: what was to be merged into the weights.

    Raises:
        ModelError: there is no such form, no library for it, or an adapter.
    """
    if form is None:
        return None
    libraries = _LIBRARIES.get(form)
    if libraries is None:
        raise ModelError(f"there is no quantisation {form!r}; known: {', '.join(_LIBRARIES)}")
    if adapter is not None:
        raise ModelError(
            f"--quantise {form} does not go with the adapter {adapter.name}: merging it would "
            "round the weights twice; save the two merged as a checkpoint, and quantise that"
        )
    for library in libraries:
        if library.is_here():
            told = f"{library.name} {version(library.name)}"
            return Quantisation(form, told, library.make(dtype))
    commands = [f"`pip install {' '.join([each.name, each.needs]).strip()}`" for each in libraries]
    raise ModelError(
        f"--quantise {form} needs a library that is not installed: {' or '.join(commands)}"
    )


def told(quantisation: Quantisation | None) -> dict[str, str]:
    """Return what a run's settings and its cache's key say of it."""
    if quantisation is None:
        return {}
    return {"quantise": quantisation.form, "quantised_by": quantisation.library}
