"""The columns of one row, as a place to look texts up in and to read them from again.

Most rows are looked up by the whole text of a column alone; only what is not found so has the
columns decoded and every long text in them learned.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from headway_collector.originals.texts import find_style, has_escapes

_decode = msgspec.json.Decoder().decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

JSON_COLUMNS = ("input", "output", "params", "prompt_variables")
TEXT_COLUMNS = ("status_message", "error_stack")

_SYSTEM = '[{"role":"system","parts":'
_BEGINNING = 32
SHORTEST = 64
"""A text of fewer characters stays where it is: a reference would hardly be shorter."""

Reference = dict[str, Any]


class _Whole(msgspec.Struct, gc=False):
    """A text that a column is or holds, and how it is referred to."""

    text: str
    reference: Reference


class Columns:
    """What stands in a row: JSON text by column, and plain texts by column."""

    __slots__ = (
        "_addresses",
        "_containers",
        "_is_learned",
        "_jsons",
        "_later",
        "_texts",
        "_values",
        "_wholes",
    )

    def __init__(self, jsons: Mapping[str, str], texts: Mapping[str, str]) -> None:
        self._jsons = jsons
        self._texts = texts
        self._values: dict[str, Any] = {}
        self._wholes: list[_Whole] | None = None
        self._addresses: dict[str, str] = {}
        self._containers: list[tuple[str, Any]] = []
        self._is_learned = False
        self._later: dict[str, str] = {}

    def add_value(self, column: str, value: Any) -> None:
        """Let addresses lead into a value: of a column, or of what is none of its own."""
        self._values[column] = value

    def learn(self, text: str, address: str) -> None:
        """Let a text that stands in no column be found where it was kept first."""
        self._later.setdefault(text, address)

    def find_whole(self, text: str) -> Reference | None:
        """Return a reference to a JSON text that a column, or a part of it, reads exactly as."""
        if self._wholes is None:
            self._wholes = self._gather_wholes()
        # Few texts of unlike lengths are compared in less time than one is hashed.
        for whole in self._wholes:
            if whole.text == text:
                return whole.reference
        return None

    def find_restyled(self, text: str) -> Reference | None:
        """Return a reference to a column that reads as the JSON text but for its escapes."""
        if not has_escapes(text) or not text.isascii():
            return None
        beginning = _begin(text)
        for column, stored in self._jsons.items():
            if len(stored) <= len(text) and _begin(stored) == beginning:
                style = find_style(text, self._read(column))
                if style is not None:
                    return {"$json": {"$ref": f"/{column}"}, "style": style}
        return None

    def find_text(self, text: str) -> str | None:
        """Return the address of a text."""
        if not self._is_learned:
            self._learn_columns()
        return self._addresses.get(text) or self._later.get(text)

    def find_equals(self, value: Any) -> Iterator[tuple[str, Any]]:
        """Return the addresses of objects and arrays that are equal to ``value``, and those."""
        for address, container in self._containers:
            if container == value:
                yield address, container

    def find_value(self, address: str) -> Any:
        """Return what stands at an address; None where nothing does."""
        column, *steps = map(_unescape, address[1:].split("/"))
        value = self._read(column)
        for step in steps:
            try:
                value = value[int(step) if type(value) is list else step]
            except (KeyError, IndexError, TypeError, ValueError):
                return None
        return value

    def tell_text(self, address: str, start: int) -> str | None:
        """Return the JSON text at an address as it is written there, from an item of a list on."""
        column, *steps = map(_unescape, address[1:].split("/"))
        text = self._jsons.get(column)
        for step in steps:
            if text is None:
                return None
            text = _cut(text, step)
        return text if text is None or not start else _tell_rest(text, start)

    def _gather_wholes(self) -> list[_Whole]:
        wholes = []
        for column, text in self._jsons.items():
            wholes.append(_Whole(text, {"$text": f"/{column}"}))
            if text.startswith(_SYSTEM):
                # Instructions and messages came as two texts.
                parts = _cut(_cut(text, "0") or "", "parts")
                if parts is not None:
                    wholes.append(_Whole(parts, {"$text": f"/{column}/0/parts"}))
                rest = _tell_rest(text, 1)
                if rest is not None:
                    wholes.append(_Whole(rest, {"$text": f"/{column}", "from": 1}))
        # The last of those that read the same is referred to.
        wholes.reverse()
        wholes += [_Whole(text, {"$ref": f"/{column}"}) for column, text in self._texts.items()]
        return wholes

    def _learn_columns(self) -> None:
        self._is_learned = True
        for column in self._jsons:
            self._learn_value(self._read(column), f"/{column}")

    def _learn_value(self, value: Any, address: str) -> None:
        if type(value) is str:
            if len(value) >= SHORTEST:
                self._addresses.setdefault(value, address)
        elif type(value) is dict:
            self._containers.append((address, value))
            for key, item in value.items():
                self._learn_value(item, f"{address}/{_escape(key)}")
        elif type(value) is list:
            self._containers.append((address, value))
            for index, item in enumerate(value):
                self._learn_value(item, f"{address}/{index}")

    def _read(self, column: str) -> Any:
        if column not in self._values:
            if column in self._jsons:
                self._values[column] = _decode(self._jsons[column])
            else:
                self._values[column] = self._texts.get(column)
        return self._values[column]


def _cut(text: str, step: str) -> str | None:
    """Return the text of one item or field of a JSON text."""
    try:
        if text[:1] == "[":
            return str(bytes(_decode_items(text)[int(step)]), "utf-8")
        return str(bytes(_decode_fields(text)[step]), "utf-8")
    except (msgspec.DecodeError, LookupError, ValueError):
        return None


def _tell_rest(text: str, start: int) -> str | None:
    """Return the text of a list without its first items, which are written without spaces."""
    try:
        items = _decode_items(text)[:start]
    except msgspec.DecodeError:
        return None
    taken = sum(len(str(bytes(item), "utf-8")) + 1 for item in items)
    return "[" + text[1 + taken :]


def _begin(text: str) -> str:
    return text[:_BEGINNING].replace(" ", "")[: _BEGINNING // 2]


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescape(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
