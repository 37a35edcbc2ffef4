"""A run that was looked at as it went: in which order its cases came, and where it was stopped.

Cases are asked in an order that a seed draws and no answer has a part in, cluster by cluster, so
that those asked first are like those that follow. What was looked at and when stands in the run's
settings: such a run is compared by bounds that hold whenever one looks, and with nothing else
once it was stopped.
"""

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from typing import Protocol, TypeVar

import msgspec

from headway_evals.errors import ComparisonError
from headway_evals.runs import MISSING, Result, Run, RunRecord
from headway_measures.scores import counted

EARLY_STOP = "early_stop"
"""The setting of a run that was looked at as it went."""
NOT_ASKED = f"{MISSING}not asked: the verdict was certain before"
"""The error of a case that was left out when a run was stopped."""


class EarlyStop(msgspec.Struct, frozen=True, kw_only=True):
    """How a run was looked at.

    Args:
        seed: of the order of its cases.
        unit_count: how many clusters and cases without one were looked at, in that order.
        case_count: how many cases these have.
        total: how many cases the run has, asked or not.
        baseline_run_id: the run it was compared with each time.
        is_stopped: whether cases were left out.
    """

    seed: int
    unit_count: int
    case_count: int
    total: int
    baseline_run_id: str
    is_stopped: bool

    @property
    def note(self) -> str:
        """Return what is to be said of a verdict."""
        if not self.is_stopped:
            return "looked at as it went, so that the interval is one that holds at all times"
        return (
            f"stopped after {self.case_count:,} of {counted(self.total, 'case')}, where this was "
            "certain; the interval is one that holds at all times"
        )


class Clustered(Protocol):
    """A case or its result."""

    @property
    def case_id(self) -> str:
        """Return its id."""

    @property
    def cluster(self) -> str | None:
        """Return what it shares with others."""


T = TypeVar("T", bound=Clustered)


def early_stop_of(run: Run) -> EarlyStop | None:
    """Return how a run was looked at as it went, None where it was not.

    Raises:
        ComparisonError: the setting is damaged.
    """
    found = run.settings.get(EARLY_STOP)
    if found is None:
        return None
    try:
        return msgspec.convert(found, EarlyStop)
    except msgspec.ValidationError as error:
        raise ComparisonError(
            f"{run.run_id} does not say how it was looked at ({EARLY_STOP}: {error}), and without "
            "that it cannot be compared: run it again"
        ) from error


def looks_between(baseline: RunRecord, candidate: RunRecord) -> EarlyStop | None:
    """Return how the candidate was looked at, None where the runs can be compared as whole ones.

    Raises:
        ComparisonError: one of the runs was stopped, and not for the sake of this comparison.
    """
    stop = early_stop_of(candidate.run)
    if stop is not None and stop.baseline_run_id == baseline.run.run_id:
        _check_whole(baseline)
        return stop
    for record in (baseline, candidate):
        _check_whole(record)
    return None


def is_stopped(run: Run) -> bool:
    """Return whether cases of a run were left out because its verdict was certain."""
    stop = early_stop_of(run)
    return stop is not None and stop.is_stopped


def unit_of(case: Clustered) -> Hashable:
    """Return what counts as one piece of evidence: a case's cluster, or the case."""
    # A case without a cluster stands for itself.
    return case.cluster or (case.case_id,)


def in_units(cases: Iterable[T], seed: int) -> list[list[T]]:
    """Return cases by their units, in the order that a seed draws.

    The order depends on the units' names and the seed alone: not on the order in the file, and
    not on which cases were answered.
    """
    units: dict[Hashable, list[T]] = {}
    for case in cases:
        units.setdefault(unit_of(case), []).append(case)
    return [units[unit] for unit in sorted(units, key=lambda unit: _draw(unit, seed))]


def looked_at(results: Sequence[Result], stop: EarlyStop) -> list[Result]:
    """Return those of a run's results that were looked at, in their order."""
    units = in_units(results, stop.seed)[: stop.unit_count]
    return [result for unit in units for result in unit]


def _check_whole(record: RunRecord) -> None:
    stop = early_stop_of(record.run)
    if stop is not None and stop.is_stopped:
        raise ComparisonError(
            f"{record.run.run_id} was stopped after {stop.case_count:,} of "
            f"{counted(stop.total, 'case')}, when its comparison with {stop.baseline_run_id} was "
            "certain. To stop there was no chance, so that it can be compared with that run only: "
            f"`headway eval rerun {record.run.run_id}` asks for the rest"
        )


def _draw(unit: Hashable, seed: int) -> bytes:
    kind, name = ("case", unit[0]) if isinstance(unit, tuple) else ("cluster", unit)
    return hashlib.sha256(f"{seed}\n{kind}\n{name}".encode("utf-8", "surrogatepass")).digest()
