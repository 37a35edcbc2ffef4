"""Runs without an end: those that a process is at, and those that were broken off.

A run that was killed, or that a full disk took no more of, leaves its folder with the results that
it had. ``headway eval rerun`` goes on with it from the answers that are kept.
"""

import fcntl
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from headway_evals.errors import RunError
from headway_evals.manifests import read_manifest
from headway_evals.runs import RESULTS_FILE, is_finished
from headway_measures.scores import counted


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run without an end.

    Args:
        folder: where it lies.
        done: how many results it has.
        total: how many it was to have; None where that is not known.
        is_repeatable: whether it can be made again.
        is_under_way: whether a process is at it.
    """

    folder: Path
    done: int
    total: int | None
    is_repeatable: bool
    is_under_way: bool

    def told(self, name: str) -> str:
        """Return in a line how far it came, and what goes on with it.

        Args:
            name: what a command finds the run by.
        """
        cases = counted(self.done, "case")
        if self.total is not None:
            cases = f"{self.done:,} of {counted(self.total, 'case')}"
        if self.is_under_way:
            return f"{name}: under way, {cases}"
        onward = f"headway eval rerun {shlex.quote(name)}"
        if not self.is_repeatable:
            onward = "it cannot be made again, for its manifest.json cannot be read"
        return f"{name}: broken off after {cases}: {onward}"


def list_unfinished(runs_dir: Path) -> list[Unfinished]:
    """Return the runs of a folder that are under way or were broken off, the latest first."""
    folders = (path.parent for path in runs_dir.glob(f"*/{RESULTS_FILE}"))
    found = [_unfinished(folder) for folder in folders if not is_finished(folder)]
    return sorted(filter(None, found), key=lambda each: each.folder.name, reverse=True)


def _unfinished(folder: Path) -> Unfinished | None:
    try:
        with (folder / RESULTS_FILE).open("rb") as file:
            done = sum(line.endswith(b"\n") for line in file)
            is_under_way = _is_locked(file)
    except OSError:  # it was deleted just now, or is another's
        return None
    try:
        total, is_repeatable = read_manifest(folder).case_count, True
    except RunError:
        total, is_repeatable = None, False
    return Unfinished(folder, done, total, is_repeatable, is_under_way)


def _is_locked(file: IO[bytes]) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
