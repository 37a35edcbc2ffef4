"""promptfoo's assertions as our scorers, where they come to the same on every answer.

Those that a model judges, that run code, or that need what is not here are reported and left out.
"""

import csv
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway_evals.documents import Faults, MarkedDict, parse_yaml
from headway_evals.errors import ImportingError
from headway_evals.importing.promptfoo_patterns import our_pattern
from headway_evals.importing.promptfoo_templates import Nunjucks, fill, printed
from headway_evals.importing.reports import ImportReport
from headway_evals.importing.sources import SCHEME, SourceFiles
from headway_measures.errors import ScorerError
from headway_measures.scorers import make_scorer

Entry = dict[str, Any]
"""A scorer as a suite file has it: one kind, with its options."""

_KEYS = ("type", "value", "threshold", "weight", "metric", "config", "$ref")
_SET_KEYS = ("type", "assert", "threshold", "weight", "metric", "config")
_EDITS = 5
_ROUGE = 0.75
_BLEU = 0.5
_TEMPLATES = "#/assertionTemplates/"
_DRAFT = "http://json-schema.org/draft-07/schema#"
_JUDGED = (
    *("llm-rubric", "g-eval", "factuality", "model-graded-closedqa", "model-graded-factuality"),
    *("answer-relevance", "context-faithfulness", "context-recall", "context-relevance", "pi"),
    *("select-best", "max-score", "classifier", "moderation", "conversation-relevance"),
    *("search-rubric", "trajectory:goal-success"),
)
_REASONS = {
    "similar": "compares embeddings of a model; our similarity compares characters",
    "javascript": "runs JavaScript; write it as a python scorer",
    "webhook": "asks a server on the net",
    "is-refusal": "looks for promptfoo's own list of phrases; write them as includes or regex",
    "perplexity": "needs the answer's log-probabilities; our perplexity has ask: perplexity",
    "perplexity-score": "needs the answer's log-probabilities; our perplexity has ask: perplexity",
    "is-sql": "needs a parser of SQL, which is not installed here",
    "contains-sql": "needs a parser of SQL, which is not installed here",
}


@dataclass(slots=True)
class AssertionReader:
    """Makes scorers of assertions.

    Args:
        files: those that assertions may name.
        report: what could not be done.
        templates: the config's ``assertionTemplates``.

    Attributes:
        modules: Python files that scorers call.
    """

    files: SourceFiles
    report: ImportReport
    templates: Mapping[str, Any] = field(default_factory=dict)
    environment: Nunjucks = field(default_factory=Nunjucks)
    modules: list[Path] = field(default_factory=list)

    def read(
        self, given: Any, variables: Mapping[str, Any], path: str, line: int = 0
    ) -> list[Entry]:
        """Return the scorer of an assertion with these variables; nothing where there is none."""
        line = given.line if isinstance(given, MarkedDict) else line
        try:
            assertion = self._resolved(given)
            kind = assertion.get("type")
            if not isinstance(kind, str):
                raise _Refused("assertion without a type", "has no type")
            if kind == "assert-set":
                return self._set(assertion, variables, path, line)
            base = kind.removeprefix("not-")
            for key in assertion:
                if key not in _KEYS:
                    why = "changes what is judged" if key == "transform" else "has no place here"
                    raise _Refused(f"assertion {key}", f"{why}; the assertion is left out")
            if assertion.get("config") and base != "python":
                raise _Refused("assertion config", "has no place here; the assertion is left out")
            read = _READERS.get(base)
            if read is None:
                raise _Refused(f"assertion type {base}", _reason(base))
            try:
                value = self._value(base, assertion.get("value"), variables)
                entry = read(self, assertion, value)
                _check(entry)
            except ImportingError as error:
                raise _Refused(f"assertion {base} as written", str(error)) from error
            if base in ("rouge-n", "bleu"):
                self.report.omit(
                    f"promptfoo's own {base}",
                    "is scored by ours, the usual one, whose values can differ: see "
                    "docs/importing.md",
                    path,
                    line,
                )
            return [self._weighed(entry, assertion, is_negated=kind != base)]
        except _Refused as refused:
            self.report.omit(refused.feature, refused.reason, path, line)
            return []

    def _resolved(self, given: Any) -> Mapping[str, Any]:
        if not isinstance(given, Mapping):
            raise _Refused("assertion that is no mapping", "is no mapping with a type")
        reference = given.get("$ref")
        if reference is None:
            return given
        name = str(reference).removeprefix(_TEMPLATES)
        template = self.templates.get(name)
        if not str(reference).startswith(_TEMPLATES) or not isinstance(template, Mapping):
            raise _Refused(f"assertion {reference}", "names no assertion template")
        return {**template, **{key: each for key, each in given.items() if key != "$ref"}}

    def _set(
        self, assertion: Mapping[str, Any], variables: Mapping[str, Any], path: str, line: int
    ) -> list[Entry]:
        for key in assertion:
            if key not in _SET_KEYS:
                raise _Refused(f"assert-set {key}", "has no place here; the set is left out")
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
            inner += self.read(plain, variables, path, line)
        if not inner:
            return []
        options: dict[str, Any] = {"scorers": named(inner)}
        least = assertion.get("threshold")
        if least is not None:
            is_share = isinstance(least, int | float) and not isinstance(least, bool)
            if not is_share or not 0 <= least <= 1:
                raise _Refused("assert-set threshold", f"is {least!r}, which is not from 0 to 1")
            options["threshold"] = least
        return [self._weighed({"group": options}, {**assertion, "type": "assert-set"})]

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
                raise _Refused("assertion weight", f"is {weight!r}, which is not 0 or more")
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


