"""A sweep read from its published runs: a row a candidate, and who flips what. Pure.

A candidate's run holds its row in ``settings.sweep``; one that was published by hand may have none,
and of a sweep that was partly published some are absent. What is there is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway_ui import formats

Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Flips:
    """Between any two runs: ``counts[i][j]`` cases pass under run i and fail under run j.

    Args:
        counts: None where two runs were not compared case by case.
    """

    run_ids: tuple[str, ...]
    names: tuple[str, ...]
    counts: tuple[tuple[int | None, ...], ...]


def ids(runs: Sequence[Run]) -> list[str]:
    """Return the sweeps that runs are of, in the order of the runs."""
    found = [run["settings"].get("sweep_id") for run in runs]
    return list(dict.fromkeys(each for each in found if isinstance(each, str)))


def row(run: Run) -> Mapping[str, Any]:
    """Return the row of a candidate; empty where the run has none."""
    found = run["settings"].get("sweep")
    return found if isinstance(found, Mapping) else {}


def ranked(runs: Sequence[Run]) -> list[Run]:
    """Return the candidates, the one that gained most first, those without a row last."""

    def place(run: Run) -> tuple[bool, float, int]:
        one = row(run)
        gain = one.get("difference")
        return gain is None, -(gain or 0.0), one.get("position") or 0

    return sorted(runs, key=place)


def failed(runs: Sequence[Run]) -> list[Mapping[str, Any]]:
    """Return the candidates without a run, each with its error."""
    told = (row(run).get("failed") for run in runs)
    return next((list(each) for each in told if each), [])


def baseline(runs: Sequence[Run]) -> str | None:
    """Return the run that the candidates were held against."""
    told = (row(run).get("baseline_run_id") for run in runs)
    return next((str(each) for each in told if each), None)


def headline(runs: Sequence[Run]) -> str:
    """Return in a sentence what a sweep came to."""
    told = [str(row(run).get("verdict") or "unjudged") for run in runs]
    order = ("improved", "passed", "inconclusive", "regressed", "unjudged")
    parts = [f"{told.count(each)} {each}" for each in order if each in told]
    absent = _size(runs) - len(runs) - len(failed(runs))
    if failed(runs):
        parts.append(f"{len(failed(runs))} without a run")
    if absent > 0:
        parts.append(f"{absent} not published")
    suite = runs[0]["suite"] if runs else ""
    return f"{formats.plural(_size(runs), 'candidate')} on {suite}: {', '.join(parts)}"


def as_estimate(run: Run) -> Mapping[str, Any]:
    """Return a candidate's row in the shape of a comparison's estimate, for words and charts."""
    one = row(run)
    return {
        "slice": one.get("candidate") or run["model"],
        "verdict": one.get("verdict") or "inconclusive",
        "n": run["case_count"] or 0,
        "baseline": one.get("baseline_mean"),
        "candidate": one.get("mean"),
        "difference": one.get("difference"),
        "lower": one.get("lower"),
        "upper": one.get("upper"),
        "scale": one.get("scale", 1.0),
        "direction": one.get("direction"),
        "q_value": one.get("p_adjusted"),
    }


def flips(runs: Sequence[Run], baseline_name: str) -> Flips:
    """Return who flips what, the baseline first.

    Args:
        runs: the candidates, in the order of drawing.
        baseline_name: of the baseline's model.
    """
    first = baseline(runs)
    names = {first: baseline_name} if first else {}
    names |= {run["run_id"]: str(row(run).get("candidate") or run["model"]) for run in runs}
    told = {run["run_id"]: row(run).get("flips") or {} for run in runs}
    run_ids = tuple(names)
    counts = tuple(
        tuple(_count(told, passing, failing) for failing in run_ids) for passing in run_ids
    )
    return Flips(run_ids, tuple(names.values()), counts)


def _count(told: Mapping[str, Mapping[str, Any]], passing: str, failing: str) -> int | None:
    """Return how many cases pass under one run and fail under the other, whichever tells it."""
    if passing == failing:
        return None
    for run_id, other, name in ((failing, passing, "to_fail"), (passing, failing, "to_pass")):
        counted = told.get(run_id, {}).get(other)
        if isinstance(counted, Mapping) and counted.get(name) is not None:
            return int(counted[name])
    return None


def _size(runs: Sequence[Run]) -> int:
    sizes = [row(run).get("size") or 0 for run in runs]
    return max([*sizes, len(runs)])
