r"""Text stored once: what stands in a row's columns already is replaced by where it stands.

    a text                   {"$ref": "/input/0/parts/0/content"}
    JSON text                {"$text": "/input"}: the column's own text, spaces and all
    the same, after a system {"$text": "/input", "from": 1}: without the first item of the list
    other JSON text          {"$json": {"messages": [ … ]}, "style": "spaced"}: as Python writes it

The first step of an address is a column, the rest a JSON pointer (RFC 6901) into it; a text that
stands in no column may be found in ``/attributes`` itself. What JSON cannot say is said as
``{"$bytes": base64}`` and ``{"$double": "NaN"}``, half characters as ``{"$utf16": base64}``, and an
object of the original with a key that begins with ``$`` as ``{"$literal": { … }}``. All is found by
comparing, so whatever is restored is what came, to the character.
"""

import base64
import math
import operator
from typing import Any

from msgspec import UNSET

from headway_collector.originals.columns import SHORTEST, Columns
from headway_collector.originals.texts import find_style, read_json, write_json

# A JSON text inside a JSON text inside …: deeper ones stay as they are.
_DEEPEST = 60


def shorten(value: Any, columns: Columns, depth: int = 0) -> Any:
    """Return a value for JSON, with references for long texts that stand in the columns.

    A value of which nothing can be shortened comes back as the same object.
    """
    kind = type(value)
    if kind is str:
        return shorten_text(value, columns, depth) if len(value) >= SHORTEST else value
    if kind is float:
        return value if math.isfinite(value) else {"$double": repr(value)}
    if kind is bytes:
        return {"$bytes": base64.b64encode(value).decode()}
    if kind is list:
        items = [shorten(item, columns, depth + 1) for item in value]
        return value if all(map(operator.is_, items, value)) else items
    if kind is dict:
        return _shorten_object(value, columns, depth)
    return value


def shorten_text(text: str, columns: Columns, depth: int = 0) -> Any:
    """Return a reference to a long text, or the text where it stands nowhere."""
    reference = columns.find_whole(text) or columns.find_restyled(text)
    if reference is not None:
        return reference
    address = columns.find_text(text)
    if address is not None:
        return {"$ref": address}
    if text[0] in '[{"' and depth < _DEEPEST:
        return _shorten_json(text, columns, depth)
    return text


def _shorten_object(value: dict[str, Any], columns: Columns, depth: int) -> Any:
    shortened = {}
    is_same, is_literal = True, False
    for key, item in value.items():
        short = shortened[key] = shorten(item, columns, depth + 1)
        is_same = is_same and short is item
        is_literal = is_literal or key[:1] == "$"
    if is_literal:
        return {"$literal": shortened}
    return value if is_same else shortened


def _shorten_json(text: str, columns: Columns, depth: int) -> Any:
    value = read_json(text)
    if value is UNSET:
        return text
    for address, same in columns.find_equals(value):
        # Equal is not enough, 1 == 1.0 == True: it has to read the same.
        style = find_style(text, same)
        if style is not None:
            return {"$json": {"$ref": address}, "style": style}
    short = shorten(value, columns, depth + 1)
    if short is value:
        return text
    style = find_style(text, value)
    return text if style is None else {"$json": short, "style": style}


def make_sayable(value: Any) -> Any:
    """Return a value with texts that hold half characters, which JSON in UTF-8 cannot say."""
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"$utf16": base64.b64encode(value.encode("utf-16-le", "surrogatepass")).decode()}
        return value
    if type(value) is list:
        return [make_sayable(item) for item in value]
    if type(value) is dict:
        return {key: make_sayable(item) for key, item in value.items()}
    return value


def spell_doubles(value: Any) -> Any:
    """Return a value with words for the floats that JSON has no number for."""
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if kind is list:
        return [spell_doubles(item) for item in value]
    if kind is dict:
        return {key: spell_doubles(item) for key, item in value.items()}
    return value


def restore(value: Any, columns: Columns) -> Any:
    """Return the value that was shortened; None for a text whose column was erased."""
    kind = type(value)
    if kind is list:
        return [restore(item, columns) for item in value]
    if kind is not dict:
        return value
    for key in value:
        if key[:1] == "$":
            return _restore_said(key, value, columns)
    return {key: restore(item, columns) for key, item in value.items()}


def _restore_said(key: str, value: dict[str, Any], columns: Columns) -> Any:
    said = value[key]
    if key == "$ref":
        found = columns.find_value(said)
        return restore(found, columns) if said.startswith("/attributes/") else found
    if key == "$text":
        return columns.tell_text(said, value.get("from", 0))
    if key == "$json":
        return write_json(restore(said, columns), value["style"])
    if key == "$bytes":
        return base64.b64decode(said)
    if key == "$double":
        return float(said)
    if key == "$utf16":
        return base64.b64decode(said).decode("utf-16-le", "surrogatepass")
    return {name: restore(item, columns) for name, item in said.items()}
