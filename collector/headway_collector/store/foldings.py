r"""A text to a pattern that finds it however it is written: case, accents, width, composition.

Folding every row costs ten times what comparing it does, so the query is unfolded instead: each
of its characters becomes the class of all that fold alike, ``e`` for example ``[eEéÉèÈ…]``. In
JSON, such a character may also stand as ``\u00e9``. Patterns are RE2's, as DuckDB has it.
"""

import re
import sys
import unicodedata
from collections import defaultdict
from functools import cache

import msgspec

# Marks that a reader may leave out: accents of alphabets, points of Hebrew, vowels of Arabic.
# Others, such as the vowels of Hindi and the voicing of kana, make another letter.
_ACCENTS = (
    (0x0300, 0x036F),
    (0x0591, 0x05C7),
    (0x0610, 0x061A),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)
_ACCENT_CLASS = "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in _ACCENTS)
# The same ranges as JSON may escape them, coarser by a few code points that nobody writes.
_ESCAPED_ACCENT = r"\\u(?i:03[0-6]|05[9abc]|06[1456]|1a[b-f]|1d[c-f]|20[d-f]|fe2)[0-9a-fA-F]"
_ANY_ACCENTS = f"[{_ACCENT_CLASS}]*"
_ANY_ACCENTS_IN_JSON = f"(?:[{_ACCENT_CLASS}]|{_ESCAPED_ACCENT})*"
# Letters that carry such marks lie below; kana, Han and Hangul above.
_FIRST_WITHOUT_ACCENTS = 0x3000
# Everything that folds to something else lies outside these.
_UNFOLDED = ((0x3400, 0xA63F), (0xAC00, 0xF8FF))
_LAST_FOLDED = 0x1E95F
_LONGEST_EXPANSION = 3


def fold(text: str) -> str:
    """Return the text without case, accents and width: what two spellings have in common."""
    plain = unicodedata.normalize("NFD", _narrow(text)).casefold()
    kept = (char for char in unicodedata.normalize("NFD", plain) if not _is_accent(char))
    return unicodedata.normalize("NFC", "".join(kept))


def make_pattern(text: str, *, is_json: bool) -> str:
    """Return the pattern of every spelling of ``text``; it is empty where the text is only marks.

    In JSON a quote or a letter may be escaped.
    """
    folded = fold(text)
    parts: list[str] = []
    position = 0
    while position < len(folded):
        for length in range(_LONGEST_EXPANSION, 1, -1):
            ligatures = _spellings().get(folded[position : position + length])
            if ligatures and position + length <= len(folded):
                letters = "".join(
                    _match_letter(char, is_json) for char in folded[position : position + length]
                )
                parts.append(f"(?:{letters}|{_match_one_of(ligatures, is_json)})")
                position += length
                break
        else:
            parts.append(_match_letter(folded[position], is_json))
            position += 1
    return "".join(parts)


def _match_letter(char: str, is_json: bool) -> str:
    """Return the pattern of one folded character, with whatever marks follow it."""
    pattern = _match_one_of({char} | _spellings().get(char, set()), is_json)
    pieces = unicodedata.normalize("NFD", char)
    if len(pieces) > 1:
        apart = "".join(
            _match_one_of({each} | _spellings().get(each, set()), is_json) for each in pieces
        )
        pattern = f"(?:{pattern}|{apart})"
    if char.isalpha() and ord(char) < _FIRST_WITHOUT_ACCENTS:
        pattern += _ANY_ACCENTS_IN_JSON if is_json else _ANY_ACCENTS
    return pattern


def _match_one_of(chars: set[str], is_json: bool) -> str:
    members = "".join(f"\\x{{{ord(char):x}}}" for char in sorted(chars))
    if not is_json:
        return f"[{members}]"
    plain = [char for char in sorted(chars) if char not in '"\\' and char >= " "]
    others = [_escape(char) for char in sorted(chars) if not " " <= char <= "~" or char in '"\\/']
    alternatives = ["[" + "".join(f"\\x{{{ord(char):x}}}" for char in plain) + "]"] * bool(plain)
    return f"(?:{'|'.join([*alternatives, *others])})" if others else alternatives[0]


def _escape(char: str) -> str:
    """Return the pattern of how JSON may escape the character."""
    units = char.encode("utf-16-be").hex()
    numbered = "".join(f"\\\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
    short = {"/": "\\/"}.get(char) or msgspec.json.encode(char).decode()[1:-1]
    escapes = [re.escape(short)] if short.startswith("\\") else []
    return "|".join([*escapes, f"(?i:{numbered})"])


@cache
def _spellings() -> dict[str, set[str]]:
    """Return the characters that fold to each text, without those that fold to themselves."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for code in range(min(sys.maxunicode, _LAST_FOLDED) + 1):
        if any(first <= code <= last for first, last in _UNFOLDED):
            continue
        char = chr(code)
        folded = fold(char)
        if folded and folded != char:
            spellings[folded].add(char)
    return dict(spellings)


def _narrow(text: str) -> str:
    # ASCII of full width and kana of half width are the same characters in another width.
    return "".join(map(_narrow_char, text)) if not text.isascii() else text


def _narrow_char(char: str) -> str:
    if not 0xFF01 <= ord(char) <= 0xFFE6:
        return char
    width, _, target = unicodedata.decomposition(char).partition(" ")
    return chr(int(target, 16)) if width in ("<wide>", "<narrow>") else char


def _is_accent(char: str) -> bool:
    code = ord(char)
    return code >= _ACCENTS[0][0] and any(first <= code <= last for first, last in _ACCENTS)
