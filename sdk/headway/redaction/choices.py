"""What a program chose to keep out of its log, checked when it says so.

It is light, since every client has such a choice; the patterns are loaded with the first of them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from headway.texts import clip, name_of

PATTERNS = ("email", "phone", "card", "iban", "ip", "api_key", "jwt")
ALL = "all"

Redact = Callable[..., str]
"""The user's own: given a text, or a name and a text, it returns the text to keep."""


class Choices(msgspec.Struct, frozen=True):
    """What is kept out of the log.

    Args:
        patterns: by name, from ``PATTERNS``.
        functions: of the user, in the order in which they are asked.
        names: globs for keys, arguments and attributes whose values are dropped.
        is_content_kept: whether inputs and outputs are logged at all.
        silent_spans: globs for the names of spans of whose content only the size is kept.
    """

    patterns: tuple[str, ...] = ()
    functions: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    is_content_kept: bool = True
    silent_spans: tuple[str, ...] = ()

    @property
    def has_redaction(self) -> bool:
        """Whether texts are looked through."""
        return bool(self.patterns or self.functions or self.names)


NO_CHOICES = Choices()


def read_patterns(given: Iterable[object]) -> Choices:
    """Return the patterns and functions among what ``redact`` was given.

    Raises:
        ValueError: a name is of no pattern, or it is neither a name nor a function.
    """
    names: dict[str, None] = {}
    functions: list[Any] = []
    for each in given:
        if each == ALL:
            names.update(dict.fromkeys(PATTERNS))
        elif isinstance(each, str) and each in PATTERNS:
            names[each] = None
        elif callable(each):
            functions.append(each)
        else:
            said = repr(clip(each, 80)) if isinstance(each, str) else name_of(type(each))
            raise ValueError(
                f"{said} is no pattern: give {', '.join(PATTERNS)}, {ALL}, or a function"
            )
    return Choices(patterns=tuple(names), functions=tuple(functions))
