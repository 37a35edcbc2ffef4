"""promptfoo's assertions that a model judges, as our judges.

    {type: llm-rubric, value: Is polite, threshold: 0.8, provider: openai:gpt-4o-mini}

Those that ask one question about one answer become ``rubric`` and ``classify``. What is asked is
theirs; the prompt around it and the form of the answer are ours, which is reported. Who judges is
the import's ``--judge``, or else the provider that the assertion or its test names.
https://www.promptfoo.dev/docs/configuration/expected-outputs/model-graded/
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing import factuality
from headway_evals.importing.case_scorers import Entry
from headway_evals.importing.promptfoo_providers import generation_of, named_provider, spec_of
from headway_evals.importing.promptfoo_scorers import AssertionRefused, text_of, threshold_of
from headway_evals.importing.promptfoo_templates import has_template
from headway_evals.importing.reports import ImportReport

JUDGE_KEYS = ("provider", "rubricPrompt")
"""What an assertion may say beside the usual, where a model judges it."""

JUDGE_OPTIONS = ("provider", "rubricPrompt", "factuality")
"""The options of a test that say how such assertions are judged."""

_GRADES = 10
_GEVAL = 0.7
_FACT_OPTIONS = ("subset", "superset", "agree", "disagree", "differButFactual")


@dataclass(frozen=True, slots=True)
class JudgedReader:
    """Makes judges of assertions.

    Args:
        report: what could not be done.
        judge: the spec of the model that judges; None takes the providers that are named.
    """

    report: ImportReport
    judge: str | None = None

    def read(
        self,
        kind: str,
        assertion: Mapping[str, Any],
        value: Any,
        options: Mapping[str, Any],
        path: str,
        line: int,
    ) -> Entry:
        """Return the scorer of an assertion of one of the types in ``JUDGED``.

        Args:
            kind: the type, without ``not-``.
            assertion: all that it says.
            value: its value, filled in.
            options: those of its test.
            path: the file that it stands in.
            line: its line.

        Raises:
            AssertionRefused: nobody is named who could judge it.
            ImportingError: it says what our judges cannot.
        """
        if any(each.get("rubricPrompt") for each in (assertion, options)):
            raise ImportingError(
                "it has a rubricPrompt, whose form of answer is promptfoo's: write it as the "
                "`prompt` of a judge of ours, see docs/judges.md"
            )
        read, told = JUDGED[kind]
        entry = read(assertion, value, options)
        asked = self._asked(kind, assertion.get("provider") or options.get("provider"), path, line)
        own = f"promptfoo's own {kind}"
        self.report.omit(own, f"{told}: see docs/importing.md", path, line)
        return _judged_by(entry, asked)

    def _asked(self, kind: str, given: Any, path: str, line: int) -> dict[str, Any]:
        """Return the options that say who is asked, and how."""
        if isinstance(given, Mapping) and "id" not in given and "text" in given:
            given = given["text"]  # beside it, models for other kinds of questions
        name, config = named_provider(given)
        if self.judge is not None:
            if name is not None:
                self.report.note(f"The judge {name} is {self.judge} here, by --judge.")
            return {"judge": self.judge}
        spec = None if name is None else spec_of(name, config)
        if spec is None or has_template(spec):
            who = "no judge is named" if name is None else f"its judge {name} is no model of ours"
            raise AssertionRefused(f"assertion type {kind}", f"{who}: give --judge SPEC")
        self.report.note(f"The judge {name} is {spec} here.")
        generation, unknown = generation_of(config)
        for key in unknown:
            if key != "apiBaseUrl":
                why = "has no place in a suite"
                self.report.omit(f"judge's config {key}", why, path, line)
        for key in generation:
            if key != "max_new_tokens" and generation.get(key) != 0:
                why = "is not taken over: judges are asked for their likeliest answer"
                self.report.omit(f"judge's config {key}", why, path, line)
        # promptfoo's providers of these names are all asked in a chat.
        asked = {"judge": spec, "chat": True}
        if "max_new_tokens" in generation:
            asked["max_new_tokens"] = generation["max_new_tokens"]
        return asked


def _judged_by(entry: Entry, asked: Mapping[str, Any]) -> Entry:
    ((kind, options),) = entry.items()
    if kind == "group":
        return {kind: {**options, "scorers": [_judged_by(e, asked) for e in options["scorers"]]}}
    return {kind: {**asked, **options}}


def _llm_rubric(assertion: Mapping[str, Any], value: Any, options: Mapping[str, Any]) -> Entry:
    asked = text_of(value)
    least = threshold_of(assertion, 0)
    return _graded(asked, least) if least else {"rubric": {"rubric": asked, "scale": "yes-no"}}


def _g_eval(assertion: Mapping[str, Any], value: Any, options: Mapping[str, Any]) -> Entry:
    least = threshold_of(assertion, _GEVAL)
    criteria = value if isinstance(value, list) else [value]
    graded = [_graded(text_of(each), least) for each in criteria]
    if not graded:
        raise ImportingError("its value is an empty list of criteria")
    if len(graded) == 1:
        return graded[0]
    inner = [
        {"rubric": {"name": f"criterion {number}", **each["rubric"]}}
        for number, each in enumerate(graded, start=1)
    ]
    return {"group": {"scorers": inner, "threshold": least}}


def _closed_qa(assertion: Mapping[str, Any], value: Any, options: Mapping[str, Any]) -> Entry:
    return {"rubric": {"rubric": text_of(value), "scale": "yes-no"}}


def _factuality(assertion: Mapping[str, Any], value: Any, options: Mapping[str, Any]) -> Entry:
    asked: dict[str, Any] = {"question": factuality.QUESTION, "labels": list(factuality.LABELS)}
    asked["pass"] = list(factuality.PASSING)
    given = options.get("factuality")
    if given is not None:
        worth = _worth(given)
        asked |= {"pass": [label for label, each in worth.items() if each > 0], "values": worth}
    return {"classify": {**asked, "expected": text_of(value)}}


def _worth(given: Any) -> dict[str, float]:
    """Return what each label is worth by a test's option ``factuality``."""
    if not isinstance(given, Mapping) or any(key not in _FACT_OPTIONS for key in given):
        raise ImportingError(f"its option factuality is {given!r}: known: {_FACT_OPTIONS}")
    usual = [float(label in factuality.PASSING) for label in factuality.LABELS]
    worth = {
        label: given.get(key, each)
        for label, key, each in zip(factuality.LABELS, _FACT_OPTIONS, usual, strict=True)
    }
    for each in worth.values():
        if isinstance(each, bool) or not isinstance(each, int | float) or not 0 <= each <= 1:
            raise ImportingError(f"its option factuality has {each!r}, which is not from 0 to 1")
    return worth


