"""Whether a gate asks for more than a model's own noise allows: its margin against the floor.

The floor is the share of cases that a model answers otherwise in another batch, as
``--noise-floor`` measures it. Of two runs the noisier one counts: a margin that is not above it
may be crossed by weights that did not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headway_evals.outcomes import Outcome
from headway_evals.runs import RunRecord
from headway_evals.wordings import margin, one_line, points

NOISE_FLOOR = "noise_floor"
"""What a model's settings call it."""


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How many of a run's answers changed when they were asked for a second time."""

    model: str
    items: int
    changed: int
    dtype: str | None

    @property
    def share(self) -> float:
        """Return the share of answers that changed."""
        return self.changed / self.items


def noise_floor(records: Sequence[RunRecord]) -> NoiseFloor | None:
    """Return the largest floor of these runs, None where none was measured."""
    floors = [floor for record in records if (floor := _floor(record)) is not None]
    return max(floors, key=lambda floor: floor.share, default=None)


def noise_warning(gate: str, outcome: Outcome, floor: NoiseFloor | None) -> str:
    """Return what is to be said of a gate whose margin is not above the floor, else "".

    Scores without bounds have no share to be held against it.
    """
    if floor is None or not floor.changed or outcome.scale != 1.0 or outcome.margin > floor.share:
        return ""
    remedies = ["raise the margin", "ask each case more often (repeats)"]
    if floor.dtype != "float32":
        remedies.append("run in float32 (--dtype float32)")
    told = ", ".join(remedies[:-1]) + f" or {remedies[-1]}"
    return (
        f"gate {one_line(gate)}: its margin of {margin(outcome.margin)} is not above the noise "
        f"floor of {points(floor.share).removeprefix('+')}: {one_line(floor.model)} answers "
        f"{floor.changed} of {floor.items} cases otherwise in another batch; {told}"
    )


def _floor(record: RunRecord) -> NoiseFloor | None:
    model: Any = record.run.settings.get("model")
    found = model.get(NOISE_FLOOR) if isinstance(model, dict) else None
    if not isinstance(found, dict):
        return None
    items, changed = found.get("items"), found.get("changed")
    if not (isinstance(items, int) and isinstance(changed, int) and items > 0):
        return None
    dtype = model.get("dtype")
    return NoiseFloor(record.run.model, items, changed, dtype if isinstance(dtype, str) else None)
