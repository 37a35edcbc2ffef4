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
_CONTROLS = "\x00-\x08\x0e-\x1f\x7f"
_INVISIBLE = (
    # Unicode's Default_Ignorable_Code_Point, its category Cf, controls, and two that look empty.
    rf"{_CONTROLS}\x80-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f"
    "\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SCRIPTS = ((0xB2, 0xBA), (0x660, 0xAC00), (0xFE50, 0xFE70), (0xFF01, 0xFF5F), (0x1D400, 0x1D800))
"""Where other spellings of ASCII's characters and the digits of other scripts are."""
# What follows the sign with which a disguise begins.
_COLOUR = r"[0-?]{0,32}+[ -/]{0,4}+[@-~]"
"""The rest of a terminal's sequence, as ``\x1b[31m``, behind its bracket."""
_ESCAPED_COLOUR = rf"(?:u001[bB]|x1[bB]|033|e)(?:\[|\\{{1,8}}+u005[bB]){_COLOUR}"
_BACKSLASHED = (
    r"u(?:[dD][89abAB][0-9A-Fa-f]{2}\\{1,8}+u[dD][c-fC-F][0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}"
    r"|\{0{0,8}(?:10[0-9A-Fa-f]{4}|[0-9A-Fa-f]{1,5})\})"
    r"|x[0-9A-Fa-f]{2}|U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4}|[01][0-7]{2}|[bfnrt/]"
)
_PERCENT_COLOUR = rf"1[Bb](?:\[|%5[Bb]){_COLOUR}"
_PERCENT = "(?:25){0,3}(?:[2-7][0-9A-Fa-f]|0[09AaDd])"
_ENTITY = (
    r"(?:amp;|AMP;){0,3}+(?:#(?:[xX]0*+[0-9A-Fa-f]{1,6}+|0*+[0-9]{1,7}+);?"
    "|(?:commat|nbsp|period|plus|hyphen|lowbar|colon|sol|shy|zwn?j);)"
)
# Of quoted-printable, what ordinary text does not have: x=40 is more often a number.
_QUOTED = r"(?:3D|40(?<=[\w.+-]=40)(?=[A-Za-z][\w-]{1,62}+\.[A-Za-z]{2}))"
_LONGEST_SINGLE = 5
"""Of ``u0040`` and half a pair of surrogates."""
_LETTERS = {"b": "", "f": "\n", "n": "\n", "r": "\r", "t": "\t", "/": "/"}


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
            is_run = found.lastindex == _RUN
            bare = found[0].translate(_PLAIN) if is_run else _bared(found)
            if bare:
                pieces.append(bare)
                self._note(place, start, stop, is_whole=not is_run)
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
    if text.isascii():
        if len(text.encode().translate(None, _CONTROL_BYTES)) < len(text):
            return True
    elif not _ODD.isdisjoint(text):
        return True
    return any(sign in text and escape.search(text) for sign, escape in _ESCAPES.items())


def without_colours(text: str) -> str:
    """Return a text of the same length with spaces for a terminal's sequences.

    What stands before one and what stands behind it are two words, unless it is within a word:
    so a text is looked at with it as a space, and without it.
    """
    if "[" in text or "\x9b" in text or "%5" in text:
        return _COLOURS.sub(lambda found: " " * len(found[0]), text)
    return text


def _bared(found: re.Match[str]) -> str:
    # An escape as the character it stands for; nothing for an invisible one.
    disguise = found[0]
    if found.lastindex is not None:
        return ""
    if disguise[0] in "%=":
        return _one_plain(chr(int(disguise[-2:], 16)))
    if disguise[0] == "&":
        return _one_plain(unescape(_AMPERSANDS.sub("&", disguise)))
    escape = disguise.lstrip("\\")
    if escape in _LETTERS:
        return _LETTERS[escape]
    if escape[0] in "01":
        return _one_plain(chr(int(escape, 8)))
    if escape[:2] in ("ud", "uD") and len(escape) > _LONGEST_SINGLE:
        pair = bytes.fromhex(escape[1:5] + escape[-4:])
        return _one_plain(pair.decode("utf-16-be"))
    return _one_plain(chr(int(escape[1:].strip("{}"), 16)))


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
_AMPERSANDS = re.compile("&(?:amp;|AMP;)*+")
_CONTROL_BYTES = "".join(re.findall(f"[{_CONTROLS}]", "".join(map(chr, range(128))))).encode()
_ESCAPES = {
    "\\": re.compile(rf"\\(?:{_BACKSLASHED}|{_ESCAPED_COLOUR})"),
    "%": re.compile(f"%(?:{_PERCENT}|{_PERCENT_COLOUR})"),
    "&": re.compile(f"&{_ENTITY}"),
    "=": re.compile(f"={_QUOTED}"),
}
_SPELLED = (
    "".join(re.escape(chr(code)) for code in sorted(_PLAIN) if code < 0x10000)
    + "\U0001d400-\U0001d7ff"
)
# To begin with a set is what lets all else be passed over quickly.
_DISGUISE = re.compile(
    rf"[{_SPELLED}{_INVISIBLE}\\%&=](?:"
    rf"(?<=\\)\\{{0,7}}+(?:{_ESCAPED_COLOUR}()|{_BACKSLASHED})"
    rf"|(?<=%)(?:{_PERCENT_COLOUR}()|{_PERCENT})|(?<=&){_ENTITY}|(?<==){_QUOTED}"
    rf"|(?<=[{_SPELLED}])[{_SPELLED}]*+()"
    rf"|(?<=\x1b)\[{_COLOUR}()|(?<=\x9b){_COLOUR}()"
    rf"|(?<![\\%&=])(?:(?![\x1b\x9b])[{_INVISIBLE}])*+())"
)
_RUN = 3
"""The group of what is spelled in another way; the other groups are of what is not seen."""
_COLOURS = re.compile(
    rf"[\x1b\x9b\\%](?:(?<=\x1b)\[{_COLOUR}|(?<=\x9b){_COLOUR}|(?<=\\){_ESCAPED_COLOUR}"
    rf"|(?<=%){_PERCENT_COLOUR})"
)
_ODD = frozenset(map(chr, _PLAIN)).union(
    *_INVISIBLES.findall("".join(map(chr, (*range(0x1E000), *range(0xE0000, 0xE1000)))))
)
