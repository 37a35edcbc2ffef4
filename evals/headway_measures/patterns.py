r"""Regular expressions of a suite, which a whole run does not wait for.

A pattern may need endless time on one answer. Each search has a limit, and the case that meets it
is marked. The syntax is that of the package regex: Python's and more, such as ``\p{L}``.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jsonschema
import regex

from headway_measures.errors import ScorerError
from headway_measures.scores import shortened, shown

LIMIT_S = 1.0


def compiled(pattern: str) -> Any:
    """Return a pattern that can be searched for.

    Raises:
        ScorerError: it is none.
    """
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ScorerError(f"pattern {pattern!r} is no regular expression: {error}") from error


def first_match(pattern: str, text: str, flags: int = 0) -> Any:
    """Return the first match, or None.

    Raises:
        TimeoutError: the search took too long.
    """
    try:
        return regex.search(pattern, text, flags, timeout=LIMIT_S)
    except TimeoutError as error:
        raise _too_slow(pattern, text) from error


def all_matches(pattern: str, text: str) -> list[Any]:
    """Return what ``re.findall`` does: each match, its group, or a tuple of its groups.

    Raises:
        TimeoutError: the search took too long.
    """
    try:
        found: list[Any] = regex.findall(pattern, text, timeout=LIMIT_S)
    except TimeoutError as error:
        raise _too_slow(pattern, text) from error
    return found


def replaced(pattern: str, replacement: str, text: str) -> str:
    """Return the text with each match replaced.

    Raises:
        TimeoutError: the search took too long.
    """
    try:
        return str(regex.sub(pattern, replacement, text, timeout=LIMIT_S))
    except TimeoutError as error:
        raise _too_slow(pattern, text) from error


@cache
def with_limits(kind: type[jsonschema.protocols.Validator]) -> type[jsonschema.protocols.Validator]:
    """Return a validator of JSON Schema whose patterns have the limit, too."""
    keywords: dict[str, Callable[..., Any]] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    }
    plain = kind.VALIDATORS.get("unevaluatedProperties")
    if plain is not None:
        keywords["unevaluatedProperties"] = _tried_before(plain)
    # The package has no annotations there.
    extend: Callable[..., type[jsonschema.protocols.Validator]] = jsonschema.validators.extend
    return extend(kind, keywords)


def _too_slow(pattern: str, text: str) -> TimeoutError:
    return TimeoutError(
        f"pattern {pattern!r} took more than {LIMIT_S:g} s on {len(text)} characters"
    )


def _pattern(
    validator: Any, pattern: str, found: Any, schema: Any
) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(found, "string") and first_match(pattern, found) is None:
        yield jsonschema.ValidationError(f"{shown(found)} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], found: Any, schema: Any
) -> Iterator[jsonschema.ValidationError]:
    if not validator.is_type(found, "object"):
        return
    for pattern, wanted in patterns.items():
        for name, value in found.items():
            if first_match(pattern, name) is not None:
                yield from validator.descend(value, wanted, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, wanted: Any, found: Any, schema: dict[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    if not validator.is_type(found, "object"):
        return
    patterns = schema.get("patternProperties", {})
    extras = [
        name
        for name in found
        if name not in schema.get("properties", {})
        and not any(first_match(pattern, name) for pattern in patterns)
    ]
    if validator.is_type(wanted, "object"):
        for name in extras:
            yield from validator.descend(found[name], wanted, path=name)
    elif not wanted and extras:
        names = shortened(", ".join(map(repr, extras)))
        told = f", and match none of {', '.join(map(repr, patterns))}" if patterns else ""
        yield jsonschema.ValidationError(f"{names} may not be there{told}")


def _tried_before(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return jsonschema's keyword, which searches without a limit, behind a search with one."""

    def unevaluated_properties(
        validator: Any, wanted: Any, found: Any, schema: dict[str, Any]
    ) -> Iterator[jsonschema.ValidationError]:
        if validator.is_type(found, "object"):
            for pattern in _name_patterns(schema):
                for name in found:
                    first_match(pattern, name)
        yield from plain(validator, wanted, found, schema)

    return unevaluated_properties


def _name_patterns(schema: Any) -> Iterator[str]:
    """Yield the patterns for names, of an object of a schema and all within."""
    inner = schema if isinstance(schema, list) else []
    if isinstance(schema, dict):
        patterns = schema.get("patternProperties")
        yield from patterns if isinstance(patterns, dict) else ()
        inner = list(schema.values())
    for each in inner:
        yield from _name_patterns(each)
