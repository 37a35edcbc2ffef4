"""One mapping of a file under check: whatever is read amiss becomes a fault in its line."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from headway_evals.documents import Faults, MarkedDict, MarkedList
from headway_measures.scores import shown

T = TypeVar("T", str, int, bool, MarkedDict, MarkedList)

_WORDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    MarkedDict: "a mapping",
    MarkedList: "a list",
}


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping, the file it stands in, and what to call it in a fault.

    Args:
        values: the mapping.
        path: its file, as faults name it.
        title: its subject in a fault, for example ``case 'refund-3'``.
        faults: where faults go.
    """

    values: MarkedDict
    path: str
    title: str
    faults: Faults

    def fault(self, key: str, message: str) -> None:
        """Note a fault at the line of a key."""
        self.faults.add(self.path, self.values.line_of(key), f"{self.title} {message}")

    def check_keys(self, known: Sequence[str]) -> None:
        """Note every key that is not known."""
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
                self.fault(key, f"has an unknown key {key!r}; {hint}")

    def get(self, key: str, kind: type[T], default: T) -> T:
        """Return a value of the wanted kind; anything else is a fault, and the default."""
        value = self.values.get(key)
        if value is None:
            return default
        # True is an int to Python, not to whoever wrote the file.
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        self.fault(key, f"has {key} {shown(value)}, which is not {_WORDS[kind]}")
        return default

    def number(self, key: str, default: float) -> float:
        """Return a number; anything else is a fault, and the default."""
        value = self.values.get(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        self.fault(key, f"has {key} {shown(value)}, which is not a number")
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list of one."""
        value = self.values.get(key)
        items = [] if value is None else value if isinstance(value, list) else [value]
        if all(isinstance(each, str) for each in items):
            return tuple(items)
        self.fault(key, f"has {key} {shown(value)}, which is not a list of texts")
        return ()

    def section(self, key: str, title: str) -> "Section":
        """Return the mapping under a key; an empty one where it is missing or no mapping."""
        empty = MarkedDict(self.values.line_of(key))
        return Section(self.get(key, MarkedDict, empty), self.path, title, self.faults)
