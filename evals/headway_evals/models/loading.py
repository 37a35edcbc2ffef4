"""Checkpoints from disk to memory: device, weights, tokenizer, and a line where they do not fit."""

import pickle
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from headway_evals.errors import ModelError
from headway_evals.models.folders import ADAPTER_CONFIG, CONFIG, holds_safetensors, read_json
from headway_evals.models.quantising import Quantisation
from headway_measures.scores import counted, shortened

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# No download, and no code that comes with a checkpoint.
_FROM_DISK = {"local_files_only": True, "trust_remote_code": False}
_MISFITS = (OSError, ValueError, RuntimeError, KeyError, TypeError, UserWarning)
# What torch raises over a pickle that holds something else than weights, or is cut short.
_UNREADABLE = (
    *(pickle.UnpicklingError, struct.error, EOFError),
    *(IndexError, AttributeError, TypeError, AssertionError),
)

_VERSION = f"transformers {transformers.__version__}"
_LONGEST = 400
# What torch says of each tensor.
_OTHER_SHAPE = re.compile(
    r"size mismatch for (\S+): copying a param with shape torch\.Size\(\[([^]]*)\]\) from "
    r"checkpoint, the shape in current model is torch\.Size\(\[([^]]*)\]\)"
)


def find_device(name: str | None) -> torch.device:
    """Return a device by its name; without one the GPU, where there is one.

    Raises:
        ModelError: there is no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"there is no device {name!r}; give cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not (device.index or 0) < torch.cuda.device_count():
        raise ModelError(
            f"there is no device {name!r} here: torch sees {torch.cuda.device_count()} GPUs"
        )
    return device


def load_tokenizer(folder: Path) -> Any:
    """Return a checkpoint's tokenizer.

    Raises:
        ModelError: it cannot be loaded.
    """
    _check_architecture(folder)
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, **_FROM_DISK)
    except (OSError, ValueError, KeyError) as error:
        told = _line(str(error))
        raise ModelError(f"the tokenizer in {folder} cannot be loaded: {told}") from error


def load_config(folder: Path) -> Any:
    """Return a checkpoint's configuration.

    Raises:
        ModelError: it cannot be loaded.
    """
    _check_architecture(folder)
    try:
        return transformers.AutoConfig.from_pretrained(folder, **_FROM_DISK)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} cannot be loaded: {_line(str(error))}") from error


def load_context(folder: Path) -> int:
    """Return how many tokens a checkpoint's model sees at once.

    Raises:
        ModelError: its configuration cannot be loaded.
    """
    text_config = load_config(folder).get_text_config(decoder=True)
    return int(getattr(text_config, "max_position_embeddings", None) or 2**31)


def load_weights(
    folder: Path,
    device: torch.device,
    dtype: str,
    *,
    quantisation: Quantisation | None = None,
    allow_pickle: bool = False,
) -> Any:
    """Return a checkpoint's model, in eval mode.

    Args:
        folder: the checkpoint's.
        device: where it is to lie.
        dtype: a key of ``DTYPES``.
        quantisation: how its weights are made smaller while they are loaded.
        allow_pickle: whether they may be pickled, where there are no safetensors; torch then
            reads tensors out of the pickle and nothing else.

    Raises:
        ModelError: it cannot be loaded, or its weights are not those of its configuration.
    """
    _check_architecture(folder)
    transformers.utils.logging.disable_progress_bar()
    given: dict[str, Any] = {}
    if quantisation is not None:
        # Some libraries' weights cannot be moved afterwards.
        given = {"quantization_config": quantisation.config, "device_map": {"": device}}
    try:
        with _silence():
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=DTYPES[dtype],
                **_FROM_DISK,
                use_safetensors=not allow_pickle or holds_safetensors(folder),
                weights_only=True,
                **given,
                output_loading_info=True,
                # They are told below, in a line and not in a table.
                ignore_mismatched_sizes=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, *_UNREADABLE) as error:
        form = f" as {quantisation.form} by {quantisation.library}" if quantisation else ""
        told = _line(str(error))
        if told.startswith("Unrecognized configuration class"):
            told = f"model_type {_model_type(folder)!r} is no causal language model in {_VERSION}"
        raise ModelError(f"{folder} cannot be loaded{form}: {told}") from error
    # transformers fills what is missing with random numbers and goes on.
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise ModelError(
            f"the weights in {folder} are not those of a {type(model).__name__}: "
            f"missing: {counted(len(lacking), 'tensor')}, {lacking[0]} for one"
        )
    # Each with its two shapes behind it.
    misfits = sorted(name for name, *_ in report["mismatched_keys"])
    if misfits:
        raise ModelError(
            f"the weights in {folder} do not fit its config.json: another shape: "
            f"{counted(len(misfits), 'tensor')}, {misfits[0]} for one"
        )
    return (model if quantisation else model.to(device)).eval()


def inject_adapter(model: Any, adapter: Path, *, allow_pickle: bool = False) -> Any:
    """Return a model with an adapter's layers in it, not merged yet.

    Raises:
        ModelError: the adapter is not one for this model, or is pickled where it must not be.
    """
    if not allow_pickle and not holds_safetensors(adapter):
        raise ModelError(f"{adapter} holds no safetensors")
    try:
        with warnings.catch_warnings():
            # peft asks for an attribute by the name it had before transformers renamed it.
            warnings.simplefilter("ignore", FutureWarning)
            # An adapter that lacks tensors would be merged as if it had learnt nothing there.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            return peft.PeftModel.from_pretrained(model, adapter, local_files_only=True)
    except (*_MISFITS, *_UNREADABLE) as error:
        raise ModelError(
            f"the adapter {adapter} does not fit its base: {_misfit(adapter, str(error))}"
        ) from error


def _check_architecture(folder: Path) -> None:
    """Check that transformers knows the model's type, before it warns and advises in its words.

    Raises:
        ModelError: it does not.
    """
    model_type = _model_type(folder)
    if model_type is not None and model_type not in transformers.CONFIG_MAPPING:
        raise ModelError(
            f"{folder} has model_type {model_type!r}, which {_VERSION} does not know: if it is "
            f"right in its {CONFIG}, install a later transformers"
        )


def _model_type(folder: Path) -> Any:
    return read_json(folder / CONFIG).get("model_type")


def _line(text: str) -> str:
    return shortened(" ".join(text.split()), _LONGEST)


def _misfit(adapter: Path, fault: str) -> str:
    """Return torch's list of tensors as a line about the first of them."""
    shapes = _OTHER_SHAPE.findall(fault)
    if not shapes:
        return _line(fault)
    name, given, wanted = shapes[0]
    name = name.removeprefix("base_model.model.")
    rank = read_json(adapter / ADAPTER_CONFIG).get("r")
    return (
        f"{len(shapes)} of its tensors have another shape than its {ADAPTER_CONFIG} (r={rank}) and "
        f"the base say, {name}: ({given}) in the file, ({wanted}) expected"
    )


@contextmanager
def _silence() -> Iterator[None]:
    """Let transformers keep its tables to itself; what they say is in our one line."""
    logging = transformers.utils.logging
    earlier = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(earlier)
