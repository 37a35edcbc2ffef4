"""Model folders known by their content, without reading gigabytes again that did not change.

What large files hold is written down beside the kept answers, in ``digests.json``: the path, size,
place on disk and times of a file, and the digest that it had. The time of change (``ctime``) is
among them, which the system sets at each write and nobody can set back. A file that changed just
before it was read could change once more within the same tick of a disk's clock, so it is not
written down yet.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

DIGESTS_FILE = "digests.json"
# To read less is as fast as to look it up.
_LARGE_BYTES = 1 << 20
_MOST_FILES = 1_000
_SETTLED_NS = 10_000_000_000
# All that decides an answer: weights, configuration, tokenizer, chat template. Not the README.
_CONTENT = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")
_PICKLED = "*.bin"

Stamp = tuple[int, int, int, int, int]


class _Known(msgspec.Struct, frozen=True):
    stamp: Stamp
    digest: str


_FILES = dict[str, _Known]


def digest_file(path: Path) -> str:
    """Return a digest of a file's content, which is read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Digests:
    """The digests of files: large ones are read once for as long as they stay as they are.

    Args:
        folder: where they are written down; None reads each file each time.
        read: returns the digest of a file.
        now_ns: the time.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        read: Callable[[Path], str] = digest_file,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = folder and folder / DIGESTS_FILE
        self._read = read
        self._now_ns = now_ns

    def of_folders(self, folders: Sequence[Path]) -> str:
        """Return a digest of the content of model folders, wherever they lie."""
        total = hashlib.sha256()
        for folder in folders:
            for path in _content(folder):
                total.update(f"{path.name} {self.of_file(path)}\n".encode())
            total.update(b"\n")
        return total.hexdigest()

    def of_file(self, path: Path) -> str:
        """Return the digest of a file's content."""
        if self._path is None or path.stat().st_size < _LARGE_BYTES:
            return self._read(path)
        name = str(path.resolve())
        stamp = stamp_of(path)
        known = self._load().get(name)
        if known is not None and known.stamp == stamp:
            return known.digest
        started_ns = self._now_ns()
        digest = self._read(path)
        changed_ns = max(stamp[-2:])
        if stamp == stamp_of(path) and changed_ns < started_ns - _SETTLED_NS:
            self._keep(name, _Known(stamp, digest))
        return digest

    def _load(self) -> _FILES:
        if self._path is None:
            return {}
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_FILES)
        except (OSError, msgspec.DecodeError):  # none yet, or one to be written anew
            return {}

    def _keep(self, name: str, known: _Known) -> None:
        if self._path is None:
            return
        others = {each: known for each, known in self._load().items() if each != name}
        files = dict([*others.items(), (name, known)][-_MOST_FILES:])
        part = self._path.with_name(f"{DIGESTS_FILE}.{os.getpid()}.part")
        # Where it cannot be written, the file is read again another time.
        with suppress(OSError):
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(files))
            os.replace(part, self._path)


def stamp_of(path: Path) -> Stamp:
    """Return what differs after a file was written to: place on disk, size and both times."""
    status = path.stat()
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _content(folder: Path) -> list[Path]:
    patterns = _CONTENT if any(folder.glob("*.safetensors")) else (*_CONTENT, _PICKLED)
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(files, key=lambda path: path.name)
