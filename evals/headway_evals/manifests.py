"""What it takes to make a run again: a file in the run's folder, written before its first result.

    {"suite": "suites/triage.yaml", "suite_version": "5d1f…", "spec": "hf:base+v2", "limit": null,
     "device": "cpu", "dtype": "float32", "quantise": null, "allow_pickle": false,
     "batch_tokens": 8192, "self_check": 4, "noise_floor": false, "cache_functions": false,
     "concurrency": 16, "retries": 5, "rate": "600/min", "timeout_s": 300.0,
     "url": "http://127.0.0.1:4318", "project": "triage",
     "working_folder": "/home/ann/triage", "commit": "1bf6bf5…-dirty", "case_count": 600,
     "environment": {"headway": "0.1.0", "python": "3.12.3", "platform": "Linux-…"}}

Decoding is greedy or drawn from a seed that the suite holds, so with the suite's version, the
model's digest in ``run.json`` and these options nothing is left to chance. Keys stand in no file.
"""

import subprocess
from pathlib import Path
from typing import Any

import msgspec

from headway_evals.errors import RunError

MANIFEST_FILE = "manifest.json"
OPTIONS = (
    *("device", "dtype", "quantise", "allow_pickle", "batch_tokens", "self_check", "noise_floor"),
    *("cache_functions", "concurrency", "retries", "rate", "timeout_s", "url", "project"),
)
"""The fields that are a model's options."""

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
        quantise: how weights were made smaller; None where they were not.
        allow_pickle: whether weights were allowed to be pickled.
        self_check: on how many requests the engine was checked.
        noise_floor: whether all was asked a second time.
        concurrency: how many requests were under way at once, or how many prompts a Python
            function got.
        retries: how often a request was tried again.
        rate: the most requests of a time.
        timeout_s: the longest wait for an answer.
        url: the collector.
        project: its project; None reads all logs.
        working_folder: where relative paths start.
        commit: the revision of the suite's repository, with ``-dirty`` where it was changed.
        environment: versions, and the platform.
        case_count: how many cases are asked; None where an earlier version wrote the file.
        order_seed: of the order in which cases were asked and looked at; None is the suite's own.
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
    quantise: str | None = None
    allow_pickle: bool = False
    self_check: int = 4
    noise_floor: bool = False
    concurrency: int = 16
    retries: int = 5
    rate: str | None = None
    timeout_s: float = 300.0
    url: str | None = None
    project: str | None = None
    case_count: int | None = None
    order_seed: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Return what a model was made with, by the names of ``ModelOptions``."""
        found = {name: getattr(self, name) for name in OPTIONS}
        # Where none was named, today's settings name one.
        unnamed = {name for name in ("url", "project") if found[name] is None}
        return {name: value for name, value in found.items() if name not in unnamed}

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
