r"""A request in JSON that cannot be read for the sake of one item, so that the others can be.

JavaScript writes a text that was cut inside an emoji as half a character, ``\ud83d``, which no
text in UTF-8 can hold. It becomes U+FFFD, as in the OpenTelemetry Collector. An item that is nested
more deeply than can be read becomes a text, which is then refused as an item; an attribute of a
resource becomes a text and stays.
"""

import re
from typing import Any

import msgspec

TOO_DEEP = "it is nested too deeply"

# Of two halves that make a character, nothing is changed; they are found together.
_HALF = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|([89a-fA-F][0-9a-fA-F]{2}))"
)
# So many take a second.
_MOST_HALVES = 1_000_000
_REPLACEMENT = rb"\ufffd"
# A bracket, and before it all that is none, texts with brackets in them too.
_BRACKET = re.compile(rb'[^"{}\[\]]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^"{}\[\]]*)*([{}\[\]])', re.DOTALL)
_ITEM_DEPTH = 7
"""Of a span or log record: each is an object in three lists, themselves in objects. As deep are
the values of a resource's attributes, and the list of a scope's."""

_DEEPEST = 400


def mend_halves(body: bytes) -> bytes:
    """Return JSON with every half of a character replaced, and all else as it was."""
    mended = bytearray(body)
    place = 0
    for _ in range(_MOST_HALVES):
        match = _HALF.search(body, place)
        if match is None:
            break
        start, end = match.span()
        before = body[place:start]
        if (len(before) - len(before.rstrip(b"\\"))) % 2:  # "\\ud83d" is a backslash and letters
            place = start + 2
            continue
        if match[1]:
            mended[start:end] = _REPLACEMENT
        place = end
    return bytes(mended)


def close_deep_items(body: bytes) -> bytes:
    """Return a request in which every item or attribute that is nested too deeply is a text."""
    pieces: list[bytes] = []
    depth = deepest = item = written = 0
    for match in _BRACKET.finditer(body):
        place = match.end()
        if match[1] in b"{[":
            depth += 1
            if depth == _ITEM_DEPTH:
                item, deepest = place - 1, depth
            elif depth > deepest:
                deepest = depth
        else:
            if depth == _ITEM_DEPTH and deepest > _DEEPEST:
                said = f"{TOO_DEEP}: {body[item:place].decode(errors='replace')}"
                before = body[written:item]
                closed: Any = said
                if before.rstrip().endswith(b":"):  # the value of a field, and no item of a list
                    closed = {"stringValue": said}
                    if match[1] == b"]":
                        closed = [{"key": "attributes", "value": closed}]
                pieces += (before, msgspec.json.encode(closed))
                written = place
            depth -= 1
    return b"".join((*pieces, body[written:]))


def is_closed(item: bytes) -> bool:
    """Whether the item was nested too deeply and became a text."""
    return item.startswith(b'"' + TOO_DEEP.encode())
