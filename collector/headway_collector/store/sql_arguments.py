"""What stands in the calls of a question: constants, types and patterns that do not take long.

An interrupt waits for the end of a vector of rows, so nothing may take a vector to minutes.
"""

import re
from collections.abc import Iterable
from typing import Any

from headway_collector.errors import InvalidRequestError

_MAX_LITERAL_CHARS = 1_000
_MAX_LARGEST = 100
_MAX_PATTERN_CHARS = 200
_MAX_REPEATS = 64
_REPEAT = re.compile(r"\{(\d*),?(\d*)\}")
_SHOWN_CHARS = 60
_NAMES_OF_TYPES = """
BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT
DOUBLE DECIMAL VARCHAR CHAR BLOB DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS INTERVAL
UUID LIST STRUCT MAP JSON
"""
_TYPES = frozenset((*_NAMES_OF_TYPES.split(), "TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE"))
_LONG_TYPES = {"VARCHAR": 1, "CHAR": 1, "JSON": 1, "BLOB": 4, "LIST": 32, "STRUCT": 32, "MAP": 32}

Node = dict[str, Any]
"""A part of a statement, as ``json_serialize_sql`` gives it."""


def check_regular(name: str, pattern: str) -> None:
    """Refuse a pattern that takes long on a text: RE2 takes text times states.

    Raises:
        InvalidRequestError: it is long, or repeats much.
    """
    repeats = 1
    for least, most in _REPEAT.findall(pattern):
        repeats *= max(int(least[:6] or 0), int(most[:6] or 0), 1)
    if len(pattern) > _MAX_PATTERN_CHARS or repeats > _MAX_REPEATS:
        raise InvalidRequestError(
            f"the pattern of {name} takes too long: at most {_MAX_PATTERN_CHARS} characters, and "
            f"{{n}} of which all together repeat at most {_MAX_REPEATS} times"
        )


def check_like(name: str, pattern: str) -> None:
    """Refuse a pattern that DuckDB tries at every place of a text, again for each place before.

    Raises:
        InvalidRequestError: it has too many that stand for any text.
    """
    anys = len(re.findall(r"[%*]+.", pattern, re.DOTALL))
    has_single = re.search(r"[_?\[]", pattern) is not None
    if len(pattern) > _MAX_PATTERN_CHARS or anys > (1 if has_single else 8):
        raise InvalidRequestError(
            f"the pattern of {show(name)} takes too long: at most {_MAX_PATTERN_CHARS} "
            "characters, and 8 times % before others, or once where _ is among them"
        )


def check_constant(value: Node) -> None:
    """Refuse a long text.

    Raises:
        InvalidRequestError: it is one.
    """
    text = value.get("value")
    if isinstance(text, str) and len(text) > _MAX_LITERAL_CHARS:
        raise InvalidRequestError(
            f"a text in sql has {len(text)} characters; {_MAX_LITERAL_CHARS} are allowed"
        )


def growth_of(node: Any) -> int:
    """Return how many times as large as a text a value of a type may be; 0 where it is short.

    Raises:
        InvalidRequestError: it, or one inside it, is none that is possible here.
    """
    growth = 0
    for found in _find_types(node):
        if found not in _TYPES:
            raise InvalidRequestError(f"the type {show(found)} is not possible here")
        growth = max(growth, _LONG_TYPES.get(found, 0))
    return growth


def _find_types(node: Any) -> Iterable[str]:
    if isinstance(node, list):
        for each in node:
            yield from _find_types(each)
    elif isinstance(node, dict):
        # A name that the parser does not know by itself, which JSON is.
        if node.get("type") == "UNBOUND_TYPE_INFO":
            yield ".".join(filter(None, (node["catalog"], node["schema"], node["name"]))).upper()
        elif "id" in node and node["id"] != "UNBOUND":
            yield str(node["id"])
        for each in node.values():
            yield from _find_types(each)


def length_of(name: str, children: list[Node]) -> int:
    """Return how many characters take the place of one.

    Raises:
        InvalidRequestError: many, or who knows how many.
    """
    put = children[2] if len(children) > 2 else None
    text = put["value"].get("value") if put is not None and put["class"] == "CONSTANT" else None
    if not isinstance(text, str) or len(text) > 16:
        raise InvalidRequestError(
            f"{name} needs a text of at most 16 characters to put in: longer ones may make a row "
            "thousands of times as long"
        )
    return len(text)


def pattern_of(name: str, children: list[Node]) -> str:
    """Return the pattern of a call.

    Raises:
        InvalidRequestError: it does not stand in the text of the question.
    """
    put = children[1] if len(children) > 1 else None
    text = put["value"].get("value") if put is not None and put["class"] == "CONSTANT" else None
    if not isinstance(text, str):
        raise InvalidRequestError(
            f"the pattern of {show(name)} must be a text that stands in sql; contains(a, b) looks "
            "for one column in another"
        )
    return text


def has_any_in_path(name: str, path: Node | None) -> bool:
    """Return whether a path in JSON leads to several places.

    Raises:
        InvalidRequestError: it may lead to a place and to all that stand in it, which makes a text
            as many times as long as it is nested, or does not stand in the text of the question.
    """
    value = path["value"].get("value") if path is not None and path["class"] == "CONSTANT" else None
    if path is not None and not isinstance(value, int | str):
        raise InvalidRequestError(
            f"the path of {show(name)} must be one text or number that stands in sql"
        )
    text = str(value)
    if ".." in text:
        raise InvalidRequestError(f"the path of {show(name)} has '..': name what stands between")
    return "*" in text


def count_of(name: str, children: list[Node]) -> int:
    """Return how many values an aggregate gives: ``max(x, 3)`` a list of three.

    Raises:
        InvalidRequestError: very many, beside every other row, or who knows how many.
    """
    if len(children) < (3 if name.startswith("arg") or name.endswith("by") else 2):
        return 1
    last = children[-1]
    count = last["value"].get("value") if last["class"] == "CONSTANT" else None
    if not isinstance(count, int) or count > _MAX_LARGEST:
        raise InvalidRequestError(
            f"{name} gives as many values as its last argument says: write a number up to "
            f"{_MAX_LARGEST}"
        )
    return max(count, 1)


def show(name: object) -> str:
    """Return a name as it is shown in messages."""
    text = str(name)
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")
