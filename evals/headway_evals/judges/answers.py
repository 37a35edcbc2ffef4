"""Reading a judge's answer: strictly, for a guess at what it meant would be a score of ours.

Asked for is one JSON object, ``{"score": 4, "reason": "…"}``. Taken is that, alone, in a code
fence or as the first line; or a first line that holds the value and nothing else but its name:
``Score: 4``. Anything else is nonsense and marked as such.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_NAMED = re.compile(r"\A(?:(?:score|grade|rating|label|verdict|winner|answer)\s*[:=]\s*)?", re.I)
_WRAPPING = " \t*_\"'`."


@dataclass(frozen=True, slots=True)
class Grade:
    """A whole number from ``low`` to ``high``."""

    low: int
    high: int
    key: str = "score"

    def read(self, text: str) -> float | None:
        """Return the grade that an answer gives, None where it gives none."""
        value = _value(text, self.key)
        if isinstance(value, str):
            value = int(value) if re.fullmatch(r"[+-]?\d{1,9}", value) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if self.low <= value <= self.high and value == int(value) else None

    def share(self, grade: float) -> float:
        """Return a grade as a share of the scale."""
        return (grade - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Label:
    """One of several words, in upper or lower case."""

    labels: tuple[str, ...]
    key: str = "label"

    def read(self, text: str) -> str | None:
        """Return the label that an answer gives, None where it gives none."""
        value = _value(text, self.key)
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if not isinstance(value, str | int):
            return None
        said = str(value).strip().casefold()
        return next((each for each in self.labels if each.casefold() == said), None)


Form = Grade | Label


def _value(text: str, key: str) -> Any:
    """Return what stands where the value belongs."""
    stripped = text.strip()
    fenced = _FENCE.match(stripped)
    whole = fenced[1].strip() if fenced else stripped
    first = whole.split("\n", 1)[0].strip()
    for candidate in (whole, first):
        if candidate.startswith("{"):
            found = _json(candidate)
            if isinstance(found, dict):
                return found.get(key)
    return _NAMED.sub("", first.strip(_WRAPPING)).strip(_WRAPPING)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
