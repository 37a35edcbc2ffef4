r"""Other spellings of plain characters: escapes, full-width digits, invisible characters.

``4111`` may come as ``４１１１``, an address as ``ada%40example.com``, and the arguments of a tool
call are JSON within a text, where ``@`` may be ``\u0040``. The patterns know the plain characters
alone: they look at the text with its disguises off, and what they find is replaced in the text as
it came.
"""

import re
import unicodedata
from bisect import bisect_right
from html import unescape

_MOST_DISGUISES = 15_000
"""A text with more is not looked through, nor is it logged."""

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_SPACES = "\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff"
)
_SCRIPTS = ((0xB2, 0xBA), (0x660, 0xAC00), (0xFE50, 0xFE70), (0xFF01, 0xFF5F), (0x1D400, 0x1D800))
"""Where other spellings of ASCII's characters and the digits of other scripts are."""
_BACKSLASHED = (
    r"\\{1,8}+(?:u(?:[dD][89abAB][0-9A-Fa-f]{2}\\{1,8}+u[dD][c-fC-F][0-9A-Fa-f]{2}|[0-9A-Fa-f]{4})"
    r"|x[0-9A-Fa-f]{2}|[nrt/])"
)
_PERCENT = "%[2-7][0-9A-Fa-f]"
_ENTITY = "&(?:#x?[0-9A-Fa-f]{2,6}|commat|nbsp|period|plus|hyphen);"
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "/": "/"}


class DisguiseError(ValueError):
    """A text has more disguises than can be looked through."""


class Bare:
    """A text with its disguises off, and where its characters stand in the text as it came."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._places = [0]
        self._origins = [0]
        self._is_whole = [False]
        self._ends = [0]
        place = origin = 0
        for count, found in enumerate(_DISGUISE.finditer(text)):
            if count >= _MOST_DISGUISES:
                raise DisguiseError(f"more than {_MOST_DISGUISES:,} characters are disguised")
            start, stop = found.span()
            if start > origin:
                pieces.append(text[origin:start])
                self._note(place, origin, start)
                place += start - origin
            bare = found[1].translate(_PLAIN) if found[1] else _bared(found[0])
            if bare:
                pieces.append(bare)
                self._note(place, start, stop, is_whole=not found[1])
                place += len(bare)
            origin = stop
        pieces.append(text[origin:])
        self._note(place, origin, len(text))
        self.text = "".join(pieces)

    def start_of(self, place: int) -> int:
        """Return where the character at ``place`` begins in the text as it came."""
        piece = bisect_right(self._places, place) - 1
        within = 0 if self._is_whole[piece] else place - self._places[piece]
        return self._origins[piece] + within

    def end_of(self, place: int) -> int:
        """Return where the character before ``place`` ends in the text as it came."""
        piece = bisect_right(self._places, place - 1) - 1
        if self._is_whole[piece]:
            return self._ends[piece]
        return self._origins[piece] + place - self._places[piece]

    def _note(self, place: int, origin: int, end: int, *, is_whole: bool = False) -> None:
        self._places.append(place)
        self._origins.append(origin)
        self._ends.append(end)
        self._is_whole.append(is_whole)


def is_disguised(text: str) -> bool:
    """Whether a character of the text may be spelled in another way."""
    if not (text.isascii() or _ODD.isdisjoint(text)):
        return True
    return any(sign in text and escape.search(text) for sign, escape in _ESCAPES.items())


def _bared(disguise: str) -> str:
    # An escape as the character it stands for; nothing for an invisible one.
    if disguise[0] == "%":
        return chr(int(disguise[1:], 16))
    if disguise[0] == "&":
        return _one_plain(unescape(disguise))
    if disguise[0] != "\\":
        return ""
    escape = disguise.lstrip("\\")
    if escape in _CONTROLS:
        return _CONTROLS[escape]
    if len(escape) > 5:
        pair = bytes.fromhex(escape[1:5] + escape[-4:])
        return _one_plain(pair.decode("utf-16-be"))
    return _one_plain(chr(int(escape[1:], 16)))


def _one_plain(character: str) -> str:
    if _INVISIBLES.fullmatch(character):
        return ""
    plain = character.translate(_PLAIN)
    # A lone surrogate, or what has no place in a text.
    return plain if plain.isprintable() or plain in "\t\r\n" else " "


def _plain_characters() -> dict[int, str]:
    plain = dict.fromkeys(map(ord, _SPACES), " ") | dict.fromkeys(map(ord, _DASHES), "-")
    for start, stop in _SCRIPTS:
        for code in range(start, stop):
            character = chr(code)
            digit = unicodedata.decimal(character, None)
            folded = unicodedata.normalize("NFKC", character) if digit is None else str(digit)
            if len(folded) == 1 and folded.isascii():
                plain.setdefault(code, folded)
    return plain


_PLAIN = _plain_characters()
_INVISIBLES = re.compile(f"[{_INVISIBLE}]+")
_ESCAPES = {"\\": re.compile(_BACKSLASHED), "%": re.compile(_PERCENT), "&": re.compile(_ENTITY)}
_BMP = "".join(re.escape(chr(code)) for code in sorted(_PLAIN) if code < 0x10000)
_DISGUISE = re.compile(
    rf"([{_BMP}]+|[\U0001d400-\U0001d7ff]+)|[{_INVISIBLE}]+|{_BACKSLASHED}|{_PERCENT}|{_ENTITY}"
)
_ODD = frozenset(map(chr, _PLAIN)) | frozenset(filter(_INVISIBLES.match, map(chr, range(0x10000))))
