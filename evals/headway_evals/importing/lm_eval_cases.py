"""The documents of an lm-eval task as cases.

A document that no case of ours can say is reported, and the others are made. Examples are drawn for
it all the same, so that the next one has its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.lm_eval_data import Document
from headway_evals.importing.lm_eval_files import TaskFile
from headway_evals.importing.lm_eval_prompts import Contexts
from headway_evals.importing.lm_eval_scoring import Pipeline, steps_of
from headway_evals.importing.reports import ImportReport
from headway_evals.prompts import render_prompt
from headway_measures.scores import shown

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(slots=True)
class CaseMaker:
    """Makes a task's documents into cases.

    Args:
        task: the task.
        kind: its ``output_type``.
        documents: those to be asked about.
        contexts: what is asked.
        report: where documents go that no case of ours can say.

    Attributes:
        prompt: what all begin with, as a template; None where they have nothing in common.
        choices: those of each case's document, by the case's id.
        is_delimited_by_hand: whether choices begin with the delimiter, as a suite would leave it
            out where white space parts them already.
    """

    task: TaskFile
    kind: str
    documents: Sequence[Document]
    contexts: Contexts
    report: ImportReport
    prompt: str | None = None
    choices: dict[str, list[str]] | None = None
    is_delimited_by_hand: bool = False

    def make(self) -> list[dict[str, Any]]:
        """Return the cases, in the order of the documents.

        Raises:
            ImportingError: there is none, or a template of the task cannot be filled in.
        """
        leads: list[str] = []
        cases: list[dict[str, Any]] = []
        self.choices = {}
        multiple: bool | None = None
        for place, document in enumerate(self.documents):
            is_rolling = self.kind == "loglikelihood_rolling"
            # Examples are drawn for every document, or those of the next would be others.
            lead = "" if is_rolling else self.contexts.lead(document)
            target = self.contexts.wordings.target(document)
            multiple = isinstance(target, list) if multiple is None else multiple
            try:
                case = self._case(document, target, is_multiple=multiple)
            except _Unsayable as error:
                self.report.omit(error.feature, str(error), f"{self.task.name} document {place}")
                continue
            cases.append({"id": f"{self.task.name}-{place}", **case})
            leads.append(lead)
            choices = document.get("choices")
            if isinstance(choices, list):
                self.choices[cases[-1]["id"]] = [str(each) for each in choices]
        if not cases:
            raise ImportingError(f"none of the documents of {self.task.name} can be a case")
        self._join(leads, cases)
        if self.kind == "multiple_choice":
            self._delimit(cases)
        return cases

    def _case(self, document: Document, target: Any, *, is_multiple: bool) -> dict[str, Any]:
        if self.kind == "loglikelihood_rolling":
            return {"input": str(target)}
        own = self.contexts.own(document)
        if isinstance(own, int):
            raise _Unsayable("choices as contexts", "a suite weighs answers after one prompt")
        if self.kind == "loglikelihood":
            return {"input": own, "expected": str(target)}
        choices = self.contexts.wordings.choices(document)
        if self.kind == "multiple_choice":
            if choices is None:
                raise ImportingError(f"{self.task.name} has no doc_to_choice")
            return {"input": own, "choices": choices, "expected": _place(target, choices)}
        if choices is not None and isinstance(target, int) and target < len(choices):
            return {"input": own, "expected": choices[target]}
        if is_multiple:
            listed = target if isinstance(target, list) else [target]
            return {"input": own, "expected": [str(each) for each in listed]}
        return {"input": own, "expected": str(target)}

    def _join(self, leads: Sequence[str], cases: Sequence[dict[str, Any]]) -> None:
        """Give each case what stands before it, once for all where that is the same."""
        if len(set(leads)) > 1:
            for lead, case in zip(leads, cases, strict=True):
                case["input"] = lead + case["input"]
        elif leads[0]:
            template = _FIELD.sub(r"{{\1}}", leads[0]) + "{input}"
            if render_prompt(template, "?") != leads[0] + "?":
                raise ImportingError(f"{self.task.name}: its examples hold braces in braces")
            self.prompt = template

    def _delimit(self, cases: Sequence[dict[str, Any]]) -> None:
        delimiter = self.contexts.delimiter
        self.is_delimited_by_hand = bool(delimiter) and any(
            not case["input"] or case["input"][-1].isspace() or each[:1].isspace()
            for case in cases
            for each in case["choices"]
        )
        if self.is_delimited_by_hand:
            for case in cases:
                case["choices"] = [delimiter + each for each in case["choices"]]


class _Unsayable(ImportingError):
    """A document that no case of ours can say."""

    def __init__(self, feature: str, reason: str) -> None:
        super().__init__(reason)
        self.feature = feature


def _place(target: Any, choices: Sequence[str]) -> int:
    texts = [each.strip() for each in choices]
    if len(texts) < 2 or "" in texts or len(set(texts)) < len(texts):
        raise _Unsayable("choices", "a case needs two choices or more, none empty or twice")
    if isinstance(target, list):
        raise _Unsayable("several right choices", "a choice of ours has one")
    if isinstance(target, str) and target in choices:
        return list(choices).index(target)
    if isinstance(target, int) and 0 <= target < len(choices):
        return int(target)
    raise _Unsayable("target that is no choice", f"it is {shown(target)}")


def score_each(
    cases: Sequence[dict[str, Any]],
    choices: Mapping[str, list[str]] | None,
    scorers: Sequence[dict[str, Any]],
    pipelines: Sequence[Pipeline],
) -> None:
    """Give each case scorers of its own, where a filter is about its choices.

    Raises:
        ImportingError: a case's document has no choices.
    """
    known = {each.name: each for each in pipelines}
    for case in cases:
        own = (choices or {}).get(case["id"])
        if own is None:
            raise ImportingError(f"{case['id']} has no column choices, which its filter looks at")
        case["scorers"] = []
        for scorer in scorers:
            ((kind, options),) = scorer.items()
            made = dict(options or {"name": kind})
            pipeline = known[str(made["name"]).partition(",")[2]]
            if pipeline.steps:
                made["extract"] = steps_of(pipeline, own)
            case["scorers"].append({kind: made})
