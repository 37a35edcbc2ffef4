"""What a suite's earlier runs on this machine show: how far models differ on its cases.

The share of cases that flip is a suite's own: it says what the next comparison can find better
than any rule of thumb. A version with other cases is another suite in all but its name, so that
runs count which share at least half of the cases, and with the cases that they share.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from headway_evals.errors import ComparisonError, RunError
from headway_evals.pairings import pair_runs, question_of
from headway_evals.runs import RunRecord, list_runs, load_run
from headway_evals.suites import ALL_SCORERS, Gate
from headway_measures.power import PastChange, expected_variance, minimum_detectable_effect

MOST_RUNS = 20
"""How many runs are looked at, the latest: older ones were of other models and cases."""
# Beside a verdict, which should not wait for it.
_MOST_BESIDE = 6


def past_changes(
    runs_dir: Path,
    suite: str,
    questions: Mapping[str, bytes],
    scorer: str,
    *,
    most: int = MOST_RUNS,
    without: Collection[str] = (),
) -> list[PastChange]:
    """Return how the latest runs of a suite differ, each from the one before by another model.

    Args:
        runs_dir: where runs are looked for.
        suite: the suite's name.
        questions: what each of its cases asks, by id; see ``question_of``.
        scorer: the gate's.
        most: how many runs are looked at.
        without: the ids of those that are not.
    """
    changes = []
    for new, old in pairwise(_records(runs_dir, suite, questions, most, without)):
        if old.run.model_digest == new.run.model_digest:
            continue
        with suppress(ComparisonError):
            pairing = pair_runs(old, new, scorer)
            change = pairing.measure(pairing.pairs)
            changes.append(PastChange(change.n, change.variance))
    return changes


def history_sentence(runs_dir: Path, records: Sequence[RunRecord], gate: Gate) -> str:
    """Return what these runs' suite can find by the latest before them, "" without such.

    Scores that are no shares have no usual spread, so that nothing is said of them.
    """
    run = records[-1].run
    summary = run.scores.get(gate.scorer)
    if gate.scorer != ALL_SCORERS and (summary is None or summary.scale != 1.0):
        return ""
    without = [record.run.run_id for record in records]
    questions = {result.case_id: question_of(result) for result in records[-1].results}
    history = past_changes(
        runs_dir, run.suite, questions, gate.scorer, most=_MOST_BESIDE, without=without
    )
    if not history or not run.case_count:
        return ""
    variance = expected_variance(history)
    found = minimum_detectable_effect(run.case_count, variance, alpha=gate.alpha)
    count = f"{len(history)} earlier pair{'' if len(history) == 1 else 's'} of runs"
    return (
        f"Between models that differ as those of {count} did, {run.case_count:,} cases find a "
        f"change of {found * 100:.1f} points four times in five."
    )


def _records(
    runs_dir: Path,
    suite: str,
    questions: Mapping[str, bytes],
    most: int,
    without: Collection[str],
) -> Iterator[RunRecord]:
    """Yield the latest runs that share half of the cases, each with those that it shares."""
    runs = [run for run in list_runs(runs_dir) if run.suite == suite and run.run_id not in without]
    for run in runs[:most]:
        with suppress(RunError):
            record = load_run(run.run_id, runs_dir)
            shared = tuple(
                result
                for result in record.results
                if questions.get(result.case_id) == question_of(result)
            )
            if 2 * len(shared) >= len(questions):
                yield replace(record, results=shared)
