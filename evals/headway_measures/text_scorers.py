"""Answers as text: the same as expected, holding it, matching a pattern, naming a number."""

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import regex

from headway_measures.errors import ScorerError
from headway_measures.json_scorers import first_difference, parse_json
from headway_measures.patterns import compiled, first_match
from headway_measures.references import fault_of_references, references_of
from headway_measures.scores import PASSED, Answered, Direction, ScoreValue, failed, shown

_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Exact:
    """The output is the expected text, white space around it aside unless ``strip: false``.

    Where what is expected is not text, the output is JSON of the same value.
    """

    ignore_case: bool = False
    strip: bool = True
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def fault_of(self, expected: Any) -> str | None:
        """Return None: any value can be compared."""

    def score(self, answered: Answered) -> ScoreValue:
        """Compare."""
        expected = answered.expected
        output = _folded(self._stripped(answered.output), self.ignore_case)
        if isinstance(expected, str):
            is_same = output == _folded(self._stripped(expected), self.ignore_case)
            return PASSED if is_same else failed(f"{shown(output)} is not {shown(expected)}")
        try:
            found = parse_json(output)
        except ValueError as error:
            return failed(f"not JSON: {error}")
        difference = first_difference(found, _folded(expected, self.ignore_case))
        return failed(difference) if difference else PASSED

    def _stripped(self, text: str) -> str:
        return text.strip() if self.strip else text


@dataclass(frozen=True, slots=True)
class Includes:
    """The output holds every one of ``values``, or any of them.

    Without ``values`` the case's expected text, or list of texts, is looked for. With
    ``graded: false`` some of all count as none.
    """

    values: str | tuple[str, ...] = ()
    mode: Literal["all", "any"] = "all"
    ignore_case: bool = False
    graded: bool = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    @property
    def needs_expected(self) -> bool:
        """Return whether it is the case that says what to look for."""
        return not self.values

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is nothing to look for."""
        return fault_of_references(expected) if self.needs_expected else None

    def score(self, answered: Answered) -> ScoreValue:
        """Look for the values; where all are wanted, the value is the share that is there."""
        wanted = references_of(self.values or answered.expected)
        output = _folded(answered.output, self.ignore_case)
        missing = [each for each in wanted if _folded(each, self.ignore_case) not in output]
        if self.mode == "any" and len(missing) < len(wanted):
            return PASSED
        detail = f"without {', '.join(map(shown, missing))}" if missing else ""
        share = 1 - len(missing) / len(wanted)
        return ScoreValue(share if self.graded else float(not missing), not missing, detail)


@dataclass(frozen=True, slots=True)
class Regex:
    r"""The pattern is found. With ``group``, that group of the first match is what is expected.

    For a yes or a no, however it is dressed: ``pattern: \[?\b(yes|no)\b\]?``, ``group: 1``,
    ``ignore_case: true``.
    """

    pattern: str
    group: int | str | None = None
    ignore_case: bool = False
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        pattern = compiled(self.pattern)
        groups = [*range(pattern.groups + 1), *pattern.groupindex]
        if self.group is not None and self.group not in groups:
            known = ", ".join(map(str, groups))
            raise ScorerError(f"pattern {self.pattern!r} has no group {self.group!r}, only {known}")

    @property
    def needs_expected(self) -> bool:
        """Return whether a group is compared."""
        return self.group is not None

    def fault_of(self, expected: Any) -> str | None:
        """Return why a group cannot be this value."""
        if not self.needs_expected or isinstance(expected, str):
            return None
        return f"is {shown(expected)}, not text"

    def score(self, answered: Answered) -> ScoreValue:
        """Look for the first match."""
        flags = regex.IGNORECASE if self.ignore_case else 0
        match = first_match(self.pattern, answered.output, flags)
        if match is None:
            return failed(f"no match of {self.pattern}")
        if self.group is None:
            return PASSED
        found, wanted = match[self.group] or "", answered.expected
        if not isinstance(wanted, str):
            raise TypeError(f"expected {self.fault_of(wanted)}")
        is_same = _folded(found, self.ignore_case) == _folded(wanted, self.ignore_case)
        return PASSED if is_same else failed(f"{shown(found)} is not {shown(wanted)}")


@dataclass(frozen=True, slots=True)
class Numeric:
    """The last number of the output is the expected one, within either tolerance.

    ``pattern`` says where to read it: the first group of the first match, for example
    ``#### (.+)``. An expected text is read in the same way, or else as a plain number.
    """

    tolerance: float = 0.0
    relative: float = 0.0
    pattern: str | None = None
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        if not (self.tolerance >= 0 and self.relative >= 0):
            raise ScorerError(
                f"tolerance is {self.tolerance} and relative {self.relative}: neither may be "
                "below 0"
            )
        if self.pattern is not None:
            compiled(self.pattern)

    def fault_of(self, expected: Any) -> str | None:
        """Return why no number can be read from an expected value."""
        try:
            self._wanted(expected)
        except (TypeError, ValueError, OverflowError) as error:
            return str(error)
        return None

    def score(self, answered: Answered) -> ScoreValue:
        """Compare the two numbers."""
        wanted = self._wanted(answered.expected)
        found = self._read(answered.output)
        if found is None:
            return failed(f"no number in {shown(answered.output)}")
        is_near = math.isclose(found, wanted, rel_tol=self.relative, abs_tol=self.tolerance)
        return PASSED if is_near else failed(f"{found:.15g} is not {wanted:.15g}")

    def _wanted(self, expected: Any) -> float:
        number = None
        if isinstance(expected, str):
            number = self._read(expected)
            number = _plain_number(expected) if number is None else number
        elif isinstance(expected, int | float) and not isinstance(expected, bool):
            number = float(expected)
        if number is None:
            raise TypeError(f"is {shown(expected)}, which holds no number")
        return number

    def _read(self, text: str) -> float | None:
        if self.pattern is not None:
            match = first_match(self.pattern, text)
            if match is None:
                return None
            text = match[1 if match.re.groups else 0] or ""
        return _plain_number(text)


def _plain_number(text: str) -> float | None:
    """Return the last number of a text."""
    numbers = _NUMBER.findall(text)
    return float(numbers[-1].replace(",", "")) if numbers else None


def _folded(value: Any, ignore_case: bool) -> Any:
    """Return JSON data with its texts, keys included, free of case where that is ignored."""
    if not ignore_case:
        return value
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, list):
        return [_folded(each, True) for each in value]
    if isinstance(value, dict):
        return {_folded(key, True): _folded(each, True) for key, each in value.items()}
    return value
