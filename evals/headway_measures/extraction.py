r"""What is taken out of an answer before it is scored.

    scorers:
      - exact_match: {extract: [{regex: '#### (.+)', pick: -1}, strip]}

Each step turns one text into another. Their rules are those of lm-eval's filters, so that a task
of its scores here as there:

    lowercase, uppercase, strip
    {regex: PATTERN, pick: 0, fallback: "[invalid]"}      the pick-th match, -1 being the last
    {map: {TEXT: TEXT}, default: "[invalid]"}             one text for another
    {letter: PATTERN, choices: [TEXT], pick: 0, fallback: "[invalid]", ignore_case: false,
     ignore_punctuation: false, ignore: [PATTERN]}        "(A)", for the letter or the choice named
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec
import regex

from headway_measures.errors import ScorerError
from headway_measures.likelihood_scorers import Choice, GreedyMatch, Perplexity
from headway_measures.patterns import all_matches, compiled, replaced
from headway_measures.scores import (
    Answered,
    Average,
    Direction,
    Scorer,
    ScoreValue,
    average_of,
    shown,
)

FALLBACK = "[invalid]"
"""What an answer becomes that holds nothing of what is looked for, as in lm-eval."""

Step = Callable[[str], str]

_PLAIN: Mapping[str, Step] = {"lowercase": str.lower, "uppercase": str.upper, "strip": str.strip}


@dataclass(frozen=True, slots=True)
class PickedMatch:
    """One of a pattern's matches; of a pattern with groups the first group that holds a text."""

    regex: str
    pick: int = 0
    fallback: str = FALLBACK

    def __post_init__(self) -> None:
        compiled(self.regex)

    def __call__(self, text: str) -> str:
        """Return the match without white space around it; the fallback where there is none."""
        found = _picked(self.regex, text, self.pick)
        return self.fallback if found is None else found


@dataclass(frozen=True, slots=True)
class Mapped:
    """The text that a mapping has for a text."""

    map: dict[str, str]
    default: str = FALLBACK

    def __call__(self, text: str) -> str:
        """Look it up."""
        return self.map.get(text, self.default)


@dataclass(frozen=True, slots=True)
class ChoiceLetter:
    r"""The letter of the option that an answer names, in brackets: ``(B)``.

    First what the pattern finds, as it is; then the text of a choice, the longest first; then a
    letter behind a colon, ``:\s*B`` (lm-eval's ``multi_choice_regex``).
    """

    letter: str
    choices: tuple[str, ...]
    pick: int = 0
    fallback: str = FALLBACK
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in (self.letter, *self.ignore):
            compiled(pattern)
        if not 1 <= len(self.choices) <= 26:
            raise ScorerError(f"letter has {len(self.choices)} choices, which must be 1 to 26")

    def __call__(self, text: str) -> str:
        """Return the letter in brackets; the fallback where none is named."""
        if found := _picked(self.letter, text, self.pick):
            return found
        letters = [chr(ord("A") + place) for place in range(len(self.choices))]
        # Of two choices of one text the later has it, as there.
        named = {
            self._reduced(choice.strip()): f"({letter})"
            for choice, letter in zip(self.choices, letters, strict=True)
        }
        texts = sorted(map(regex.escape, named), key=len, reverse=True)
        if found := _picked("|".join(texts), self._reduced(text), self.pick):
            return named.get(found, found)
        found = _picked(rf":[\s]*({'|'.join(letters)})", text, self.pick)
        return f"({found})" if found else self.fallback

    def _reduced(self, text: str) -> str:
        for pattern in self.ignore:
            text = replaced(pattern, "", text)
        if self.ignore_case:
            text = text.lower()
        if self.ignore_punctuation:
            kept = (each for each in text if not unicodedata.category(each).startswith("P"))
            text = "".join(kept)
        return text


_KINDS: Mapping[str, type[PickedMatch | Mapped | ChoiceLetter]] = {
    "regex": PickedMatch,
    "map": Mapped,
    "letter": ChoiceLetter,
}


def read_steps(value: Any) -> tuple[Step, ...]:
    """Return the steps that a suite names under ``extract``: one, or a list.

    Raises:
        ScorerError: it names none, or one with wrong options.
    """
    entries = value if isinstance(value, list | tuple) else [value]
    if not entries:
        raise ScorerError("extract names no step")
    return tuple(map(_read_step, entries))


def _read_step(entry: Any) -> Step:
    if isinstance(entry, str) and entry in _PLAIN:
        return _PLAIN[entry]
    given = entry if isinstance(entry, Mapping) else {}
    kind = next((kind for key, kind in _KINDS.items() if key in given), None)
    if kind is None:
        known = ", ".join([*_PLAIN, *_KINDS])
        raise ScorerError(f"extract has a step {shown(entry)}; known: {known}")
    options = [field.name for field in fields(kind)]
    if unknown := [key for key in given if key not in options]:
        raise ScorerError(
            f"extract has a step with the option {unknown[0]!r}; known: {', '.join(options)}"
        )
    try:
        return msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        raise ScorerError(f"extract, {shown(entry)}: {error}") from error


@dataclass(frozen=True, slots=True)
class Extracted:
    """A scorer of what the steps leave of an answer."""

    scorer: Scorer
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if isinstance(self.scorer, Choice | Perplexity | GreedyMatch):
            raise ScorerError("extract is for answers in words, and this scorer reads likelihoods")

    @property
    def needs_expected(self) -> bool:
        """Return what the scorer says."""
        return self.scorer.needs_expected

    @property
    def direction(self) -> Direction:
        """Return what the scorer says."""
        return self.scorer.direction

    @property
    def scale(self) -> float | None:
        """Return what the scorer says."""
        return self.scorer.scale

    @property
    def average(self) -> Average:
        """Return what the scorer says."""
        return average_of(self.scorer)

    def fault_of(self, expected: Any) -> str | None:
        """Return what the scorer says."""
        return self.scorer.fault_of(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Take the steps and score what is left."""
        text = answered.output
        for step in self.steps:
            text = step(text)
        return self.scorer.score(replace(answered, output=text))


def _picked(pattern: str, text: str, place: int) -> str | None:
    """Return the match of that place, of groups the first that holds a text; None for none."""
    matches = all_matches(pattern, text)
    if not -len(matches) <= place < len(matches):
        return None
    found = matches[place]
    if isinstance(found, tuple):
        found = next((group for group in found if group), None)
    return None if found is None else found.strip()
