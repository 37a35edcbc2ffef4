"""How far an import came, in a file of its own, so that the next run goes on from there.

The mark only saves time. Ids and batches are the same in every run, so an import without its mark
sends everything again, and the collector keeps each record once.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """A row that is no record, or that the collector refused."""

    line: int
    reason: str


class Totals(msgspec.Struct):
    """What came of the rows so far; ``faults`` holds the first of the bad ones."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    bad: int = 0
    faults: list[Fault] = []


class Mark(msgspec.Struct, frozen=True):
    """Where an import stands.

    Args:
        next_row: the number of the first row that is not yet committed.
        last_batch_row: the number of the first row of the last batch that was.
        totals: up to there.
    """

    next_row: int
    last_batch_row: int
    totals: Totals


class MarkFile:
    """The mark of one import: of one file with one plan into one project of one collector."""

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.json"

    def load(self) -> Mark | None:
        """Return the mark, or None where there is none that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Mark)
        except (OSError, msgspec.DecodeError):
            return None

    def save(self, mark: Mark) -> None:
        """Replace the mark, whole or not at all; a folder that cannot be written to keeps none."""
        fresh = self._path.with_suffix(".new")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(mark))
            fresh.replace(self._path)

    def remove(self) -> None:
        """Forget how far it came."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def find_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for marks in the user's state folder, as XDG names it."""
    environment = os.environ if environment is None else environment
    state = environment.get("XDG_STATE_HOME")
    root = Path(state) if state else Path.home() / ".local" / "state"
    return root / "headway" / "imports"
