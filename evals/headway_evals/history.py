"""What a suite's earlier runs on this machine show: how far models differ on its cases.

The share of cases that flip is a suite's own: it says what the next comparison can find better
than any rule of thumb.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from headway_evals.errors import ComparisonError, RunError
from headway_evals.pairings import pair_runs
from headway_evals.runs import RunRecord, list_runs, load_run
from headway_measures.power import PastChange

MOST_RUNS = 20
"""How many runs are looked at, the latest: older ones were of other models and cases."""


def past_changes(runs_dir: Path, suite: str, scorer: str) -> list[PastChange]:
    """Return how the latest runs of a suite differ, each from the one before by another model.

    Args:
        runs_dir: where runs are looked for.
        suite: the suite's name.
        scorer: the gate's.
    """
    changes = []
    for new, old in pairwise(_records(runs_dir, suite)):
        if old.run.model_digest == new.run.model_digest:
            continue
        with suppress(ComparisonError):
            pairing = pair_runs(old, new, scorer)
            change = pairing.measure(pairing.pairs)
            changes.append(PastChange(change.n, change.variance))
    return changes


def _records(runs_dir: Path, suite: str) -> Iterator[RunRecord]:
    runs = [run for run in list_runs(runs_dir) if run.suite == suite]
    for run in runs[:MOST_RUNS]:
        with suppress(RunError):
            yield load_run(run.run_id, runs_dir)
