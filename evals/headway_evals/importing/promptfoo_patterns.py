r"""JavaScript's regular expressions as ours: the same letters, where they mean the same.

In JavaScript ``\d`` and ``\w`` are of ASCII, ``$`` is the very end, ``.`` is no line's end of any
kind, and ``(?<name>…)`` names a group, as it does here. ``\b`` goes by ASCII there and by any
alphabet here.
"""

import re

from headway_evals.errors import ImportingError
from headway_measures.errors import ScorerError
from headway_measures.patterns import compiled

_OUTSIDE = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[A-Za-z0-9_]",
    "W": "[^A-Za-z0-9_]",
    "/": "/",
    "-": r"\-",
}
_INSIDE = {"d": "0-9", "w": "A-Za-z0-9_", "/": "/", "-": r"\-", "b": r"\x08"}
_GROUP = re.compile(r"\\k<(\w+)>")


def our_pattern(pattern: str) -> str:
    """Return a pattern that finds here what it finds in JavaScript.

    Raises:
        ImportingError: it cannot be said here.
    """
    parts: list[str] = []
    place, in_class = 0, False
    while place < len(pattern):
        char = pattern[place]
        if char == "\\" and place + 1 < len(pattern):
            named = _GROUP.match(pattern, place)
            if named and not in_class:
                parts.append(f"(?P={named[1]})")
                place = named.end()
                continue
            parts.append(_escaped(pattern[place + 1], in_class))
            place += 2
            continue
        if in_class:
            in_class = char != "]"
            # A bracket within a class stands for itself.
            parts.append(r"\[" if char == "[" else char)
        elif pattern.startswith(("[^]", "[]"), place):
            parts.append(r"[\s\S]" if pattern[place + 1] == "^" else "(?!)")
            place += 2 if pattern[place + 1] == "^" else 1
        else:
            in_class = char == "["
            parts.append({"$": r"\Z", ".": r"[^\n\r\u2028\u2029]"}.get(char, char))
        place += 1
    ours = "".join(parts)
    try:
        compiled(ours)
    except ScorerError as error:
        raise ImportingError(f"the pattern {pattern!r} is none here: {error}") from error
    return ours


def _escaped(char: str, in_class: bool) -> str:
    if in_class and char in ("D", "W"):
        raise ImportingError(rf"the pattern has \{char} among the characters of a class")
    known = _INSIDE if in_class else _OUTSIDE
    if char in known:
        return known[char]
    # An escape without a meaning is the character itself, in JavaScript; here it is a fault.
    is_plain = char.isalpha() and char not in "bBsSnrtfvxuckpP"
    return char if is_plain else f"\\{char}"
