"""A text without what the patterns find: each find gives way to its name in brackets.

    "write to ada@example.com" -> "write to [email]"

Where a capture was cut, half a secret may stand at the cut, which no pattern knows: the words that
touch it give way as well.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from headway.redaction.disguises import Bare, is_disguised
from headway.redaction.outlines import Outline
from headway.redaction.patterns import FINDERS

_MOST_FINDS = 10_000
"""A text with more is replaced as a whole."""
_CUT_SIGN = "…[cut "
_CUT = re.compile(r"…\[cut [\d,]+ of [\d,]+ (?:characters|chunks)\]…?")
_TOUCHING = re.compile(r"\S*+(?:\s{1,3}+(?=[^\s\d]{0,5}\d)\S{1,19}+(?!\S)){0,12}+")
"""The word at a cut and the groups of digits behind it, also when read from right to left."""
_REACH = 8_000
_PEM_SIGN = "PRIVATE KEY-----"


class TextRedactor:
    """Replaces what some patterns find.

    Args:
        patterns: their names.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._finders = [(name, find) for name, find in FINDERS.items() if name in patterns]
        self._ranks = {name: rank for rank, name in enumerate(FINDERS)}

    def redact(self, text: str) -> str:
        """Return the text without what is found in it, the same object where that is nothing."""
        if not self._finders:
            return text
        if _CUT_SIGN in text:
            text = _without(text, sorted(_half_words(text)))
        if not is_disguised(text):
            return _without(text, self._finds(text))
        bare = Bare(text)
        places = [
            (bare.start_of(start), bare.end_of(stop), name)
            for start, stop, name in self._finds(bare.text)
        ]
        # Also as it came: %41 may be no escape but a part of a key.
        return _without(text, sorted([*places, *self._finds(text)]))

    def _finds(self, text: str) -> list[tuple[int, int, str]]:
        outline = Outline(text)
        finds: list[tuple[int, int, str]] = []
        for name, find in self._finders:
            left = _MOST_FINDS + 1 - len(finds)
            finds += [(*place, name) for place in islice(find(text, outline), left)]
        if len(finds) > 1:
            finds.sort(key=self._order)
        return finds

    def _order(self, find: tuple[int, int, str]) -> tuple[int, int]:
        return find[0], self._ranks[find[2]]


def _without(text: str, finds: Sequence[tuple[int, int, str]]) -> str:
    if not finds:
        return text
    if len(finds) > _MOST_FINDS:
        return f"[redacted: {len(text):,} characters with more than {_MOST_FINDS:,} finds]"
    pieces: list[str] = []
    done = 0
    for start, stop, name in finds:
        # What overlaps belongs to the first, and all of it goes.
        if start >= done:
            pieces.append(text[done:start])
            pieces.append(f"[{name}]")
        done = max(done, stop)
    pieces.append(text[done:])
    return "".join(pieces)


def _half_words(text: str) -> Iterator[tuple[int, int, str]]:
    for cut in islice(_CUT.finditer(text), _MOST_FINDS):
        before = text[max(0, cut.start() - _REACH) : cut.start()][::-1]
        if length := _length_of_touching(before):
            yield cut.start() - length, cut.start(), "cut"
        behind = text[cut.end() : cut.end() + _REACH]
        length = _length_of_touching(behind)
        if _PEM_SIGN in behind:
            length = max(length, behind.index(_PEM_SIGN) + len(_PEM_SIGN))
        if length:
            yield cut.end(), cut.end() + length, "cut"


def _length_of_touching(text: str) -> int:
    found = _TOUCHING.match(text)
    return found.end() if found else 0
