"""An attribute of a span as SQL: its text, also where only a reference to it is stored.

A foreign span's text that stands in a column already is stored as a reference to there
(``originals.references``). To follow it means to read the columns of every row, so that is done
only where a text is sought that is long enough for one. As a value to group by, such a text is
absent; so it is wherever JSON was written in another style than its column's.

A key in which a sign of comparison stands is written as a JSON string: ``"a=b"=1``.
"""

import re
from dataclasses import dataclass

import msgspec

from headway_collector.originals.columns import JSON_COLUMNS, SHORTEST, TEXT_COLUMNS

QUOTED_KEY = r'"(?:[^"\\]|\\.)*"'
"""The pattern of a key that is written as a JSON string."""

# What no writer of JSON escapes.
_PLAIN_WORDS = re.compile(r"[A-Za-z ]+")

_READ = "json_extract_string(spans.{column}, ?)"
_PLAIN = _READ.format(column="attributes")
# The key is found in the whole text first: that takes far less time than parsing all of it.
_MAY_BE_REFERENCE = "spans.mapper_version IS NOT NULL AND contains(spans.attributes, ?)"
_IS_REFERENCE = "starts_with({said}, '{{\"$')"


def _choose(columns: tuple[str, ...], otherwise: str) -> str:
    cases = " ".join(f"WHEN '{name}' THEN spans.{name}" for name in columns)
    return f"CASE split_part({_ADDRESS}, '/', 2) {cases} ELSE {otherwise} END"


_ADDRESS = "coalesce(said ->> '/$ref', said ->> '/$text')"
_POINTER = f"substr({_ADDRESS}, length(split_part({_ADDRESS}, '/', 2)) + 2)"
_COLUMN = _choose((*JSON_COLUMNS, "attributes"), otherwise="NULL")
# With ``from`` the text goes on behind the first item of a list and the comma after it.
_FOLLOWED = f"""
    CASE
        WHEN NOT {_IS_REFERENCE.format(said="said")} THEN said ->> '$'
        WHEN (said -> '/from') IS NOT NULL
            THEN '[' || substr({_COLUMN}, length(json_extract({_COLUMN}, '/0')) + 3)
        WHEN (said ->> '/$text') IS NOT NULL AND {_POINTER} = '' THEN {_COLUMN}
        ELSE {_choose(TEXT_COLUMNS, otherwise=f"json_extract_string({_COLUMN}, {_POINTER})")}
    END"""
_RESOLVED = f"""TRY(CASE WHEN {_MAY_BE_REFERENCE}
    THEN list_transform([json_extract(spans.attributes, ?)], lambda said: {_FOLLOWED})[1]
    ELSE {_PLAIN} END)"""
_GROUPED = f"""TRY(CASE WHEN {_MAY_BE_REFERENCE}
    THEN CASE WHEN NOT {_IS_REFERENCE.format(said="json_extract(spans.attributes, ?)")}
        THEN {_PLAIN} END
    ELSE {_PLAIN} END)"""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute, or a condition on it, as SQL with the values for its placeholders."""

    sql: str
    values: tuple[str, ...]


def read_member(column: str, key: str) -> Attribute:
    """Return what a column that is a JSON object says under the key, as text."""
    return Attribute(f"TRY({_READ.format(column=column)})", (_make_pointer(_unquote(key)),))


def read_attribute(key: str) -> Attribute:
    """Return the attribute as it is stored: all there is to a short text, a number or a flag."""
    return read_member("attributes", key)


def resolve_attribute(key: str, sought: str) -> Attribute:
    """Return the attribute to be compared with a text."""
    if len(sought) < SHORTEST:
        return read_attribute(key)
    key = _unquote(key)
    pointer = _make_pointer(key)
    return Attribute(_RESOLVED, (_begin_reference(key), pointer, pointer))


def equal_attribute(key: str, sought: str) -> Attribute:
    """Return the condition that the attribute is this text."""
    found = resolve_attribute(key, sought)
    condition = Attribute(f"{found.sql} = ?", (*found.values, sought))
    if len(sought) < SHORTEST:
        return condition
    # One column is asked first: only for rows that pass are those read that references lead to.
    plain = max(_PLAIN_WORDS.findall(sought), key=len, default="")
    first = "(contains(spans.attributes, ?) OR contains(spans.attributes, ?))"
    values = (_begin_reference(_unquote(key)), plain, *condition.values)
    return Attribute(f"{first} AND {condition.sql}", values)


def group_attribute(key: str) -> Attribute:
    """Return the attribute to group by; null where only a reference is stored."""
    key = _unquote(key)
    pointer = _make_pointer(key)
    return Attribute(_GROUPED, (_begin_reference(key), pointer, pointer, pointer))


def _unquote(key: str) -> str:
    if re.fullmatch(QUOTED_KEY, key, re.DOTALL) is None:
        return key
    try:
        return msgspec.json.decode(key, type=str)
    except msgspec.DecodeError:
        return key


def _begin_reference(key: str) -> str:
    return msgspec.json.encode(key).decode() + ':{"$'


def _make_pointer(key: str) -> str:
    """Return the JSON pointer to an attribute; a dot in the key is only a character of it."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