class _Refused(Exception):
    """An assertion that is left out."""

    def __init__(self, feature: str, reason: str) -> None:
        super().__init__(feature)
        self.feature, self.reason = feature, reason


def named(entries: list[Entry]) -> list[Entry]:
    """Return scorers each with a name of its own: the second ``contains`` is ``contains 2``."""
    taken: set[str] = set()
    found = []
    for entry in entries:
        ((kind, options),) = entry.items()
        name, number = str(options.get("name", kind)), 1
        metric_or_name = name
        while metric_or_name in taken:
            number += 1
            metric_or_name = f"{name} {number}"
        taken.add(metric_or_name)
        found.append({kind: {**options, "name": metric_or_name}})
    return found


def parsed(text: str, path: str) -> Any:
    """Return what a YAML or JSON text says.

    Raises:
        ImportingError: it is none.
    """
    faults = Faults()
    value = parse_yaml(text, path, faults)
    if faults.found:
        raise ImportingError(str(faults.error()))
    return value


def _check(entry: Entry) -> None:
    """Refuse what no suite could be loaded with; a function is found only where the suite lies."""
    ((kind, options),) = entry.items()
    if kind == "python":
        return
    try:
        make_scorer(kind, {name: each for name, each in options.items() if name != "expected"})
    except ScorerError as error:
        raise ImportingError(str(error)) from error


def _text(value: Any, *, may_be_empty: bool = False) -> str:
    if isinstance(value, Mapping | list) or value is None or (value == "" and not may_be_empty):
        raise ImportingError(f"its value is {value!r}, which is no text")
    return printed(value)


