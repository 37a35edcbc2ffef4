"""Running a model on a suite: requests out, completions in, scored and written as they come.

With a cache, a run that was broken off goes on where it was: the same command finds the answers
that it had, and asks for the others.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from headway_evals.caching import AnswerCache, OnAnswer, ask
from headway_evals.case_results import make_request, questions_of, score_case
from headway_evals.early_stops import NOT_ASKED
from headway_evals.errors import ModelError, RunError
from headway_evals.judges.scorers import Pairwise, Single, judges_of, options_of, pairwise_of
from headway_evals.judges.scoring import JUDGES, Bench
from headway_evals.manifests import Manifest
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import (
    Completion,
    Model,
)
from headway_evals.runs import (
    CACHE_KEY,
    MISSING,
    Result,
    Run,
    RunRecord,
    RunWriter,
)
from headway_evals.suites import Case, Suite
from headway_evals.summaries import summarise
from headway_measures.scores import counted


class Batches(Protocol):
    """Says which cases are asked next, and when enough were; see ``stopping.Stopping``."""

    @property
    def settings(self) -> dict[str, Any]:
        """Return what a run remembers of how far it was looked at."""

    def batches(self, cases: Sequence[Case]) -> Iterator[list[int]]:
        """Yield the places of the cases to ask next."""

    def is_certain(self, record: RunRecord) -> bool:
        """Return whether the verdict on a run as it stands is settled, whatever would follow."""


class OnResult(Protocol):
    """Called with each result as it comes, in any order, those kept from earlier first."""

    def __call__(self, result: Result, *, is_kept: bool) -> None:
        """Take note of a result."""


def _ignore(result: Result, *, is_kept: bool) -> None:
    pass


def execute(
    suite: Suite,
    model: Model,
    folder: Path,
    *,
    cases: Sequence[Case] | None = None,
    cache: AnswerCache | None = None,
    manifest: Manifest | None = None,
    on_result: OnResult = _ignore,
    on_fault: Callable[[str], None] | None = None,
    settings: dict[str, Any] | None = None,
    stopping: Batches | None = None,
    bench: Bench | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> RunRecord:
    """Run a model on a suite, into a folder whose name is the run's id.

    Args:
        suite: the suite.
        model: the model.
        folder: a new folder for the run.
        cases: those of the suite's cases to run; None runs all.
        cache: the model's earlier answers, which are not asked for again; the new ones are kept.
        manifest: what it takes to make the run again; it lies beside the run.
        on_result: called with each result.
        on_fault: called where the disk would not take the whole run; None raises that. The run
            that is returned is then nowhere else.
        settings: what else the run should remember.
        stopping: asks the cases in batches, until the verdict is certain; the others are then
            results that say so. None asks all at once.
        bench: the judges that the suite's scorers ask, all of a batch's answers at once.
        now: the time.

    Raises:
        ModelError: the model or a judge cannot answer, or not one case was answered and judged;
            or the suite has judges, and there are none.
        RunError: the folder cannot be made, or the run cannot be written.
    """
    chosen = suite.cases if cases is None else tuple(cases)
    judged = find_judges(chosen, bench)
    requests = [make_request(suite, case) for case in chosen]
    started_at = now()
    results: dict[int, Result] = {}
    unjudged: dict[int, Completion] = {}
    kept_count = 0
    with closing(RunWriter(folder, manifest)) as writer:

        def on_answer(index: int, completion: Completion, is_kept: bool) -> None:
            nonlocal kept_count
            kept_count += is_kept
            result = score_case(chosen[index], completion)
            if judged and judges_of(chosen[index].scorers):
                unjudged[index] = completion
            else:
                note(index, result)
            on_result(result, is_kept=is_kept)

        def note(index: int, result: Result) -> None:
            results[index] = result
            writer.add(result)

        def judge() -> None:
            if bench is None or not unjudged:
                return
            told = {index: unjudged[index] for index in sorted(unjudged)}
            bench.hear(each for index in told for each in questions_of(chosen[index], told[index]))
            unjudged.clear()
            for index, completion in told.items():
                note(index, score_case(chosen[index], completion, bench))

        def as_it_stands() -> tuple[Run, tuple[Result, ...]]:
            ordered = tuple(
                results.get(index, _left_out(chosen[index])) for index in range(len(chosen))
            )
            _require_answers(model, [results[index] for index in sorted(results)])
            run = summarise(
                suite,
                model,
                ordered,
                run_id=folder.name,
                started_at=started_at,
                ended_at=now(),
                settings={
                    CACHE_KEY: cache_key_of(model),
                    "kept_count": kept_count,
                    **({JUDGES: settings_of(bench, judged)} if bench is not None else {}),
                    **(settings or {}),
                    **(stopping.settings if stopping is not None else {}),
                },
            )
            return run, ordered

        everything = [list(range(len(chosen)))]
        for batch in everything if stopping is None else stopping.batches(chosen):
            ask(model, [requests[each] for each in batch], cache, _placed(batch, on_answer))
            judge()
            if stopping is not None and stopping.is_certain(RunRecord(*as_it_stands(), folder)):
                break
        run, ordered = as_it_stands()
        for index in range(len(chosen)):
            if index not in results:
                writer.add(ordered[index])
        try:
            writer.finish(run)
        except RunError as error:
            if on_fault is None:
                raise
            on_fault(f"{error}; its verdict holds, but it will not be found again")
    return RunRecord(run, ordered, folder)


def _placed(batch: Sequence[int], on_answer: OnAnswer) -> OnAnswer:
    """Return what hears of a batch's answers under their places among all cases."""
    return lambda index, completion, is_kept: on_answer(batch[index], completion, is_kept)


def _left_out(case: Case) -> Result:
    return score_case(
        case, Completion(None, error=NOT_ASKED.removeprefix(MISSING), is_missing=True)
    )


def new_run_id(suite: str, model: str, now: datetime, token: str | None = None) -> str:
    """Return an id that sorts by time and reads well as the name of a folder.

    Args:
        suite: the suite's name.
        model: the model's name.
        now: when the run starts.
        token: what tells runs of one second apart; None draws one.
    """
    words = re.sub(r"[^A-Za-z0-9._+-]+", "-", f"{suite}-{model}")[:80].strip("-.")
    return f"{now:%Y%m%dT%H%M%SZ}-{words}-{token or secrets.token_hex(2)}"


def find_judges(cases: Sequence[Case], bench: Bench | None) -> dict[str, Single | Pairwise]:
    """Return the judges of cases by their scorer's name, the judge's own where several have it.

    Raises:
        ModelError: there are judges, and nobody found their models.
    """
    found: dict[str, Single | Pairwise] = {}
    for case in cases:
        found.update(judges_of(case.scorers))
        found.update(pairwise_of(case.scorers))
    if found and bench is None:
        names = ", ".join(sorted(found))
        raise ModelError(f"the suite's {names} asks a judge: `headway eval run` finds its model")
    return found


def settings_of(bench: Bench, judges: Mapping[str, Single | Pairwise]) -> dict[str, Any]:
    """Return what a run remembers of its judges."""
    scorers = {name: options_of(each) for name, each in judges.items()}
    return {**bench.settings, "scorers": scorers}


def _require_answers(model: Model, results: Sequence[Result]) -> None:
    if any(result.output is not None for result in results):
        if any(not result.is_missing for result in results):
            return
        raise ModelError(f"not one answer of {model.name} was judged; {results[0].error}")
    reason = results[0].error if results else "there are no cases to answer"
    count = counted(len(results), "case")
    raise ModelError(f"{model.name} answered none of {count}; the first: {reason}")