def _graded(asked: str, least: float) -> Entry:
    """Return a rubric with grades, of which a share is the least that passes."""
    if not 0 <= least <= 1:
        raise ImportingError(f"its threshold is {least}, which is not from 0 to 1")
    # Rounded, for 0.07·10 is more than 0.7 by a hair.
    passing = round(least * _GRADES, 9)
    whole = int(passing) if passing == int(passing) else passing
    return {"rubric": {"rubric": asked, "scale": f"0-{_GRADES}", "pass": whole}}


_Read = Callable[[Mapping[str, Any], Any, Mapping[str, Any]], Entry]
_FACTS = "is asked in our prompt, with its five answers in our words"

JUDGED: Mapping[str, tuple[_Read, str]] = {
    "llm-rubric": (
        _llm_rubric,
        "is asked in our prompt: for yes or no, worth 1 or 0, and where it has a threshold for a "
        "grade from 0 to 10",
    ),
    "g-eval": (
        _g_eval,
        "is asked in our prompt for a grade from 0 to 10, without steps that a first call makes up",
    ),
    "model-graded-closedqa": (
        _closed_qa,
        "is asked in our prompt for yes or no, without reasoning before that",
    ),
    "factuality": (_factuality, _FACTS),
    "model-graded-factuality": (_factuality, _FACTS),
}
"""The types that our judges can say, and what is not the same there."""
