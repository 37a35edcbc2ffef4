"""Model folders: found by name, checked before anything is loaded, known by their content.

A folder is a checkpoint (``config.json`` and safetensors) or a PEFT adapter
(``adapter_config.json`` and ``adapter_model.safetensors``). Nothing is ever downloaded, and
pickled weights are not read: opening them runs whatever code they hold.
"""

import difflib
import hashlib
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
_TOKENIZERS = ("tokenizer.json", "*.model", "vocab*", "*.tiktoken", "tokenization_*.py")
_WEIGHTS_INDEX = "model.safetensors.index.json"
# All that decides an answer: weights, configuration, tokenizer, chat template. Not the README.
_CONTENT = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")


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


def check_base(folder: Path) -> None:
    """Check that a folder holds a whole checkpoint.

    Raises:
        ModelError: it does not; the message says what is missing and what to do.
    """
    if not (folder / CONFIG).is_file():
        if (folder / ADAPTER_CONFIG).is_file():
            base = _read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path") or "BASE"
            raise ModelError(f"{folder} is an adapter and needs its base: hf:{base}+{folder.name}")
        raise ModelError(
            f"{folder} holds no {CONFIG}, so it is no checkpoint; it holds {_listing(folder)}"
        )
    _read_json(folder / CONFIG)
    _check_tokenizer(folder)
    if (folder / _WEIGHTS_INDEX).is_file():
        weight_map = _read_json(folder / _WEIGHTS_INDEX).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ModelError(f"{folder / _WEIGHTS_INDEX} holds no weight_map")
        for name in sorted(map(str, set(weight_map.values()))):
            _check_weights(folder / name)
    else:
        _check_weights(folder / _WEIGHTS)


def check_adapter(folder: Path) -> None:
    """Check that a folder holds a whole adapter.

    Raises:
        ModelError: it does not; the message says what is missing and what to do.
    """
    if not (folder / ADAPTER_CONFIG).is_file():
        raise ModelError(
            f"{folder} holds no {ADAPTER_CONFIG}, so it is no adapter; it holds {_listing(folder)}"
        )
    _read_json(folder / ADAPTER_CONFIG)
    _check_weights(folder / _ADAPTER_WEIGHTS)


def digest_folders(folders: Sequence[Path]) -> str:
    """Return a digest of the content of model folders, wherever they lie."""
    total = hashlib.sha256()
    for folder in folders:
        files = {path for pattern in _CONTENT for path in folder.glob(pattern) if path.is_file()}
        for path in sorted(files, key=lambda path: path.name):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path.name} {content}\n".encode())
        total.update(b"\n")
    return total.hexdigest()


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
        pickled = any(path.parent.glob("*.bin"))
        hint = "; pickled weights are not read, save it with safe_serialization" if pickled else ""
        raise ModelError(f"{path.parent} holds no {path.name}{hint}")
    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged or cut short ({error}): copy it again") from error


def _read_json(path: Path) -> dict[str, Any]:
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
