"""Model folders: found by name, checked before anything is loaded, known by their content.

A folder is a checkpoint (``config.json`` and safetensors) or a PEFT adapter
(``adapter_config.json`` and ``adapter_model.safetensors``). Nothing is ever downloaded, and
pickled weights (``.bin``) are read only where that is allowed: a pickle is a program, and torch's
reader of weights alone is what stands between it and the machine.
"""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from headway_evals.errors import ModelError

SHIPPED = Path(__file__).parents[1] / "demo" / "models"
"""The small models that come with Headway."""

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_WEIGHTS = "model.safetensors"
_PICKLED_ADAPTER_WEIGHTS = "adapter_model.bin"
_PICKLED_WEIGHTS = "pytorch_model.bin"
_TOKENIZERS = ("tokenizer.json", "*.model", "vocab*", "*.tiktoken", "tokenization_*.py")
# Of weights in several files.
_INDEX = ".index.json"


def find_folder(name: str, places: Sequence[Path]) -> Path:
    """Return the folder of a model: a path, or a name in one of the places or among the shipped.

    Raises:
        ModelError: there is none; the message lists what could be meant.
    """
    searched = (*places, SHIPPED)
    for place in searched:
        folder = place / Path(name).expanduser()
        if folder.is_dir():
            return folder
        if folder.is_file():
            raise ModelError(f"{folder} is a file; a model is a folder with a {CONFIG}")
    known = {
        path.parent.name
        for place in searched
        for config in (CONFIG, ADAPTER_CONFIG)
        for path in place.glob(f"*/{config}")
    }
    near = difflib.get_close_matches(Path(name).name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ModelError(
        f"there is no model folder {name!r}; {hint}give a path, or a name of those in sight: "
        f"{', '.join(sorted(known)) or 'none'}"
    )


def check_base(folder: Path, *, allow_pickle: bool = False) -> None:
    """Check that a folder holds a whole checkpoint.

    Args:
        folder: the folder.
        allow_pickle: whether its weights may be pickled, where it holds no safetensors.

    Raises:
        ModelError: it does not; the message says what is missing and what to do.
    """
    if not (folder / CONFIG).is_file():
        if (folder / ADAPTER_CONFIG).is_file():
            base = read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path") or "BASE"
            raise ModelError(f"{folder} is an adapter and needs its base: hf:{base}+{folder.name}")
        raise ModelError(
            f"{folder} holds no {CONFIG}, so it is no checkpoint; it holds {_listing(folder)}"
        )
    read_json(folder / CONFIG)
    _check_tokenizer(folder)
    weights = _choose(folder, _WEIGHTS, _PICKLED_WEIGHTS, allow_pickle)
    index = folder / f"{weights}{_INDEX}"
    if index.is_file():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ModelError(f"{index} holds no weight_map")
        for name in sorted(map(str, set(weight_map.values()))):
            _check_weights(folder / name)
    else:
        _check_weights(folder / weights)


def check_adapter(folder: Path, *, allow_pickle: bool = False) -> None:
    """Check that a folder holds a whole adapter.

    Args:
        folder: the folder.
        allow_pickle: whether its weights may be pickled, where it holds no safetensors.

    Raises:
        ModelError: it does not; the message says what is missing and what to do.
    """
    if not (folder / ADAPTER_CONFIG).is_file():
        raise ModelError(
            f"{folder} holds no {ADAPTER_CONFIG}, so it is no adapter; it holds {_listing(folder)}"
        )
    read_json(folder / ADAPTER_CONFIG)
    weights = _choose(folder, _ADAPTER_WEIGHTS, _PICKLED_ADAPTER_WEIGHTS, allow_pickle)
    _check_weights(folder / weights)


def holds_safetensors(folder: Path) -> bool:
    """Return whether a folder's weights, a checkpoint's or an adapter's, are safetensors."""
    names = (_WEIGHTS, f"{_WEIGHTS}{_INDEX}", _ADAPTER_WEIGHTS)
    return any((folder / name).is_file() for name in names)


def _choose(folder: Path, safe: str, pickled: str, allow_pickle: bool) -> str:
    """Return which of two forms of weights to read, the safe one where it is there."""
    found = [name for name in (pickled, f"{pickled}{_INDEX}") if (folder / name).is_file()]
    if holds_safetensors(folder) or not found:
        return safe
    if not allow_pickle:
        raise ModelError(
            f"{folder / found[0]} is pickled, and a pickle can hold any program: save the weights "
            "with safe_serialization=True, or say --allow-pickle if you trust who made it"
        )
    return pickled


def _check_tokenizer(folder: Path) -> None:
    found = [path for pattern in _TOKENIZERS for path in folder.glob(pattern)]
    if not found:
        raise ModelError(
            f"{folder} holds no tokenizer: copy {_TOKENIZERS[0]} there, or what its makers have "
            f"in its place; it holds {_listing(folder)}"
        )
    for path in found:
        if path.stat().st_size == 0:
            raise ModelError(f"{path} is empty: copy it again")


def _check_weights(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"{path.parent} holds no {path.name}; it holds {_listing(path.parent)}")
    if path.suffix == ".bin":  # torch tells when it reads it
        return
    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged or cut short ({error}): copy it again") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file's object.

    Raises:
        ModelError: there is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is no JSON object")
    return content


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:8]) or "nothing"
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
