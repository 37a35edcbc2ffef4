"""What every scorer gives and takes: the seam between one answer and the numbers over many."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """What a scorer says of one output: a value from 0 to 1, whether it passes, and why not."""

    value: float
    passed: bool
    detail: str = ""


class Scorer(Protocol):
    """Judges one output."""

    @property
    def needs_expected(self) -> bool:
        """Return whether a case must say what it expects."""

    def score(self, output: str, expected: Any) -> ScoreValue:
        """Judge an output against the case's expected JSON value, None where it has none."""


PASSED = ScoreValue(1.0, True)


def failed(detail: str) -> ScoreValue:
    """Return a failure with its reason."""
    return ScoreValue(0.0, False, detail)


def shown(value: object) -> str:
    """Return a value as it stands in a detail: quoted, and short enough to read."""
    try:
        return shortened(repr(value))
    except Exception as error:  # the value may be the user's own, and its repr too
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def shortened(text: str, limit: int = 120) -> str:
    """Return the text, or its beginning and an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
