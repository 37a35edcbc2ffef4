"""OpenAI evals' model-graded specs as judges of ours: ``modelgraded/NAME.yaml``.

    humour:
      prompt: "Is this funny? {completion}"
      choice_strings: "12345"
      choice_scores: from_strings
      input_outputs: {input: completion}

A spec with one answer becomes ``classify``: its choices are the labels, their scores the values.
Its prompt stays; how the judge is to answer is said in our way, for the label is read strictly from
the first line. ``fact`` and ``closedqa`` are known where a registry of one's own names them and
does not hold them. https://github.com/openai/evals/blob/main/docs/eval-templates.md
"""

import math
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headway_evals.documents import MarkedDict
from headway_evals.errors import ImportingError
from headway_evals.importing import factuality
from headway_evals.importing.case_scorers import Entry
from headway_evals.importing.sources import SourceFiles, SourceRefused, parsed
from headway_evals.judges.scorers import make_judge
from headway_measures.errors import ScorerError
from headway_measures.scores import shown

_KNOWN_KEYS = ("prompt", "choice_strings", "choice_scores", "input_outputs", "eval_type", "args")
_SILENT_KEYS = ("completion_sample_templates", "key", "group", "format_type", "output_template")
_FORM = (
    "\n\nChoose one of these labels: {labels}.\n"
    "Reply with one line of JSON and no other text: {form}\n"
)
_FIELD = re.compile(r"\{(question|answer|reference|labels|rubric|form)\}")
_FACT = {
    "question": factuality.QUESTION,
    "labels": list(factuality.LABELS),
    "pass": list(factuality.PASSING),
}


