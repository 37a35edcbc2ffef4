"""A text without what the patterns find: each find gives way to its name in brackets.

    "write to ada@example.com" -> "write to [email]"

Where a capture was cut, half a secret may stand at the cut, which no pattern knows: the words that
touch it give way as well.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from headway.redaction.disguises import Bare, is_disguised, without_colours
from headway.redaction.outlines import Outline
from headway.redaction.patterns import FINDERS, NOWHERE

_MOST_FINDS = 10_000
"""A text with more is replaced as a whole."""
_CUT_SIGN = "…[cut "
_CUT = re.compile(r"…\[cut [\d,]+ of [\d,]+ (?:characters|chunks)\]…?")
_TOUCHING = re.compile(r"\S*+(?:\s{1,3}+(?=[^\s\d]{0,5}\d)\S{1,19}+(?!\S)){0,12}+")
"""The word at a cut and the groups of digits behind it, also when read from right to left."""
_REACH = 8_000
_NEAR = 200
"""How far is looked at first, since most words at a cut are short."""
_MARGIN = 32
"""More than what ``_TOUCHING`` looks at behind what it takes."""
_PEM_SIGN = "PRIVATE KEY-----"
_LONGEST_KNOWN, _MOST_KNOWN = 64, 4096
"""Names, roles and models come again with every record: so many without a find are remembered."""


class TextRedactor:
    """Replaces what some patterns find.

    Args:
        patterns: their names.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._finders = [(name, find) for name, find in FINDERS.items() if name in patterns]
        self._ranks = {name: rank for rank, name in enumerate(FINDERS)}
        self._clean: set[str] = set()

    def redact(self, text: str) -> str:
        """Return the text without what is found in it, the same object where that is nothing."""
        if not self._finders:
            return text
        if len(text) > _LONGEST_KNOWN:
            return self._looked_through(text)
        if text in self._clean:
            return text
        kept = self._looked_through(text)
        if kept is text:
            if len(self._clean) >= _MOST_KNOWN:
                self._clean.clear()
            self._clean.add(text)
        return kept

    def _looked_through(self, text: str) -> str:
        if _CUT_SIGN in text:
            halves = islice(_half_words(text), _MOST_FINDS + 1)
            text = _without(text, sorted(halves))
        if not is_disguised(text):
            return _without(text, self._finds(text))
        bare = Bare(text)
        places = [
            (bare.start_of(start), bare.end_of(stop), name)
            for start, stop, name in self._finds(bare.text)
        ]
        # Also as it came: %41 may be no escape but a part of a key.
        return _without(text, sorted([*places, *self._finds(without_colours(text))]))

    def _finds(self, text: str) -> list[tuple[int, int, str]]:
        outline = Outline(text)
        finds: list[tuple[int, int, str]] = []
        for name, find in self._finders:
            places = find(text, outline)
            if places is not NOWHERE:
                left = _MOST_FINDS + 1 - len(finds)
                finds += [(*place, name) for place in islice(places, left)]
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
    has_pem = _PEM_SIGN in text
    for cut in _CUT.finditer(text):
        if length := _length_of_touching(text, cut.start(), step=-1):
            yield cut.start() - length, cut.start(), "cut"
        length = _length_of_touching(text, cut.end(), step=1)
        if has_pem:
            place = text.find(_PEM_SIGN, cut.end(), cut.end() + _REACH)
            length = max(length, place + len(_PEM_SIGN) - cut.end())
        if length:
            yield cut.end(), cut.end() + length, "cut"


def _length_of_touching(text: str, place: int, *, step: int) -> int:
    # The step is 1 for what stands behind the place, and -1 for what stands before it.
    length = 0
    for reach in (_NEAR, _REACH):
        near = (
            text[place : place + reach] if step > 0 else text[max(0, place - reach) : place][::-1]
        )
        found = _TOUCHING.match(near)
        length = found.end() if found else 0
        if length < reach - _MARGIN:
            break
    return length
