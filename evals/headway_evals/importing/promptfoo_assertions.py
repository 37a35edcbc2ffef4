"""promptfoo's assertions as our scorers, and what of them cannot be one.

Which scorer a type becomes stands in ``promptfoo_scorers`` and, where a model judges, in
``promptfoo_judges``. What runs code, or needs what is not here, is reported and left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway_evals.documents import MarkedDict
from headway_evals.errors import ImportingError
from headway_evals.importing.case_scorers import Entry, named
from headway_evals.importing.promptfoo_judges import JUDGE_KEYS, JUDGED, JudgedReader
from headway_evals.importing.promptfoo_scorers import OWN, SCORERS, AssertionRefused
from headway_evals.importing.promptfoo_templates import Nunjucks, fill
from headway_evals.importing.reports import ImportReport
from headway_evals.importing.sources import SCHEME, SourceFiles, parsed
from headway_evals.judges.scorers import JUDGES, make_judge
from headway_measures.errors import ScorerError
from headway_measures.scorers import make_scorer

_KEYS = ("type", "value", "threshold", "weight", "metric", "config", "$ref")
_SET_KEYS = ("type", "assert", "threshold", "weight", "metric", "config")
_TEMPLATES = "#/assertionTemplates/"
_CONTEXT = "asks a judge several things about a context, and our judges ask one about an answer"
_SEVERAL = "compares the answers of several providers; ours is `pairwise`, against a baseline"
_TOOLS = "asks a judge that uses tools, or reads traces"
_MARKUP = "needs a parser of markup like promptfoo's; write it as a python scorer"
_REASONS = {
    "answer-relevance": "compares embeddings of questions that a model makes up",
    "context-faithfulness": _CONTEXT,
    "context-recall": _CONTEXT,
    "context-relevance": _CONTEXT,
    "conversation-relevance": "judges windows of a conversation, and our judges one answer",
    "pi": "asks a service on the net",
    "moderation": "asks a service on the net",
    "classifier": "asks a model that classifies, and our judges are models that answer",
    "select-best": _SEVERAL,
    "max-score": _SEVERAL,
    "search-rubric": _TOOLS,
    "agent-rubric": _TOOLS,
    "trajectory:goal-success": _TOOLS,
    "similar": "compares embeddings of a model; our similarity compares characters",
    "javascript": "runs JavaScript; write it as a python scorer",
    "webhook": "asks a server on the net",
    "is-refusal": "looks for promptfoo's own list of phrases; write them as includes or regex",
    "perplexity": "needs the answer's log-probabilities; our perplexity has ask: perplexity",
    "perplexity-score": "needs the answer's log-probabilities; our perplexity has ask: perplexity",
    "is-sql": "needs a parser of SQL, which is not installed here",
    "contains-sql": "needs a parser of SQL, which is not installed here",
    "is-xml": _MARKUP,
    "contains-xml": _MARKUP,
    "is-html": _MARKUP,
    "contains-html": _MARKUP,
}
KNOWN_TYPES = (*SCORERS, "python", *JUDGED, *_REASONS)


@dataclass(slots=True)
class AssertionReader:
    """Makes scorers of assertions.

    Args:
        files: those that assertions may name.
        report: what could not be done.
        templates: the config's ``assertionTemplates``.
        environment: fills templates in.
        judge: the spec of the model that judges; None takes the providers that are named.

    Attributes:
        modules: Python files that scorers call.
        has_judged: whether a model judges any of the assertions.
    """

    files: SourceFiles
    report: ImportReport
    templates: Mapping[str, Any] = field(default_factory=dict)
    environment: Nunjucks = field(default_factory=Nunjucks)
    judge: str | None = None
    modules: list[Path] = field(default_factory=list)
    has_judged: bool = False

    def read(
        self,
        given: Any,
        variables: Mapping[str, Any],
        path: str,
        line: int = 0,
        options: Mapping[str, Any] | None = None,
    ) -> list[Entry]:
        """Return the scorer of an assertion; nothing where there is none.

        Args:
            given: the assertion.
            variables: of its test.
            path: the file that it stands in.
            line: its line, where it does not know that itself.
            options: those of its test.
        """
        line = given.line if isinstance(given, MarkedDict) else line
        options = options or {}
        try:
            assertion = self._resolved(given)
            kind = assertion.get("type")
            if not isinstance(kind, str):
                raise AssertionRefused("assertion without a type", "has no type")
            if kind == "assert-set":
                return self._set(assertion, variables, path, line, options)
            base = kind.removeprefix("not-")
            self.has_judged |= base in JUDGED
            for key in assertion:
                if key not in _KEYS and not (base in JUDGED and key in JUDGE_KEYS):
                    why = "changes what is judged" if key == "transform" else "has no place here"
                    raise AssertionRefused(f"assertion {key}", f"{why}; the assertion is left out")
            if assertion.get("config") and base != "python":
                why = "has no place here; the assertion is left out"
                raise AssertionRefused("assertion config", why)
            if base not in SCORERS and base not in JUDGED and base != "python":
                why = _REASONS.get(base, "is not known here")
                raise AssertionRefused(f"assertion type {base}", why)
            try:
                value = self._value(base, assertion.get("value"), variables)
                entry = self._entry(base, assertion, value, options, path, line)
                _check(entry)
            except ImportingError as error:
                raise AssertionRefused(f"assertion {base} as written", str(error)) from error
            return [self._weighed(entry, assertion, is_negated=kind != base)]
        except AssertionRefused as refused:
            self.report.omit(refused.feature, refused.reason, path, line)
            return []

    def _entry(
        self,
        kind: str,
        assertion: Mapping[str, Any],
        value: Any,
        options: Mapping[str, Any],
        path: str,
        line: int,
    ) -> Entry:
        if kind in JUDGED:
            judged = JudgedReader(self.report, self.judge)
            return judged.read(kind, assertion, value, options, path, line)
        if kind == "python":
            return self._python(assertion, value)
        entry = SCORERS[kind](assertion, value)
        if kind in OWN:
            why = "is scored by ours, the usual one, whose values can differ: see docs/importing.md"
            self.report.omit(f"promptfoo's own {kind}", why, path, line)
        return entry

    def _resolved(self, given: Any) -> Mapping[str, Any]:
        if not isinstance(given, Mapping):
            raise AssertionRefused("assertion that is no mapping", "is no mapping with a type")
        reference = given.get("$ref")
        if reference is None:
            return given
        name = str(reference).removeprefix(_TEMPLATES)
        template = self.templates.get(name)
        if not str(reference).startswith(_TEMPLATES) or not isinstance(template, Mapping):
            raise AssertionRefused(f"assertion {reference}", "names no assertion template")
        return {**template, **{key: each for key, each in given.items() if key != "$ref"}}

    def _set(
        self,
        assertion: Mapping[str, Any],
        variables: Mapping[str, Any],
        path: str,
        line: int,
        options: Mapping[str, Any],
    ) -> list[Entry]:
        for key in assertion:
            if key not in _SET_KEYS:
                why = "has no place here; the set is left out"
                raise AssertionRefused(f"assert-set {key}", why)
        inner: list[Entry] = []
        given = assertion.get("assert")
        for each in given if isinstance(given, list) else []:
            plain = each
            if isinstance(each, Mapping) and each.get("metric") is not None:
                place = each.line if isinstance(each, MarkedDict) else line
                self.report.omit(
                    "metric within an assert-set", "is the set's alone here", path, place
                )
                plain = MarkedDict(place)
                plain.update((key, value) for key, value in each.items() if key != "metric")
            inner += self.read(plain, variables, path, line, options)
        if not inner:
            return []
        group: dict[str, Any] = {"scorers": named(inner)}
        least = assertion.get("threshold")
        if least is not None:
            is_share = isinstance(least, int | float) and not isinstance(least, bool)
            if not is_share or not 0 <= least <= 1:
                why = f"is {least!r}, which is not from 0 to 1"
                raise AssertionRefused("assert-set threshold", why)
            group["threshold"] = least
        return [self._weighed({"group": group}, {**assertion, "type": "assert-set"})]

    def _weighed(
        self, entry: Entry, assertion: Mapping[str, Any], *, is_negated: bool = False
    ) -> Entry:
        ((kind, options),) = entry.items()
        common: dict[str, Any] = {"name": str(assertion["type"])}
        if is_negated:
            common["not"] = True
        weight = assertion.get("weight")
        if weight is not None and weight != 1:
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not is_number or not 0 <= weight < math.inf:
                why = f"is {weight!r}, which is not 0 or more"
                raise AssertionRefused("assertion weight", why)
            common["weight"] = weight
        if assertion.get("metric"):
            common["metric"] = str(assertion["metric"])
        return {kind: {**common, **options}}

    def _value(self, kind: str, value: Any, variables: Mapping[str, Any]) -> Any:
        if isinstance(value, str) and value.startswith(SCHEME) and kind != "python":
            path = self.files.find(value)
            if path.suffix in (".py", ".js", ".ts", ".mjs", ".cjs"):
                raise ImportingError(f"{value} computes the value")
            value = self.files.read_text(path)
            if path.suffix in (".json", ".yaml", ".yml"):
                value = parsed(value, self.files.shown(path))
        return fill(self.environment, value, variables)

    def _python(self, assertion: Mapping[str, Any], value: Any) -> Entry:
        if not (isinstance(value, str) and value.startswith(SCHEME)):
            raise ImportingError("it is Python within the file: put it into a file of its own")
        if not self.files.allow_code:
            raise ImportingError("it runs Python: --allow-code takes it over")
        if assertion.get("config"):
            raise ImportingError("it has a config, which the function would not get")
        name, _, function = value.removeprefix(SCHEME).partition(":")
        path = self.files.find(name)
        if path.suffix != ".py" or not path.stem.isidentifier():
            raise ImportingError(f"{value} is no Python module")
        if path not in self.modules:
            self.modules.append(path)
        options: dict[str, Any] = {"call": f"{path.stem}:{function or 'get_assert'}"}
        options["style"] = "promptfoo"
        if assertion.get("threshold") is not None:
            options["at_least"] = assertion["threshold"]
        return {"python": options}


def _check(entry: Entry) -> None:
    """Refuse what no suite could be loaded with; a function is found only where the suite lies."""
    ((kind, options),) = entry.items()
    if kind == "python":
        return
    if kind == "group":
        for each in options["scorers"]:
            _check(each)
        return
    own = {name: each for name, each in options.items() if name not in ("expected", "name")}
    try:
        make_judge(kind, own) if kind in JUDGES else make_scorer(kind, own)
    except ScorerError as error:
        raise ImportingError(str(error)) from error