def _equals(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    if value is None or value == "":
        # No text is what nothing else is: our scorers expect something.
        return {"regex": {"pattern": r"\A\Z"}}
    wanted = value if isinstance(value, Mapping | list) else printed(value)
    return {"exact": {"strip": False, "expected": wanted}}


def _contains(**options: Any) -> Callable[[AssertionReader, Mapping[str, Any], Any], Entry]:
    def read(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
        return {"includes": {"values": _text(value), **options}}

    return read


def _contains_several(**options: Any) -> Callable[[AssertionReader, Mapping[str, Any], Any], Entry]:
    def read(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
        if isinstance(value, str):
            value = next(csv.reader([value], skipinitialspace=True), [])
            value = [each.strip() for each in value]
        if not isinstance(value, list) or not value:
            raise ImportingError(f"its value is {value!r}, which is no list")
        return {"includes": {"values": [_text(each) for each in value], **options}}

    return read


def _starts_with(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    return {"regex": {"pattern": rf"\A{re.escape(_text(value))}"}}


def _regex(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    return {"regex": {"pattern": our_pattern(_text(value))}}


def _json(is_within: bool) -> Callable[[AssertionReader, Mapping[str, Any], Any], Entry]:
    def read(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
        schema = parsed(value, "the schema") if isinstance(value, str) and value else value
        if schema is not None and schema != "" and not isinstance(schema, Mapping):
            raise ImportingError(f"its schema is {schema!r}, which is no mapping")
        schema = {"$schema": _DRAFT, **schema} if schema else {}
        if '"format"' in repr(schema).replace("'", '"'):
            raise ImportingError("its schema has format, which is not checked here")
        return {"json_schema": {"schema": schema, **({"within": True} if is_within else {})}}

    return read


def _levenshtein(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    most = _threshold(assertion, _EDITS)
    options = {"unit": "characters", "strip": False, "at_most": most, "expected": _text(value)}
    return {"edit_distance": options}


def _rouge(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    least = _threshold(assertion, _ROUGE)
    return {"rouge": {"variant": "rouge1", "at_least": least, "expected": _text(value)}}


def _bleu(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    expected = [_text(each) for each in value] if isinstance(value, list) else _text(value)
    return {"bleu": {"at_least": _threshold(assertion, _BLEU), "expected": expected}}


def _at_most(kind: str) -> Callable[[AssertionReader, Mapping[str, Any], Any], Entry]:
    def read(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
        return {kind: {"at_most": _threshold(assertion, None)}}

    return read


def _word_count(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    if isinstance(value, Mapping):
        least, most = value.get("min", 0), value.get("max", "")
    else:
        least = most = int(printed(value)) if printed(value).isdecimal() else None
    if not isinstance(least, int) or not (isinstance(most, int) or most == ""):
        raise ImportingError(f"its value is {value!r}, which is no count of words")
    return {"regex": {"pattern": rf"\A\s*(?:\S+(?:\s+|\Z)){{{least},{most}}}\Z"}}


def _python(reader: AssertionReader, assertion: Mapping[str, Any], value: Any) -> Entry:
    if not (isinstance(value, str) and value.startswith(SCHEME)):
        raise ImportingError("it is Python within the file: put it into a file of its own")
    if not reader.files.allow_code:
        raise ImportingError("it runs Python: --allow-code takes it over")
    if assertion.get("config"):
        raise ImportingError("it has a config, which the function would not get")
    name, _, function = value.removeprefix(SCHEME).partition(":")
    path = reader.files.find(name)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ImportingError(f"{value} is no Python module")
    if path not in reader.modules:
        reader.modules.append(path)
    options: dict[str, Any] = {"call": f"{path.stem}:{function or 'get_assert'}"}
    options["style"] = "promptfoo"
    if assertion.get("threshold") is not None:
        options["at_least"] = assertion["threshold"]
    return {"python": options}


def _threshold(assertion: Mapping[str, Any], usual: float | None) -> float:
    threshold = assertion.get("threshold")
    threshold = usual if threshold is None else threshold
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise ImportingError(f"its threshold is {threshold!r}, which is no number")
    return threshold


def _reason(kind: str) -> str:
    if kind in _JUDGED:
        return "is judged by a model; write it as a judge of ours"
    return _REASONS.get(kind, "is not known here")


_READERS: Mapping[str, Callable[[AssertionReader, Mapping[str, Any], Any], Entry]] = {
    "equals": _equals,
    "contains": _contains(),
    "icontains": _contains(ignore_case=True),
    "contains-any": _contains_several(mode="any"),
    "icontains-any": _contains_several(mode="any", ignore_case=True),
    "contains-all": _contains_several(graded=False),
    "icontains-all": _contains_several(graded=False, ignore_case=True),
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _json(False),
    "contains-json": _json(True),
    "levenshtein": _levenshtein,
    "rouge-n": _rouge,
    "bleu": _bleu,
    "latency": _at_most("latency"),
    "cost": _at_most("cost"),
    "word-count": _word_count,
    "python": _python,
}
KNOWN_TYPES = (*_READERS, *_JUDGED, *_REASONS, "is-xml", "contains-xml", "is-html", "contains-html")
