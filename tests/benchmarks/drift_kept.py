"""What cells of ``make bench-drift`` came to, kept, so that hours of draws survive an interruption.

What was drawn counts as long as the statistics are the same, to the byte: a cell is known by its
name, its draws and the source of ``headway_measures``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import ROOT
from tests.measures.simulations import Rate

MEASURES = ROOT / "evals" / "headway_measures"
DRAWN = ROOT / "tests" / "benchmarks" / "drift_calls.py", ROOT / "tests/measures/drift_worlds.py"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of finished cells, a line each.

    Args:
        path: made with the first cell.
    """

    path: Path

    def find(self, cell: tuple[Any, ...]) -> tuple[dict[str, Rate], dict[str, Rate]] | None:
        """Return the rates of a cell, ours and the peer's; None where it is not here."""
        if not self.path.exists():
            return None
        for line in self.path.read_text(encoding="utf-8").splitlines():
            kept = json.loads(line)
            if kept["cell"] == json.loads(json.dumps(cell)) and kept["source"] == source():
                return _read(kept["ours"]), _read(kept["theirs"])
        return None

    def add(
        self, cell: tuple[Any, ...], ours: Mapping[str, Rate], theirs: Mapping[str, Rate]
    ) -> None:
        """Keep the rates of a cell."""
        kept = {
            "cell": cell,
            "source": source(),
            "ours": {name: [rate.count, rate.draws] for name, rate in ours.items()},
            "theirs": {name: [rate.count, rate.draws] for name, rate in theirs.items()},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")


@cache
def source() -> str:
    """Return a digest of all that a cell's rates depend on."""
    digest = hashlib.blake2b(digest_size=8)
    for path in (*sorted(MEASURES.rglob("*.py")), *DRAWN):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(rates: Mapping[str, list[int]]) -> dict[str, Rate]:
    return {name: Rate(*counts) for name, counts in rates.items()}
