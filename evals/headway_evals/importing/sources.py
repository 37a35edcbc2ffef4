"""The files that an imported file names: those of its own folder, and no others.

Someone's suite is not ours to trust: with ``file:///etc/passwd`` it would put a secret into a
prompt, and so into whatever answers it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway_evals.documents import Faults, parse_yaml
from headway_evals.errors import ImportingError

SCHEME = "file://"
_MOST_BYTES = 64 * 2**20
_MOST_FILES = 10_000


class SourceRefused(ImportingError):
    """A file is not there, or may not be read."""


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Finds files.

    Args:
        folder: where references start, and which they may not leave.
        allow_code: whether they may leave it all the same.
    """

    folder: Path
    allow_code: bool = False

    def find(self, reference: str) -> Path:
        """Return the file of a reference, with or without ``file://``.

        Raises:
            SourceRefused: it is not there, or lies elsewhere.
        """
        path = self._inside(self.folder / reference.removeprefix(SCHEME), reference)
        if not path.is_file():
            raise SourceRefused(f"there is no file {reference}")
        return path

    def find_all(self, pattern: str) -> list[Path]:
        """Return the files of a pattern such as ``tests/*.yaml``, in the order of their names.

        Raises:
            SourceRefused: there is none, or one lies elsewhere.
        """
        plain = pattern.removeprefix(SCHEME)
        if not any(each in plain for each in "*?["):
            return [self.find(plain)]
        if ".." in Path(plain).parts or Path(plain).is_absolute():
            raise SourceRefused(f"{pattern} leaves the folder {self.folder}: write it from there")
        found = sorted(path for path in self.folder.glob(plain) if path.is_file())
        if not found:
            raise SourceRefused(f"there is no file {pattern}")
        if len(found) > _MOST_FILES:
            raise SourceRefused(f"{pattern} names more than {_MOST_FILES:,} files")
        return [self._inside(path, str(path)) for path in found]

    def read_text(self, path: Path) -> str:
        """Return a file's text.

        Raises:
            SourceRefused: it is too large, is no text, or cannot be read.
        """
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise SourceRefused(f"{path} is larger than {_MOST_BYTES:,} bytes")
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise SourceRefused(f"{path} is not UTF-8 text: {error.reason}") from error
        except OSError as error:
            raise SourceRefused(f"{path} cannot be read: {error.strerror}") from error

    def shown(self, path: Path) -> str:
        """Return a path as a report names it: from the folder on, where it lies in it."""
        folder = self.folder.resolve()
        resolved = path.resolve()
        return str(resolved.relative_to(folder)) if resolved.is_relative_to(folder) else str(path)

    def _inside(self, path: Path, reference: str) -> Path:
        if self.allow_code:
            return path
        # Resolved, so that no link leads out either.
        try:
            is_inside = path.resolve().is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError, ValueError) as error:
            raise SourceRefused(f"{reference} is no path: {error}") from error
        if not is_inside:
            raise SourceRefused(
                f"{reference} lies outside {self.folder}; --allow-code reads it all the same"
            )
        return path


def parsed(text: str, path: str) -> Any:
    """Return what a YAML or JSON text says.

    Raises:
        ImportingError: it is none.
    """
    faults = Faults()
    value = parse_yaml(text, path, faults)
    if faults.found:
        raise ImportingError(str(faults.error()))
    return value
