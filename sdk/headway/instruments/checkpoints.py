"""Which checkpoint a model was loaded from: a fingerprint of its files, read once for each model.

It covers ``config.json`` whole and, of every safetensors file of the checkpoint, its size, its
header (the tensors' names, types and shapes) and 64 bytes from the middle of each tensor; of a
``.bin`` file the size and 64 bytes at each of 256 places. So two trainings of one architecture
differ, and nobody waits for gigabytes. It does not cover what was changed in memory after loading.
"""

import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

_SAMPLE_BYTES = 64
_PLACES = 256
_LARGEST_HEADER = 100_000_000
"""As the format allows."""
_DIGITS = 16


class Fingerprint:
    """The fingerprint of one checkpoint, known as soon as it is read on a thread of its own.

    Args:
        name_or_path: a folder, or the name of a repository in Hugging Face's cache.
    """

    def __init__(self, name_or_path: str) -> None:
        self._name_or_path = name_or_path
        self._value: str | None = None
        self._is_read = False
        self._start()

    @property
    def value(self) -> str | None:
        """Sixteen hex digits; None where it is not known yet, or there are no files."""
        if not self._is_read and not self._thread.is_alive():
            self._start()  # we are in a fork of who read it
        return self._value

    def wait(self, timeout_s: float) -> str | None:
        """Return the value when it is read, or None where that takes longer."""
        self._thread.join(timeout_s)
        return self.value

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._read, name="headway-checkpoint", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            folder = folder_of(self._name_or_path)
            self._value = fingerprint(folder) if folder else None
        except (OSError, ValueError, struct.error, TypeError, KeyError, AttributeError):
            # Files that go away or are none of the format: the model was loaded by other means.
            self._value = None
        finally:
            self._is_read = True


_lock = threading.Lock()
_known: WeakKeyDictionary[Any, Fingerprint] = WeakKeyDictionary()


def fingerprint_of(model: Any, name_or_path: str) -> Fingerprint:
    """Return the fingerprint of a model's checkpoint, which is read once for each model."""
    known = _known.get(model)
    if known is None:
        with _lock:
            known = _known.get(model)
            if known is None:
                known = _known[model] = Fingerprint(name_or_path)
    return known


def folder_of(name_or_path: str) -> Path | None:
    """Return where a checkpoint lies; None where that is not certain.

    Of a repository in the cache there may be several revisions, and a model does not tell which
    one it is.
    """
    if not name_or_path:
        return None
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshots = cache / f"models--{name_or_path.replace('/', '--')}" / "snapshots"
    found = list(snapshots.iterdir()) if snapshots.is_dir() else []
    return found[0] if len(found) == 1 else None


def fingerprint(folder: Path) -> str | None:
    """Return the fingerprint of the checkpoint in a folder; None where there is none."""
    files = _weights_in(folder)
    if not files:
        return None
    total = hashlib.sha256()
    config = folder / "config.json"
    total.update(config.read_bytes() if config.is_file() else b"")
    for path in files:
        total.update(f"\n{path.name} {path.stat().st_size}\n".encode())
        pieces = _safetensors_pieces(path) if path.suffix == ".safetensors" else _pieces(path)
        for piece in pieces:
            total.update(piece)
    return total.hexdigest()[:_DIGITS]


def _weights_in(folder: Path) -> list[Path]:
    # The files that transformers loads: those of the index, else the only one, else all of a kind.
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        index = folder / f"{stem}.{suffix}.index.json"
        if index.is_file():
            names = msgspec.json.decode(index.read_bytes())["weight_map"].values()
            return [folder / name for name in sorted(set(names))]
        whole = folder / f"{stem}.{suffix}"
        if whole.is_file():
            return [whole]
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def _safetensors_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _LARGEST_HEADER:
            raise ValueError(f"{path}: the header cannot be {length} bytes long")
        header = file.read(length)
        yield header
        for name, tensor in msgspec.json.decode(header).items():
            if name == "__metadata__":
                continue
            start, end = tensor["data_offsets"]
            file.seek(8 + length + start + max(0, end - start - _SAMPLE_BYTES) // 2)
            yield file.read(min(_SAMPLE_BYTES, end - start))


def _pieces(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        for place in range(_PLACES):
            file.seek(size * place // _PLACES)
            yield file.read(_SAMPLE_BYTES)
