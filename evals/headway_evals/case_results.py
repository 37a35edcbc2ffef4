"""From a case to a request, and from what a model and its judges made of it to a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway_evals.judges.scorers import Heard, Pairwise, Question, judges_of
from headway_evals.judges.scoring import NOT_JUDGED, Bench
from headway_evals.models.requests import (
    Ask,
    Choices,
    Completion,
    Generate,
    Likelihood,
    Request,
    Rolling,
)
from headway_evals.prompts import Prompt
from headway_evals.runs import MISSING, Result, Weighing
from headway_evals.suites import Case, Suite
from headway_measures.likelihood_scorers import Choice
from headway_measures.scorers import score_answered
from headway_measures.scores import Answered, Scorer, ScoreValue
from headway_measures.weights import (
    Metric,
    parts_of,
    reaches,
    weight_and_metric,
    weighted_mean,
)


@dataclass(slots=True)
class Hearing:
    """What judges say of one answer, and whether any of them did not judge it."""

    bench: Bench | None
    missing: str = ""

    def __call__(self, question: Question) -> Heard:
        """Return what came of a question."""
        heard = Heard(None, NO_BENCH) if self.bench is None else self.bench.answer(question)
        if heard.error is not None and heard.error.startswith(NOT_JUDGED):
            self.missing = heard.error
        return heard


NO_BENCH = f"{NOT_JUDGED}no judge was asked"


def make_request(suite: Suite, case: Case) -> Request:
    """Return what a case asks of a model."""
    prompt = suite.prompt(case)
    return Request(case.case_id, case.input, prompt, _ask(suite, case, prompt))


def questions_of(case: Case, completion: Completion) -> list[Question]:
    """Return what is to be asked of judges about an answer; nothing where there is none."""
    questions: list[Question] = []

    def note(question: Question) -> Heard:
        questions.append(question)
        return Heard(None, NO_BENCH)

    if completion.text is not None:
        for scorer in case.scorers.values():
            if judges_of({"": scorer}):
                scorer.score(answered_of(case, completion, note))
    return questions


def score_case(case: Case, completion: Completion, bench: Bench | None = None) -> Result:
    """Return a case's result.

    It passes when it has an output that none of its scorers fails, or where it has a threshold one
    whose scores reach that in the mean. A scorer that compares two models' answers has no say yet.

    Args:
        case: the case.
        completion: what the model made of it.
        bench: the judges, which have been asked what ``questions_of`` gives.
    """
    hearing = Hearing(bench)
    scorers = {n: each for n, each in case.scorers.items() if not isinstance(each, Pairwise)}
    scores: dict[str, ScoreValue] = {}
    if completion.text is not None:
        scores = score_answered(scorers, answered_of(case, completion, hearing))
    weighing = _weighing(case, scores) if scores else None
    is_answered = completion.text is not None and bool(case.scorers)
    passed = is_answered and all(score.passed is not False for score in scores.values())
    if weighing is not None and weighing.threshold is not None:
        passed = reaches(weighing.score, weighing.threshold)
    error = completion.error
    if completion.is_missing or hearing.missing:
        error = f"{MISSING}{hearing.missing or error}"
    return Result(
        case_id=case.case_id,
        input=case.input,
        output=_output(case, completion),
        expected=case.expected,
        tags=case.tags,
        passed=passed and not hearing.missing,
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


def answered_of(case: Case, completion: Completion, hear: Any = None) -> Answered:
    """Return what scorers are told of an answer; ``hear`` gives what a judge says of it."""
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
        hear=hear,
    )


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
    scorers = {
        name: each for name, each in case.scorers.items() if not isinstance(each, Metric | Pairwise)
    }
    told = {name: weight_and_metric(each) for name, each in scorers.items()}
    weights = {name: weight for name, (weight, _) in told.items() if weight != 1}
    metrics = {name: metric for name, (_, metric) in told.items() if metric}
    if not weights and not metrics and case.threshold is None:
        return None
    return Weighing(
        score=weighted_mean(scorers, scores),
        threshold=case.threshold,
        weights=weights,
        metrics=metrics,
    )


def _output(case: Case, completion: Completion) -> str | None:
    """Return the answer; of a choice as the suite has it, without what led it in the prompt."""
    text = completion.text
    if text is None or not case.choices:
        return text
    return next((each for each in case.choices if each.strip() == text.strip()), text)
