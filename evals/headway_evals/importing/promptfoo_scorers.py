"""promptfoo's assertions that are worked out, as scorers of ours that come to the same.

https://www.promptfoo.dev/docs/configuration/expected-outputs/deterministic/
"""

import csv
import re
from collections.abc import Callable, Mapping
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.case_scorers import Entry
from headway_evals.importing.promptfoo_patterns import our_pattern
from headway_evals.importing.promptfoo_templates import printed
from headway_evals.importing.sources import parsed

OWN = ("rouge-n", "bleu")
"""The types whose formula there is promptfoo's own."""

_EDITS = 5
_ROUGE = 0.75
_BLEU = 0.5
_DRAFT = "http://json-schema.org/draft-07/schema#"
_Read = Callable[[Mapping[str, Any], Any], Entry]


class AssertionRefused(Exception):
    """An assertion that is left out: what it has that is not taken over, and why."""

    def __init__(self, feature: str, reason: str) -> None:
        super().__init__(feature)
        self.feature, self.reason = feature, reason


def text_of(value: Any, *, may_be_empty: bool = False) -> str:
    """Return a value that is to be text, as JavaScript prints it.

    Raises:
        ImportingError: it is none.
    """
    if isinstance(value, Mapping | list) or value is None or (value == "" and not may_be_empty):
        raise ImportingError(f"its value is {value!r}, which is no text")
    return printed(value)


def threshold_of(assertion: Mapping[str, Any], usual: float | None) -> float:
    """Return an assertion's threshold, or the usual one.

    Raises:
        ImportingError: it is no number, or there is none.
    """
    threshold = assertion.get("threshold")
    threshold = usual if threshold is None else threshold
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise ImportingError(f"its threshold is {threshold!r}, which is no number")
    return threshold


def _equals(assertion: Mapping[str, Any], value: Any) -> Entry:
    if value is None or value == "":
        # No text is what nothing else is: our scorers expect something.
        return {"regex": {"pattern": r"\A\Z"}}
    wanted = value if isinstance(value, Mapping | list) else printed(value)
    return {"exact": {"strip": False, "expected": wanted}}


def _contains(**options: Any) -> _Read:
    def read(assertion: Mapping[str, Any], value: Any) -> Entry:
        return {"includes": {"values": text_of(value), **options}}

    return read


def _contains_several(**options: Any) -> _Read:
    def read(assertion: Mapping[str, Any], value: Any) -> Entry:
        if isinstance(value, str):
            value = next(csv.reader([value], skipinitialspace=True), [])
            value = [each.strip() for each in value]
        if not isinstance(value, list) or not value:
            raise ImportingError(f"its value is {value!r}, which is no list")
        return {"includes": {"values": [text_of(each) for each in value], **options}}

    return read


def _starts_with(assertion: Mapping[str, Any], value: Any) -> Entry:
    return {"regex": {"pattern": rf"\A{re.escape(text_of(value))}"}}


def _regex(assertion: Mapping[str, Any], value: Any) -> Entry:
    return {"regex": {"pattern": our_pattern(text_of(value))}}


def _json(is_within: bool) -> _Read:
    def read(assertion: Mapping[str, Any], value: Any) -> Entry:
        schema = parsed(value, "the schema") if isinstance(value, str) and value else value
        if schema is not None and schema != "" and not isinstance(schema, Mapping):
            raise ImportingError(f"its schema is {schema!r}, which is no mapping")
        schema = {"$schema": _DRAFT, **schema} if schema else {}
        if '"format"' in repr(schema).replace("'", '"'):
            raise ImportingError("its schema has format, which is not checked here")
        return {"json_schema": {"schema": schema, **({"within": True} if is_within else {})}}

    return read


def _levenshtein(assertion: Mapping[str, Any], value: Any) -> Entry:
    most = threshold_of(assertion, _EDITS)
    options = {"unit": "characters", "strip": False, "at_most": most, "expected": text_of(value)}
    return {"edit_distance": options}


def _rouge(assertion: Mapping[str, Any], value: Any) -> Entry:
    least = threshold_of(assertion, _ROUGE)
    return {"rouge": {"variant": "rouge1", "at_least": least, "expected": text_of(value)}}


def _bleu(assertion: Mapping[str, Any], value: Any) -> Entry:
    expected = [text_of(each) for each in value] if isinstance(value, list) else text_of(value)
    return {"bleu": {"at_least": threshold_of(assertion, _BLEU), "expected": expected}}


def _at_most(kind: str) -> _Read:
    def read(assertion: Mapping[str, Any], value: Any) -> Entry:
        return {kind: {"at_most": threshold_of(assertion, None)}}

    return read


def _word_count(assertion: Mapping[str, Any], value: Any) -> Entry:
    if isinstance(value, Mapping):
        least, most = value.get("min", 0), value.get("max", "")
    else:
        least = most = int(printed(value)) if printed(value).isdecimal() else None
    if not isinstance(least, int) or not (isinstance(most, int) or most == ""):
        raise ImportingError(f"its value is {value!r}, which is no count of words")
    return {"regex": {"pattern": rf"\A\s*(?:\S+(?:\s+|\Z)){{{least},{most}}}\Z"}}


SCORERS: Mapping[str, _Read] = {
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
}
"""The scorer of an assertion by its type, from what it says and its value filled in."""
