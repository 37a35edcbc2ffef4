"""Running a model on a suite: requests out, completions in, scored and written as they come.

With a cache, a run that was broken off goes on where it was: the same command finds the answers
that it had, and asks for the others.
"""

import platform
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any, Protocol

import msgspec

from headway._version import __version__
from headway_evals.caching import AnswerCache, OnAnswer, ask
from headway_evals.early_stops import NOT_ASKED
from headway_evals.errors import ModelError, RunError
from headway_evals.manifests import Manifest
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import (
    Ask,
    Choices,
    Completion,
    Generate,
    Likelihood,
    Model,
    Request,
    Rolling,
)
from headway_evals.prompts import Prompt
from headway_evals.quarantines import QUARANTINE
from headway_evals.repeated_cases import REPEATS
from headway_evals.runs import (
    CACHE_KEY,
    MISSING,
    MUST_PASS,
    Result,
    Run,
    RunRecord,
    RunWriter,
    ScoreSummary,
    Weighing,
)
from headway_evals.suites import Case, Suite
from headway_measures.likelihood_scorers import Choice
from headway_measures.scorers import score_answered
from headway_measures.scores import Answered, Scorer, ScoreValue, average_of, counted
from headway_measures.weights import (
    Metric,
    parts_of,
    reaches,
    weight_and_metric,
    weighted_mean,
)


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
        now: the time.

    Raises:
        ModelError: the model cannot answer, or answered not one case.
        RunError: the folder cannot be made, or the run cannot be written.
    """
    chosen = suite.cases if cases is None else tuple(cases)
    requests = [make_request(suite, case) for case in chosen]
    started_at = now()
    results: dict[int, Result] = {}
    kept_count = 0
    with closing(RunWriter(folder, manifest)) as writer:

        def on_answer(index: int, completion: Completion, is_kept: bool) -> None:
            nonlocal kept_count
            kept_count += is_kept
            results[index] = score_case(chosen[index], completion)
            writer.add(results[index])
            on_result(results[index], is_kept=is_kept)

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
                    **(settings or {}),
                    **(stopping.settings if stopping is not None else {}),
                },
            )
            return run, ordered

        everything = [list(range(len(chosen)))]
        for batch in everything if stopping is None else stopping.batches(chosen):
            ask(model, [requests[each] for each in batch], cache, _placed(batch, on_answer))
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


def make_request(suite: Suite, case: Case) -> Request:
    """Return what a case asks of a model."""
    prompt = suite.prompt(case)
    return Request(case.case_id, case.input, prompt, _ask(suite, case, prompt))


def score_case(case: Case, completion: Completion) -> Result:
    """Return a case's result.

    It passes when it has an output that none of its scorers fails, or where it has a threshold one
    whose scores reach that in the mean.
    """
    scores: dict[str, ScoreValue] = {}
    if completion.text is not None:
        scores = score_answered(case.scorers, _answered(case, completion))
    weighing = _weighing(case, scores) if scores else None
    passed = bool(scores) and all(score.passed is not False for score in scores.values())
    if weighing is not None and weighing.threshold is not None:
        passed = reaches(weighing.score, weighing.threshold)
    error = completion.error
    if completion.is_missing:
        error = f"{MISSING}{error}"
    return Result(
        case_id=case.case_id,
        input=case.input,
        output=_output(case, completion),
        expected=case.expected,
        tags=case.tags,
        passed=passed,
        scores=scores,
        error=error,
        latency_ms=completion.latency_ms,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        span_id=completion.span_id,
        trace_id=completion.trace_id,
        cluster=case.cluster,
        weighing=weighing,
    )


def summarise(
    suite: Suite,
    model: Model,
    results: Sequence[Result],
    *,
    run_id: str,
    started_at: datetime,
    ended_at: datetime,
    settings: dict[str, Any],
) -> Run:
    """Return the run of these results."""
    counted = [result for result in results if not result.is_missing]
    passed_count = sum(result.passed for result in counted)
    must_pass = [case.case_id for case in suite.cases if case.must_pass]
    repeats = 1 + max(case.sample for case in suite.cases)
    quarantined = {
        case.case_id: _as_json(case.quarantine) for case in suite.cases if case.quarantine
    }
    return Run(
        run_id=run_id,
        suite=suite.name,
        suite_version=suite.version,
        model=model.name,
        model_digest=model.digest,
        started_at=_rfc3339(started_at),
        ended_at=_rfc3339(ended_at),
        case_count=len(counted),
        passed_count=passed_count,
        pass_rate=passed_count / len(counted),
        scores=_summaries(suite, counted),
        settings={
            "generation": _as_json(suite.generation),
            "ask": suite.ask,
            "gate": _as_json(suite.gate),
            "gates": _as_json(suite.gates),
            "model": _as_json(model.settings),
            "suite_case_count": len(suite.cases),
            **({MUST_PASS: must_pass} if must_pass else {}),
            **({REPEATS: repeats} if repeats > 1 else {}),
            **({QUARANTINE: quarantined} if quarantined else {}),
            "missing_count": len(results) - len(counted),
            **_as_json(settings),
        },
        environment=environment(),
    )


def environment() -> dict[str, str]:
    """Return what runs are made with."""
    return {
        "headway": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


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


def _ask(suite: Suite, case: Case, prompt: Prompt) -> Ask:
    if suite.ask == "choice":
        options = tuple(suite.framing.answered(prompt, each) for each in case.choices)
        return Choices(options, any(map(_needs_unconditional, case.scorers.values())))
    if suite.ask == "likelihood":
        return Likelihood(suite.framing.answered(prompt, str(case.expected)))
    if suite.ask == "perplexity":
        return Rolling()
    given = suite.generation
    return Generate(
        given.max_new_tokens,
        given.stop,
        given.temperature,
        given.top_p,
        given.seed,
        case.sample,
    )


def _needs_unconditional(scorer: Scorer) -> bool:
    return any(isinstance(each, Choice) and each.needs_unconditional for each in parts_of(scorer))


def _weighing(case: Case, scores: Mapping[str, ScoreValue]) -> Weighing | None:
    """Return how the scores count; None where all count alike and each has to pass."""
    scorers = {name: each for name, each in case.scorers.items() if not isinstance(each, Metric)}
    told = {name: weight_and_metric(each) for name, each in scorers.items()}
    weights = {name: weight for name, (weight, _) in told.items() if weight != 1}
    metrics = {name: metric for name, (_, metric) in told.items() if metric}
    if not weights and not metrics and case.threshold is None:
        return None
    return Weighing(
        score=weighted_mean(case.scorers, scores),
        threshold=case.threshold,
        weights=weights,
        metrics=metrics,
    )


def _answered(case: Case, completion: Completion) -> Answered:
    return Answered(
        output=_output(case, completion) or "",
        expected=case.expected,
        input=case.input,
        options=case.choices,
        likelihoods=completion.likelihoods,
        latency_ms=completion.latency_ms,
        cost_usd=completion.cost_usd,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
    )


def _output(case: Case, completion: Completion) -> str | None:
    """Return the answer; of a choice as the suite has it, without what led it in the prompt."""
    text = completion.text
    if text is None or not case.choices:
        return text
    return next((each for each in case.choices if each.strip() == text.strip()), text)


def _as_json(value: Any) -> Any:
    """Return a value as it will be read back, so that a run is equal to itself from disk."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _require_answers(model: Model, results: Sequence[Result]) -> None:
    if any(result.output is not None for result in results):
        return
    reason = results[0].error if results else "there are no cases to answer"
    count = counted(len(results), "case")
    raise ModelError(f"{model.name} answered none of {count}; the first: {reason}")


def _summaries(suite: Suite, results: Sequence[Result]) -> dict[str, ScoreSummary]:
    scores: dict[str, list[ScoreValue]] = {}
    for result in results:
        for name, score in result.scores.items():
            scores.setdefault(name, []).append(score)
    scorers = {name: each for case in suite.cases for name, each in case.scorers.items()}
    return {name: _summary(scorers[name], each) for name, each in scores.items()}


def _summary(scorer: Scorer, scores: Sequence[ScoreValue]) -> ScoreSummary:
    failed_count = sum(score.error is not None for score in scores)
    # Without a bound nothing can stand for a score that could not be given.
    values = [each.value for each in scores if scorer.scale is not None or each.error is None]
    average = average_of(scorer)
    mean_of = geometric_mean if average == "geometric" else fmean
    mean = mean_of(values) if values else None
    return ScoreSummary(mean, len(values), scorer.direction, scorer.scale, failed_count, average)


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
