"""The cases of a suite file: each checked against what the suite does with it."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from headway_evals.documents import MarkedDict
from headway_evals.examples import Example, Framing, has_system
from headway_evals.prompts import as_text, is_chat, render_prompt
from headway_evals.quarantines import QUARANTINE, read_quarantine
from headway_evals.sections import Section
from headway_evals.suite_rows import CASE_KEYS
from headway_evals.suite_scorers import ScorerReader
from headway_evals.suites import Asking, Case
from headway_measures.errors import ScorerError
from headway_measures.likelihood_scorers import Choice, GreedyMatch, Perplexity
from headway_measures.scores import Scorer, counted, shown
from headway_measures.weights import check_threshold, parts_of, with_metrics

_LONGEST_ID = 200
# Of the version: matters of the gate, not of results.
_LEFT_OUT = ("must_pass", "quarantine")


@dataclass(slots=True)
class CaseReader:
    """Builds cases out of rows, noting faults as it goes.

    Args:
        ask: what a model does in each case.
        framing: how a case is asked, its examples apart.
        gives_text: whether examples will stand within the prompt's text.
        scorers: those of every case.
        scorer_reader: reads a case's own.
        repeats: how often each case is asked.

    Attributes:
        content: what the version of the suite is made of.
        examples: the cases as examples, by id, those that expect something.
    """

    ask: Asking
    framing: Framing
    gives_text: bool
    scorers: dict[str, Scorer]
    scorer_reader: ScorerReader
    repeats: int = 1
    content: list[dict[str, Any]] = field(default_factory=list)
    examples: dict[str, Example] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)

    def read(self, section: Section) -> list[Case]:
        """Return a row's case, as often as it is asked."""
        section.check_keys(CASE_KEYS)
        values = section.values
        case = Case(
            case_id=self._case_id(section),
            input=values.get("input"),
            expected=values.get("expected"),
            tags=section.texts("tags"),
            cluster=self._cluster(section),
            scorers=self._scorers(section),
            choices=section.texts("choices"),
            must_pass=section.get("must_pass", bool, False),
            quarantine=read_quarantine(section, QUARANTINE),
            threshold=self._threshold(section),
        )
        self._check_input(section)
        self._check_choices(section, case)
        self._check_scorers(section, case)
        self.content.append({key: each for key, each in values.items() if key not in _LEFT_OUT})
        if case.expected is not None:
            self.examples[case.case_id] = Example(case.input, answer_of(values))
        return self._repeated(section, case)

    def read_example(self, section: Section) -> Example:
        """Return a row as an example."""
        section.check_keys(CASE_KEYS)
        self._check_input(section)
        if section.values.get("expected") is None:
            section.fault("expected", "has no expected value, which an example shows as its answer")
        return Example(section.values.get("input"), answer_of(section.values))

    def _scorers(self, section: Section) -> dict[str, Scorer]:
        """Return the suite's scorers, the case's own, and the metrics that these are part of."""
        scorers = {**self.scorers, **self.scorer_reader.read(section)}
        try:
            return with_metrics(scorers)
        except ScorerError as error:
            section.fault("scorers", f"has scorers of which {error}")
            return scorers

    def _threshold(self, section: Section) -> float | None:
        if section.values.get("threshold") is None:
            return None
        threshold = section.number("threshold", 0.0)
        if not 0 <= threshold <= 1:
            section.fault("threshold", f"has threshold {threshold}, which must be from 0 to 1")
        return threshold

    def _cluster(self, section: Section) -> str | None:
        cluster = section.values.get("cluster")
        if cluster is None or isinstance(cluster, str):
            # An empty cell of a table is no cluster that all such rows share.
            return cluster or None
        if isinstance(cluster, bool) or not isinstance(cluster, int | float):
            section.fault("cluster", f"has cluster {shown(cluster)}, which is not text")
        return str(cluster)

    def _repeated(self, section: Section, case: Case) -> list[Case]:
        if self.repeats == 1:
            return [case]
        cases = [case]
        for sample in range(1, self.repeats):
            case_id = f"{case.case_id}#{sample + 1}"
            self._take_id(section, case_id)
            # The answers to one question are one piece of evidence as far as they agree.
            cluster = case.cluster or case.case_id
            again = dataclasses.replace(case, case_id=case_id, cluster=cluster, sample=sample)
            cases.append(again)
        cases[0] = dataclasses.replace(case, cluster=cases[-1].cluster)
        return cases

    def _case_id(self, section: Section) -> str:
        case_id = section.values.get("id")
        is_name = isinstance(case_id, str | int) and not isinstance(case_id, bool)
        if not is_name or not str(case_id).strip():
            section.fault("id", "has no id" if case_id is None else f"has id {shown(case_id)}")
            return ""
        return self._take_id(section, str(case_id))

    def _take_id(self, section: Section, case_id: str) -> str:
        if len(case_id) > _LONGEST_ID:
            section.fault("id", f"has an id of more than {_LONGEST_ID} characters")
        if case_id in self.lines:
            section.fault("id", f"stands twice, first at {self.lines[case_id]}")
        self.lines.setdefault(case_id, f"{section.path}:{section.values.line_of('id')}")
        return case_id

    def _check_input(self, section: Section) -> None:
        value = section.values.get("input")
        if value is None:
            section.fault("input", "has no input")
            return
        if not (isinstance(value, str | MarkedDict) or is_chat(value)):
            section.fault("input", f"has input {shown(value)}: give text, a mapping or messages")
            return
        try:
            asked = render_prompt(self.framing.template, value)
        except KeyError as error:
            section.fault("input", f"has an input without the prompt's field {error.args[0]!r}")
            return
        if self.gives_text and not isinstance(asked, str):
            section.fault("input", "has messages, and few_shot gives text: write as: turns there")
        if self.framing.system and has_system(asked):
            section.fault("input", "has a system message of its own beside the suite's system")

    def _check_choices(self, section: Section, case: Case) -> None:
        if self.ask == "choice":
            texts = [each.strip() for each in case.choices]
            if len(texts) < 2:
                count = counted(len(texts), "choice")
                section.fault("choices", f"has {count}, and ask: choice needs two")
            elif "" in texts:
                section.fault("choices", "has an empty choice")
            elif len(set(texts)) < len(texts):
                section.fault("choices", "has one choice twice")
            elif case.expected is not None and (fault := _fault_of_choice(case.expected, texts)):
                section.fault("expected", f"expects {shown(case.expected)}, {fault}")
        elif case.choices:
            section.fault("choices", f"has choices, which ask: {self.ask} does not look at")
        if self.ask == "likelihood" and not (isinstance(case.expected, str) and case.expected):
            section.fault("expected", "has no expected text, whose likelihood is asked for")

    def _check_scorers(self, section: Section, case: Case) -> None:
        if not case.scorers:
            section.fault("scorers", "has no scorer: give one to it or to the suite")
        elif case.threshold is not None:
            try:
                check_threshold(case.threshold, case.scorers)
            except ScorerError as error:
                section.fault("threshold", f"has a threshold, and {error}")
        for name, scorer in case.scorers.items():
            needed = _asked_by(scorer)
            if needed and self.ask not in needed:
                section.fault("scorers", f"has {name}, which needs ask: {' or '.join(needed)}")
            elif case.expected is None:
                if scorer.needs_expected:
                    told = f"has no expected value, and {name} compares with it"
                    section.fault("expected", told)
            elif fault := scorer.fault_of(case.expected):
                section.fault("expected", f"has an expected value for {name} that {fault}")


