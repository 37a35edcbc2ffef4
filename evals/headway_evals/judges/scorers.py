"""The scorers of a suite that ask a judge.

    - rubric: {judge: "openai:…", rubric: "Is it polite?", scale: 1-5}       # or yes-no
    - classify: {judge: "hf:…", question: "Which tone?", labels: [warm, cold], pass: [warm]}
    - pairwise: {judge: "python:…", criterion: "Which is more helpful?"}     # with a baseline

They say what is asked, and what a reading is worth. Asking is ``headway_evals.judges.scoring``'s,
for all answers at once: ``Answered.hear`` takes a question and gives what came of it.
"""

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from headway_evals.judges.answers import Form, Grade, Label
from headway_evals.judges.prompts import CLASSIFY, PAIRWISE, RUBRIC, fill, version_of
from headway_evals.prompts import as_text
from headway_measures.errors import ScorerError
from headway_measures.scores import Answered, Direction, Scorer, ScoreValue, shown
from headway_measures.weights import parts_of

NONSENSE = "nonsense: "
"""What the error of a score begins with where the judge's answer could not be read."""
NO_JUDGE = "not judged: no judge was asked"
YES_NO = "yes-no"

_LONGEST_ANSWER = 256
_SCALE = re.compile(r"(\d{1,4})\s*(?:-|to|\.\.)\s*(\d{1,4})")
_SPOKEN = {"grades": "scale", "passing": "pass"}
"""Options whose names mean something else to Python, or to scorers."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is asked, and the form that its answer is read by."""

    judge: str
    prompt: str
    form: Form
    max_new_tokens: int = _LONGEST_ANSWER
    is_chat: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a question: a reading, or why there is none."""

    reading: float | str | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What all judges have.

    Args:
        judge: the model's spec.
        prompt: a prompt of one's own in place of ours, with the same fields.
        chat: whether it is asked as a user's turn, in the model's chat template.
        max_new_tokens: the longest answer of the judge.
    """

    judge: str
    prompt: str = ""
    chat: bool = False
    max_new_tokens: int = _LONGEST_ANSWER

    needs_expected: ClassVar[bool] = False
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        if ":" not in self.judge:
            raise ScorerError(f"judge is {shown(self.judge)}, which is no model: write its spec")
        if self.max_new_tokens < 1:
            raise ScorerError(f"max_new_tokens is {self.max_new_tokens}, which must be 1 or more")

    def fault_of(self, expected: Any) -> str | None:
        """Return None: an expected value of any kind can be shown to a judge."""

    def _question(
        self, template: str, form: Form, answered: Answered, values: Mapping[str, str]
    ) -> Question:
        expected = answered.expected
        told = {"question": as_text(answered.input), "answer": answered.output, **values}
        text = fill(self.prompt or template, told, None if expected is None else as_text(expected))
        return Question(self.judge, text, form, self.max_new_tokens, self.chat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric(_Judge):
    """A grade by a rubric.

    Args:
        rubric: what a good answer is.
        grades: ``yes-no``, or two whole numbers such as ``1-5``.
        passing: the least grade that passes; three quarters of the scale where none is given.
    """

    rubric: str
    grades: str = "1-5"
    passing: float | None = None

    def __post_init__(self) -> None:
        _Judge.__post_init__(self)
        if not self.rubric.strip():
            raise ScorerError("rubric says nothing")
        form = self.form
        if isinstance(form, Grade):
            if not form.low < form.high:
                raise ScorerError(f"scale is {self.grades!r}, whose ends are the wrong way round")
            if self.passing is not None and not form.low <= self.passing <= form.high:
                raise ScorerError(f"pass is {self.passing:g}, which is not within {self.grades}")
        elif self.passing is not None:
            raise ScorerError("pass is for grades, and by yes-no a yes passes")

    @property
    def form(self) -> Form:
        """Return how its judge answers."""
        if self.grades == YES_NO:
            return Label(("yes", "no"), "score")
        found = _SCALE.fullmatch(self.grades)
        if found is None:
            raise ScorerError(f"scale is {self.grades!r}: write yes-no, or two ends such as 1-5")
        return Grade(int(found[1]), int(found[2]))

    @property
    def template(self) -> str:
        """Return the prompt before it is filled."""
        return self.prompt or RUBRIC

    def asked(self, answered: Answered) -> Question:
        """Return what the judge is asked about an answer."""
        form = self.form
        if isinstance(form, Grade):
            scale = f"Give a whole number from {form.low} (worst) to {form.high} (best)."
            sample = f'{{"score": {form.high}, "reason": "…"}}'
        else:
            scale, sample = "Say yes or no.", '{"score": "yes", "reason": "…"}'
        values = {"rubric": self.rubric, "scale": scale, "form": sample}
        return self._question(RUBRIC, form, answered, values)

    def score(self, answered: Answered) -> ScoreValue:
        """Return what the judge's grade is worth."""
        return _scored(self, answered)

    def worth(self, reading: float | str) -> ScoreValue:
        """Return a reading's value, as a share of the scale, and whether it passes."""
        form = self.form
        if not isinstance(form, Grade):
            is_good = reading == "yes"
            return ScoreValue(float(is_good), is_good, f"the judge says {reading}")
        least = form.low + 0.75 * (form.high - form.low) if self.passing is None else self.passing
        grade = float(reading)
        told = f"the judge gives {grade:g} of {form.high}"
        return ScoreValue(form.share(grade), grade >= least, told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classify(_Judge):
    """One of several labels, of which some are good.

    Args:
        question: what is asked about the answer.
        labels: to choose from.
        passing: those that pass.
        values: what each label is worth, from 0 to 1; 1 where it passes and 0 where not.
    """

    question: str
    labels: tuple[str, ...]
    passing: tuple[str, ...]
    values: dict[str, float] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _Judge.__post_init__(self)
        if len({each.casefold() for each in self.labels}) < max(2, len(self.labels)):
            raise ScorerError(f"labels are {shown(list(self.labels))}: give two or more, each once")
        for name, given in (("pass", self.passing), ("values", self.values)):
            for label in given:
                if label not in self.labels:
                    raise ScorerError(f"{name} has {label!r}, which is none of its labels")
        if any(not 0 <= each <= 1 for each in self.values.values()):
            raise ScorerError("values of labels must be from 0 to 1")

    @property
    def form(self) -> Form:
        """Return how its judge answers."""
        return Label(self.labels)

    @property
    def template(self) -> str:
        """Return the prompt before it is filled."""
        return self.prompt or CLASSIFY

    def asked(self, answered: Answered) -> Question:
        """Return what the judge is asked about an answer."""
        sample = f'{{"label": "{self.labels[0]}", "reason": "…"}}'
        values = {"rubric": self.question, "labels": ", ".join(self.labels), "form": sample}
        return self._question(CLASSIFY, self.form, answered, values)

    def score(self, answered: Answered) -> ScoreValue:
        """Return what the judge's label is worth."""
        return _scored(self, answered)

    def worth(self, reading: float | str) -> ScoreValue:
        """Return a label's value, and whether it passes."""
        label = str(reading)
        is_good = label in self.passing
        value = self.values.get(label, float(is_good))
        return ScoreValue(value, is_good, f"the judge says {label}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairwise(_Judge):
    """Which of two models' answers is better; it judges comparisons and no run alone.

    Args:
        criterion: by what.
    """

    criterion: str
    form: ClassVar[Form] = Label(("A", "B", "tie"), "winner")

    def __post_init__(self) -> None:
        _Judge.__post_init__(self)
        if not self.criterion.strip():
            raise ScorerError("criterion says nothing")

    @property
    def template(self) -> str:
        """Return the prompt before it is filled."""
        return self.prompt or PAIRWISE

    def asked(self, answered: Answered, first: str, second: str) -> Question:
        """Return what the judge is asked about two answers in this order."""
        sample = '{"winner": "A", "reason": "…"}'
        values = {"answer_a": first, "answer_b": second, "rubric": self.criterion, "form": sample}
        return self._question(PAIRWISE, self.form, answered, values)

    def score(self, answered: Answered) -> ScoreValue:
        """Raise: one answer alone is not compared."""
        raise TypeError("pairwise compares two answers; see headway_evals.judges.pairwise")


JUDGES: Mapping[str, type[Any]] = {"rubric": Rubric, "classify": Classify, "pairwise": Pairwise}

Single = Rubric | Classify
"""Judges of one answer."""


def make_judge(kind: str, options: Mapping[str, Any]) -> Scorer:
    """Return the judge of that kind with these options.

    Raises:
        ScorerError: an option is unknown, missing, or has the wrong type or value.
    """
    fields = [each.name for each in dataclasses.fields(JUDGES[kind])]
    known = {_SPOKEN.get(field, field): field for field in fields}
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ScorerError(f"{kind} has no option {option!r}; {hint}")
    values = {known[name]: value for name, value in options.items() if value is not None}
    if isinstance(values.get("passing"), str) and kind == "classify":
        values["passing"] = [values["passing"]]
    try:
        made: Scorer = msgspec.convert(values, JUDGES[kind])
    except msgspec.ValidationError as error:
        told = str(error)
        for field, name in _SPOKEN.items():
            told = told.replace(f"`{field}`", f"`{name}`").replace(f"$.{field}", f"$.{name}")
        raise ScorerError(f"{kind}: {told.replace('`', '')}") from error
    except ScorerError as error:
        raise ScorerError(f"{kind}: {error}") from error
    return made


def options_of(judge: Single | Pairwise) -> dict[str, Any]:
    """Return a judge's options as a suite writes them, with the version of its prompt."""
    values = {name: value for name, value in msgspec.to_builtins(judge).items() if value}
    kind = next(name for name, each in JUDGES.items() if isinstance(judge, each))
    told = {_SPOKEN.get(name, name): value for name, value in values.items()}
    return {"kind": kind, "prompt_version": version_of(judge.template), **told}


def judges_of(scorers: Mapping[str, Scorer]) -> dict[str, Single]:
    """Return the judges of single answers among scorers, also within groups, by scorer's name."""
    return {
        name: part
        for name, each in scorers.items()
        for part in parts_of(each)
        if isinstance(part, Rubric | Classify)
    }


def pairwise_of(scorers: Mapping[str, Scorer]) -> dict[str, Pairwise]:
    """Return the judges of comparisons among scorers."""
    return {name: each for name, each in scorers.items() if isinstance(each, Pairwise)}


def _scored(judge: Single, answered: Answered) -> ScoreValue:
    if answered.hear is None:
        return ScoreValue(0.0, False, error=NO_JUDGE)
    question = judge.asked(answered)
    heard: Heard = answered.hear(question)
    if heard.reading is None:
        return ScoreValue(0.0, False, error=heard.error)
    return judge.worth(heard.reading)
