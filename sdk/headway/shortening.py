"""A record that no file of the journal takes: its contents are cut until it fits.

One content is at most ``capture_limit_bytes``, but a call has several, and a small journal has
small files. So that a call is never lost whole for its size, the room is shared out again: what is
short stays as it is, and of what is long the middle goes.
"""

from typing import Any

import msgspec

from headway.limits import Limits
from headway.records import EMPTY, Record, Span, encode_record
from headway.values import capture

_CONTENTS = ("input", "output", "params", "prompt_variables", "attributes")
_LEAST_BYTES = 256
"""Of one content; a record without room for that is not worth keeping."""
_LONGEST_CUT_S = 1.0
"""It happens once in a while, and what is decoded is plain data."""


def shorten(record: Record, largest_bytes: int) -> bytes | None:
    """Return a record as one line of JSON that fits, or None where nothing in it can be cut.

    Args:
        record: encoded it is larger; its contents are replaced.
        largest_bytes: what the line may take.
    """
    names = _CONTENTS if isinstance(record, Span) else ("template",)
    held: Any = record
    sizes = {name: len(bytes(getattr(held, name, EMPTY))) for name in names}
    room = largest_bytes - (len(encode_record(record)) - sum(sizes.values()))
    share = _share_of(sorted(filter(None, sizes.values())), room)
    if share < _LEAST_BYTES:
        return None
    for name, size in sizes.items():
        if size > share:
            value = msgspec.json.decode(getattr(held, name))
            setattr(held, name, capture(value, Limits(share, max_s=_LONGEST_CUT_S)))
    payload = encode_record(record)
    return payload if len(payload) <= largest_bytes else None


def _share_of(sizes: list[int], room: int) -> int:
    # The shortest first: what they leave is for the others.
    for place, size in enumerate(sizes):
        share = room // (len(sizes) - place)
        if size > share:
            return share
        room -= size
    return 0
