"""What is said about values and errors: bounded, valid Unicode, and never raising."""

import msgspec

from headway.interruptions import is_from_handler
from headway.peeking import module_of, qualname_of

_MESSAGE_CHARACTERS = 2000
_MENDED_CHARACTERS = 1 << 16
"""Escaping surrogates takes a millisecond for so many."""

_PIECE_CHARACTERS = 1 << 14

_encode = msgspec.json.Encoder().encode


def clip(text: str, max_characters: int = _MESSAGE_CHARACTERS) -> str:
    """Return ``text`` as valid Unicode, its middle cut out where it is too long."""
    text = _shortened(text, max_characters)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _shortened(text, _MENDED_CHARACTERS)
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def weigh(text: str, most: int) -> int:
    """Return the bytes that a text takes as JSON, or some number above ``most``.

    Raises:
        UnicodeEncodeError: it is not valid Unicode.
    """
    weight = 0
    for start in range(0, len(text), _PIECE_CHARACTERS):
        weight += len(_encode(text[start : start + _PIECE_CHARACTERS]))
        if weight > most:
            break
    return weight


def name_of(kind: type) -> str:
    """Return the full name of a class, without ``builtins``."""
    module, name = module_of(kind), qualname_of(kind)
    return clip(name if module in ("", "builtins") else f"{module}.{name}")


def unreadable(kind: type, error: Exception) -> str:
    """Return what stands in the place of a value that raised when it was read."""
    return f"[unreadable {name_of(kind)}: {name_of(type(error))}]"


def message_of(error: BaseException) -> str:
    """Return what ``error`` says, bounded, even where its ``__str__`` fails or wants to exit.

    Raises:
        KeyboardInterrupt: a person had enough of it.
        BaseException: what a signal handler raised in the middle of it.
    """
    try:
        return clip(str.__str__(str(error)))
    except KeyboardInterrupt:
        raise
    except BaseException as failure:
        if is_from_handler(failure):
            raise
        return f"[{name_of(type(error))}.__str__ raised {name_of(type(failure))}]"


def _shortened(text: str, max_characters: int) -> str:
    if len(text) <= max_characters:
        return text
    head = max_characters * 2 // 3
    tail = max_characters - head
    said = f"…[cut {len(text) - max_characters:,} of {len(text):,} characters]…"
    return text[:head] + said + text[-tail:]
