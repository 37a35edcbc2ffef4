"""What it takes to make a run again: a file in the run's folder, written before its first result.

    {"suite": "suites/triage.yaml", "suite_version": "5d1f…", "spec": "hf:base+v2", "limit": null,
     "device": "cpu", "dtype": "float32", "batch_tokens": 8192, "cache_functions": false,
     "working_folder": "/home/ann/triage", "commit": "1bf6bf5…-dirty",
     "environment": {"headway": "0.1.0", "python": "3.12.3", "platform": "Linux-…"}}

Decoding is greedy or drawn from a seed that the suite holds, so with the suite's version, the
model's digest in ``run.json`` and these options nothing is left to chance.
"""

import subprocess
from pathlib import Path

import msgspec

from headway_evals.errors import RunError

MANIFEST_FILE = "manifest.json"
_GIT_TIMEOUT_S = 10.0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One run, before it is made.

    Args:
        suite: the suite's file, as it was given.
        suite_version: that of the suite's content.
        spec: the model, as it was given.
        limit: how many of the cases were to be run; None is all.
        device: where the model ran; None where it has no device.
        dtype: of its weights.
        batch_tokens: the most tokens of a batch.
        cache_functions: whether the answers of Python functions were kept.
        working_folder: where relative paths start.
        commit: the revision of the suite's repository, with ``-dirty`` where it was changed.
        environment: versions, and the platform.
    """

    suite: str
    suite_version: str
    spec: str
    limit: int | None
    device: str | None
    dtype: str | None
    batch_tokens: int | None
    cache_functions: bool
    working_folder: str
    commit: str | None
    environment: dict[str, str]

    @property
    def place(self) -> Path:
        """Return where relative paths start: there, or on another machine here."""
        folder = Path(self.working_folder)
        return folder if folder.is_dir() else Path()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a run's manifest.

    Raises:
        OSError: it cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    (folder / MANIFEST_FILE).write_bytes(content)


def read_manifest(folder: Path) -> Manifest:
    """Read a run's manifest.

    Raises:
        RunError: there is none, or it is damaged.
    """
    path = folder / MANIFEST_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise RunError(
            f"{path} cannot be read, and without it nothing tells how the run was made: "
            f"{error.strerror}"
        ) from error
    except msgspec.DecodeError as error:
        raise RunError(f"{path} is damaged: {error}") from error


def commit_of(folder: Path) -> str | None:
    """Return the revision of the repository that a folder is part of, None where there is none."""
    words = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    words += ["--exclude=*"]  # no tag stands for a commit
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):  # no git here, or a repository too large for it
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
