"""Judging: all questions of a run's answers to each judge at once, and what came of them.

    bench = Bench(models, keep)            # models by the specs that a suite names
    bench.hear(questions)                  # one batch to each judge; kept answers are not asked
    bench.answer(question)                 # Heard: a reading, or why there is none

Nonsense is a fault of the judge on that answer, and counts as any answer that could not be scored:
as the worst. What was not asked, for the budget was spent or the judge did not answer, is *not
judged*: such a case counts nowhere, as one without an answer.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from headway_evals.caching import AnswerCache, ask
from headway_evals.errors import ModelError
from headway_evals.judges.budgets import Budget, Capped, Purse
from headway_evals.judges.scorers import NONSENSE, Heard, Question
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import Completion, Generate, Model, Request
from headway_evals.prompts import Message
from headway_measures.scores import shown

JUDGES = "judges"
"""The setting of a run that says who judged it, and what that took."""
NOT_JUDGED = "not judged: "

Keep = Callable[[Model], AbstractContextManager[AnswerCache | None]]
"""Opens the kept answers of a model."""

_PENDING = Heard(None, "not judged: the judge is still to be asked")


@dataclass(slots=True)
class JudgeTally:
    """What one judge was asked and said in a run; ``answers`` holds the kept ones too."""

    calls: int = 0
    kept: int = 0
    answers: int = 0
    nonsense: int = 0
    unanswered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None


@dataclass(slots=True)
class Bench:
    """The judges of a run.

    Args:
        models: by their spec.
        keep: opens a model's kept answers.
        budget: what they may cost.
        on_judged: called with each answer of a judge.

    Attributes:
        tallies: what each judge was asked and said, by its spec.
        purse: what is left of the budget.
    """

    models: Mapping[str, Model]
    keep: Keep
    budget: Budget = field(default_factory=Budget)
    on_judged: Callable[[], None] = lambda: None
    tallies: dict[str, JudgeTally] = field(default_factory=dict)
    purse: Purse = field(init=False)
    _heard: dict[Question, Heard] = field(default_factory=dict)
    _counted: set[Question] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.purse = Purse(self.budget)

    def for_run(self) -> "Bench":
        """Return the same judges for one of several runs, with tallies of its own.

        What any of the runs heard is not asked again, and the budget is one for all of them.
        """
        bench = Bench(self.models, self.keep, self.budget, self.on_judged)
        bench.purse, bench._heard = self.purse, self._heard
        return bench

    def hear(self, questions: Iterable[Question]) -> None:
        """Ask what was not asked yet.

        Raises:
            ModelError: a judge as a whole cannot answer.
        """
        waiting: dict[str, list[Question]] = {}
        for question in dict.fromkeys(questions):
            if question in self._counted:
                continue
            heard = self._heard.get(question)
            if heard is None or _is_open(heard):
                waiting.setdefault(question.judge, []).append(question)
            else:
                self._count_heard(question, heard)
        for spec, asked in waiting.items():
            if spec not in self.models:
                raise ModelError(f"the judge {spec} is not among those that were found")
            self._ask(spec, asked)

    def answer(self, question: Question) -> Heard:
        """Return what came of a question that was asked."""
        return self._heard.get(question, _PENDING)

    @property
    def settings(self) -> dict[str, Any]:
        """Return what a run remembers: each judge, what it was asked, and what that cost."""
        told, is_cut = {}, False
        for spec, model in self.models.items():
            tally = dataclasses.asdict(self.tallies.get(spec, JudgeTally()))
            key = cache_key_of(model)
            is_cut = is_cut or tally["unanswered"] > 0
            told[spec] = {"name": model.name, "cache_key": key, **tally}
            if tally["calls"]:  # before, its weights may not be loaded
                told[spec]["digest"] = model.digest
        return {
            "models": told,
            "budget": dataclasses.asdict(self.budget),
            "stopped": self.purse.reason if is_cut else "",
        }

    def _ask(self, spec: str, questions: Sequence[Question]) -> None:
        model = self.models[spec]
        tally = self.tallies.setdefault(spec, JudgeTally())
        requests = [_request(place, each) for place, each in enumerate(questions)]

        def on_answer(place: int, completion: Completion, is_kept: bool) -> None:
            question = questions[place]
            self._heard[question] = _read(question, completion)
            self._counted.add(question)
            _count(tally, self._heard[question], completion, is_kept=is_kept)
            self.on_judged()

        with self.keep(model) as cache:
            ask(Capped(model, self.purse), requests, cache, on_answer)

    def _count_heard(self, question: Question, heard: Heard) -> None:
        """Count an answer that another run had, as one that was kept."""
        self._counted.add(question)
        tally = self.tallies.setdefault(question.judge, JudgeTally())
        tally.answers += 1
        tally.kept += 1
        tally.nonsense += heard.reading is None


def _is_open(heard: Heard) -> bool:
    return heard.error is not None and heard.error.startswith(NOT_JUDGED)


def _request(place: int, question: Question) -> Request:
    prompt = (Message("user", question.prompt),) if question.is_chat else question.prompt
    # A log knows an answer by its input, and a judge's input is its prompt.
    return Request(f"judge-{place}", question.prompt, prompt, Generate(question.max_new_tokens))


def _read(question: Question, completion: Completion) -> Heard:
    if completion.text is None:
        return Heard(None, f"{NOT_JUDGED}{completion.error or 'the judge gave no answer'}")
    reading = question.form.read(completion.text)
    if reading is None:
        return Heard(None, f"{NONSENSE}the judge says {shown(completion.text)}")
    return Heard(reading)


def _count(tally: JudgeTally, heard: Heard, completion: Completion, *, is_kept: bool) -> None:
    if completion.text is None:
        tally.unanswered += 1
        tally.calls += not completion.is_missing
        return
    tally.answers += 1
    tally.nonsense += heard.reading is None
    if is_kept:
        tally.kept += 1
        return
    tally.calls += 1
    tally.input_tokens += completion.input_tokens or 0
    tally.output_tokens += completion.output_tokens or 0
    if completion.cost_usd is not None:
        tally.cost_usd = (tally.cost_usd or 0.0) + completion.cost_usd