def answer_of(values: MarkedDict) -> str:
    """Return what an example shows as its answer: the expected value, of a choice its text."""
    expected: Any = values.get("expected")
    choices: Any = values.get("choices")
    is_place = isinstance(expected, int) and not isinstance(expected, bool)
    if is_place and isinstance(choices, list) and 0 <= expected < len(choices):
        expected = choices[expected]
    return as_text(expected)


def _asked_by(scorer: Scorer) -> tuple[Asking, ...]:
    """Return what must be asked for a scorer to have something to judge; nothing is anything."""
    parts = tuple(parts_of(scorer))
    if any(isinstance(each, Choice) for each in parts):
        return ("choice",)
    if any(isinstance(each, GreedyMatch) for each in parts):
        return ("likelihood",)
    is_likelihood = any(isinstance(each, Perplexity) for each in parts)
    return ("perplexity", "likelihood") if is_likelihood else ()


def _fault_of_choice(expected: Any, texts: list[str]) -> str | None:
    if isinstance(expected, int) and not isinstance(expected, bool):
        is_place = 0 <= expected < len(texts)
        return None if is_place else f"and its choices are numbered 0 to {len(texts) - 1}"
    if isinstance(expected, str) and expected.strip() not in texts:
        return "which is none of its choices"
    return None