@dataclass(frozen=True, slots=True)
class GradedSpec:
    """How one eval's answers are judged.

    Args:
        name: the spec's.
        judge: the spec of the model that judges.
        values: the spec; nothing where its file is not here.
        arguments: the eval's ``modelgraded_spec_args``, which stand for fields of the prompt.
    """

    name: str
    judge: str
    values: Mapping[str, Any]
    arguments: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, str]:
        """Return the column that is asked, and the prompt's field for the answer.

        Raises:
            ImportingError: there are several.
        """
        given = self.values.get("input_outputs", {"input": "completion"})
        if not isinstance(given, Mapping) or len(given) != 1:
            told = "input_outputs with several answers, and a judge of ours sees one"
            raise ImportingError(f"{self.name} has {told}")
        ((asked, answer),) = given.items()
        return str(asked), str(answer)

    @property
    def omissions(self) -> Iterator[tuple[str, str]]:
        """Yield what is not the same there, and why."""
        own = f"OpenAI evals' own {self.name}"
        if self._is_ours:
            yield own, "is asked in our prompt: see docs/importing.md"
        else:
            form = "read from the first line alone" if self._eval_type else "in our form"
            yield own, f"keeps its words, and the answer is {form}: see docs/importing.md"
            yield from self._told_of_scores()
        for key in self.values:
            if key not in (*_KNOWN_KEYS, *_SILENT_KEYS):
                yield f"key {key} of {self.name}", "has no place in a judge"

    def check(self) -> None:
        """Look at what does not depend on a sample.

        Raises:
            ImportingError: a judge of ours cannot say what the spec does.
        """
        if self._is_ours:
            return
        if self._eval_type.startswith("cot"):
            raise ImportingError(
                f"{self.name} asks within its prompt for reasoning before the label, which our "
                "judges say first: take that and its eval_type out of the spec"
            )
        try:
            make_judge("classify", {"judge": self.judge, **self._sorted()})
        except ScorerError as error:
            raise ImportingError(f"{self.name} is no judge of ours: {error}") from error
        self._pieces()

    def entry(self, sample: Mapping[str, Any]) -> Entry:
        """Return the scorer of a sample.

        Raises:
            ImportingError: the sample lacks what the prompt shows.
        """
        if self._is_ours:
            return {"classify": {"judge": self.judge, **self._ours(sample)}}
        prompt = self._prompt(sample)
        options = {"prompt": prompt if self._eval_type else f"{prompt}{_FORM}"}
        return {"classify": {"judge": self.judge, **self._sorted(), **options}}

    def shown_columns(self, sample: Mapping[str, Any]) -> set[str]:
        """Return the columns of a sample that the judge is shown, beside input and ideal."""
        if self._is_ours:
            return {"criteria"} & sample.keys() if self.name == "closedqa" else set()
        return {field for _, field in self._pieces() if field is not None and field in sample}

    @property
    def _is_ours(self) -> bool:
        # closedqa's prompt wants reasoning before the answer; one that does not is another.
        is_usual = self._eval_type.startswith("cot") or not self.values
        return is_usual and (self.name == "closedqa" or (self.name == "fact" and not self.values))

    @property
    def _eval_type(self) -> str:
        return str(self.values.get("eval_type") or "")

    def _told_of_scores(self) -> Iterator[tuple[str, str]]:
        given = self.values.get("choice_scores")
        if given is None:
            yield f"{self.name} without choice_scores", "counts choices there; here D fails"
        else:
            yield f"pass of {self.name}", "is not said there; here the best choice passes"
            scores = self._scores(self._labels()).values()
            if min(scores) < 0 or max(scores) > 1:
                told = "go from 0 to 1 here, the worst choice to the best"
                yield f"choice_scores of {self.name}", told

    def _ours(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        if self.name == "fact":
            return dict(_FACT)
        criterion = self.arguments.get("criteria", sample.get("criteria"))
        if not isinstance(criterion, str):
            raise ImportingError(f"closedqa has criteria {shown(criterion)}, which is no text")
        question = f"Does the answer meet this criterion? {criterion}"
        return {"question": question, "labels": ["Y", "N"], "pass": ["Y"]}

    def _sorted(self) -> dict[str, Any]:
        """Return the labels, and what each is worth."""
        labels = self._labels()
        worth = self._worth(labels)
        best = max(worth.values())
        return {
            "question": f"as the prompt of {self.name} asks",
            "labels": labels,
            "pass": [label for label in labels if worth[label] == best],
            "values": worth,
        }

    def _labels(self) -> list[str]:
        given = self.values.get("choice_strings")
        if isinstance(given, str) and given.startswith("from_n"):
            told = "from_n, which compares several answers to one question"
            raise ImportingError(f"{self.name} has choice_strings {told}")
        if not isinstance(given, str | list) or not given:
            raise ImportingError(f"{self.name} has choice_strings {shown(given)}: write a list")
        return [str(each) for each in given]

    def _worth(self, labels: list[str]) -> dict[str, float]:
        """Return what each label is worth, from 0 to 1."""
        worth = self._scores(labels)
        least, most = min(worth.values()), max(worth.values())
        if not least < most < math.inf:
            raise ImportingError(f"{self.name} has choice_scores that tell no choices apart")
        if least >= 0 and most <= 1:
            return worth
        return {label: (each - least) / (most - least) for label, each in worth.items()}

    def _scores(self, labels: list[str]) -> dict[str, float]:
        """Return what each label is worth there."""
        given = self.values.get("choice_scores")
        if given is None and self.name == "fact" and tuple(labels) == factuality.LABELS:
            return {label: float(label in factuality.PASSING) for label in labels}
        if given is None:
            raise ImportingError(
                f"{self.name} counts its choices and has no choice_scores: write what each is worth"
            )
        scores = {each: each for each in labels} if given == "from_strings" else given
        try:
            return {label: float(scores[label]) for label in labels}
        except (TypeError, ValueError, KeyError) as error:
            told = f"choice_scores {shown(given)}, which has no number for each choice"
            raise ImportingError(f"{self.name} has {told}") from error

    def _prompt(self, sample: Mapping[str, Any]) -> str:
        """Return the prompt with our fields in place of theirs, and the sample's own filled in."""
        asked, answer = self.columns
        ours = {asked: "{question}", answer: "{answer}", "ideal": "{reference}"}
        parts = []
        for literal, field in self._pieces():
            parts.append(_plain(literal, self.name))
            if field is None:
                continue
            value = self.arguments.get(field, sample.get(field))
            if field in ours:
                parts.append(ours[field])
            elif isinstance(value, str | int | float):
                parts.append(_plain(str(value), self.name))
            else:
                told = f"{field} into its prompt, and it is {shown(value)}"
                raise ImportingError(f"{self.name} puts {told}")
        return "".join(parts)

    def _pieces(self) -> list[tuple[str, str | None]]:
        """Return the prompt as texts, each with the field that follows it."""
        template = self.values.get("prompt")
        if isinstance(template, list) and len(template) == 1 and isinstance(template[0], Mapping):
            template = template[0].get("content")
        if not isinstance(template, str):
            raise ImportingError(f"{self.name} has a prompt of several messages; a judge has one")
        try:
            return [(literal, field) for literal, field, *_ in string.Formatter().parse(template)]
        except ValueError as error:
            raise ImportingError(
                f"{self.name} has a prompt that is no template: {error}"
            ) from error


def read_spec(
    files: SourceFiles, given: Mapping[str, Any], key: str, judge: str | None
) -> GradedSpec:
    """Return the spec that an eval names, from ``modelgraded/`` of its registry.

    Args:
        files: the registry's.
        given: the eval's arguments.
        key: the eval's name.
        judge: the spec of the model that judges.

    Raises:
        ImportingError: nobody judges, the spec is not here, or cannot be read.
    """
    if judge is None:
        raise ImportingError(f"{key} asks a judge: give --judge SPEC")
    name = given.get("modelgraded_spec")
    if not isinstance(name, str):
        raise ImportingError(f"{key} has modelgraded_spec {shown(name)}: write its name")
    arguments = given.get("modelgraded_spec_args") or {}
    if not isinstance(arguments, Mapping):
        raise ImportingError(f"{key} has modelgraded_spec_args {shown(arguments)}, no mapping")
    for option, usual in (("multicomp_n", 1), ("metaeval", False)):
        if given.get(option, usual) != usual:
            raise ImportingError(f"{key} has {option}, which judges several answers or none")
    values = _found(files, name)
    if values is None and name not in ("fact", "closedqa"):
        raise ImportingError(f"{key}: there is no modelgraded/{name}.yaml")
    found = values or {}
    return GradedSpec(name, judge, found, {**_texts(found.get("args")), **arguments})


def _found(files: SourceFiles, name: str) -> Mapping[str, Any] | None:
    """Return a spec: of the file of its name, or of the one that has it as a key."""
    try:
        paths = files.find_all("modelgraded/*.yaml")
    except SourceRefused:
        return None
    for path in sorted(paths, key=lambda path: path.stem != name):
        try:
            document = parsed(files.read_text(path), files.shown(path))
        except ImportingError:
            if path.stem == name:
                raise
            continue
        if not isinstance(document, MarkedDict):
            continue
        if isinstance(document.get(name), Mapping):
            return dict(document[name])
        if path.stem == name and "prompt" in document:
            return dict(document)
    return None


def _texts(given: Any) -> dict[str, str]:
    """Return a spec's own ``args`` that are one text each; others ask several times."""
    items = given.items() if isinstance(given, Mapping) else ()
    return {name: each for name, each in items if isinstance(each, str)}


def _plain(text: str, name: str) -> str:
    """Return a text that stands for itself in a prompt of ours."""
    if found := _FIELD.search(text):
        raise ImportingError(f"{name} has {found[0]} in a text, which is a field of our prompts")
    return text
