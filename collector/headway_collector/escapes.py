"""Letters that JSON need not escape, as themselves: texts are searched as they are stored."""

import msgspec
import numpy as np

from headway.records import Span

_any_decoder = msgspec.json.Decoder()
_any_encoder = msgspec.json.Encoder()
_text_decoder = msgspec.json.Decoder(str)

_BACKSLASH = ord("\\")
_ESCAPE = int.from_bytes(b"\\u", "little")
# So begin the digits of those that JSON has no other way to write.
_CONTROLS = (b"000", b"001")
# As many of these bytes as there are, so many items are in some JSON at most.
_ITEM_MARKS = (b",", b"[", b"{")
_FEW_ITEMS = 10_000
# Stands for a backslash that is escaped; JSON never has it.
_BACKSLASHES = b"\0"
_SHORT_ESCAPES = {
    b"\\u0008": b"\\b",
    b"\\u0009": b"\\t",
    b"\\u000a": b"\\n",
    b"\\u000A": b"\\n",
    b"\\u000c": b"\\f",
    b"\\u000C": b"\\f",
    b"\\u000d": b"\\r",
    b"\\u000D": b"\\r",
    b"\\u0022": b'\\"',
    b"\\u005c": _BACKSLASHES,
    b"\\u005C": _BACKSLASHES,
}
_RAW_FIELDS = ("input", "output", "params", "prompt_variables", "attributes")


def has_escaped_letters(body: bytes) -> bool:
    r"""Return whether a character that JSON need not escape is escaped, as in ``\u00e9``."""
    # Two bytes at a time: a search would stop at each of the many \n.
    for offset in (0, 1):
        pairs = np.frombuffer(body, "<u2", (len(body) - offset) // 2, offset)
        is_escape = pairs == _ESCAPE
        if np.count_nonzero(is_escape):
            starts = (2 * index + offset for index in np.flatnonzero(is_escape).tolist())
            if any(_is_escaped_letter(body, start) for start in starts):
                return True
    return False


def _is_escaped_letter(body: bytes, start: int) -> bool:
    first = start
    while first > 0 and body[first - 1] == _BACKSLASH:
        first -= 1
    return (start - first) % 2 == 0 and body[start + 2 : start + 5] not in _CONTROLS


def spell_out(span: Span) -> None:
    """Store the JSON of a span plain; many encoders escape all but ASCII."""
    for name in _RAW_FIELDS:
        raw = bytes(getattr(span, name))
        if b"\\u" in raw:
            setattr(span, name, msgspec.Raw(_encode_anew(raw) or _replace_escapes(raw)))


def _encode_anew(raw: bytes) -> bytes | None:
    if sum(map(raw.count, _ITEM_MARKS)) > _FEW_ITEMS:
        return None
    try:
        return _any_encoder.encode(_any_decoder.decode(raw))
    except msgspec.MsgspecError:  # a number such as 1e400 is JSON, and nothing that Python has
        return None


def _replace_escapes(raw: bytes) -> bytes:
    """Return JSON with every escaped letter as itself, and all else as it is.

    Slower than encoding it anew; but as objects, items of a few bytes take fifty times their size.
    So the JSON is quoted as if it were a text, all but what is to go, and read as that text.
    """
    quoted = raw.replace(b"\\\\", _BACKSLASHES)  # from here on a backslash begins an escape
    if b"\\u00" in quoted:
        for escape, short in _SHORT_ESCAPES.items():
            quoted = quoted.replace(escape, short)
    quoted = quoted.replace(b"\\", b"\\\\").replace(b"\\\\u", b"\\u")
    for digits in _CONTROLS:
        quoted = quoted.replace(b"\\u" + digits, b"\\\\u" + digits)
    quoted = quoted.replace(b'"', b'\\"').replace(b"\t", b"\\t").replace(b"\r", b"\\r")
    quoted = quoted.replace(_BACKSLASHES, b"\\\\\\\\")
    return _text_decoder.decode(b'"' + quoted + b'"').encode()
