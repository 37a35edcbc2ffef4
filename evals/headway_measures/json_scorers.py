"""Answers that are JSON: read strictly, compared by value, held to a schema."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import jsonschema
from referencing import Registry

from headway_measures.errors import ScorerError
from headway_measures.patterns import with_limits
from headway_measures.scores import PASSED, Answered, Direction, ScoreValue, failed, shortened

_OPENING = re.compile(r"[\[{]")
_MOST_MISSES = 1_000


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The output is JSON and keeps the schema.

    With ``within: true`` an object or an array anywhere in the output has to.
    """

    schema: dict[str, Any]
    within: bool = False
    needs_expected: ClassVar[bool] = False
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        kind = _dialect(self.schema)
        try:
            kind.check_schema(self.schema)
        except jsonschema.SchemaError as error:
            where = error.json_path.replace("$", "schema", 1)
            raise ScorerError(f"{where} is not JSON Schema: {error.message}") from error

    def fault_of(self, expected: Any) -> str | None:
        """Return None: nothing is compared."""

    def score(self, answered: Answered) -> ScoreValue:
        """Parse and validate; the detail is the most telling fault."""
        if self.within:
            values = json_within(answered.output)
            told = [self._judge(each) for each in values] or [failed("no JSON in the output")]
            return next((each for each in told if each.passed), told[0])
        try:
            found = parse_json(answered.output)
        except ValueError as error:
            return failed(f"not JSON: {error}")
        return self._judge(found)

    def _judge(self, found: Any) -> ScoreValue:
        # An empty registry: a $ref to the network is an error, never a download.
        validator = with_limits(_dialect(self.schema))(self.schema, registry=Registry())
        fault = jsonschema.exceptions.best_match(validator.iter_errors(found))
        return PASSED if fault is None else failed(f"{fault.json_path}: {shortened(fault.message)}")


def parse_json(text: str) -> Any:
    """Read JSON as its standard has it: no NaN, no key twice, no number beyond a double's.

    Raises:
        ValueError: the text is something else; the message says what.
    """
    try:
        return json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def json_within(text: str) -> list[Any]:
    """Return the objects and arrays that stand in a text, the outermost of each.

    Places where JSON may begin but does not are tried up to a limit: a text of brackets alone
    would take the square of its length.
    """
    decoder = json.JSONDecoder(
        parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique_keys
    )
    found, place, misses = [], 0, 0
    while (match := _OPENING.search(text, place)) and misses < _MOST_MISSES:
        try:
            value, place = decoder.raw_decode(text, match.start())
            found.append(value)
        except (ValueError, RecursionError):
            place, misses = match.start() + 1, misses + 1
    return found


def first_difference(found: Any, wanted: Any, path: str = "$") -> str:
    """Return where two JSON values part, as a sentence; "" where they are the same.

    1 and 1.0 are the same number, true and 1 are not the same value.
    """
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in wanted:
            if key not in found:
                return f"{path}.{key} is missing"
        for key in found:
            if key not in wanted:
                return f"{path}.{key} is not expected"
        pairs = [(f"{path}.{key}", found[key], wanted[key]) for key in wanted]
    elif isinstance(found, list) and isinstance(wanted, list):
        if len(found) != len(wanted):
            return f"{path} has {len(found)} items, not {len(wanted)}"
        pairs = [(f"{path}[{i}]", *both) for i, both in enumerate(zip(found, wanted, strict=True))]
    else:
        is_same = found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
        return "" if is_same else f"{path} is {_as_json(found)}, not {_as_json(wanted)}"
    return next(filter(None, (first_difference(f, w, place) for place, f, w in pairs)), "")


def _dialect(schema: dict[str, Any]) -> type[jsonschema.protocols.Validator]:
    return jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)


def _as_json(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{shortened(text)} is greater than any number")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return unique
