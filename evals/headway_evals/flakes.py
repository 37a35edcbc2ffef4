"""Which cases of a suite flip under weights that did not change, by the runs of this machine.

Runs count together that are of the same weights, by the same engine with the same numerics; of
their results, those to the question as the suite has it now. Answers that were kept from an
earlier run are copies of it and show nothing, so that runs with such do not count.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headway_evals.errors import RunError
from headway_evals.pairings import question_of
from headway_evals.repeated_cases import by_case
from headway_evals.runs import CACHE_KEY, Run, RunRecord, list_runs, load_run
from headway_evals.suites import Suite
from headway_measures.flips import FlipRate, flip_rate

MOST_RUNS = 200
"""How many runs are looked at, the latest."""
FLAKY_RATE = 0.05
"""A case whose rate is above this with a probability of 95 % is proposed for quarantine."""

# What was found out of a model on the way, and decides no answer.
_FINDINGS = ("self_check", "noise_floor", "continuous_batching")


@dataclass(frozen=True, slots=True)
class Flakes:
    """What the runs show.

    Args:
        rates: of each case that was answered twice by the same weights, by its id.
        run_count: how many runs were looked at.
        copied_count: how many were passed over, since answers of theirs were kept from others.
    """

    rates: dict[str, FlipRate]
    run_count: int
    copied_count: int

    @property
    def flaky(self) -> dict[str, FlipRate]:
        """Return the cases that flipped, those that flip most surely first."""
        found = [(case_id, rate) for case_id, rate in self.rates.items() if rate.flips]
        return dict(sorted(found, key=lambda each: -each[1].quantile(0.05)))

    @property
    def proposed(self) -> dict[str, FlipRate]:
        """Return those that flip too often for a gate."""
        return {
            case_id: rate
            for case_id, rate in self.flaky.items()
            if rate.quantile(0.05) > FLAKY_RATE
        }


def find_flakes(suite: Suite, runs_dir: Path, *, most: int = MOST_RUNS) -> Flakes:
    """Return the flips of a suite's cases in the runs of a folder."""
    questions = {case.case_id: question_of(case) for case in suite.cases}
    series: dict[str, dict[bytes, list[bool]]] = {}
    run_count = copied_count = 0
    for record in reversed(list(_records(suite.name, runs_dir, most))):
        if record.run.settings.get("kept_count", 0):
            copied_count += 1
            continue
        run_count += 1
        weights = _weights(record.run)
        results = [
            each
            for each in record.results
            # A fault of the line or of the scorer is no answer of the model.
            if each.error is None and questions.get(each.case_id) == question_of(each)
        ]
        for case_id, answers in by_case(results).items():
            of_case = series.setdefault(case_id, {}).setdefault(weights, [])
            of_case.extend(each.passed for each in answers)
    rates = {case_id: flip_rate(each.values()) for case_id, each in series.items()}
    return Flakes(
        {case_id: rate for case_id, rate in rates.items() if rate.steps}, run_count, copied_count
    )


def _records(suite: str, runs_dir: Path, most: int) -> Iterator[RunRecord]:
    """Yield the runs of a suite, the latest first."""
    runs = [run for run in list_runs(runs_dir) if run.suite == suite]
    for run in runs[:most]:
        with suppress(RunError):
            yield load_run(run.run_id, runs_dir)


def _weights(run: Run) -> bytes:
    """Return what two runs have in common whose answers ought to be the same."""
    model = run.settings.get("model")
    numerics = model if isinstance(model, dict) else {}
    kept = {name: value for name, value in numerics.items() if name not in _FINDINGS}
    told = (run.model_digest, run.settings.get(CACHE_KEY), run.settings.get("generation"), kept)
    return msgspec.json.encode(told, order="sorted")
