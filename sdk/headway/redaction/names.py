r"""Values that go by their names: in data, in JSON within texts, and in JSON that nobody can read.

    {"user": "ada", "password": "hunter2"} -> {"user": "ada", "password": "[dropped]"}

A text that a strict reader takes is read, and so are the texts in it. Any other is looked through
for a name in quotes and a colon: so are JSON lines, what stands in a fence, what was cut, and what
has a ``NaN``. It is fail-closed: where it cannot be told where a value ends, the rest goes.
"""

import re
import unicodedata
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from headway.redaction.disguises import Bare, is_disguised

DROPPED = "[dropped]"
_KNOWN_NAMES = 4096
_DEEPEST = 8
"""So many texts within texts are read; those further in are looked through from outside."""
_MOST_DROPPED = 5_000
"""Of one text that is looked through; with more, the rest goes."""
_MOST_MARKS = 10_000
"""Quotes and brackets of one value; with more it goes together with the rest."""
_PIECES = 4
"""That each leaves."""
_BYTES_KEY = '{"type":"bytes","size":'
"""How a key of bytes is described. Its name is not known: what stands under it goes."""

_BEGINNINGS = ("{", "[", '"')
_GAP = r"(?:\s|\\++[nrt])*+"
_QUOTES = (("u0022", '"'), ("u0027", "'"))
_PAIR = re.compile(rf"([\"'])([^\"'\r\n]{{1,512}}+\\*+)[\"']{_GAP}:{_GAP}")
_KEY = re.compile(rf"[\"']([^\"'\r\n]{{1,512}}+\\*+)[\"']{_GAP}:")
# Not from within a row of backslashes, which would be read again from each of them.
_QUOTE = re.compile(r"(?<!\\)(\\*+)([\"'])")
_BRACKET_OR_QUOTE = re.compile(r"(?<!\\)(\\*+)([\"'])|([{\[])|[}\]]")
_OPENING = re.compile(r"[bBrRuUfF]{0,2}(\\*+)([\"'])")
_WORD = re.compile(r"[^\s,{}\[\]\"'\\]++")
_END = re.compile(r"[^\S\r\n]*+(?:[,}\])\r\n]|\Z)")
"""What stands behind a value."""
_END_WITHIN = re.compile(r"[^\S\r\n]*+(?:[,}\])\r\n]|\\++[nrt]|\Z)")
"""The same in a text within a text."""
_IN_WORDS = re.compile(r"[\w\"']")
"""Behind a quote that ends nothing."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

IsNamed = Callable[[str], bool]


class NamedValues:
    """Drops the values of some names.

    Args:
        names: globs, whatever the case and the spelling.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.is_named = _matcher(names)

    def dropped_from(self, text: str, depth: int = 0) -> str:
        """Return the text without their values, the same object where it has none."""
        if ":" not in text or not ('"' in text or "'" in text or "u002" in text):
            return text
        if depth < _DEEPEST and text.lstrip()[:1] in _BEGINNINGS:
            try:
                inner = _decode(text)
            except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
                pass
            else:
                kept = self._dropped_within(inner, depth + 1)
                text = text if kept is inner else _encode(kept).decode()
        # Also what was read: of a key that comes twice, a reader knows one value alone.
        return self._dropped_by_sight(text)

    def _dropped_within(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self.dropped_from(value, depth)
        if kind is dict:
            kept = {
                key: DROPPED if self.is_named(key) else self._dropped_within(each, depth)
                for key, each in value.items()
            }
            return value if all(kept[key] is value[key] for key in value) else kept
        if kind is list:
            listed = [self._dropped_within(each, depth) for each in value]
            return value if all(map(_is_same, listed, value)) else listed
        return value

    def _dropped_by_sight(self, text: str) -> str:
        spelled = text
        for code, quote in _QUOTES:
            if code in spelled:
                spelled = spelled.replace(rf"\{code}", rf"\{quote}")
        if not any(self.is_named(key.rstrip("\\")) for key in set(_KEY.findall(spelled))):
            return text
        pieces: list[str] = []
        done = place = 0
        while found := _PAIR.search(spelled, place):
            place = found.end()
            key = found[2].rstrip("\\")
            if self.is_named(key):
                slashes = found[2][len(key) :]
                quote = slashes + found[1]
                pieces += spelled[done:place], quote, DROPPED, quote
                is_last = len(pieces) >= _PIECES * _MOST_DROPPED
                done = place = (
                    len(spelled) if is_last else _end_of_value(spelled, place, len(slashes))
                )
        kept = "".join([*pieces, spelled[done:]])
        return text if kept == text else kept


def _end_of_value(text: str, start: int, level: int) -> int:
    # The end of the text where it cannot be told.
    ending = _END_WITHIN if level else _END
    if opening := _OPENING.match(text, start):
        end = _end_of_string(text, opening.end(), len(opening[1]), opening[2])
    elif text[start : start + 1] in ("{", "["):
        end = _end_of_container(text, start)
    else:
        word = _WORD.match(text, start)
        end = word.end() if word else start
        end = end if ending.match(text, end) else None
    return len(text) if end is None else end


def _end_of_string(text: str, start: int, level: int, mark: str) -> int | None:
    # Another text in it has more backslashes before its quotes, the text around it has fewer.
    for quote in islice(_QUOTE.finditer(text, start), _MOST_MARKS):
        slashes = len(quote[1])
        if quote[2] != mark or slashes > level:
            continue
        if slashes < level:
            return quote.start()
        if not _IN_WORDS.match(text, quote.end()):
            return quote.end()
    return None


def _end_of_container(text: str, start: int) -> int | None:
    depth, place = 0, start
    for _ in range(_MOST_MARKS):
        found = _BRACKET_OR_QUOTE.search(text, place)
        if found is None:
            return None
        place = found.end()
        if found[2]:
            end = _end_of_string(text, place, len(found[1]), found[2])
            if end is None:
                return None
            place = end
            continue
        depth += 1 if found[3] else -1
        if not depth:
            return place
    return None


def _is_same(one: object, other: object) -> bool:
    return one is other


def _matcher(names: tuple[str, ...]) -> IsNamed:
    globs = (unicodedata.normalize("NFKC", name).casefold().strip() for name in names)
    pattern = re.compile("|".join(map(translate, globs)) or "(?!)")

    @lru_cache(_KNOWN_NAMES)
    def is_named(name: str) -> bool:
        bare = Bare(name).text if is_disguised(name) else name
        plain = unicodedata.normalize("NFKC", bare).casefold().strip()
        if pattern.match(plain) or (plain != name and pattern.match(name.casefold().strip())):
            return True
        return name.startswith(_BYTES_KEY)

    return is_named
