"""Stopping a run as soon as its verdict is certain.

Cases are asked in batches, in an order that a seed draws. After each batch the run is compared as
it stands with the baseline's, by bounds that hold whenever one looks; when no gate is open any
more, the rest is not asked. Within a batch nothing is looked at: short answers come first, and
they are not like the others.

Cases that must pass are asked first, since one of them decides alone; among the others they
count when their turn comes.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headway_evals.comparisons import compare
from headway_evals.early_stops import EARLY_STOP, EarlyStop, in_units, is_stopped
from headway_evals.errors import ComparisonError
from headway_evals.judges.scorers import Pairwise
from headway_evals.runs import RunRecord
from headway_evals.suites import Case, Gate, Suite

DEFAULT_SEED = 7
_FIRST_UNITS = 32
# A later batch is a part of all before it, so that an engine has enough to pack, and little is
# asked that was not needed.
_BATCH_PART = 4


@dataclass(slots=True)
class Stopping:
    """Says in which order cases are asked, and when enough of them were.

    Args:
        baseline: the run to compare with, a whole one.
        gates: what the verdict is by.
        seed: of the order.

    Raises:
        ComparisonError: the baseline was stopped itself.
    """

    baseline: RunRecord
    gates: Sequence[Gate]
    seed: int = DEFAULT_SEED
    _units: list[list[Case]] = field(default_factory=list)
    _unit_count: int = 0

    def __post_init__(self) -> None:
        if is_stopped(self.baseline.run):
            raise ComparisonError(
                f"{self.baseline.run.run_id} was itself stopped early, and only whole runs can be "
                "a baseline: `headway eval rerun` asks for the rest of it"
            )

    def batches(self, cases: Sequence[Case]) -> Iterator[list[int]]:
        """Yield the places of the cases to ask next."""
        places = {case.case_id: place for place, case in enumerate(cases)}
        self._units = in_units(cases, self.seed)
        asked: set[str] = set()
        while self._unit_count < len(self._units):
            size = max(_FIRST_UNITS, self._unit_count // _BATCH_PART)
            batch = self._units[self._unit_count : self._unit_count + size]
            self._unit_count += len(batch)
            chosen = [case for unit in batch for case in unit]
            if not asked:
                chosen += [case for case in cases if case.must_pass]
            new = {case.case_id: case for case in chosen if case.case_id not in asked}
            asked.update(new)
            if new:
                yield [places[case_id] for case_id in new]

    @property
    def settings(self) -> dict[str, Any]:
        """Return what a run remembers of how far it was looked at."""
        seen = sum(len(unit) for unit in self._units[: self._unit_count])
        stop = EarlyStop(
            seed=self.seed,
            unit_count=self._unit_count,
            case_count=seen,
            total=sum(map(len, self._units)),
            baseline_run_id=self.baseline.run.run_id,
            is_stopped=self._unit_count < len(self._units),
        )
        return {EARLY_STOP: msgspec.to_builtins(stop)}

    def is_certain(self, record: RunRecord) -> bool:
        """Return whether the verdict on a run as it stands is settled, whatever would follow."""
        with suppress(ComparisonError):  # not one case so far that both models have a score of
            return compare(self.baseline, record, self.gates).verdict != "inconclusive"
        return False


def check_stoppable(suite: Suite, gates: Sequence[Gate], arguments: argparse.Namespace) -> None:
    """Find out whether a run can be stopped early, before anything is asked.

    Raises:
        ComparisonError: it cannot; the message says why.
    """
    if arguments.baseline is None:
        raise ComparisonError(
            "--stop-early stops where the comparison is certain: give --baseline, a model or a run"
        )
    if getattr(arguments, "noise_floor", False):
        raise ComparisonError(
            "--noise-floor asks for all of a run twice, and --stop-early not for all of it: "
            "measure the floor in a run of its own"
        )
    for gate in gates:
        scorers = [case.scorers.get(gate.scorer) for case in suite.cases]
        if any(isinstance(scorer, Pairwise) for scorer in scorers):
            raise ComparisonError(
                f"--stop-early: {gate.scorer!r} compares two whole runs, so that it cannot tell "
                "when enough was asked: leave --stop-early out, or the gate"
            )
        if any(scorer is not None and scorer.scale is None for scorer in scorers):
            raise ComparisonError(
                f"--stop-early: nothing bounds the scores of {gate.scorer!r}, so that one further "
                "case might outweigh all others: leave --stop-early out, or the gate"
            )
