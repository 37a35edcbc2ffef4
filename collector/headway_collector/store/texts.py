r"""A text as SQL that finds it in what people wrote: names, and the strings of input and output.

Input and output are JSON, whose own words are nobody's: keys such as ``content``, the letter of an
escape such as the n of ``\n``, ``true`` and ``null``. So the pattern walks through the tokens of
the whole text, an escape at a time, and asks that what it found stands in a string without a colon
behind it. RE2 does that as fast as it looks for the bare text.

The role, type and end of a message are strings too; a text that may be one of those is looked for
once more in what is left without them.
"""

import json
import re
from typing import Literal

import msgspec

from headway_collector.errors import InvalidRequestError
from headway_collector.store.foldings import fold, make_pattern
from headway_collector.store.predicates import Predicate

Match = Literal["folded", "exact"]

MAX_FOLDED_CHARS = 200
"""Of a text that is found in any spelling."""

MAX_EXACT_CHARS = 1_000
"""Of one that is found as it is written."""

MAX_OVERLAPS = 4_000
"""Of a folded text: how many beginnings of it end at each of its letters, summed up. A sentence has
few more than letters, one letter 90 times has 4,000. What has far more takes minutes for one vector
of rows that repeat it, and only between two vectors does DuckDB look whether its time is up."""

# Of a longer text only this much is looked for among the tokens: no word of JSON is as long.
_TELLING_CHARS = 64

_COLUMNS = ("spans.input", "spans.output")
_INSIDE = r'(?:[^"\\]|\\(?:u[0-9a-fA-F]{4}|[^u]))*'
_TOKENS = rf'^(?:[^"]|"{_INSIDE}")*'
_NO_KEY = r'"\s*(?:[,}\]]|$)'
_NUMBER = re.compile(r"[-+.0-9eE]*[0-9][-+.0-9eE]*")

_STRUCTURE = {
    "role": ("system", "developer", "user", "assistant", "model", "tool"),
    "type": (
        "text",
        "input_text",
        "output_text",
        "image_url",
        "tool_call",
        "tool_call_response",
        "tool_use",
        "tool_result",
        "reasoning",
        "blob",
        "uri",
    ),
    "finish_reason": ("stop", "length", "content_filter", "tool_call", "tool_calls", "error"),
}
"""What messages are made of, by key; any other value of such a key is somebody's own."""

_STRUCTURE_PATTERN = "|".join(
    rf'"{key}"\s*:\s*"(?:{"|".join(words)})"' for key, words in _STRUCTURE.items()
)


def find_text(text: str, match: Match) -> Predicate:
    """Return the condition that a span has the text in its name, input or output.

    Raises:
        InvalidRequestError: it takes too long to find such a text.
    """
    folded = fold(text) if match == "folded" else ""
    found = _find_folded(text, folded) if folded else _find_exact(text)
    values = (value for each in found for value in each.values)
    return Predicate(f"({' OR '.join(each.sql for each in found)})", tuple(values), is_slow=True)


def _find_folded(text: str, folded: str) -> list[Predicate]:
    _refuse_slow(text, folded)
    name = Predicate("regexp_matches(spans.name, ?)", (make_pattern(text, is_json=False),))
    pattern = _find_among_tokens(make_pattern(text, is_json=True), folded)
    is_structural = _is_structural(folded)
    return [name, *(_match(each, pattern, is_structural=is_structural) for each in _COLUMNS)]


def _find_exact(text: str) -> list[Predicate]:
    _refuse_long(text, MAX_EXACT_CHARS, "be found", "shorten it")
    found = [Predicate("contains(spans.name, ?)", (text,))]
    beginning, spellings = text[:_TELLING_CHARS], _spell(text)
    pattern = _find_among_tokens("|".join(map(re.escape, _spell(beginning))), beginning)
    for column in _COLUMNS:
        # Far quicker than any pattern, and most rows do not have the text at all.
        bare = " OR ".join([f"contains({column}, ?)"] * len(spellings))
        among = _match(column, pattern, is_structural=_is_structural(text))
        sql = f"CASE WHEN {bare} THEN {among.sql} ELSE false END"
        found.append(Predicate(sql, (*spellings, *among.values)))
    return found


def _refuse_slow(text: str, folded: str) -> None:
    aim, way_out = "be found in any spelling", "shorten it, or add match=exact"
    _refuse_long(text, MAX_FOLDED_CHARS, aim, way_out)
    if _count_overlaps(folded) > MAX_OVERLAPS:
        raise InvalidRequestError(f"q={text[:80]!r} repeats itself too often to {aim}: {way_out}")


def _refuse_long(text: str, most_chars: int, aim: str, way_out: str) -> None:
    if len(text) > most_chars:
        raise InvalidRequestError(
            f"q has {len(text)} characters, and {most_chars} are the most that can {aim}: {way_out}"
        )


def _count_overlaps(text: str) -> int:
    """Return how many beginnings of the text end at each of its letters, summed up."""
    longest, counts = [0], [0, 1]
    for position in range(1, len(text)):
        length = longest[-1]
        while length and text[length] != text[position]:
            length = longest[length - 1]
        longest.append(length + (text[length] == text[position]))
        counts.append(counts[longest[-1]] + 1)
    return sum(counts)


def _spell(text: str) -> list[str]:
    """Return how JSON may have the text: some writers escape whatever is not ASCII."""
    written = msgspec.json.encode(text).decode()[1:-1]
    return [written] if text.isascii() else [written, json.dumps(text)[1:-1]]


def _find_among_tokens(pattern: str, plain: str) -> str:
    """Return the pattern of what is found in a string that is no key, or in a number."""
    string = f'"{_INSIDE}(?:{pattern}){_INSIDE}{_NO_KEY}'
    if _NUMBER.fullmatch(plain) is None:
        return _TOKENS + string
    return f"{_TOKENS}(?:{string}|(?i:{re.escape(plain)}))"


def _is_structural(text: str) -> bool:
    return any(text in word for words in _STRUCTURE.values() for word in words)


def _match(column: str, pattern: str, *, is_structural: bool) -> Predicate:
    found = f"regexp_matches({column}, ?)"
    if not is_structural:
        return Predicate(found, (pattern,))
    rest = f"regexp_replace({column}, ?, '', 'g')"
    return Predicate(
        f"CASE WHEN {found} THEN regexp_matches({rest}, ?) ELSE false END",
        (pattern, _STRUCTURE_PATTERN, pattern),
    )
